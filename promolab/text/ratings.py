"""How satisfied customers are, by promotion and segment: stars, and words beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import TABLES
from promolab.results import Estimate, Result, plain
from promolab.stats import (
    cluster_sums,
    compare_means,
    holm,
    intervals_of,
    p_value,
    share_interval,
    spread_of,
    t_quantile,
)
from promolab.wording import arm_words

if TYPE_CHECKING:
    from promolab.contract import Shop


SATISFIED = 4
"""Stars, of five, from which a customer counts as satisfied."""
LEVEL = 0.95
"""Of the intervals."""
FEWEST = 10
"""Customers whose ratings a group needs, to have a row of its own."""
FEWEST_BOTH = 20
"""Customers who gave stars and words that a group needs, for the words of others to count."""
WIDER = 1.05
"""How much larger an error may be for the words' sake."""
ALL, KIND, PROMOTION, SEGMENT = "orders", "kind", "promotion", "segment"
WITH, WITHOUT = "with a promotion", "without a promotion"
HAPPY, STARS = "happy", "rating"
FIGURES = ("satisfied", "rating", "difference")
ENDS = ("", "_low", "_high")
_ESTIMATES = [name + end for name in FIGURES for end in ENDS]
COLUMNS = ("by", "group", "ratings", "scored", "customers", *_ESTIMATES, "p_value", "p_holm")
UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class Satisfaction(Result):
    """How satisfied customers are; made by `Feedback.by_promotion`.

    Parameters
    ----------
    frame : DataFrame
        One row per group: by (``orders`` with and without a promotion, ``kind``, ``promotion``,
        ``segment``), group, ratings, scored (reviews without stars, read by their words; where
        there are any), customers (who rated), satisfied (share of four and five stars) and rating
        (mean stars) with their intervals, difference (of ``satisfied``, less that of orders
        without a promotion; of segments, less that of all other segments), p_value, p_holm (within
        ``by``).
    overall, mean : Estimate
        Share of four and five stars, and mean stars, of all reviews that count.
    few : int
        Promotions with ratings of fewer than ten customers, which have no row.
    why : {"", "none", "few"}
        Why there is nothing to tell: no ratings, or of fewer than two customers.
    level : float
    shop : str
        What readers call the shop.
    scored, unread : int
        Reviews without stars: those read by their words, and those that count for nothing, for
        their words have no score.
    sentiment : Sentiment, optional
        How well words tell; where there are reviews without stars.
    """

    frame: pd.DataFrame = field(repr=False)
    overall: Estimate = UNKNOWN
    mean: Estimate = UNKNOWN
    few: int = 0
    why: str = ""
    level: float = LEVEL
    shop: str = ""
    scored: int = 0
    unread: int = 0
    sentiment: Result | None = None

    def __bool__(self) -> bool:
        return not self.why

    def to_dict(self) -> dict[str, Any]:
        """Return the share of satisfied ratings, the mean, and the difference promotions make."""
        rows = self.frame[(self.frame["by"] == ALL) & (self.frame["group"] == WITH)]
        found = (
            {"promotions": plain(rows.iloc[0].drop(["by", "group"]).to_dict())} if len(rows) else {}
        )
        return super().to_dict() | found

    def standing_out(self) -> list[str]:
        """Return the groups that differ beyond chance after Holm, within each way to group."""
        rows = self.frame[(self.frame["p_holm"] < 1 - self.level) & (self.frame["by"] != ALL)]
        names: list[str] = rows["group"].tolist()
        return names

    def facts(self) -> Mapping[str, Any]:
        """Return orders with and without a promotion, and the groups of table and figure."""
        orders = self.frame[self.frame["by"] == ALL].set_index("group")
        both = orders.loc[WITH] if {WITH, WITHOUT} <= {*orders.index} else None
        gap = UNKNOWN if both is None else _estimate(both, "difference")
        groups, out = self.frame[self.frame["by"] != ALL], self.standing_out()
        rated = self.frame[self.frame["by"] == PROMOTION]
        others = self.frame[self.frame["by"] != PROMOTION]
        return {
            "known": bool(self),
            "worded": self.scored > 0,
            "quality": lambda: self.sentiment.summary() if self.sentiment is not None else "",
            "reason": lambda: self.say("finding") if self.why else "",
            "compared": "" if self.why else "none" if both is None else gap.side,
            "share": UNKNOWN if both is None else _estimate(both, "satisfied"),
            "base": UNKNOWN if both is None else _estimate(orders.loc[WITHOUT], "satisfied"),
            "gap": gap,
            "groups": groups,
            "grouped": "" if groups.empty else "out" if out else "alike",
            "out": out,
            "fewest": FEWEST,
            "rated": rated.sort_values(["satisfied", "group"]),
            "any_rated": len(rated) > 0,
            "drawn": others.assign(bought=others["group"]),
            "all_of_them": self.overall.value,
        }


