"""Tables of TOML, each key checked: as a dict, or as a frozen dataclass whose fields say how.

    @dataclass(frozen=True)
    class ReleaseTerms:
        owner: Annotated[str, text] = ""

A check takes the place of what was written and what stands there, as those of `promolab.checks` do,
and returns what is used from then on.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from promolab.checks import choice, refuse, text, whole_number
from promolab.errors import InputError, nearest

KeyCheck = Callable[[str, Any], Any]
T = TypeVar("T")

from_zero = functools.partial(whole_number, least=0)
from_one = functools.partial(whole_number, least=1)
Text = Annotated[str, text]
TextOrNone = Annotated[str | None, text]


def checks_of(cls: type) -> dict[str, KeyCheck]:
    """Return the check of each field that has one."""
    hints = get_type_hints(cls, include_extras=True)
    return {n: h.__metadata__[0] for n, h in hints.items() if get_origin(h) is Annotated}


def keyed(
    place: str, said: Any, checks: Mapping[str, KeyCheck], between: str = "."
) -> dict[str, Any]:
    """Return a table of TOML, each value checked by its key.

    Raises
    ------
    InputError
        If it is no table, or holds another key; the nearest is named.

    Examples
    --------
    >>> keyed("[release]", {"owner": "Ana"}, {"owner": text})
    {'owner': 'Ana'}
    """
    given = toml_table(place, said, checks)
    return {key: checks[key](f"{place}{between}{key}", value) for key, value in given.items()}


def section_of(cls: type[T], place: str, said: Any, between: str = " ", example: str = "") -> T:
    """Return a table of TOML as a dataclass.

    Parameters
    ----------
    cls : type
        Its annotated fields are the keys.
    place : str
        What errors call the table, such as ``[release]``.
    said : object
        What TOML has.
    between : str
        What stands between the place and a key.
    example : str
        How to write one, where a key must be there.

    Raises
    ------
    InputError
        If a key is unknown or lacks, or a value is not understood.
    """
    values = keyed(place, said, checks_of(cls), between)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        needed = field.default is field.default_factory is dataclasses.MISSING
        if needed and field.name not in values:
            raise InputError(f"{place}: {said!r} lacks {field.name}; write {example}")
    return cls(**values)


def toml_table(place: str, value: Any, keys: Iterable[str] | None) -> Mapping[str, Any]:
    """Return a table of TOML with no other keys than these (None: any)."""
    if not isinstance(value, Mapping):
        raise InputError(f"{place} is {value!r}, must be a table of key = value")
    for key in value if keys is not None else ():
        if key not in (keys or ()):
            raise InputError(f"{place} has an unknown key {key!r}; {nearest(key, keys or ())}")
    return value


def toml_list(place: str, value: Any) -> Sequence[Any]:
    """Return a list."""
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{place} = {value!r}, must be a list: [ … ]")
    return value


def each(check: KeyCheck) -> KeyCheck:
    """Return the check of a list: that of each of its values."""
    return lambda place, value: tuple(check(place, one) for one in toml_list(place, value))


def by_name(check: KeyCheck, keys: Iterable[str] | None = None) -> KeyCheck:
    """Return the check of a table of names: that of each of its values."""

    def checked(place: str, value: Any) -> dict[str, Any]:
        given = toml_table(place, value, keys)
        return {str(name): check(f"{place}.{name}", one) for name, one in given.items()}

    return checked


def one_of(*options: str) -> KeyCheck:
    """Return the check of one of several words."""
    return functools.partial(choice, options=options)


def id_of(place: str, value: Any) -> str:
    """Return an id as text; it may be a whole number."""
    return str(value) if type(value) is int else text(place, value)


def day_of(place: str, value: Any) -> date:
    """Return a day, of TOML or as text."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise refuse(place, value, "a day such as 2017-10-30")
    return day


def zone_of(place: str, value: Any) -> str:
    """Return the IANA name of a time zone."""
    try:
        ZoneInfo(text(place, value))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{place} = {value!r} is no time zone; write an IANA name such as "
            '"America/New_York" or "UTC"'
        ) from error
    return str(value)


Texts = Annotated[tuple[str, ...], each(text)]
