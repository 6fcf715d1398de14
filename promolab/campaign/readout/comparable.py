"""Which promotion that is over may be compared: the rule of the read-out decides here as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from threadpoolctl import threadpool_limits

from promolab.campaign.past.contacted import FEWEST
from promolab.campaign.past.outcomes import contacts_before, known_before, sales_between
from promolab.campaign.past.schedule import promotion_name
from promolab.campaign.readout.reading import _before, _compare, _Windows
from promolab.effects import Difference, not_identified
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["Comparable", "comparable_promotion", "similar_difference"]

MOST_TRIED = 5
"""Promotions that are compared at most: each takes the features of two moments."""


@dataclass(frozen=True)
class Comparable:
    """A promotion that is over, and what the read-out's rule says of it.

    Parameters
    ----------
    promotion_id : object
    difference : Difference
        Of the contacted to similar customers: *adjusted*, or *not identified* and why.
    why : str
        Why this promotion and not a larger one, in sentences.
    """

    promotion_id: Any
    difference: Difference
    why: str


def comparable_promotion(shop: Shop, over: pd.DataFrame) -> Comparable | None:
    """Return the largest promotion that the read-out would call *adjusted*, else the largest.

    Parameters
    ----------
    shop : Shop
        With promotions and exposures.
    over : DataFrame
        `promolab.campaign.past.promotions_over`: the largest first.

    Returns
    -------
    Comparable or None
        None where no promotion has enough customers in both groups.
    """
    large = over[over[["contacted", "others"]].min(axis=1) >= FEWEST]
    tried: list[tuple[Any, Difference]] = []
    for row in large.head(MOST_TRIED).itertuples():
        tried.append((row, similar_difference(shop, row)))
        if tried[-1][1].identified:
            break
    if not tried:
        return None
    row, difference = tried[-1] if tried[-1][1].identified else tried[0]
    return Comparable(row.promotion_id, difference, _why(len(over), tried))


def _why(over: int, tried: list[tuple[Any, Difference]]) -> str:
    if over == 1:
        return "It is the only promotion that is over."
    largest = (
        f"Of {plural(over, 'promotion')} that are over it is the largest, by its smaller group"
    )
    if not tried[-1][1].identified:
        return f"{largest}; of the {plural(len(tried), 'largest', 'largest')} none is identified."
    left = [f"{promotion_name(row.kind, row.promotion_id)} ({d.why})" for row, d in tried[:-1]]
    if not left:
        return f"{largest}."
    return f"{largest}, that is identified. Larger and not identified: {'; '.join(left)}."


def similar_difference(shop: Shop, promotion: Any, *, level: float = 0.95) -> Difference:
    """Compare the contacted of a promotion with similar customers, as `read_out` does.

    Parameters
    ----------
    shop : Shop
        With promotions and exposures; its decisions are not looked at.
    promotion : object
        With promotion_id, starts_at and ends_at (timestamps); over.
    level : float
        Confidence level.
    """
    start, end = promotion.starts_at.to_pydatetime(), promotion.ends_at.to_pydatetime()
    window = pd.DataFrame({"promotion_id": [promotion.promotion_id], "ends_at": [end]})
    contacted = contacts_before(shop, window, end)["customer_id"]
    if shop.lacks("orders and sales") is not None:
        return not_identified("the shop's events have no amounts", len(contacted))
    before = _before(start)
    spans = [(before, start), (start, end)]
    frame = pd.DataFrame(spans, columns=["low", "high"]).assign(span=range(len(spans)))
    sums, known = sales_between(shop, frame), known_before(shop, [before, start])
    sales = {
        span: sums[sums["span"] == place].set_index("customer_id")["sales"]
        for place, span in enumerate(spans)
    }
    windows = _Windows({m: known[known["as_of"] == m] for m in (before, start)}, sales)
    # Sums of floats split over threads differ in their last digits.
    with threadpool_limits(1, user_api="blas"):
        placebo = _compare(contacted, windows, before, start, None, level)
        return _compare(contacted, windows, start, end, placebo, level)
