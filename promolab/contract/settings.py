"""What a shop says about itself: its ``shop.toml``."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from promolab.checks import choice, real_number, refuse, share, text, whole_number
from promolab.contract.tables import TABLES
from promolab.errors import InputError, nearest

KeyCheck = Callable[[str, Any], Any]
T = TypeVar("T")

from_zero = partial(whole_number, least=0)
from_one = partial(whole_number, least=1)
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
    for part in dataclasses.fields(cls):  # type: ignore[arg-type]
        needed = part.default is part.default_factory is dataclasses.MISSING
        if needed and part.name not in values:
            raise InputError(f"{place}: {said!r} lacks {part.name}; write {example}")
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
    return partial(choice, options=options)


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

SECTIONS = tuple(TABLES)
"""Sections of a ``shop.toml``: how the source's own tables become the contract's."""

OPERATIONS = (
    "contact",
    "send",
    "offers",
    "economics",
    "attribution",
    "notify",
    "release",
    "privacy",
    "experiments",
    "fairness",
    "replies",
)
"""Sections on the weekly work; `promolab.contract.operations` reads them."""


def _day_written(place: str, value: Any) -> str:
    try:
        datetime.fromisoformat(str(value))
    except ValueError as error:
        raise refuse(place, value, "a day such as 2017-01-01") from error
    return str(value)


def _check_address(address: str, allowed: str | None) -> None:
    """Refuse an assistant's address that is not http(s), or leads to a machine nobody allowed."""
    found = re.fullmatch(
        r"(?ai)https?://(\[[\da-f:]+\]|[\w.-]+)(:\d{1,5})?(/[!-\[\]-~]*)?", address
    )
    if found is None:  # one with a password, too: pages and folders would tell it
        shown = re.sub(r"//.*@", "//***@", address)
        raise refuse("assistant", shown, 'as in "http://127.0.0.1:8080/v1/chat/completions"')
    host = found[1].lower()
    here = re.fullmatch(r"(?a)localhost|127(\.\d{1,3}){3}|\[::1\]", host)
    if not here and host != (allowed or "").lower():
        raise InputError(
            f"assistant = {address!r} is not on this machine; give a loopback address, or allow "
            f"sentences of the report to be sent there: assistant_allowed = {host!r}"
        )


