"""How fresh each table is, against what a week needs: all that happened before its decision."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from promolab.contract.shop import Shop
from promolab.language import _
from promolab.results import Result, words_of

if TYPE_CHECKING:
    import pandas as pd


ARRIVING = ("events", "exposures", "responses")
"""Tables that get new rows every day."""
_QUARTER = 900


def days_with_rows(shop: Shop, name: str, since: datetime, until: datetime) -> list[date]:
    """Return the local days that have any row, in order.

    Parameters
    ----------
    shop : Shop
        The shop.
    name : str
        A table with a column ``ts``.
    since, until : datetime
        Rows before ``since``, and at or after ``until``, do not count (UTC without a zone).
    """
    table = shop.tables[name]
    rows = table.filter((table.ts >= since) & (table.ts < until))
    # Counted by quarters of an hour: a zone is asked once for each, here and not in the engine.
    quarter = (rows.ts.epoch_seconds().cast("int64") / _QUARTER).floor().cast("int64")
    zone, start = ZoneInfo(shop.zone), datetime(1970, 1, 1, tzinfo=UTC)
    found = rows.select(quarter=quarter).distinct().to_pyarrow()["quarter"].to_pylist()
    moments = (start + timedelta(seconds=_QUARTER * int(n)) for n in found)
    return sorted({moment.astimezone(zone).date() for moment in moments})


LOOKED_BACK = 28  # days before the decision in which a missing day is named
USUAL = 364  # days before the decision that show which gaps are usual
DENSE, NEARLY_ALL = 56, 0.8  # days before the last row, and the share of them that needs a row
ONE = timedelta(days=1)


@dataclass(frozen=True)
class Lateness:
    """How fresh one table is.

    Parameters
    ----------
    table : str
        Its name.
    last : datetime, optional
        Local day of its last row before the decision; None where it has none.
    usual_gap : int, optional
        Days in a row without any row that are nothing unusual: so many occurred twice in the year
        before. None where days are not judged.
    late : tuple of date, optional
        First and last day without a row up to the decision, where that is unusual.
    missing : tuple of (date, date)
        First and last day of each other unusual gap in the four weeks before the decision.
    awaited : tuple of str
        Promotions that started since and have no exposure.
    """

    table: str
    last: date | None
    usual_gap: int | None
    late: tuple[date, date] | None = None
    missing: tuple[tuple[date, date], ...] = ()
    awaited: tuple[str, ...] = ()

    @property
    def stale(self) -> bool:
        """Whether it is late or a day is missing."""
        return self.late is not None or bool(self.missing) or bool(self.awaited)

    def sentence(self) -> str:
        """Say what is late and missing of a table that is stale."""
        case = "none" if self.last is None else "stale"
        facts: dict[str, Any] = {"table": _(self.table), "last": str(self.last), "case": case}
        facts |= {"late": _span(self.late), "missing": [*map(_span, self.missing)]}
        facts |= {"days": self.late and _length(self.late), "names": self.awaited[:3]}
        facts |= {"more": len(self.awaited) > 3}
        found = [name for name in ("late", "missing", "awaited") if getattr(self, name)]
        facts["found"] = [_say(f"{name}_said", **facts) for name in found]
        return _say("told", **facts)


@dataclass(frozen=True)
class Freshness(Result):
    """How fresh the tables are; made by `freshness`.

    Parameters
    ----------
    as_of : datetime
        The decision, UTC without a zone.
    tables : tuple of Lateness
        One for each table that gets new rows every day.
    """

    as_of: datetime
    tables: tuple[Lateness, ...] = field(default=())

    @property
    def stale(self) -> bool:
        """Whether any table is: the week is degraded."""
        return any(table.stale for table in self.tables)

    def facts(self) -> dict[str, Any]:
        """Return the tables that are stale."""
        return {"late": [table for table in self.tables if table.stale]}

    def to_frame(self) -> pd.DataFrame:
        """Return a row per table."""
        import pandas as pd

        columns = ["table", "last", "usual_gap", "late", "missing", "stale"]
        rows = [
            (t.table, t.last, t.usual_gap, _span(t.late), ", ".join(map(_span, t.missing)), t.stale)
            for t in self.tables
        ]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return stale, the summary, and each table's days as text."""
        rows = self.to_frame().astype({"last": "str"}).to_dict("records")
        tables = {row.pop("table"): row for row in rows}
        return {"stale": self.stale, "summary": self.summary(), "tables": tables}


