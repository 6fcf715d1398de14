"""What a shop says about itself: its ``shop.toml``."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from promolab.contract.tables import TABLES
from promolab.errors import InputError, nearest

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
    "experiments",
)
"""Sections on the weekly work; `promolab.contract.operations` reads them."""


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
    mapping : mapping
        The sections `SECTIONS` as they stand in the file; a source reads them.
    operations : mapping
        The sections `OPERATIONS` as they stand in the file.

    Examples
    --------
    >>> Settings(name="Corner shop", zone="Europe/Rome").currency
    'USD'
    """

    name: str = "Shop"
    currency: str = "USD"
    zone: str | None = None
    naive_times: str = "utc"
    margin_rate: float | None = None
    channel: str | None = None
    default_week: str | None = None
    opened: str | None = None
    closed: str | None = None
    extreme_orders_per_day: float = 10.0
    odd_quantity: float | None = None
    evening_from: int = 17
    note: str = ""
    keep_personal: tuple[str, ...] = ()
    mapping: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    operations: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    def __post_init__(self) -> None:
        if self.zone is not None:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise InputError(
                    f"zone = {self.zone!r} is no time zone; write an IANA name such as "
                    '"America/New_York" or "UTC"'
                ) from error
        if self.naive_times not in ("utc", "local"):
            raise InputError(f'naive_times = {self.naive_times!r}, must be "utc" or "local"')
        if self.margin_rate is not None and not 0 < self.margin_rate < 1:
            raise InputError(
                f"margin_rate = {self.margin_rate}, must be a share between 0 and 1 (0.40, not 40)"
            )
        if self.odd_quantity is not None and not self.odd_quantity > 0:
            raise InputError(f"odd_quantity = {self.odd_quantity}, must be more than 0 units")
        if not 0 <= self.evening_from <= 23:
            raise InputError(f"evening_from = {self.evening_from}, must be an hour from 0 to 23")
        for key in ("opened", "closed"):
            self._day(key)

    def _day(self, key: str) -> datetime | None:
        text = getattr(self, key)
        if text is None:
            return None
        try:
            return datetime.fromisoformat(str(text))
        except ValueError as error:
            raise InputError(f"{key} = {text!r}, must be a day such as 2017-01-01") from error

    def life(self) -> tuple[datetime | None, datetime | None]:
        """Return the shop's first instant and the first one after it, UTC-naive, where stated."""
        zone = ZoneInfo(self.zone or "UTC")
        ends = (self._day("opened"), self._day("closed"))
        opened, closed = (
            None
            if day is None
            else day.replace(tzinfo=zone).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
            for day in ends
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
        columns = {customer_id = "Key"}
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
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return value.isoformat() if isinstance(value, (date, time)) else repr(value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


_TYPES: dict[str, tuple[type, ...]] = {
    "margin_rate": (int, float),
    "extreme_orders_per_day": (int, float),
    "odd_quantity": (int, float),
    "evening_from": (int,),
    "keep_personal": (list,),
}


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
    known = [key.name for key in dataclasses.fields(Settings) if key.name not in _SECTION_FIELDS]
    values: dict[str, Any] = {"name": name} if name else {}
    mapping: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for key, value in content.items():
        if key in SECTIONS:
            mapping[key] = value
            continue
        if key in OPERATIONS:
            operations[key] = value
            continue
        if key == "rates":
            raise InputError(
                f"{path.name}: [rates] is not read any more, as two currencies are never added up; "
                "bring all amounts into one before (docs/which_method.md shows how)"
            )
        if key not in known:
            options = [*known, *SECTIONS, *OPERATIONS]
            raise InputError(f"{path.name} has an unknown key {key!r}; {nearest(key, options)}")
        if key in ("opened", "closed"):
            value = str(value)
        expected = _TYPES.get(key, (str,))
        if not isinstance(value, expected) or isinstance(value, bool):
            words = " or ".join(t.__name__ for t in expected)
            raise InputError(f"{path.name}: {key} = {value!r}, must be of type {words}")
        values[key] = tuple(map(str, value)) if isinstance(value, list) else value
    settings = Settings(**values, mapping=mapping, operations=operations)
    if operations:
        # Said when the file is read, not in the middle of a report.
        from promolab.contract.operations import read_operations

        try:
            read_operations(settings)
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from error
    return settings
