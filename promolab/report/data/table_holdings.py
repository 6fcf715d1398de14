"""What each table of a shop holds: rows, span, days without any, kinds, and each column's values.

Everything is counted in the engine: a few aggregate queries per table, whatever its size.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from promolab.contract import (
    HAPPENED,
    TABLES,
    PersonalColumns,
    Shop,
    attributes_in,
    context_of,
    masked,
    personal_columns,
    rows_of,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir


BARS = 24
_STEPS = 400  # classes per e-fold
_UNIT = 0.01  # below a cent, classes are a cent / 400 wide


@dataclass(frozen=True)
class Numbers:
    """How a column's numbers are spread.

    Parameters
    ----------
    least, middle, most : float
        Minimum, median and maximum of the finite values.
    exact : bool
        Whether the median is one of the values; otherwise it is good to a quarter of a percent.
    bars : tuple of int
        Rows in classes of equal width from ``low`` to ``high``.
    low, high : float
        Ends of the histogram: those values between which the middle 98 % lie.
    """

    least: float
    middle: float
    most: float
    exact: bool
    bars: tuple[int, ...]
    low: float
    high: float


def numbers_of(table: ir.Table, column: str) -> Numbers | None:
    """Return how a column's numbers are spread; None where no value is finite."""
    classes = _classes(table, column)
    if not classes:
        return None
    total = sum(n for n, _, _ in classes)
    low, exact_low, exact_high, high = classes[0][1], *_middle(classes, total), classes[-1][2]
    ends = _quantile(classes, total, 0.01)[1], _quantile(classes, total, 0.99)[2]
    return Numbers(
        low,
        (exact_low + exact_high) / 2,
        high,
        exact_low == exact_high,
        _bars(classes, *ends),
        *ends,
    )


def _classes(table: ir.Table, column: str) -> list[tuple[int, float, float]]:
    """Return rows, least and greatest value of each class, in order."""
    import ibis

    value: Any = table[column]
    finite = value.notnull()
    if value.type().is_floating():
        finite = finite & ~value.isnan() & ~value.isinf()
    rows = table.filter(finite)
    x = rows[column].cast("float64")
    place = ((x.abs() / _UNIT + 1.0).ln() * float(_STEPS)).floor().cast("int64")
    signed = ibis.ifelse(x < 0, -place - 1, place)
    found = (
        rows.group_by(place=signed)
        .aggregate(n=rows.count(), low=x.min(), high=x.max())
        .order_by("place")
        .to_pyarrow()
        .to_pylist()
    )
    return [(int(row["n"]), float(row["low"]), float(row["high"])) for row in found]


def _quantile(
    classes: Sequence[tuple[int, float, float]], total: int, share: float
) -> tuple[int, float, float]:
    reached, wanted = 0, max(1, math.ceil(share * total))
    for each in classes:
        reached += each[0]
        if reached >= wanted:
            return each
    return classes[-1]


def _middle(classes: Sequence[tuple[int, float, float]], total: int) -> tuple[float, float]:
    _, low, high = _quantile(classes, total, 0.5)
    return low, high


def _bars(classes: Sequence[tuple[int, float, float]], low: float, high: float) -> tuple[int, ...]:
    inside = [each for each in classes if low <= (each[1] + each[2]) / 2 <= high]
    if high <= low:
        return (sum(n for n, _, _ in inside),)
    bars, width = BARS, (high - low) / BARS
    if all(a == b == int(a) for _, a, b in inside):  # whole numbers: no bar between two of them
        width = float(math.ceil((high - low + 1) / BARS))
        bars = math.ceil((high - low + 1) / width)
    counts = [0] * bars
    for n, least, most in inside:
        counts[min(bars - 1, int(((least + most) / 2 - low) / width))] += n
    return tuple(counts)


EXACT_ROWS = 20_000_000
"""Up to this many rows different values are counted one by one; above it, about (to some 20 %)."""
MOST_VALUES = 5
MOST_KINDS = 12
MOST_COLUMNS = 40
"""Columns of one table that are looked at: the contract's, then others in their order."""


@dataclass(frozen=True)
class Gap:
    """Days in a row without any row: the first, the last and how many."""

    first: date
    last: date
    days: int


@dataclass(frozen=True)
class ColumnHolding:
    """What one column holds.

    Parameters
    ----------
    name, role : str
        Its name, and ``id``, ``time``, ``number``, ``flag``, ``text``, ``words`` (of a customer),
        ``withheld`` (an attribute that points at few customers), ``other`` or ``personal``.
    used : bool
        Whether the contract names it; others are kept and not used.
    filled : int
        Rows with a value.
    distinct : int
        Different values.
    exact : bool
        Whether they were counted one by one; otherwise the count is good to some 20 %.
    numbers : Numbers, optional
        Least, middle and greatest value and a histogram, of a number.
    frequent : tuple of (str, int)
        The most frequent values of a text and their rows; none where nearly every row has its own.
    first, last : datetime, optional
        Ends of a time, UTC without a zone.
    true : int
        Rows where a flag is set.
    """

    name: str
    role: str
    used: bool
    filled: int = 0
    distinct: int = 0
    exact: bool = True
    numbers: Numbers | None = None
    frequent: tuple[tuple[str, int], ...] = ()
    first: datetime | None = None
    last: datetime | None = None
    true: int = 0


