"""Ways to recommend beside what the same customers bought after; what is bought again."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import choices_of, level_of, seed_of, whole_number
from promolab.effects import mean_of
from promolab.errors import DataError
from promolab.features import read_as_of
from promolab.metrics import AMONG, RecommendationQuality, recommendation
from promolab.recommend.purchases import Purchases, purchase_rows, read_purchases
from promolab.recommend.recommender import KINDS, Recommender
from promolab.results import Estimate, Result
from promolab.stats import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COMPARED = tuple(kind for kind in KINDS if kind != "content")


@dataclass(frozen=True)
class RecommenderBoard(Result):
    """Ways to recommend, on the same customers and the same weeks after.

    Parameters
    ----------
    frame : DataFrame
        A row per kind and ``among``: ``kind, among, ndcg, ndcg_low, ndcg_high, recall, hit_rate,
        repeats`` (share of the list bought before), ``coverage, novelty, customers, difference,
        difference_low, difference_high`` (NDCG less the first kind's, paired by customer),
        ``p_value, p_holm`` (over the kinds, for each ``among``), ``seconds`` (fitting and listing).
    kinds : tuple of str
        The simplest first; the first is what the others are held against.
    k, weeks : int
        Places of a list; weeks whose purchases count.
    level : float
        Confidence level of intervals.
    unknown : int
        Purchases left out because they name no customer or no product.
    """

    frame: pd.DataFrame = field(repr=False)
    kinds: tuple[str, ...]
    k: int
    weeks: int
    level: float = 0.95
    unknown: int = 0

    def best(self, among: str = "all") -> str:
        """Return the kind of the highest NDCG, the simplest of equals."""
        rows = self.frame[self.frame["among"] == among]
        return str(rows["kind"].iloc[int(np.argmax(rows["ndcg"].to_numpy()))])

    def facts(self) -> dict[str, Any]:
        """Return the best kind of each part, held against the first kind."""
        rows = self.frame
        best = {among: self.best(among) for among in rows["among"].unique()}
        leading = rows[rows["kind"] == rows["among"].map(best)]
        unsure = np.where(leading["difference_low"] > 0, "sure", "unsure")
        leading = leading.assign(case=np.where(leading["kind"] == self.kinds[0], "first", unsure))
        # What is bought again was found by all of them; where it alone is told, it is.
        told = leading[leading["among"] != "repeat"]
        return {
            "first": self.kinds[0],
            "leading": leading,
            "told": told if len(told) else leading,
            "ways": [{"kind": kind, "goes_by": kind} for kind in self.kinds],
        }

    def note(self) -> str:
        """Say what NDCG is, and what each method goes by."""
        return self._facts.say("explained")

    def plot(self, ax: Axes | None = None, among: str = "all") -> Axes:
        """Draw each kind's NDCG with its interval, and return the Axes."""
        part = replace(self, frame=self.frame[self.frame["among"] == among])
        drawn: Axes = part._as_words_say("plot", ax)
        return drawn


def compare_recommenders(
    events: Any,
    products: Any,
    *,
    as_of: Any,
    kinds: Sequence[str] = COMPARED,
    weeks: int = 4,
    k: int = 20,
    among: Sequence[str] = AMONG,
    customers: int = 1000,
    least_customers: int = 10,
    level: float = 0.95,
    seed: int = 0,
) -> RecommenderBoard:
    """Fit each kind on what was known at a moment, and hold its lists against what came.

    Parameters
    ----------
    events : Table or DataFrame
        Before ``as_of`` and for ``weeks`` after it.
    products : Table or DataFrame or None
    as_of : datetime, date or str
    kinds : sequence of str
        Of `Recommender`, the simplest first.
    weeks : int
        Purchases of so many weeks count.
    k : int
        Places of a list.
    among : sequence of str
        Each is a task of its own: "all", "repeat", "new".
    customers : int
        How many are drawn, by seed, among those with purchases before.
    least_customers : int
        Of `Recommender`.
    level : float
    seed : int

    Returns
    -------
    RecommenderBoard

    Raises
    ------
    DataError
        The weeks after are not over in these events, or nobody bought anything in them.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", "2024-02-20", freq="D")
    >>> events = pd.DataFrame({"customer_id": np.arange(len(days)) % 3, "ts": days})
    >>> events["product_id"] = events["customer_id"] % 2
    >>> few = {"weeks": 2, "k": 1, "among": ["all"], "least_customers": 1}
    >>> board = compare_recommenders(
    ...     events, None, as_of="2024-02-01", kinds=["popularity", "frequency"], **few
    ... )
    >>> board.best(), board.frame["ndcg"].round(2).tolist()
    ('frequency', [0.67, 1.0])
    """
    names = choices_of("kinds", kinds, KINDS)
    parts = choices_of("among", among, AMONG)
    weeks, k = whole_number("weeks", weeks, 1), whole_number("k", k, 1)
    level, seed = level_of(level), seed_of(seed)
    now = read_as_of(as_of)
    known, after = _split(events, now, weeks)
    past = read_purchases(known, products, now, least_customers)
    del known  # as large as what was read of it
    rng = np.random.default_rng(seed)
    many = min(whole_number("customers", customers, 2), past.shape[0])
    drawn = np.sort(rng.choice(past.shape[0], many, replace=False))
    asked = past.customers[drawn]
    after = after[after["product_id"].isin(past.products) & after["customer_id"].isin(asked)]
    if after.empty:
        raise DataError(f"none of these customers bought anything in the {weeks} weeks after")
    before = pd.DataFrame(
        {
            "customer_id": past.customers[past.customer],
            "product_id": past.products[past.product],
        }
    ).drop_duplicates()
    found: dict[str, dict[str, RecommendationQuality]] = {}
    cost = {}
    for name in names:
        began = clock.perf_counter()
        model = Recommender(name, least_customers=least_customers, seed=seed).fit_purchases(past)
        lists = model.recommend_each(asked, min(k, past.shape[1]), parts, reasons=False)
        cost[name] = clock.perf_counter() - began
        found[name] = {
            part: recommendation(
                lists[part], after, before=before, k=k, among=part, catalogue=past.shape[1],
                level=level,
            )
            for part in parts
        }  # fmt: skip
    board = _board(found, cost, level)
    return RecommenderBoard(board, tuple(names), k, weeks, level, past.unknown)


def _split(events: Any, now: Any, weeks: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the purchases before the moment, and those of the weeks after."""
    end = now + timedelta(weeks=weeks)
    rows = purchase_rows(events)
    if rows["ts"].max() < end - timedelta(days=1):
        raise DataError(
            f"the {weeks} weeks after {now:%Y-%m-%d} are not over in these events (they end "
            f"{rows['ts'].max():%Y-%m-%d}); give an earlier as_of or fewer weeks"
        )
    return rows[rows["ts"] < now], rows[(rows["ts"] >= now) & (rows["ts"] < end)]


def _board(
    found: dict[str, dict[str, RecommendationQuality]],
    cost: dict[str, float],
    level: float,
) -> pd.DataFrame:
    first = next(iter(found))
    rows = []
    for part in found[first]:
        base = found[first][part].frame.set_index("customer_id")["ndcg"]
        part_rows = []
        for name, of in found.items():
            quality = of[part]
            gap = (quality.frame.set_index("customer_id")["ndcg"] - base).to_numpy(float)
            part_rows.append(
                {
                    "kind": name,
                    "among": part,
                    "ndcg": quality.ndcg.value,
                    "ndcg_low": quality.ndcg.ci_low,
                    "ndcg_high": quality.ndcg.ci_high,
                    "recall": quality.recall.value,
                    "hit_rate": quality.hit_rate.value,
                    "repeats": quality.repeats.value,
                    "coverage": quality.coverage,
                    "novelty": quality.novelty,
                    "customers": quality.ndcg.n,
                    **_paired(gap, level, name == first),
                    "seconds": cost[name],
                }
            )
        p = np.array([row["p_value"] for row in part_rows], dtype=float)
        p[1:] = holm(p[1:])
        rows += [row | {"p_holm": float(each)} for row, each in zip(part_rows, p, strict=True)]
    return pd.DataFrame(rows)


def _paired(gap: np.ndarray, level: float, reference: bool) -> dict[str, float]:
    """Return the mean of paired differences with its interval and p value."""
    from scipy.stats import ttest_1samp

    gap = gap[~np.isnan(gap)]
    names = ("difference", "difference_low", "difference_high", "p_value")
    if reference or len(gap) < 2:
        return dict.fromkeys(names, np.nan)
    mean = float(gap.mean())
    if not gap.std():
        return dict(zip(names, (mean, mean, mean, float(mean == 0)), strict=True))
    found = ttest_1samp(gap, 0.0)
    ends = found.confidence_interval(level)
    return dict(zip(names, map(float, (mean, *ends, found.pvalue)), strict=True))


GROUPS = ("product", "type", "category")


@dataclass(frozen=True)
class RepurchaseRates(Result):
    """How much of what customers bought lately they had bought before; by `repurchase_rates`.

    Parameters
    ----------
    frame : DataFrame
        A row for products, types and categories, as far as they are known: ``what, pairs`` (of a
        customer and what was bought), ``share`` (bought before) ``, ci_low, ci_high`` (95 %, by
        customer).
    by_category : DataFrame
        ``category, pairs, share``: of products, the categories with most pairs.
    days : int
        What counts as lately.
    """

    frame: pd.DataFrame = field(repr=False)
    by_category: pd.DataFrame = field(repr=False)
    days: int

    def facts(self) -> dict[str, Any]:
        """Return the shares of products and categories."""
        of = {row["what"]: row for row in self.frame.to_dict("records")}
        shares = {
            what: Estimate(row["share"], row["ci_low"], row["ci_high"], row["pairs"])
            for what, row in of.items()
        }
        return {
            "product": shares["product"],
            "category": shares.get("category", Estimate(np.nan)),
        }


def repurchase_rates(past: Purchases, days: int = 28, most: int = 10) -> RepurchaseRates:
    """Hold what customers bought lately against what they had bought before.

    Parameters
    ----------
    past : Purchases
        Of all products, as `promolab.recommend.product_graph` holds them.
    days : int
        What counts as lately.
    most : int
        Categories told apart.

    Raises
    ------
    DataError
        Nothing was bought lately, or nothing before that.
    """
    days = whole_number("days", days, 1)
    late = past.age <= days
    if not late.any() or late.all():
        raise DataError(
            f"purchases of the last {days} days and of the time before them are needed to tell "
            "what is bought again"
        )
    rows, found = [], {}
    for what in GROUPS:
        if what == "product":
            codes = past.product
        elif what in past.attributes.columns:
            codes = pd.factorize(past.attributes[what])[0][past.product]
        else:
            continue
        found[what] = _pairs(past.customer, codes, late)
        pairs = found[what]
        if pairs.empty:
            continue
        clusters = np.unique(pairs["customer"], return_inverse=True)[1]
        share = mean_of(pairs["again"].to_numpy(float), clusters, 0.95).estimate
        ends = {"share": share.value, "ci_low": share.ci_low, "ci_high": share.ci_high}
        rows.append({"what": what, "pairs": len(pairs)} | ends)
    categories = pd.DataFrame({"category": [], "pairs": [], "share": []})
    if "category" in past.attributes.columns:
        names = past.attributes["category"].to_numpy()[found["product"]["code"]]
        told = found["product"].assign(category=names).groupby("category")["again"]
        categories = told.agg(["size", "mean"]).reset_index()
        categories.columns = ["category", "pairs", "share"]
        categories = categories.sort_values(["pairs", "category"], ascending=[False, True])
        categories = categories.head(most).sort_values(
            ["share", "category"], ascending=[False, True], ignore_index=True
        )
    return RepurchaseRates(pd.DataFrame(rows), categories, days)


def _pairs(customer: np.ndarray, codes: np.ndarray, late: np.ndarray) -> pd.DataFrame:
    """Return customer and code of what was bought lately, and whether it had been before."""
    known = codes >= 0
    many = int(codes.max(initial=0)) + 1
    keys = customer.astype(np.int64) * many + codes
    now = np.unique(keys[late & known])
    again = np.isin(now, keys[~late & known])
    return pd.DataFrame({"customer": now // many, "code": now % many, "again": again})
