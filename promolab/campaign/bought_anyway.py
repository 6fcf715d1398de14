"""Who would likely have bought a promotion's products without it: a guess from their habit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.features.lines import order_lines
from promolab.metrics.intervals import share_interval
from promolab.results import Estimate, Result
from promolab.wording import answer_to, percent

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["PERIODS", "BoughtAnyway", "habitual_buyers", "share_bought_anyway"]

PERIODS = 3
"""Periods of the promotion's own length, one after the other up to now, in each of which bought."""


@dataclass(frozen=True)
class BoughtAnyway(Result):
    """Share of a list, and of those expected to redeem, that likely would have bought anyway.

    Parameters
    ----------
    of_list, of_redeemers : Estimate
        Shares (0–1) with 95 % intervals, customers as independent; nan where the data do not reach
        back `PERIODS` periods, or do not say which products are offered.
    days : float
        Length of a period.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    of_list: Estimate
    of_redeemers: Estimate
    days: float
    kind: str = "coupon"

    @property
    def _expected(self) -> str:
        return f"those expected to {answer_to(self.kind).verb}"

    def to_frame(self) -> pd.DataFrame:
        """Return two rows: the list, and those expected to redeem."""
        rows = {"the list": self.of_list, self._expected: self.of_redeemers}
        return pd.DataFrame([{"of": k, **v.to_dict()} for k, v in rows.items()])

    def summary(self) -> str:
        """Say the two shares, and that they are a guess."""
        periods = f"each of the last {PERIODS} periods of {self.days:.0f} days"
        if np.isnan(self.of_list.value):
            return (
                "How many would have bought anyway cannot even be guessed: the data do not show "
                f"purchases of its products over {periods}."
            )
        mine, redeemers = (
            percent(e.value, e.ci_low, e.ci_high) for e in (self.of_list, self.of_redeemers)
        )
        return (
            f"A guess: {mine} of the list, and {redeemers} of {self._expected}, would "
            f"likely have bought anyway, for they bought some of its products in {periods}."
        )


def habitual_buyers(
    shop: Shop, as_of: datetime, promotions: pd.DataFrame
) -> dict[Any, list[Any] | None]:
    """Find who bought any of a promotion's products in each of the last periods.

    Parameters
    ----------
    shop : Shop
        Needs promotion_products and purchases.
    as_of : datetime
        UTC without a zone; nothing at or after it is read.
    promotions : DataFrame
        promotion_id, starts_at, ends_at: a period is as long as the promotion.

    Returns
    -------
    dict
        promotion_id → customer ids, in order; None where the data do not reach back far enough, or
        do not say what was offered or bought.
    """
    import ibis

    if shop.lacks("past spend on a promotion's products") is not None or promotions.empty:
        return dict.fromkeys(promotions["promotion_id"])
    spans = promotions[["promotion_id"]].assign(
        seconds=(promotions["ends_at"] - promotions["starts_at"]).dt.total_seconds().astype("int64")
    )
    now = ibis.literal(as_of).cast("timestamp")
    longest = as_of - timedelta(seconds=PERIODS * int(spans["seconds"].max()))
    lines = order_lines(shop)
    lines = lines.filter(
        lines.bought & (lines.ts < now) & (lines.ts >= ibis.literal(longest).cast("timestamp"))
    )
    offers = shop.promotion_products.select("promotion_id", "product_id").distinct()
    rows = lines.select("customer_id", "product_id", "ts").join(offers, "product_id")
    rows = rows.join(ibis.memtable(spans), "promotion_id")
    # Counted back from now: a purchase a whole period ago, to the second, is in the latest one.
    back = now.epoch_seconds() - rows.ts.epoch_seconds()
    rows = rows.mutate(period=(back - 1) // rows.seconds).filter(lambda t: t.period < PERIODS)
    seen = rows.select("promotion_id", "customer_id", "period").distinct()
    keys = ["promotion_id", "customer_id"]
    counted = seen.group_by(keys).aggregate(periods=seen.count())
    found = counted.filter(counted.periods == PERIODS).select(*keys).order_by(keys).execute()
    known = (as_of - shop.span()[0]).total_seconds()
    return {
        promotion: found.loc[found["promotion_id"] == promotion, "customer_id"].tolist()
        if PERIODS * seconds <= known
        else None
        for promotion, seconds in zip(spans["promotion_id"], spans["seconds"], strict=True)
    }


def share_bought_anyway(
    chances: pd.Series[float], habitual: Iterable[Any] | None, days: float
) -> BoughtAnyway:
    """Return the share of a list that bought its products all along, plain and by chance to redeem.

    Parameters
    ----------
    chances : Series
        Chance to redeem, by customer_id.
    habitual : iterable of customer ids, or None
        Who bought in each of the last periods; None where that is not known.
    days : float
        Length of a period.

    Examples
    --------
    >>> share = share_bought_anyway(pd.Series([0.6, 0.2], index=["A", "B"]), ["A"], 28)
    >>> share.of_list.value, round(share.of_redeemers.value, 2)
    (0.5, 0.75)
    """
    n = len(chances)
    if habitual is None or n == 0:
        unknown = Estimate(float("nan"), float("nan"), float("nan"), n)
        return BoughtAnyway(unknown, unknown, days)
    anyway = chances.index.isin(list(habitual)).astype(float)
    shares = [_weighted(anyway, w) for w in (np.ones(n), chances.to_numpy(float))]
    return BoughtAnyway(shares[0], shares[1], days)


def _weighted(values: np.ndarray, weights: np.ndarray) -> Estimate:
    n, total = len(values), float(weights.sum())
    if total <= 0:
        return Estimate(float("nan"), float("nan"), float("nan"), n)
    share = float(np.clip(weights @ values / total, 0.0, 1.0))
    variance = float(((weights * (values - share)) ** 2).sum() / total**2)
    effective = total**2 / float((weights**2).sum())
    low, high = share_interval(share, variance, effective, 0.95)
    return Estimate(share, float(low), float(high), n)