@dataclass(frozen=True)
class TableHolding:
    """What one table holds; `holdings` makes it.

    Parameters
    ----------
    name : str
        The table.
    rows : int
        Its rows.
    days : mapping of date to int
        Rows by local day, in order; empty where the table has no column ``ts`` of times. Of
        events, exposures and responses, those that lie ahead or outside the shop's life are left
        out.
    kinds : tuple of (str or None, int)
        Rows by kind, the most first; None where the kind is empty.
    columns : tuple of ColumnHolding
        In the order of the contract, then of the table.
    not_shown : int
        Columns beyond the first 40, which were not looked at.
    """

    name: str
    rows: int
    days: Mapping[date, int]
    kinds: tuple[tuple[str | None, int], ...]
    columns: tuple[ColumnHolding, ...]
    not_shown: int = 0

    @property
    def span(self) -> int:
        """Local days from the first to the last with a row, both included."""
        days = list(self.days)
        return (days[-1] - days[0]).days + 1 if days else 0

    @property
    def missing_days(self) -> int:
        """Days inside the span without any row."""
        return self.span - len(self.days)

    @property
    def outside(self) -> int:
        """Rows whose time is none of these days: it lies ahead or outside the shop's life."""
        times = [column.filled for column in self.columns if column.name == "ts"]
        return times[0] - sum(self.days.values()) if times and self.days else 0

    def gaps(self, most: int = 3) -> list[Gap]:
        """Return the longest runs of days without a row, the longest first."""
        days = list(self.days)
        one = timedelta(days=1)
        found = [
            Gap(before + one, after - one, (after - before).days - 1)
            for before, after in itertools.pairwise(days)
            if (after - before).days > 1
        ]
        return sorted(found, key=lambda gap: (-gap.days, gap.first))[:most]


def holdings(
    shop: Shop, personal: PersonalColumns | None = None, now: datetime | None = None
) -> list[TableHolding]:
    """Return what each table of a shop holds.

    Parameters
    ----------
    shop : Shop
        The shop, usable or not.
    personal : PersonalColumns, optional
        Columns whose values are not told; by default those that `personal_columns` finds.
    now : datetime, optional
        Days ahead of it are not counted (UTC, or with a zone); by default the present.

    Returns
    -------
    list of TableHolding
        In the shop's order. Values of ids and of what looks personal, kept or not, are never told,
        nor those of a customer's attribute that `promolab.contract.personal` keeps off pages.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract.shop import Shop
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-01", "2017-03-04"])
    >>> events = pd.DataFrame({"customer_id": list("AAB"), "ts": when, "kind": "view"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> held = holdings(shop)[0]
    >>> held.rows, held.span, held.missing_days, held.kinds
    (3, 4, 2, (('view', 3),))
    """
    personal = personal_columns(shop) if personal is None else personal
    rare: Sequence[str] = ()
    if shop.has("customers", "customer_id"):
        found = dict.fromkeys(personal.of("customers", kept=True), "personal")
        rare = attributes_in(shop.customers, shop.settings, found).rare
    return [
        _table(shop, name, personal.of(name, kept=True), now, rare if name == "customers" else ())
        for name in shop.tables
        if name in TABLES
    ]


def _table(
    shop: Shop, name: str, personal: Sequence[str], now: datetime | None, rare: Sequence[str] = ()
) -> TableHolding:
    table = shop.tables[name]
    spec = TABLES[name]
    known = [column.name for column in spec if column.name in table.columns]
    ordered = [*known, *(column for column in table.columns if column not in known)]
    shown = ordered[:MOST_COLUMNS]
    table = table.select(*shown)  # ten thousand columns would be written out in each query
    hidden = dict.fromkeys(rare, "withheld") | dict.fromkeys(personal, "personal")
    roles = {column: hidden.get(column) or _role(name, column, table) for column in shown}
    rows = int(table.count().execute())
    facts = _facts(table, roles, rows)
    columns = []
    for column, role in roles.items():
        filled, distinct = facts[f"filled {column}"], facts.get(f"distinct {column}", 0)
        columns.append(
            ColumnHolding(
                column,
                role,
                column in known,
                int(filled),
                min(int(distinct or 0), int(filled)),
                rows <= EXACT_ROWS or role == "flag",
                numbers_of(table, column) if role == "number" and filled else None,
                _values(
                    table,
                    column,
                    used=column in known,
                    filled=int(filled),
                    distinct=int(distinct),
                )
                if role == "text"
                else (),
                facts.get(f"first {column}"),
                facts.get(f"last {column}"),
                int(facts.get(f"true {column}") or 0),
            )
        )
    kinds = _kinds(table) if "kind" in known and "kind" not in personal else ()
    return TableHolding(
        name,
        rows,
        _days(shop, name, table, now),
        kinds,
        tuple(columns),
        len(ordered) - len(shown),
    )