def _estimate(row: Any, name: str, n: int = 0) -> Estimate:
    return Estimate.of((row[name + end] for end in ENDS), n)


def read_reviews(shop: Shop, as_of: datetime) -> pd.DataFrame:
    """Return a shop's reviews before a moment, with what their promotions are called.

    Parameters
    ----------
    shop : Shop
    as_of : datetime
        Nothing at or after it is read (UTC without a zone).

    Returns
    -------
    DataFrame
        A row per review, in the order of time: the contract's columns of ``reviews`` (missing where
        the shop lacks them), promotion (its name, empty without one), kind (likewise). No rows
        where the shop has no reviews.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("simulated", customers=500, weeks=12)
    >>> reviews = read_reviews(shop, datetime(2025, 1, 1))
    >>> bool(len(reviews)), "promotion" in reviews, bool((reviews["ts"] < "2025-01-01").all())
    (True, True, True)
    """
    columns = [column.name for column in TABLES["reviews"].columns]
    rows = pd.DataFrame(columns=columns, dtype=object)
    if shop.has("reviews"):
        rows = shop.reviews.filter(shop.reviews.ts < as_of).execute()
        rows = rows.reindex(columns=list(dict.fromkeys([*columns, *rows])))
        rows = rows.sort_values(["ts", "customer_id", "product_id"], ignore_index=True)
    rows[STARS], rows["ts"] = pd.to_numeric(rows[STARS]).astype(float), pd.to_datetime(rows["ts"])
    rows[PROMOTION] = rows["promotion_id"].astype("string").fillna("").astype(object)
    rows[KIND] = ""
    if shop.has("promotions") and len(rows):
        kinds = shop.promotions.select("promotion_id", "kind").execute()
        of = dict(zip(kinds["promotion_id"].astype(str), kinds["kind"].astype(str), strict=True))
        named = {p: shop.promotion_name(of[p], p) for p in set(rows[PROMOTION]) & {*of}}
        rows[KIND] = rows[PROMOTION].map(of).map(arm_words, na_action="ignore").fillna("")
        rows[PROMOTION] = rows[PROMOTION].map(named).fillna(rows[PROMOTION])
    return rows


def satisfaction(
    reviews: pd.DataFrame,
    segments: pd.DataFrame | None = None,
    level: float = LEVEL,
    *,
    shop: str = "",
    sentiment: Result | None = None,
    known: bool = True,
) -> Satisfaction:
    """Tell how satisfied customers are, by promotion and by segment.

    Parameters
    ----------
    reviews : DataFrame
        Of `read_reviews`, with a score of each review's words, or nan.
    segments : DataFrame, optional
        customer_id, segment.
    level : float
    shop : str
    sentiment : Sentiment, optional
    known : bool
        Whether the shop records ratings.

    Returns
    -------
    Satisfaction
        False, with the reason, where nothing was rated. Intervals are clustered by customer: of
        shares Wilson's at the size that the clustered variance amounts to, of their differences
        Newcombe's, of means Student's.
    """
    none = pd.DataFrame(columns=[name for name in COLUMNS if name != "scored"])
    if not known:
        return Satisfaction(none, why="none", shop=shop)
    stars, told = reviews[STARS].notna(), reviews["score"].notna()
    if reviews["customer_id"][stars].nunique() < 2:
        return Satisfaction(none, why="few")
    silent = int((~stars & ~told).sum())
    rows = _described(reviews[stars | told], segments)
    score = rows["score"].to_numpy(dtype=float)
    slopes = {name: slope_of_stars(rows[name].to_numpy(), score) for name in (HAPPY, STARS)}
    every = _powered(rows, slopes)
    frame = pd.DataFrame(_compared(rows, slopes, level), columns=list(COLUMNS))
    frame["p_holm"] = frame.groupby("by", sort=False)["p_value"].transform(lambda p: holm(p))
    figures = _level(every, level)
    share, mean = (_estimate(figures, name, len(every)) for name in FIGURES[:2])
    rated = rows[rows[STARS].notna() & (rows[PROMOTION] != "")]
    few = int((rated.groupby(PROMOTION)["customer_id"].nunique() < FEWEST).sum())
    scored = int(every["scored"].sum())
    frame = frame if scored else frame[[*none]]
    lacking = sentiment if scored + silent else None
    unread = silent + int((told & ~stars).sum()) - scored
    return Satisfaction(
        frame, share, mean, few, level=level, scored=scored, unread=unread, sentiment=lacking
    )