@dataclass(frozen=True)
class Settings:
    """A shop's own settings, one per key of ``shop.toml``.

    Parameters
    ----------
    name : str
        What readers of the report call the shop.
    currency : str
        ISO code of the one currency of all amounts.
    zone : str, optional
        IANA time zone in which the shop's days and weeks begin.
    naive_times : str
        What a time without a zone means in the source: ``utc`` (the contract) or ``local``.
    margin_rate : float, optional
        Margin as a share of sales (0–1), where products do not state their own.
    channel : str, optional
        Channel of a contact that states none.
    default_week : str, optional
        The week that the report is made for when none is asked for.
    opened, closed : str, optional
        First day of the shop's life, and first day after it (``2017-01-01``), local.
    extreme_orders_per_day : float
        Customers above this many orders a day are flagged as extreme.
    odd_quantity : float, optional
        Units of one order line above which the unit is an odd one, such as fuel's; where it is not
        stated, each product's usual quantity tells (`promolab.cleaning.ODD_TIMES`).
    evening_from : int
        Local hour from which an order counts as placed in the evening (0–23).
    note : str
        A remark on the data that belongs beside every figure made from them.
    keep_personal : tuple of str
        Columns (``customers.email``) that look personal and may be written to the run folder.
    assistant : str, optional
        Address of a language model (any endpoint of the form of chat completions) that phrases the
        week's first sentences; on this machine, unless its host is allowed by name.
    assistant_allowed : str, optional
        Host of `assistant` where that is another machine.
    assistant_model : str, optional
        Which of its models, where it has several.
    mapping : mapping
        The sections `SECTIONS` as they stand in the file; a source reads them.
    operations : mapping
        The sections `OPERATIONS` as they stand in the file.

    Examples
    --------
    >>> Settings(name="Corner shop", zone="Europe/Rome").currency
    'USD'
    """

    name: Text = "Shop"
    currency: Text = "USD"
    zone: Annotated[str | None, zone_of] = None
    naive_times: Annotated[str, one_of("utc", "local")] = "utc"
    margin_rate: Annotated[float | None, partial(share, zero=False, one=False)] = None
    channel: TextOrNone = None
    default_week: TextOrNone = None
    opened: Annotated[str | None, _day_written] = None
    closed: Annotated[str | None, _day_written] = None
    extreme_orders_per_day: Annotated[float, real_number] = 10.0
    odd_quantity: Annotated[float | None, partial(real_number, above=0)] = None
    evening_from: Annotated[int, partial(whole_number, least=0, most=23)] = 17
    note: Annotated[str, partial(text, empty=True)] = ""
    keep_personal: Texts = ()
    assistant: TextOrNone = None
    assistant_allowed: TextOrNone = None
    assistant_model: TextOrNone = None
    mapping: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    operations: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    def __post_init__(self) -> None:
        for key, check in checks_of(type(self)).items():
            if getattr(self, key) is not None:
                object.__setattr__(self, key, check(key, getattr(self, key)))
        if self.assistant is not None:
            _check_address(self.assistant, self.assistant_allowed)

    def life(self) -> tuple[datetime | None, datetime | None]:
        """Return the shop's first instant and the first one after it, UTC-naive, where stated."""
        zone, ends = ZoneInfo(self.zone or "UTC"), (self.opened, self.closed)
        days = [datetime.fromisoformat(end).replace(tzinfo=zone) if end else None for end in ends]
        opened, closed = (
            day and day.astimezone(ZoneInfo("UTC")).replace(tzinfo=None) for day in days
        )
        return opened, closed

    @property
    def declared(self) -> frozenset[str]:
        """Names that ``[customers.attributes]`` declares."""
        said = self.mapping.get("customers", {})
        sections = said if isinstance(said, list) else [said]
        return frozenset(name for section in sections for name in section.get("attributes", {}))

    def to_toml(self, declared: Iterable[str] = ()) -> str:
        """Write the settings as the text of a ``shop.toml``; `mapping` is the source's, and left.

        Parameters
        ----------
        declared : iterable of str
            Attributes of customers to declare, under their own names.

        Examples
        --------
        >>> print(Settings(operations={"send": {"columns": {"customer_id": "Key"}}}).to_toml())
        name = "Shop"
        ...
        [send]
        columns = { customer_id = "Key" }
        <BLANKLINE>
        """
        lines = []
        for key in dataclasses.fields(self):
            value = getattr(self, key.name)
            if value is not None and key.name not in _SECTION_FIELDS:
                lines.append(toml_line(key.name, value))
        for name, section in self.operations.items():
            several = isinstance(section, (list, tuple))
            for one in section if several else [section]:
                heading = f"[{_toml_key(name)}]"
                lines += ["", f"[{heading}]" if several else heading]
                lines += [toml_line(key, value) for key, value in one.items()]
        attributes = [toml_line(name, name) for name in declared]
        lines += ["", "[customers.attributes]", *attributes] if attributes else []
        return "\n".join(lines) + "\n"


_SECTION_FIELDS = ("mapping", "operations")


def toml_line(key: str, value: Any) -> str:
    """Return a line of TOML: a key and its value."""
    return f"{_toml_key(key)} = {_toml(value)}"


def _toml(value: Any) -> str:
    """Write a value that TOML can hold on one line."""
    if isinstance(value, str):
        # A string of JSON is one of TOML, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        parts = [f"{_toml_key(key)} = {_toml(part)}" for key, part in value.items()]
        return "{ " + ", ".join(parts) + " }" if parts else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return value.isoformat() if isinstance(value, (date, time)) else repr(value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def read_settings(path: Path, name: str | None = None) -> Settings:
    """Read a ``shop.toml``.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        What the shop is called if the file does not say so.

    Returns
    -------
    Settings

    Raises
    ------
    InputError
        If there is no such file, it is no TOML, or a key or value is not understood.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no settings file {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}") from error
    except RecursionError:
        raise InputError(
            f"{path} cannot be read as TOML: lists or tables stand in each other hundreds deep"
        ) from None
    known = {*checks_of(Settings)}
    unknown = [key for key in content if key not in {*known, *SECTIONS, *OPERATIONS}]
    if "rates" in unknown:
        raise InputError(
            f"{path.name}: [rates] is not read any more, as two currencies are never added up; "
            "bring all amounts into one before (docs/which_method.md shows how)"
        )
    if unknown:
        options = [*checks_of(Settings), *SECTIONS, *OPERATIONS]
        hint = nearest(unknown[0], options)
        raise InputError(f"{path.name} has an unknown key {unknown[0]!r}; {hint}")
    mapping, operations = (
        {key: value for key, value in content.items() if key in names}
        for names in (SECTIONS, OPERATIONS)
    )
    values = {key: value for key, value in content.items() if key in known}
    from promolab.contract.operations import read_operations

    try:
        settings = Settings(
            **({"name": name} if name else {}) | values, mapping=mapping, operations=operations
        )
        read_operations(settings)  # said when the file is read, not in the middle of a report
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    return settings
