"""A shop: the contract's tables as Ibis tables, its settings, and what they allow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from promolab.contract.settings import Settings
from promolab.contract.tables import TABLES
from promolab.engines import local_time
from promolab.errors import DataError, nearest
from promolab.language import ENGLISH, speaking
from promolab.wording import promotion_name

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from promolab.contract.checks import Checks


NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "profiles and segments": ("events",),
        "interests and price level": ("products", "events.product_id"),
        "recommendations and offers": ("events.product_id",),
        "orders and sales": ("events.amount",),
        "response models": ("promotions", "exposures", "responses"),
        "past spend on a promotion's products": ("promotion_products", "events.product_id"),
        "effects": ("decisions",),
        "consent": ("contact_rights",),
    }
)
"""What the package can do with a shop, and the tables or columns each of these needs."""


@dataclass(frozen=True)
class Gap:
    """A column that some of a table's files lack.

    Parameters
    ----------
    table, column : str
        The contract's.
    rows : int
        Rows of those files.
    sentence : str
        Which files they are, and what to do.
    """

    table: str
    column: str
    rows: int
    sentence: str


@dataclass(frozen=True)
class Shop:
    """A shop's tables, in the contract's columns, and its settings.

    Parameters
    ----------
    tables : mapping of str to ibis Table
        The tables that the shop has. Times are UTC without a zone.
    settings : Settings
        What the shop says about itself.
    files : tuple of Path
        The input files; none where the tables live in a warehouse.
    left_out : tuple of str
        Sentences on what the source holds and the contract has no place for, or how it was read.
    cleaned : bool
        Whether `promolab.clean` made this shop.
    gaps : tuple of Gap
        Columns that some of a table's files lack.
    seen : ibis Table, optional
        Where the source has no table of customers: customer_id and ts, when each was first seen.
    later : mapping of str to int
        Rows by table that `promolab.cleaning.known_by` left out, for they are dated later.
    personal : tuple of str
        Columns, as ``table.column``, that `without_personal` left out.
    folder : Path, optional
        Where the paths of its pictures and sounds begin; None where it lies in a warehouse.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> shop.has("events", "coupon_discount")
    True
    >>> shop.lacks("effects")
    "effects need the table 'decisions', which Complete Journey does not have"
    """

    tables: Mapping[str, ir.Table]
    settings: Settings = field(default_factory=Settings)
    files: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    cleaned: bool = False
    gaps: tuple[Gap, ...] = ()
    seen: ir.Table | None = field(default=None, repr=False)
    later: Mapping[str, int] = field(default_factory=dict)
    personal: tuple[str, ...] = ()
    folder: Path | None = None

    def __getattr__(self, name: str) -> ir.Table:
        if name in TABLES:
            return self[name]
        raise AttributeError(f"Shop has no attribute {name!r}")

    def __getitem__(self, name: str) -> ir.Table:
        if name in self.tables:
            return self.tables[name]
        if name in TABLES:
            raise DataError(f"{self.settings.name} has no table {name!r}; see data/README.md")
        raise DataError(f"{name!r} is no table of the contract; {nearest(name, TABLES)}")

    def __repr__(self) -> str:
        return f"Shop({self.settings.name!r}, tables: {', '.join(self.tables)})"

    @property
    def zone(self) -> str:
        """IANA zone of the shop's days and weeks; UTC where it states none."""
        return self.settings.zone or "UTC"

    @property
    def backend(self) -> Any:
        """The Ibis connection that the tables live on."""
        return self.tables["events"].get_backend()

    @functools.cached_property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of each input file, by its path inside the source; read when first asked for."""
        import hashlib
        import os

        paths = [path.absolute() for path in self.files]
        root = os.path.commonpath([path.parent for path in paths]) if paths else ""
        found = {}
        for path in paths:
            with path.open("rb") as file:
                name = path.relative_to(root).as_posix()
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return found

    @functools.cached_property
    def titles(self) -> dict[str, str]:
        """What the shop calls its promotions that have a name, by id as text."""
        if not self.has("promotions", "name"):
            return {}
        rows = self.promotions.select("promotion_id", "name").execute().dropna().astype(str)
        return {key: " ".join(name.split())[:60] for key, name in rows.itertuples(index=False)}

    def promotion_name(self, kind: str, promotion_id: Any) -> str:
        """Return what readers call a promotion: its title, else its kind in words, and its id."""
        return promotion_name(kind, promotion_id, self.titles.get(str(promotion_id), ""))

    def has(self, table: str, *columns: str) -> bool:
        """Tell whether a table, and these columns of it, are there."""
        return table in self.tables and all(c in self.tables[table].columns for c in columns)

    def lacks(self, ability: str) -> str | None:
        """Say in a sentence what an ability of `NEEDS` misses; None where nothing is missing."""
        for need in NEEDS[ability]:
            table, _, column = need.partition(".")
            if not self.has(table):
                return (
                    f"{ability} need the table {table!r}, which {self.settings.name} does not have"
                )
            if column and not self.has(table, column):
                return (
                    f"{ability} need the column {need!r}, which {self.settings.name} does not have"
                )
        return None

    def require(self, ability: str) -> None:
        """Raise a DataError that says what is missing, if something is."""
        sentence = self.lacks(ability)
        if sentence:
            raise DataError(sentence)

    def local(self, ts: ir.TimestampValue) -> ir.TimestampValue:
        """Return a UTC time as the shop's wall-clock time (summer time included)."""
        return local_time(ts, self.zone)

    def span(self) -> tuple[datetime, datetime]:
        """Return the times of the first and the last event, UTC without a zone.

        Times that stand for none, such as 0001-01-01 and 9999-12-31, are not counted.
        """
        from promolab.contract.rules import EARLIEST

        begin = self.settings.life()[0] or EARLIEST
        ends: tuple[datetime, datetime] = self.once(
            f"span since {begin}", ("events",), lambda: self._span(begin)
        )
        return ends

    def _span(self, begin: datetime) -> tuple[datetime, datetime]:
        from promolab.contract.rules import LATEST

        events = self["events"]
        rows = events.filter(events.ts >= begin, events.ts < LATEST)
        ends = rows.aggregate(a=rows.ts.min(), b=rows.ts.max())
        first, last = ends.execute().iloc[0]
        if first is None or first != first:
            raise DataError(f"{self.settings.name}: events has no row with a time")
        # Some engines hand their times out with the session's zone.
        ends = (end.tz_convert(None) if end.tzinfo else end for end in (first, last))
        first, last = (end.to_pydatetime() for end in ends)
        return first, last

    def check(self) -> Checks:
        """Run the contract's checks in the engine; see `promolab.contract.checks`."""
        from promolab.contract.checks import check

        return check(self)

    def without_personal(self) -> Shop:
        """Return what may be written: the shop without the columns that look personal.

        Clean it first: rows may differ in nothing but such a column. `left_out` says which columns
        they are.

        Raises
        ------
        DataError
            If a column that every table needs, such as customer_id, holds personal data.
        """
        from promolab.contract.personal import personal_columns

        personal = personal_columns(self)
        problems = personal.problems()
        if problems:
            raise DataError("; ".join(sentence for _, sentence in problems))
        tables = {
            name: table.drop(*(c for c in table.columns if f"{name}.{c}" in personal.found))
            for name, table in self.tables.items()
        }
        with speaking(ENGLISH):  # files keep them, whatever the pages speak
            told = personal.sentences()
        away = {"left_out": (*self.left_out, *told), "personal": personal.left_out}
        return self.with_tables(tables, **away)

    def customer_ids(self) -> Iterator[Any]:
        """Give the ids of customers in all tables, as they stand there; some of them repeatedly."""
        for table in self.tables.values():
            if "customer_id" in table.columns:
                yield from table.select("customer_id").distinct().execute()["customer_id"].dropna()

    def described(self) -> dict[str, Any]:
        """Return what a data card says of the shop: since when, until when, in what, how shown."""
        from promolab.contract.operations import read_operations

        here = (end.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)) for end in self.span())
        since, until = (f"{end:%Y-%m-%d}" for end in here)
        told = {"since": since, "until": until, "zone": self.zone, "personal": [*self.personal]}
        least = read_operations(self.settings).least
        return told | {"currency": self.settings.currency, "least": least}

    def personal_in(self, name: str, *, kept: bool = False) -> list[str]:
        """Return the personal columns of a table; on request those of ``keep_personal`` as well."""
        from promolab.contract.personal import personal_in

        return personal_in(self, name, kept=kept)

    def require_readable(self) -> None:
        """Raise a DataError that says what makes tables unreadable, if something does."""
        from promolab.contract.checks import structure

        if problems := structure(self):
            raise DataError("; ".join(problem.sentence for problem in problems))

    def with_tables(self, tables: Mapping[str, ir.Table], **changes: Any) -> Shop:
        """Return this shop with other tables."""
        other = replace(self, tables=dict(tables), **changes)
        if "settings" not in changes:  # such as the evening's hour, by which lines are made
            other.__dict__["_made"] = self._made
        return other

    @functools.cached_property
    def _made(self) -> dict[Any, Any]:
        return {}

    def once(self, what: str, tables: tuple[str, ...], make: Callable[[], Any]) -> Any:
        """Return what is made of some tables alone, made when first asked for.

        Rows that are added to a source afterwards are seen once the shop is opened again.

        Parameters
        ----------
        what : str
            A name for it.
        tables : tuple of str
            What it is made of; one that the shop lacks is as good as any other that is not there.
        make : callable
            Makes it.
        """
        key = (what, *(self.tables[name].op() for name in tables if name in self.tables))
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
