"""What each customer ordered up to some moments: first and last time, orders, margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.features import outcomes_between, placed_lines, whole_margin_rate

if TYPE_CHECKING:
    from promolab.contract import Shop

DAY = 86_400
RECENT_DAYS = 84
"""Twelve weeks: the orders of so many days say how often somebody orders now."""


@dataclass(frozen=True)
class History:
    """What customers ordered before a moment.

    Parameters
    ----------
    as_of : datetime
    customers : ndarray of shape (n,)
        Those with an order.
    orders, recent, margin : ndarray of shape (n,)
        Orders in all and in the last `RECENT_DAYS`; what all of them brought, nan where margins
        are not known.
    recency, age : ndarray of shape (n,)
        Days from the first to the last order, and since the first.
    """

    as_of: datetime
    customers: np.ndarray = field(repr=False)
    orders: np.ndarray = field(repr=False)
    recent: np.ndarray = field(repr=False)
    margin: np.ndarray = field(repr=False)
    recency: np.ndarray = field(repr=False)
    age: np.ndarray = field(repr=False)

    @property
    def days(self) -> float:
        """How far the shop's orders reach back."""
        return float(self.age.max(initial=0.0))

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What BG/NBD knows of each: orders after the first, recency and age."""
        return self.orders - 1, self.recency, self.age


def histories(shop: Shop, moments: Sequence[datetime]) -> list[History]:
    """Read what customers ordered before each of some moments.

    Parameters
    ----------
    shop : Shop
        With purchases.
    moments : sequence of datetime
        UTC without a zone; of each, nothing at or after it is read.
    """
    begin = shop.settings.life()[0] or shop.span()[0]
    spans = [(2 * i + j, low, now) for i, now in enumerate(moments)
             for j, low in enumerate((begin, now - timedelta(days=RECENT_DAYS)))]  # fmt: skip
    counted = ordered_between(shop, spans)
    times = _times(shop, begin, moments)
    return [
        _history(
            now,
            times[times["moment"] == i].set_index("customer_id").sort_index(),
            *(counted[counted["span"] == 2 * i + j].set_index("customer_id") for j in (0, 1)),
        )
        for i, now in enumerate(moments)
    ]


def _times(shop: Shop, begin: datetime, moments: Sequence[datetime]) -> pd.DataFrame:
    """Return moment (its number), customer_id, and the first and last order before it."""
    import ibis

    told = pd.DataFrame({"moment": range(len(moments)), "now": list(moments)})
    table = ibis.memtable(told.astype({"now": "datetime64[us]"}))
    lines = placed_lines(shop)
    lines = lines.filter(lines.bought & (lines.ts >= begin)).select("customer_id", "ts")
    rows = lines.join(table, lines.ts < table.now)
    found = rows.group_by("moment", "customer_id").aggregate(
        first=rows.ts.min(), last=rows.ts.max()
    )
    return pd.DataFrame(found.execute())


def _history(
    now: datetime, times: pd.DataFrame, whole: pd.DataFrame, late: pd.DataFrame
) -> History:
    every = whole["orders_placed"].reindex(times.index).fillna(0).to_numpy(float)
    times, orders = times[every > 0], every[every > 0]
    recency = (times["last"] - times["first"]).dt.total_seconds().to_numpy() / DAY
    return History(
        now,
        times.index.to_numpy(),
        orders,
        late["orders_placed"].reindex(times.index).fillna(0).to_numpy(float),
        whole["margin"].reindex(times.index).to_numpy(float),
        np.where(orders > 1, recency, 0.0),
        (pd.Timestamp(now) - times["first"]).dt.total_seconds().to_numpy() / DAY,
    )


def ordered_between(shop: Shop, spans: Sequence[tuple[int, datetime, datetime]]) -> pd.DataFrame:
    """Return span, customer_id, orders_placed and margin (nan where not known) of some spans.

    Parameters
    ----------
    shop : Shop
    spans : sequence of (number, low, high)
    """
    told = pd.DataFrame(list(spans), columns=["span", "low", "high"])
    told = told.astype({"low": "datetime64[us]", "high": "datetime64[us]"})
    known = shop.has("products", "margin_rate") or whole_margin_rate(shop) is not None
    rows: pd.DataFrame = outcomes_between(shop, told, margin=known).execute()
    return rows if known else rows.assign(margin=np.nan)
