"""What a shop knew by a moment: rows that are dated later are counted, and read no further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from promolab.contract import TABLES, Shop
from promolab.wording import plural

__all__ = ["dated_later", "known_by"]


def known_by(shop: Shop, as_of: datetime) -> Shop:
    """Return the shop as it stood just before a moment.

    Rows of events, exposures, responses, decisions and reviews (by ``ts``), and of contact rights
    (by ``since``), that are dated at or after the moment are left out; so are the chances of
    decisions made later. A customer is left out who joined later, or, where the customers were
    derived from other tables, was first seen later; one with an event before the moment was known
    by then, whatever ``since`` says. Tables without dates, and plans (promotions, calendar), stay
    as they are, and so do rows whose date is missing.

    Parameters
    ----------
    shop : Shop
        As it was loaded.
    as_of : datetime
        The moment, UTC if it has no zone.

    Returns
    -------
    Shop
        With the number of rows left out, by table, as ``later``.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract import Shop
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-08"])
    >>> events = pd.DataFrame({"customer_id": list("AB"), "ts": when, "kind": "view"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> known = known_by(shop, pd.Timestamp("2017-03-08"))
    >>> known.events.customer_id.execute().tolist(), known.later
    (['A'], {'events': 1})
    """
    import ibis

    if as_of.tzinfo is not None:
        as_of = as_of.astimezone(UTC).replace(tzinfo=None)
    moment = ibis.literal(as_of).cast("timestamp")
    tables, later = dict(shop.tables), {}
    for name in shop.tables:
        is_later = _is_later(shop, name, moment)
        if is_later is not None:
            table = shop.tables[name]
            is_later = is_later.fill_null(False)
            tables[name] = table.filter(~is_later)
            later[name] = int(table.filter(is_later).count().execute())
    counted = {name: n + shop.later.get(name, 0) for name, n in later.items()}
    return replace(shop, tables=tables, later=counted)


def _is_later(shop: Shop, name: str, moment: Any) -> Any:
    """Return which rows of a table are dated later; None where its rows have no date."""
    if name not in TABLES:
        return None
    table = shop.tables[name]
    if name == "decision_propensities":
        return _of_later_decisions(shop, table, moment)
    if name == "customers" and shop.seen is not None:
        late = shop.seen.filter(shop.seen.ts >= moment)
        return table.customer_id.isin(late.customer_id)
    dates = [c for c in ("ts", "since") if c in TABLES[name] and c in table.columns]
    if not dates or not table[dates[0]].type().is_timestamp():
        return None
    is_later = table[dates[0]] >= moment
    if name == "customers" and shop.has("events", "customer_id", "ts"):
        seen = shop.events.filter((shop.events.ts < moment) & shop.events.customer_id.notnull())
        is_later &= table.customer_id.notin(seen.customer_id)
    return is_later


def _of_later_decisions(shop: Shop, table: Any, moment: Any) -> Any:
    if not shop.has("decisions", "decision_id", "ts"):
        return None
    made = shop.decisions.filter(shop.decisions.decision_id.notnull())
    made = made.group_by("decision_id").aggregate(ts=made.ts.min())
    return table.decision_id.isin(made.filter(made.ts >= moment).decision_id)


def dated_later(later: Mapping[str, int]) -> str:
    """Say how many rows were dated later, and that they were not read; empty where none were.

    Parameters
    ----------
    later : mapping of str to int
        Rows by table.

    Examples
    --------
    >>> dated_later({"events": 1, "exposures": 0, "contact_rights": 2000})
    'Dated later, and not read: 1 row of events and 2,000 rows of contact rights.'
    """
    parts = [f"{plural(n, 'row')} of {name.replace('_', ' ')}" for name, n in later.items() if n]
    if not parts:
        return ""
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return f"Dated later, and not read: {listed}."
