"""The contacted of a promotion against similar customers, and which promotion allows for that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.past.contacted import FEWEST
from promolab.campaign.past.outcomes import contacts_before, known_before, sales_by_span
from promolab.effects import Difference, adjusted_difference, design_matrix, not_identified
from promolab.results import words_of
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from promolab.contract import Shop


PLACEBO = timedelta(days=28)
SPEND = ("amount", "amount_28d", "amount_84d")  # what stands unbent beside the encoded features
BALANCE = ["amount_28d", "amount_84d"]  # what must be alike after weighting
MOST_TRIED = 5
"""Promotions that are compared at most: each takes the features of two moments."""


@dataclass(frozen=True)
class SalesWindows:
    """Features by moment, and net sales by (low, high); empty where the shop has no amounts."""

    features: Mapping[datetime, pd.DataFrame]
    sales: Mapping[tuple[datetime, datetime], pd.Series[Any]]


def sales_windows(
    shop: Shop,
    starts: Iterable[datetime],
    until: Mapping[tuple[datetime, datetime], datetime],
) -> SalesWindows:
    """Read what promotions are compared by.

    Parameters
    ----------
    shop : Shop
    starts : iterable of datetime
        Starts of promotions whose contacted are compared with similar customers: features as of
        then and 28 days earlier, and sales between, are read for them.
    until : mapping of (low, high) to datetime
        Spans, and until when what comes back is taken off.
    """
    if shop.lacks("orders and sales") is not None:
        return SalesWindows({}, {})
    starts = sorted(set(starts))
    # Nothing of the promotion's own days may reach the placebo.
    sales = sales_by_span(shop, {(low - PLACEBO, low): low for low in starts} | dict(until))
    moments = sorted({moment for low in starts for moment in (low, low - PLACEBO)})
    known = known_before(shop, moments) if moments else pd.DataFrame(columns=["as_of"])
    return SalesWindows({m: known[known["as_of"] == m] for m in moments}, sales)


def similar_difference(
    contacted: pd.Series[Any], windows: SalesWindows, start: datetime, end: datetime
) -> Difference:
    """Compare the contacted with similar customers, after the same for the 28 days before.

    Parameters
    ----------
    contacted : Series
        Customers.
    windows : SalesWindows
    start, end : datetime
        The promotion's window.
    """
    placebo = _adjusted(contacted, windows, start - PLACEBO, start, None)
    return _adjusted(contacted, windows, start, end, placebo)


def _adjusted(
    contacted: pd.Series[Any],
    windows: SalesWindows,
    start: datetime,
    end: datetime,
    placebo: Difference | None,
) -> Difference:
    features = windows.features[start]
    if features.empty:
        return not_identified(words_of(__name__, "similar").say("no_history"), len(contacted))
    customers = features["customer_id"]
    known = features.drop(columns=["customer_id", "as_of"])
    outcome = customers.map(windows.sales[start, end]).fillna(0.0).to_numpy(dtype=float)
    return adjusted_difference(
        outcome,
        customers.isin(contacted).to_numpy(),
        design_matrix(known, SPEND),
        customers.to_numpy(),
        balance=known[BALANCE].to_numpy(dtype=float),
        placebo=placebo,
    )


def no_amounts(contacted: int) -> Difference:
    """Return what is found where the shop's events have no amounts."""
    return not_identified(words_of(__name__, "similar").say("no_amounts"), contacted)


def comparable_promotion(
    shop: Shop, over: pd.DataFrame
) -> tuple[Any, Difference, list[tuple[Any, Difference]]] | None:
    """Return the largest promotion that the read-out would call *adjusted*, else the largest.

    Parameters
    ----------
    shop : Shop
        With promotions and exposures; its decisions are not looked at.
    over : DataFrame
        `promolab.campaign.past.promotions_over`: the largest first.

    Returns
    -------
    row of ``over``, Difference, list, or None
        The difference of the contacted to similar customers is *adjusted*, or *not identified* and
        why; the list has those that were tried and are not identified. None where no promotion has
        enough customers in both groups.
    """
    large = over[over[["contacted", "others"]].min(axis=1) >= FEWEST]
    tried: list[tuple[Any, Difference]] = []
    for row in large.head(MOST_TRIED).itertuples():
        tried.append((row, promotion_difference(shop, row)))
        if tried[-1][1].identified:
            break
    if not tried:
        return None
    if tried[-1][1].identified:
        return *tried[-1], tried[:-1]
    return *tried[0], tried


def promotion_difference(shop: Shop, promotion: Any) -> Difference:
    """Compare one promotion that is over, as `read_out` does."""
    start, end = promotion.starts_at.to_pydatetime(), promotion.ends_at.to_pydatetime()
    window = pd.DataFrame({"promotion_id": [promotion.promotion_id], "ends_at": [end]})
    contacted = contacts_before(shop, window, end)["customer_id"]
    windows = sales_windows(shop, [start], {(start, end): end})
    if not windows.sales:
        return no_amounts(len(contacted))
    # Sums of floats split over threads differ in their last digits.
    with single_threaded("blas"):
        return similar_difference(contacted, windows, start, end)
