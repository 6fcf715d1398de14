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
from promolab.wording import answer_to, count, expected, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.compare import Backtest
    from promolab.metrics import PastRatios


NOT_RECORDED = "Who answered promotions of its kind was never recorded"
TOO_FEW = "fewer than three past promotions tell how far such a list misses"


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

    def summary(self) -> str:
        """Say what the list of usual size will bring."""
        row = self.at_usual
        if np.isnan(row["expected"]):
            return f"{NOT_RECORDED}: no number is predicted."
        text = expected(row["expected"], row["ci_low"], row["ci_high"])
        sentence = (
            f"If the {count(row['customers'])} likeliest are contacted, about {text} of them are "
            f"expected to {answer_to(self.kind).verb} ({percent(row['rate'], decimals=0)})."
        )
        return sentence if np.isfinite(row["ci_low"]) else f"{sentence} {self.interval_note()}"

    def interval_note(self) -> str:
        """Say where the intervals come from, or why there are none."""
        if self.promotions < 3:
            return f"No intervals: {TOO_FEW}."
        return (
            "The chances of the list added up, times what past promotions brought of that, "
            "weighted by size and type; "
            f"{percent(PREDICTION_LEVEL, decimals=0)} intervals from how far {self.promotions} of "
            "them missed as a whole."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the expected redemptions against the size of the list, with the band."""
        from promolab import plots

        table = self.rows
        ax = plots.curve(
            table["customers"], table["expected"], low=table["ci_low"], high=table["ci_high"], ax=ax
        )
        return plots.finish(
            ax,
            title=self.summary(),
            subtitle=self.interval_note(),
            xlabel="customers contacted, likeliest first",
            ylabel=f"{answer_to(self.kind).noun}s expected",
        )


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
        (`promolab.compare.Backtest.expected_interval`).
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