def _described(rows: pd.DataFrame, segments: pd.DataFrame | None) -> pd.DataFrame:
    """Add what each review belongs to, as texts, empty where that is not known."""
    happy = (rows[STARS] >= SATISFIED).astype(float).where(rows[STARS].notna())
    rows = rows.assign(happy=happy, segment="")
    rows[ALL] = np.where(rows[PROMOTION] == "", WITHOUT, WITH)
    if segments is not None:
        where = segments.drop_duplicates("customer_id").set_index("customer_id")["segment"]
        rows[SEGMENT] = rows["customer_id"].map(where).fillna("").astype(str)
    return rows.reset_index(drop=True)


def slope_of_stars(y: np.ndarray, score: np.ndarray) -> float:
    """Return by how much an outcome is higher where the score is, per unit; nan where missing."""
    both = ~np.isnan(y) & ~np.isnan(score)
    y, score = y[both], score[both]
    if len(y) < FEWEST or not score.std() > 0:
        return 0.0
    return max(float(np.cov(score, y)[0, 1] / score.var(ddof=1)), 0.0)


def powered(y: np.ndarray, score: np.ndarray, unit: np.ndarray, slope: float) -> np.ndarray | None:
    r"""Return values whose mean is the corrected one, and whose spread is its own; None for stars.

    With stars Y of n reviews and scores f of N, n₁ of them with stars, the mean is

    .. math:: \bar Y_n + \lambda (\bar f_N - \bar f_{n_1}),

    which is the mean of all scores corrected by the starred where λ = 1, and the stars alone where
    λ = 0. The λ of least variance is the slope of Y on f, the same for any n and N: that of all
    reviews is taken. Where stars are missing by chance its error is no larger than that of stars
    alone; where the less satisfied give fewer it may be by a hair, and what counts is that the mean
    is mended. Beyond 5 % the λ that makes the error of these rows least takes its place. Where
    stars do not vary, or fewer than 20 customers gave words and stars, they stand alone.

    Parameters
    ----------
    y, score : ndarray of shape (n,)
        nan where there are no stars, or no score; never both.
    unit : ndarray of int of shape (n,)
        Customers.
    slope : float
        Of `slope_of_stars`.

    References
    ----------
    Angelopoulos, Bates, Fannjiang, Jordan & Zrnic (2023), Science 382; Angelopoulos, Duchi & Zrnic
    (2023), PPI++, arXiv 2311.01453.

    Examples
    --------
    >>> y = np.array([1.0, 0.0] * 20 + [np.nan] * 40)
    >>> score = np.array([0.8, 0.4] * 20 + [0.8] * 40)
    >>> round(float(powered(y, score, np.arange(80), 2.5).mean()), 6)
    0.75
    """
    stars, told = ~np.isnan(y), ~np.isnan(score)
    both = stars & told
    if (
        not (told & ~stars).any()
        or len(np.unique(unit[both])) < FEWEST_BOTH
        or not y[stars].std() > 0
    ):
        return None
    y, score, mean = np.where(stars, y, 0.0), np.where(told, score, 0.0), y[stars].mean()
    every, those = score[told].mean(), score[both].mean()
    own = stars * (y - mean) / stars.sum()
    words = told * (score - every) / told.sum() - both * (score - those) / both.sum()
    before, after = cluster_sums(own, unit), cluster_sums(words, unit)
    if np.square(before + slope * after).sum() > WIDER**2 * np.square(before).sum():
        slope = max(-float(before @ after / (after @ after)), 0.0)
    if slope <= 0:
        return None
    return np.asarray(mean + slope * (every - those) + len(y) * (own + slope * words))


