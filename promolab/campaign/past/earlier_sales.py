"""Sales before a promotion tell most of those in it: what a holdout sees that allows for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import smallest_effect
from promolab.campaign.past.outcomes import sales_by_span

if TYPE_CHECKING:
    from promolab.contract import Shop


SHORTEST = timedelta(days=56)  # a week of sales says little of the next, eight weeks much
_WINDOWS = 3  # past windows of the promotion's length whose sales tell how customers differ


def earlier_span(end: datetime, length: timedelta) -> tuple[datetime, datetime]:
    """Return the time before a moment whose sales are allowed for: as long as the promotion.

    At least 56 days. The read-out (`compare_with_holdout`) and what is
    said before anything is sent (`sales_spread`) allow for the same.

    Examples
    --------
    >>> low, high = earlier_span(datetime(2021, 3, 1), timedelta(days=7))
    >>> (high - low).days
    56
    """
    return end - max(length, SHORTEST), end


@dataclass(frozen=True)
class SalesSpread:
    """How far customers' sales in a window of a promotion's length lie apart; by `sales_spread`.

    Parameters
    ----------
    sd : float
        Standard deviation: the root of the windows' mean variance.
    correlation : float
        Of sales in a window and before it: what is left of the variance once earlier sales are
        allowed for is 1 − its square; 0 where no window has its earlier time in the data.
    """

    sd: float
    correlation: float

    @property
    def adjusted(self) -> float:
        """Standard deviation once earlier sales are allowed for."""
        return self.sd * math.sqrt(1 - self.correlation**2)


def sales_spread(
    shop: Shop, as_of: datetime, promotion: Mapping[Any, Any], customers: pd.Series[Any]
) -> SalesSpread:
    """Return how far customers' sales in a promotion will lie apart, by comparable earlier dates.

    Parameters
    ----------
    shop : Shop
        Without amounts the answer is nan.
    as_of : datetime
        UTC without a zone; the last three windows before it are read, of those that the data cover,
        each with the time before it (`earlier_span`).
    promotion : mapping
        Its starts_at and ends_at.
    customers : Series
        Those who are planned; who bought nothing counts as 0.

    Returns
    -------
    SalesSpread
        nan where not even one window lies in the data, or with fewer than three customers.
    """
    unknown = SalesSpread(float("nan"), 0.0)
    if shop.lacks("orders and sales") is not None or len(customers) < 3:
        return unknown
    length = (promotion["ends_at"] - promotion["starts_at"]).to_pytimedelta()
    first = shop.span()[0]
    lows = [as_of - k * length for k in range(1, _WINDOWS + 1)]
    told = [low for low in lows if earlier_span(low, length)[0] >= first]
    lows = told or [low for low in lows if low >= first]
    if not lows:
        return unknown
    spans = [(low, low + length) for low in lows] + [earlier_span(low, length) for low in told]
    found = sales_by_span(shop, {span: span[1] for span in spans})
    sales = np.array([customers.map(found[span]).fillna(0.0) for span in spans])
    later, before = sales[: len(lows)], sales[len(lows) :]
    variance = float(later.var(axis=1, ddof=1).mean())
    left = [_left(y, x) for y, x in zip(later, before, strict=True)] if told else [variance]
    share = min(float(np.mean(left)) / variance, 1.0) if variance > 0 else 1.0
    return SalesSpread(math.sqrt(variance), math.sqrt(1 - share))


def _left(y: np.ndarray, x: np.ndarray) -> float:
    """Return the variance of y that a straight line in x leaves."""
    y, x = y - y.mean(), x - x.mean()
    slope = (x @ y) / (x @ x) if x @ x > 0 else 0.0
    rest = y - slope * x
    return float(rest @ rest) / (len(y) - 2)


def visible_effect(contacts: int, held: int, sd: float) -> float:
    """Return the smallest difference in sales per customer seen with 80 % power; nan without any.

    Parameters
    ----------
    contacts, held : int
        Customers in the two groups.
    sd : float
        Standard deviation of what is compared: `SalesSpread.adjusted`.

    Examples
    --------
    >>> round(visible_effect(900, 100, 50.0), 1)
    14.8
    """
    if not (contacts > 0 and held > 0 and math.isfinite(sd) and sd > 0):
        return float("nan")
    return float(smallest_effect(contacts, held, sd=sd).effect)
