"""Calls that are refused in a sentence."""

from collections.abc import Callable
from typing import Any

import pytest

from promolab.errors import InputError


def refused(message: str, call: Callable[..., Any], *given: Any, **named: Any) -> str:
    """Check that a call is an input error whose sentence matches; return the sentence."""
    with pytest.raises(InputError, match=message) as caught:
        call(*given, **named)
    return str(caught.value)
