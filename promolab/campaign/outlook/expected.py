"""How many redemptions a list will bring, and how far such forecasts miss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare import expected_responses
from promolab.promotions import PREDICTION_LEVEL
from promolab.results import Estimate, Result
from promolab.wording import answer_to

if TYPE_CHECKING:
    from promolab.compare import Backtest
    from promolab.metrics import PastRatios


@dataclass(frozen=True)
class ListOutlook(Result):
    """How many of the likeliest customers will redeem, for lists of several sizes.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    rows : DataFrame
        customers, expected, ci_low, ci_high (90 % prediction interval), rate (expected /
        customers), inside (share of the list whose like was contacted before).
    usual : int
        Customers that past promotions of its type contacted, in the median.
    promotions : int
        Past promotions behind the interval.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    promotion_id: Any
    rows: pd.DataFrame = field(repr=False)
    usual: int
    promotions: int
    kind: str = "coupon"

    @property
    def at_usual(self) -> pd.Series[Any]:
        """The row of the list of usual size."""
        nearest_row = (self.rows["customers"] - self.usual).abs().to_numpy().argmin()
        return self.rows.iloc[int(nearest_row)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per list size."""
        return self.rows

    def facts(self) -> dict[str, Any]:
        """Return what the list of usual size will bring, and whether intervals are known."""
        row = self.at_usual
        ends = row["expected"], row["ci_low"], row["ci_high"]
        return {
            "state": "unrecorded" if np.isnan(row["expected"]) else "known",
            "answer": answer_to(self.kind),
            "level": PREDICTION_LEVEL,
            "customers": row["customers"],
            "brings": Estimate(*ends),
            "rate": row["rate"],
            "unbounded": not np.isfinite(row["ci_low"]),
            "few": self.promotions < 3,
        }


def type_of(promotion: Mapping[Any, Any]) -> str:
    """Return what a promotion is compared by: its type, else its kind.

    Examples
    --------
    >>> type_of({"kind": "coupon", "type": "A"}), type_of({"kind": "coupon", "type": None})
    ('A', 'coupon')
    """
    told = promotion.get("type")
    return told if isinstance(told, str) and told else str(promotion.get("kind") or "")


def expected_of(
    chances: pd.Series[float], ratios: PastRatios, type_: str = "", *, recorded: bool = True
) -> Estimate:
    """Return how many of a list will redeem, with the interval of a promotion still to come.

    Parameters
    ----------
    chances : Series
        Predicted chances of those who are contacted; their order does not matter.
    ratios : PastRatios
        How far whole promotions missed before: `promolab.compare.Backtest.past_ratios`.
    type_ : str
        The promotion's (`type_of`).
    recorded : bool
        Whether the shop records who answers its kind (`promolab.promotions.kinds_answered`): what
        other kinds bring says nothing of it.

    Returns
    -------
    Estimate
        nan where answers are not recorded; else the mean, at `PREDICTION_LEVEL`, never more than
        there are on the list; n is the number of past promotions behind the interval, whose ends
        are nan with fewer than three.
    """
    if not recorded:
        return Estimate(math.nan)
    found = expected_responses(math.fsum(chances), ratios, PREDICTION_LEVEL, type_)
    most = float(len(chances))
    return Estimate(min(found.value, most), found.ci_low, min(found.ci_high, most), found.n)


def list_outlook(
    scores: pd.DataFrame,
    backtest: Backtest,
    usual: int,
    sizes: Sequence[int] | None = None,
    kind: str = "coupon",
    type_: str = "",
    *,
    recorded: bool = True,
) -> ListOutlook:
    """Say how many redemptions lists of several sizes will bring, the likeliest customers first.

    Parameters
    ----------
    scores : DataFrame
        Of one promotion: customer_id, promotion_id, p_redeemed, support.
    backtest : Backtest
        Gives the interval: how far whole promotions missed before
        (`promolab.compare.expected_responses`).
    usual : int
        The size of list to speak of.
    sizes : sequence of int, optional
        Sizes of lists; by default a quarter, half, once and twice the usual one, and everybody.
    kind, type_ : str
        Of the promotion (`type_of`).
    recorded : bool
        As for `expected_of`.

    Returns
    -------
    ListOutlook
    """
    ranked = scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    everybody = len(ranked)
    wanted = sizes or [usual // 4, usual // 2, usual, 2 * usual, everybody]
    wanted = sorted({min(size, everybody) for size in wanted if size > 0})
    inside = (ranked["support"] == "inside").cumsum().to_numpy()
    rows = []
    for size in wanted:
        chances = ranked["p_redeemed"].head(size)
        estimate = expected_of(chances, backtest.past_ratios, type_, recorded=recorded)
        rows.append(
            {
                "customers": size,
                "expected": estimate.value,
                "ci_low": estimate.ci_low,
                "ci_high": estimate.ci_high,
                "rate": estimate.value / size,
                "inside": inside[size - 1] / size,
            }
        )
    return ListOutlook(
        ranked["promotion_id"].iloc[0],
        pd.DataFrame(rows),
        min(usual, everybody),
        backtest.past_ratios.k,
        kind,
    )


def kinds_of(pairs: pd.DataFrame) -> tuple[str, ...]:
    """Return the kinds of the promotions in pairs, where these tell them."""
    if "promotion_kind" not in pairs:
        return ()
    return tuple(sorted(pairs["promotion_kind"].dropna().astype(str).unique()))
