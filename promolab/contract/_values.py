"""Values of a ``shop.toml``, each checked; ``place`` says in the sentence where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from promolab.errors import InputError, nearest


def table_of(place: str, value: Any, keys: Sequence[str] | None) -> dict[str, Any]:
    """Return a table of TOML with no other keys than these (None: any)."""
    if not isinstance(value, Mapping):
        raise InputError(f"{place} is {value!r}, must be a table of key = value")
    for key in value if keys is not None else ():
        if key not in (keys or ()):
            raise InputError(f"{place} has an unknown key {key!r}; {nearest(key, keys or ())}")
    return dict(value)


def list_of(place: str, value: Any) -> Sequence[Any]:
    """Return a list."""
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{place} = {value!r}, must be a list: [ … ]")
    return value


def text_of(place: str, value: Any, *, empty: bool = False) -> str:
    """Return a text that says something, unless it may be empty."""
    if not isinstance(value, str) or not (empty or value.strip()):
        raise InputError(f"{place} = {value!r}, must be a text in quotes")
    return value


def texts_of(place: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(text_of(place, part) for part in list_of(place, value))


def group_of(place: str, value: Any) -> tuple[str, ...]:
    """Return two promotions or more, as text: ids may be whole numbers."""
    numbered = [str(p) if type(p) is int else p for p in list_of(place, value)]
    group = texts_of(place, numbered)
    if len(set(group)) < max(2, len(group)):
        raise InputError(f"{place}: {list(group)} must name two promotions or more, each once")
    return group


def choice_of(place: str, value: Any, options: Sequence[str]) -> Any:
    """Return one of the options."""
    if value not in options:
        raise InputError(f"{place} = {value!r}, must be one of: {', '.join(map(repr, options))}")
    return value


def number_of(place: str, value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{place} = {value!r}, must be a number")
    return float(value)


def whole_of(place: str, value: Any, least: int) -> int:
    """Return a whole number that is not below the least."""
    if type(value) is not int or value < least:
        raise InputError(f"{place} = {value!r}, must be a whole number of at least {least}")
    return value