def _powered(rows: pd.DataFrame, slopes: Mapping[str, float]) -> pd.DataFrame:
    """Return rows whose means are the corrected ones: of stars alone where words add nothing."""
    stars, unit = rows[STARS].notna().to_numpy(), pd.factorize(rows["customer_id"])[0]
    score = rows["score"].to_numpy(dtype=float)
    made = {name: powered(rows[name].to_numpy(), score, unit, slopes[name]) for name in slopes}
    if all(values is None for values in made.values()):
        return rows.loc[stars, ["customer_id", *slopes]].assign(stars=True, scored=False)
    for name, values in made.items():
        if values is None:  # the mean of all is that of the stars, and so is its spread
            y, mean = rows[name].to_numpy(), rows[name].mean()
            made[name] = np.where(stars, mean + len(rows) / stars.sum() * (y - mean), mean)
    beside = {"customer_id": rows["customer_id"], "stars": stars, "scored": ~stars}
    return pd.DataFrame({**beside, **made}, index=rows.index)


def _compared(
    rows: pd.DataFrame, slopes: Mapping[str, float], level: float
) -> Iterator[dict[str, Any]]:
    """Yield a row per group with enough customers."""
    without, stars = (rows[ALL] == WITHOUT).to_numpy(), rows[STARS].notna().to_numpy()
    for by in (ALL, KIND, PROMOTION, SEGMENT):
        names = sorted(set(rows[by]) - {""}, key=lambda name: (name == WITHOUT, name))
        for name in names:
            mine = (rows[by] == name).to_numpy()
            if rows["customer_id"][mine & stars].nunique() < FEWEST:
                continue
            others = ~mine & (rows[SEGMENT] != "").to_numpy() if by == SEGMENT else without & ~mine
            part, beside = (_powered(rows[which], slopes) for which in (mine, others))
            yield {
                "by": by,
                "group": name,
                "ratings": int((mine & stars).sum()),
                "scored": int(part["scored"].sum()),
                "customers": rows["customer_id"][mine & stars].nunique(),
                **_level(part, level),
                **gap(part, beside, HAPPY, level),
            }


def _level(rows: pd.DataFrame, level: float) -> dict[str, float]:
    """Return share of satisfied customers and mean stars of some rows, with intervals."""
    customers = rows["customer_id"][rows["stars"]].nunique()
    unit = pd.factorize(rows["customer_id"])[0]
    share = share_of(rows[HAPPY].to_numpy(dtype=float), unit, level, customers)
    mean = float(rows[STARS].mean())
    error = spread_of((rows[STARS].to_numpy() - mean) / len(rows), unit).std_error
    half = t_quantile(level, max(customers - 1, 1)) * error
    mean = min(max(mean, 1.0), 5.0)
    ends = (*share, mean, max(mean - half, 1.0), min(mean + half, 5.0))
    return dict(zip(_ESTIMATES, ends, strict=False))


def share_of(
    y: np.ndarray, unit: np.ndarray, level: float, customers: int
) -> tuple[float, float, float]:
    """Return the mean of a share with its interval, clustered by customer."""
    error = spread_of((y - y.mean()) / len(y), unit).std_error
    share = min(max(float(y.mean()), 0.0), 1.0)
    low, high = share_interval(share, error**2, customers, level)
    return share, float(low), float(high)


def gap(mine: pd.DataFrame, others: pd.DataFrame, name: str, level: float) -> dict[str, float]:
    """Return by how much a share of some rows differs from that of others, and its p value.

    Newcombe's interval and the test of two proportions, clustered by customer: where nobody of a
    small group is satisfied, or everybody is, it is not taken for certain.
    """
    if min(rows["customer_id"][rows["stars"]].nunique() for rows in (mine, others)) < FEWEST:
        return {}
    part = pd.concat([mine, others], ignore_index=True)
    unit, _ = pd.factorize(part["customer_id"])
    arms = compare_means(part[name].to_numpy(dtype=float), np.arange(len(part)) < len(mine), unit)
    ends = (arms.value, *intervals_of(arms, level, share=True)[2])
    found = {f"difference{end}": value for end, value in zip(ENDS, ends, strict=True)}
    return found | {"p_value": p_value(arms, share=True)}
