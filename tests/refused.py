"""Calls that are refused in a sentence."""

from collections.abc import Callable
from typing import Any

import pytest

from promolab.errors import DataError, InputError


def refused(message: str, call: Callable[..., Any], *given: Any, **named: Any) -> str:
    """Check that a call is an input error whose sentence matches; return the sentence."""
    with pytest.raises(InputError, match=message) as caught:
        call(*given, **named)
    return str(caught.value)


def spoilt(message: str, call: Callable[..., Any], *given: Any, **named: Any) -> str:
    """Check the same of data that cannot be used as they are."""
    with pytest.raises(DataError, match=message) as caught:
        call(*given, **named)
    return str(caught.value)
