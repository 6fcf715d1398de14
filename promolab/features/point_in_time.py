"""The only place that knows what "before ``as_of``" means.

``as_of`` is one moment for everybody, or a table of customers and moments. Everything else in this
room is written once, for rows keyed by ``(customer_id, as_of)``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from promolab.engines import until_next
from promolab.errors import InputError

DAY = 86_400
"""Seconds."""
KEYS = ("customer_id", "as_of")


def read_as_of(as_of: Any) -> Any:
    """Return ``as_of`` as a UTC-naive datetime, or as an Ibis table (customer_id, as_of).

    A DataFrame is taken as such a table.

    Raises
    ------
    InputError
        If it is neither.
    """
    import ibis
    import ibis.expr.types as ir
    import pandas as pd

    if isinstance(as_of, pd.DataFrame):
        as_of = ibis.memtable(as_of)
    if isinstance(as_of, ir.Table):
        missing = [name for name in KEYS if name not in as_of.columns]
        if missing:
            raise InputError(
                f"as_of lacks the column {missing[0]!r}; expected customer_id and as_of"
            )
        moment = as_of.as_of
        if not (moment.type().is_timestamp() or moment.type().is_date()):
            raise InputError(f"as_of.as_of is of type {moment.type()}; expected times")
        if moment.type().is_timestamp() and moment.type().timezone is not None:
            moment = moment.cast("timestamp('UTC')")
        return as_of.select("customer_id", as_of=moment.cast("timestamp")).distinct()
    try:
        if isinstance(as_of, (bool, int, float)):
            raise TypeError
        moment = pd.Timestamp(as_of)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"as_of = {as_of!r}, must be a datetime or a table (customer_id, as_of)"
        ) from error
    if pd.isna(moment):
        raise InputError("as_of is missing; give a datetime or a table (customer_id, as_of)")
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    return moment.to_pydatetime()


def before(table: Any, as_of: Any) -> Any:
    """Return the rows of ``table`` whose ``ts`` lies before ``as_of``, which becomes a column.

    Parameters
    ----------
    table : ibis Table
        With ``customer_id`` and ``ts``.
    as_of : datetime or ibis Table
        As `read_as_of` returns it; a row stands once for each of its customer's moments.
    """
    import ibis

    if isinstance(as_of, datetime):
        moment = ibis.literal(as_of).cast("timestamp")
        return table.filter(table.ts < moment).mutate(as_of=moment)
    joined = table.join(as_of, [table.customer_id == as_of.customer_id, table.ts < as_of.as_of])
    return joined.select(*[table[c] for c in table.columns], as_of.as_of)


def keys_of(as_of: Any) -> list[str]:
    """Return what rows before ``as_of`` are grouped by; one date for all need not be a key."""
    return ["customer_id"] if isinstance(as_of, datetime) else list(KEYS)


def dated(table: Any, as_of: Any) -> Any:
    """Return a table grouped by `keys_of` with `KEYS` in front."""
    import ibis

    if not isinstance(as_of, datetime):
        return table
    rest = [c for c in table.columns if c not in KEYS]
    return table.select("customer_id", ibis.literal(as_of).cast("timestamp").name("as_of"), *rest)


def fixed(value: Any, scale: int = 4) -> Any:
    """Return a number as a fixed-point one, NaN and infinity as null.

    Sums of floats change with the number of threads.
    """
    return value.cast("float64").try_cast(f"decimal(18,{scale})")


def how_many(where: Any) -> Any:
    """Return in how many rows of a group a condition holds."""
    return where.cast("int64").sum()


def seconds_between(earlier: Any, later: Any) -> Any:
    """Return the seconds between two times; the engine's own day difference counts midnights."""
    return later.epoch_seconds() - earlier.epoch_seconds()


def joined(left: Any, right: Any, keys: list[str]) -> Any:
    """Return the rows of ``left`` with what ``right`` adds to them; keys stand once."""
    new = [c for c in right.columns if c not in keys]
    return left.left_join(right, keys).select(*[left[c] for c in left.columns], *new)


def price_percentiles(prices: Any, as_of: Any, kept: Callable[[Any], Any]) -> Any:
    """Return each customer's mean percentile of the unit prices paid, within their category.

    Parameters
    ----------
    prices : ibis Table
        A row per purchase line: customer_id, ts, category, price (a whole number of units).
    as_of : datetime or ibis Table
        As `read_as_of` returns it.
    kept : callable
        Computes a table once, where that pays.

    Returns
    -------
    ibis Table
        customer_id, as_of, price_level (0–1). A price's percentile is the share of the category's
        lines before ``as_of``, of all customers, that cost less, plus half of those that cost the
        same.
    """
    if isinstance(as_of, datetime):
        # The lines are read twice; a row per customer and price would be nearly as many.
        paid = before(prices, as_of)
        market = paid.group_by("category", "price").aggregate(lines=paid.count())
        rows = paid.join(_levels(market, []), ["category", "price"])
    else:
        # Lines are first counted between one date and the next, for the market's prices must be
        # known at every date: joined line by line they would be many times the events.
        dates = as_of.select("as_of").distinct()
        lines = kept(until_next(prices, dates).drop("ts"))
        between = lines.group_by("category", "price", "until").aggregate(lines=lines.count())
        market = between.join(dates, between.until <= dates.as_of)
        market = market.group_by("as_of", "category", "price").aggregate(lines=market.lines.sum())
        paid = lines.join(
            as_of, [lines.customer_id == as_of.customer_id, lines.until <= as_of.as_of]
        ).select(lines.customer_id, as_of.as_of, lines.category, lines.price)
        rows = paid.join(_levels(market, ["as_of"]).cache(), ["as_of", "category", "price"])
    total = rows.group_by(keys_of(as_of)).aggregate(level=rows.level.sum(), lines=rows.count())
    level = total.level.cast("float64") / total.lines.cast("float64") / 1e6
    return dated(total.select(*keys_of(as_of), price_level=level), as_of)


def _levels(market: Any, dates: list[str]) -> Any:
    """Return the percentile of each price in its category, in millionths: its sums are exact."""
    import ibis

    by_price = ibis.cumulative_window(group_by=[*dates, "category"], order_by="price")
    whole = ibis.window(group_by=[*dates, "category"])
    upto = market.lines.sum().over(by_price)
    level = ((2 * upto - market.lines) * 500_000) // market.lines.sum().over(whole)
    return market.select(*dates, "category", "price", level=level.cast("int64"))
