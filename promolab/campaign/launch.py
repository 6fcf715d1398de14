"""Promotions about to start: who is likely to redeem, and how many a list will bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import Shop
from promolab.errors import InputError
from promolab.features import build_candidates, build_pairs
from promolab.model import Backtest, ResponseModel, pair_features, run_backtest, support
from promolab.results import Result
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "DEFAULT_L2",
    "TOO_FEW",
    "Launch",
    "ListOutlook",
    "expected_words",
    "launch_week",
    "list_outlook",
]

DEFAULT_L2 = 100.0
"""Penalty of the weekly model: the middle of the range (30–300) over which nothing changes much."""
_PAIRS = ("customer_id", "promotion_id", "as_of", "starts_at", "ends_at", "redeemed", "purchased")
_SCORES = ("customer_id", "promotion_id", "p_redeemed", "support")

TOO_FEW = "fewer than three past promotions tell how far such a list misses"


def expected_words(expected: float, low: float, high: float) -> str:
    """Write expected redemptions with their interval, where there is one.

    Examples
    --------
    >>> expected_words(183.2, 81.4, 441.9), expected_words(54.9, float("nan"), float("nan"))
    ('180 [80, 440]', '55')
    """
    return number(expected, low, high, decimals=None if np.isfinite(low) else 0)


@dataclass(frozen=True)
class ListOutlook(Result):
    """How many of the likeliest customers will redeem, for lists of several sizes.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    table : DataFrame
        customers, expected, ci_low, ci_high (95 % prediction interval), rate (expected /
        customers), inside (share of the list whose like was contacted before).
    usual : int
        Customers that past promotions of its type contacted, in the median.
    promotions : int
        Past promotions behind the interval.
    """

    promotion_id: Any
    table: pd.DataFrame = field(repr=False)
    usual: int
    promotions: int

    @property
    def at_usual(self) -> pd.Series[Any]:
        """The row of the list of usual size."""
        nearest_row = (self.table["customers"] - self.usual).abs().to_numpy().argmin()
        return self.table.iloc[int(nearest_row)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per list size."""
        return self.table

    def summary(self) -> str:
        """Say what the list of usual size will bring."""
        row = self.at_usual
        text = expected_words(row["expected"], row["ci_low"], row["ci_high"])
        sentence = (
            f"If the {count(row['customers'])} likeliest are contacted, about {text} of them are "
            f"expected to redeem ({percent(row['rate'], decimals=0)})."
        )
        return sentence if np.isfinite(row["ci_low"]) else f"{sentence} {self.interval_note()}"

    def interval_note(self) -> str:
        """Say where the intervals come from, or why there are none."""
        if self.promotions < 3:
            return f"No intervals: {TOO_FEW}."
        return (
            "The chances of the list added up, times what past promotions brought of that; 95 % "
            f"intervals from how far {self.promotions} of them missed as a whole."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the expected redemptions against the size of the list, with the band."""
        from promolab import plots

        table = self.table
        ax = plots.curve(
            table["customers"], table["expected"], low=table["ci_low"], high=table["ci_high"], ax=ax
        )
        return plots.finish(
            ax,
            title=self.summary(),
            subtitle=self.interval_note(),
            xlabel="customers contacted, likeliest first",
            ylabel="redemptions expected",
        )


@dataclass(frozen=True)
class Launch(Result):
    """The response model of a week and what it says of the promotions that start.

    Parameters
    ----------
    promotions : DataFrame
        The promotions that start in the week.
    pairs : DataFrame
        `promolab.build_pairs` at ``as_of``.
    backtest : Backtest
        Each past promotion predicted from those over before it.
    model : ResponseModel or None
        Fitted on every promotion that is over; None where there is too little history.
    scores : DataFrame
        customer_id, promotion_id, p_redeemed, support: every customer with history × promotion.
    candidates : DataFrame
        The features behind the scores.
    outlooks : tuple of ListOutlook
        One per promotion that starts.
    why : str
        What could not be done and why, else empty.
    """

    promotions: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)
    backtest: Backtest = field(repr=False)
    model: ResponseModel | None = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    candidates: pd.DataFrame = field(repr=False)
    outlooks: tuple[ListOutlook, ...]
    why: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return the outlooks of all promotions, one row per promotion and list size."""
        tables = [o.table.assign(promotion_id=o.promotion_id, usual=o.usual) for o in self.outlooks]
        columns = ["promotion_id", "customers", "expected", "ci_low", "ci_high", "rate", "inside"]
        empty = pd.DataFrame(columns=[*columns, "usual"], dtype=float)
        return pd.concat(tables, ignore_index=True)[[*columns, "usual"]] if tables else empty

    def summary(self) -> str:
        """Say what starts and how many customers were scored."""
        if self.why:
            return self.why
        if self.promotions.empty:
            return "No promotion starts this week; there is nobody to rank."
        supports = self.scores["support"].value_counts(normalize=True)
        return (
            f"{plural(len(self.promotions), 'promotion starts', 'promotions start')} this week; "
            f"{plural(self.scores['customer_id'].nunique(), 'customer')} ranked. "
            f"{percent(float(supports.get('new_customer', 0.0)), decimals=0)} of the scores are of "
            "customers who were never contacted before: nothing tested holds for them."
        )


def launch_week(
    shop: Shop, as_of: datetime, until: datetime, *, l2: float = DEFAULT_L2, list_size: int = 0
) -> Launch:
    """Fit and test the response model, and rank the customers for what starts in a week.

    Parameters
    ----------
    shop : Shop
        Cleaned. What it lacks is said in ``why``, not raised.
    as_of, until : datetime
        The week, UTC without a zone.
    l2 : float
        Penalty of the model.
    list_size : int
        Customers to contact per promotion; 0 takes what past promotions of its type contacted.

    Returns
    -------
    Launch
    """
    lacking = shop.lacks("response models")
    if lacking:
        return _without(f"No response model: {lacking}.", pd.DataFrame(columns=["promotion_id"]))
    promotions = shop.promotions
    starting = promotions.filter((promotions.starts_at >= as_of) & (promotions.starts_at < until))
    starting = starting.order_by("starts_at", "promotion_id").execute()
    pairs = build_pairs(shop, as_of).execute()
    backtest = run_backtest(pairs, model=lambda: ResponseModel(l2=l2))
    done = pairs[pairs["label_complete"]]
    columns = pair_features(pairs)
    try:
        model = ResponseModel(l2=l2, columns=columns).fit(
            done[columns], done["redeemed"], cluster=done["customer_id"]
        )
    except InputError as error:
        why = f"No response model yet: {error}"
        return _without(why, starting, pairs, backtest)
    if starting.empty:
        return _without("", starting, pairs, backtest, model)
    candidates = build_candidates(shop, as_of, starting["promotion_id"].tolist()).execute()
    scores = candidates[["customer_id", "promotion_id"]].assign(
        p_redeemed=model.probability(candidates), support=support(done, candidates)
    )
    outlooks = tuple(
        list_outlook(scores[scores["promotion_id"] == p], backtest, _usual(pairs, row, list_size))
        for p, row in zip(starting["promotion_id"], starting.to_dict("records"), strict=True)
        if (scores["promotion_id"] == p).any()
    )
    return Launch(starting, pairs, backtest, model, scores, candidates, outlooks)


def _without(
    why: str,
    starting: pd.DataFrame,
    pairs: pd.DataFrame | None = None,
    backtest: Backtest | None = None,
    model: ResponseModel | None = None,
) -> Launch:
    if pairs is None:
        pairs = pd.DataFrame(columns=[*_PAIRS, "label_complete"])
    return Launch(
        promotions=starting,
        pairs=pairs,
        backtest=backtest or run_backtest(pairs),
        model=model,
        scores=pd.DataFrame(columns=_SCORES),
        candidates=pd.DataFrame(columns=_SCORES),
        outlooks=(),
        why=why,
    )


def _usual(pairs: pd.DataFrame, promotion: dict[Any, Any], list_size: int) -> int:
    """Return how many customers promotions of this type contacted, in the median."""
    if list_size:
        return list_size
    past = pairs.groupby("promotion_id").agg(contacts=("customer_id", "nunique"))
    for name in ("type", "kind"):
        if name in promotion and f"promotion_{name}" in pairs:
            like = pairs.loc[pairs[f"promotion_{name}"] == promotion[name], "promotion_id"]
            mine = past.loc[past.index.isin(like), "contacts"]
            if len(mine):
                return int(mine.median())
    return int(past["contacts"].median())


def list_outlook(
    scores: pd.DataFrame, backtest: Backtest, usual: int, sizes: Sequence[int] | None = None
) -> ListOutlook:
    """Say how many redemptions lists of several sizes will bring, the likeliest customers first.

    Parameters
    ----------
    scores : DataFrame
        Of one promotion: customer_id, promotion_id, p_redeemed, support.
    backtest : Backtest
        Gives the interval: how far whole promotions missed before
        (`promolab.model.Backtest.expected_interval`).
    usual : int
        The size of list to speak of.
    sizes : sequence of int, optional
        Sizes of lists; by default a quarter, half, once and twice the usual one, and everybody.

    Returns
    -------
    ListOutlook
    """
    ranked = scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    everybody = len(ranked)
    wanted = sizes or [usual // 4, usual // 2, usual, 2 * usual, everybody]
    wanted = sorted({min(size, everybody) for size in wanted if size > 0})
    total = ranked["p_redeemed"].cumsum().to_numpy()
    inside = (ranked["support"] == "inside").cumsum().to_numpy()
    rows = []
    for size in wanted:
        estimate = backtest.expected_interval(float(total[size - 1]))
        rows.append(
            {
                "customers": size,
                "expected": estimate.value,
                "ci_low": estimate.ci_low,
                "ci_high": min(estimate.ci_high, float(size)),
                "rate": estimate.value / size,
                "inside": inside[size - 1] / size,
            }
        )
    return ListOutlook(
        ranked["promotion_id"].iloc[0],
        pd.DataFrame(rows),
        min(usual, everybody),
        backtest.ratio_spread.k,
    )