def freshness(shop: Shop, as_of: datetime) -> Freshness:
    """Compare the last row of each table, and its days without one, with what a week needs.

    A week needs every day before its decision. Days without a row are late at the end and missing
    elsewhere in the last four weeks, unless the table usually has such gaps: two at least as long
    in the year before. Exposures and responses come with promotions, so that their days are judged
    only where nearly every one of the last eight weeks had a row; exposures are late as well where
    a promotion started and none has come since. Nothing at or after ``as_of`` is read.

    Parameters
    ----------
    shop : Shop
        The shop, cleaned or not.
    as_of : datetime
        The decision, UTC without a zone.

    Returns
    -------
    Freshness

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> days = pd.date_range("2017-02-01", "2017-03-03 12:00")
    >>> events = pd.DataFrame({"customer_id": 1, "ts": days, "kind": "view"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> freshness(shop, datetime(2017, 3, 6)).summary()
    'This week is made from stale data: events ends on 2017-03-03: 2 days late (2017-03-04 to 05).'
    """
    local = as_of.replace(tzinfo=UTC).astimezone(ZoneInfo(shop.zone))
    # At Monday 00:00 the last whole day is Sunday; later in a day, that day is not over.
    end = local.date()
    tables = []
    for name in ARRIVING:
        if not shop.has(name, "ts"):
            continue
        table = _lateness(name, days_with_rows(shop, name, as_of - (USUAL + 2) * ONE, as_of), end)
        if table is not None and name == "exposures":
            table = replace(table, awaited=_awaited(shop, table, as_of))
        if table is not None:
            tables.append(table)
    return Freshness(as_of, tuple(tables))


def _awaited(shop: Shop, table: Lateness, as_of: datetime) -> tuple[str, ...]:
    """Return the promotions that started after the last exposure, and a whole day ago or more."""
    if table.last is None or not shop.has("promotions", "promotion_id", "starts_at"):
        return ()
    begun = shop["promotions"].filter(lambda t: t.starts_at < as_of - ONE)
    begun = begun.filter(lambda t: t.starts_at >= as_of - LOOKED_BACK * ONE)
    rows = begun.select("promotion_id", "starts_at").to_pyarrow().to_pylist()
    zone = ZoneInfo(shop.zone)
    found = [
        str(row["promotion_id"])
        for row in rows
        if row["starts_at"].replace(tzinfo=UTC).astimezone(zone).date() > table.last
    ]
    return tuple(sorted(found))


def _lateness(name: str, days: list[date], end: date) -> Lateness | None:
    """Judge a table by its days with a row; ``end`` is the first day that need not have one."""
    days = [day for day in days if day < end]
    if not days:
        # A shop that never had a campaign has nothing that could be late.
        return Lateness(name, None, 0, late=(end - ONE, end - ONE)) if name == "events" else None
    gaps = [
        (before + ONE, after - ONE)
        for before, after in itertools.pairwise(days)
        if after - before > ONE
    ]
    lengths = sorted((_length(gap) for gap in gaps), reverse=True)
    usual = lengths[1] if len(lengths) > 1 else 0
    late = (days[-1] + ONE, end - ONE)
    recent = sum(day > days[-1] - DENSE * ONE for day in days)
    if name != "events" and recent < NEARLY_ALL * DENSE:
        # It comes with campaigns: a day without any is nothing to wait for.
        return Lateness(name, days[-1], None)
    since = end - LOOKED_BACK * ONE
    return Lateness(
        name,
        days[-1],
        usual,
        late if _length(late) > usual else None,
        tuple(gap for gap in gaps if gap[1] >= since and _length(gap) > usual),
    )


def _length(gap: tuple[date, date]) -> int:
    return (gap[1] - gap[0]).days + 1


def _say(line: str, **facts: Any) -> str:
    return words_of(__name__, "lateness", **facts).say(line)


def _span(gap: tuple[date, date] | None) -> str:
    if gap is None:
        return ""
    first, last = gap
    if first == last:
        return str(first)
    end = f"{last:%d}" if (first.year, first.month) == (last.year, last.month) else last
    return _say("span", first=str(first), end=str(end))
