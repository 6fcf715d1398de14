"""What arrived of each table, day by day: rows and sums, to see later what came late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from promolab.contract.shop import Shop
from promolab.wording import count, plural

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["ARRIVING", "Days", "arriving", "by_week", "changed_since", "daily"]

ARRIVING = ("events", "exposures", "responses")
"""Tables that get new rows every day."""
_QUARTER = 900
_MOST = 1e13  # an amount that no shop takes in; in hundredths it still fits 64 bits

Days = Mapping[date, tuple[int, int]]


def daily(
    shop: Shop, name: str, until: datetime, since: datetime | None = None
) -> dict[date, tuple[int, int]]:
    """Return rows, and the sum of amounts in hundredths, of each local day that has any.

    Parameters
    ----------
    shop : Shop
        The shop.
    name : str
        A table with a column ``ts``.
    until, since : datetime
        Rows at or after ``until``, and before ``since``, are not counted (UTC without a zone).

    Returns
    -------
    dict of date to (int, int)
        In order; the sum is 0 where the table has no amounts.
    """
    table = shop.tables[name]
    rows = table.filter(table.ts < until)
    rows = rows if since is None else rows.filter(rows.ts >= since)
    # Counted by quarters of an hour: a zone is asked once for each, here and not in the engine.
    quarter = (rows.ts.epoch_seconds().cast("int64") / _QUARTER).floor().cast("int64")
    rows = rows.select(quarter=quarter, hundredths=_hundredths(rows))
    counts = rows.group_by("quarter").aggregate(
        n=lambda t: t.count(), total=lambda t: t.hundredths.sum()
    )
    zone, start = ZoneInfo(shop.zone), datetime(1970, 1, 1, tzinfo=UTC)
    days: dict[date, tuple[int, int]] = {}
    for row in counts.order_by("quarter").to_pyarrow().to_pylist():
        day = (start + timedelta(seconds=_QUARTER * int(row["quarter"]))).astimezone(zone).date()
        n, total = days.get(day, (0, 0))
        days[day] = (n + int(row["n"]), total + int(row["total"] or 0))
    return dict(sorted(days.items()))


def _hundredths(table: ir.Table) -> Any:
    import ibis

    if "amount" not in table.columns or not table.amount.type().is_numeric():
        return ibis.literal(0, type="int64")
    amount = table.amount.cast("float64")
    usable = (amount > -_MOST) & (amount < _MOST)  # neither nan nor infinite
    return (ibis.ifelse(usable, amount, 0.0) * 100).round().cast("int64")


def arriving(shop: Shop, since: date, until: date) -> dict[str, Days]:
    """Return `daily` of each table of `ARRIVING` that the shop has.

    Parameters
    ----------
    shop : Shop
        The shop.
    since, until : date
        The first local day that counts, and the first that does not any more.
    """
    ends = _midnight(until, shop.zone), _midnight(since, shop.zone)
    return {name: daily(shop, name, *ends) for name in ARRIVING if shop.has(name, "ts")}


def by_week(days: Mapping[str, Days], since: date, until: date) -> dict[str, dict[str, list[int]]]:
    """Return rows and sums by table and ISO week, for a manifest.

    Parameters
    ----------
    days : mapping of str to mapping
        By `arriving`.
    since, until : date
        The first day that counts, and the first that does not any more.

    Returns
    -------
    dict
        ``{"events": {"2017-W44": [rows, hundredths]}}``.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-01", "2017-03-06"])
    >>> events = pd.DataFrame({"ts": when, "amount": [1.5, 2.25, 9]})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> span = date(2017, 1, 1), date(2018, 1, 1)
    >>> by_week(arriving(shop, *span), *span)
    {'events': {'2017-W09': [2, 375], '2017-W10': [1, 900]}}
    """
    found: dict[str, dict[str, list[int]]] = {}
    for name, table in days.items():
        weeks = found.setdefault(name, {})
        for day, (rows, total) in table.items():
            if since <= day < until:
                year, number, _ = day.isocalendar()
                week = weeks.setdefault(f"{year:04d}-W{number:02d}", [0, 0])
                week[0] += rows
                week[1] += total
    return found


def _midnight(day: date, zone: str) -> datetime:
    local = datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).replace(tzinfo=None)


def changed_since(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which weeks of which table no longer hold what was recorded.

    Parameters
    ----------
    recorded, now : mapping
        By `by_week`, for the same time.

    Returns
    -------
    list of str
        A clause for each table and week.

    Examples
    --------
    >>> changed_since({"events": {"2017-W44": [2, 375]}}, {"events": {"2017-W44": [3, 475]}})
    ['events of 2017-W44: 1 row more (3, were 2), amounts by +1.00']
    """
    said = []
    for name in recorded:
        before, after = recorded[name], now.get(name, {})
        for week in sorted({*before, *after}):
            old, new = before.get(week, [0, 0]), after.get(week, [0, 0])
            if list(old) != list(new):
                said.append(f"{name} of {week}: {_difference(old, new)}")
    return said


def _difference(old: Any, new: Any) -> str:
    rows, total = new[0] - old[0], new[1] - old[1]
    words = []
    if rows:
        more = "more" if rows > 0 else "fewer"
        words.append(f"{plural(abs(rows), 'row')} {more} ({count(new[0])}, were {count(old[0])})")
    if total:
        words.append(f"amounts by {total / 100:+,.2f}")
    return ", ".join(words)