def _role(name: str, column: str, table: ir.Table) -> str:
    """Return how to show a column: by what the contract says it is, else by its type."""
    kind = table[column].type()
    spec = TABLES[name]
    is_id = spec[column].type == "id" if column in spec else _ID.search(column) is not None
    if (name, column) in _OWN_WORDS:
        return "words"
    if is_id and not kind.is_boolean():
        return "id"
    if kind.is_boolean():
        return "flag"
    if kind.is_numeric():
        return "number"
    if kind.is_timestamp() or kind.is_date():
        return "time"
    return "text" if kind.is_string() else "other"


_OWN_WORDS = {("reviews", "text")}  # what a customer wrote is not told
# A number that only names something has no middle.
_ID = re.compile(r"(^|[_\W])(id|ids|uuid|guid|code|no|nr)$|[a-z]I[dD]$", re.ASCII)


def _facts(table: ir.Table, roles: Mapping[str, str], rows: int) -> dict[str, Any]:
    """Count each column in one query: values, different ones, ends of times, flags that are set."""
    query: dict[str, Any] = {}
    for column, role in roles.items():
        value = table[column]
        query[f"filled {column}"] = value.count()
        if role in ("id", "number", "text"):
            query[f"distinct {column}"] = (
                value.nunique() if rows <= EXACT_ROWS else value.approx_nunique()
            )
        elif role == "time":
            query |= {f"first {column}": value.min(), f"last {column}": value.max()}
        elif role == "flag":
            query[f"true {column}"] = value.sum()
    names = {f"f{i}": label for i, label in enumerate(query)}
    found = table.aggregate(**dict(zip(names, query.values(), strict=True))).to_pyarrow()
    return {names[short]: value for short, value in rows_of(found)[0].items()}


def _counted(table: ir.Table, column: str, most: int) -> list[tuple[Any, int]]:
    import ibis

    value = table[column]
    counts = table.group_by(value=value).aggregate(n=table.count())
    top = counts.order_by(ibis.desc("n"), "value").limit(most).to_pyarrow().to_pylist()
    counted: dict[Any, int] = {}
    for row in top:
        shown = None if row["value"] is None else masked(str(row["value"]))
        counted[shown] = counted.get(shown, 0) + int(row["n"])
    # Masked values are counted together.
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0] is None, pair[0]))


def _values(
    table: ir.Table, column: str, *, used: bool, filled: int, distinct: int
) -> tuple[tuple[str, int], ...]:
    # Words of their own in most rows are free text, or name somebody.
    if not used and distinct > filled / 2:
        return ()
    return tuple(_counted(table.filter(table[column].notnull()), column, MOST_VALUES))


def _kinds(table: ir.Table) -> tuple[Any, ...]:
    return tuple(_counted(table, "kind", MOST_KINDS))


def _days(shop: Shop, name: str, table: ir.Table, now: datetime | None) -> dict[date, int]:
    """Count the rows of each local day, by quarters of an hour: a zone is asked once for each."""
    if "ts" not in TABLES[name] or "ts" not in table.columns or not table.ts.type().is_timestamp():
        return {}
    context = context_of(shop, now)
    inside = table.ts.notnull()
    if name in HAPPENED:  # one time in the year 2099 would make all days before it missing
        inside = inside & (table.ts <= context.now)
    for end, keep in ((context.opened, table.ts.__ge__), (context.closed, table.ts.__lt__)):
        if end is not None and name in HAPPENED:
            inside = inside & keep(end)
    inside = inside & (table.ts >= _FIRST_DAY) & (table.ts < _LAST_DAY)
    rows = table.filter(inside)
    quarter = (rows.ts.epoch_seconds().cast("int64") / _QUARTER).floor().cast("int64")
    counts = rows.group_by(quarter=quarter).aggregate(n=lambda t: t.count()).order_by("quarter")
    zone, start = ZoneInfo(shop.zone), datetime(1970, 1, 1, tzinfo=UTC)
    days: dict[date, int] = {}
    for row in counts.to_pyarrow().to_pylist():
        moment = start + timedelta(seconds=_QUARTER * int(row["quarter"]))
        day = moment.astimezone(zone).date()
        days[day] = days.get(day, 0) + int(row["n"])
    return dict(sorted(days.items()))


_QUARTER = 900
# A day and its zone cannot be told at the ends of all times.
_FIRST_DAY, _LAST_DAY = datetime(1, 1, 3), datetime(9999, 12, 30)
