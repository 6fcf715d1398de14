"""How well offers would have been ranked in promotions that are over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.display import Html, table
from promolab.effects import mean_of
from promolab.errors import DataError
from promolab.recommend.graph import ProductGraph
from promolab.recommend.offers.on_offer import Lesson, learned_before, lessons
from promolab.results import Estimate, Result
from promolab.wording import number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

PLACES = (1, 3, 5, 10)


@dataclass(frozen=True)
class PastOffers(Result):
    """Offers of past promotions, ranked by what those before them taught; by `past_offers`.

    Parameters
    ----------
    frame : DataFrame
        A row per promotion and customer who took something: ``promotion_id, customer_id, offers``
        (on the table), ``taken, ndcg, own`` (NDCG if own purchases of its products alone ranked
        them), ``held_1, held_3, …`` (share of what was taken on the first places).
    k : int
        Places that NDCG counts.
    """

    frame: pd.DataFrame = field(repr=False)
    k: int

    def to_frame(self) -> pd.DataFrame:
        """Return a row per promotion and customer."""
        return self.frame

    def mean(self, column: str, minus: str | None = None) -> Estimate:
        """Return a column's mean, or that of a difference, with its interval by customer."""
        values = self.frame[column].to_numpy(float)
        if minus is not None:
            values = values - self.frame[minus].to_numpy(float)
        found = by_customer(values, pd.factorize(self.frame["customer_id"])[0])
        if minus is not None:
            return found
        low, high = np.clip([found.ci_low, found.ci_high], 0.0, 1.0)  # of few customers it is wide
        return Estimate(found.value, float(low), float(high), found.n)

    def held(self) -> pd.DataFrame:
        """Return the share of what was taken that stood on the first places, with its interval."""
        rows = []
        for k in PLACES:
            found = self.mean(f"held_{k}")
            rows.append({"places": k, "share": found.value} | _ends(found))
        return pd.DataFrame(rows)

    def opening(self) -> str:
        """Say how much of what was taken stood on the first places."""
        first = self.mean(f"held_{PLACES[2]}")
        return (
            f"In {plural(self.frame['promotion_id'].nunique(), 'past promotion')}, "
            f"{percent(*first.ends)} of what "
            f"{plural(self.frame['customer_id'].nunique(), 'customer')} took stood on the first "
            f"{PLACES[2]} places of their offers."
        )

    @property
    def own_better(self) -> bool:
        """Whether own purchases alone ranked offers better, beyond noise."""
        return self.mean("ndcg", "own").ci_high < 0

    def summary(self) -> str:
        """Say how the ranking did beside own purchases alone, and which one is used."""
        mine, own = (self.mean(name) for name in ("ndcg", "own"))
        more = self.mean("ndcg", "own")
        shown = [number(*e.ends, decimals=2) for e in (mine, own)]
        said = (
            "better than"
            if more.ci_low > 0
            else "worse than"
            if self.own_better
            else "not told apart from"
        )
        return (
            f"{self.opening()} NDCG@{self.k} {shown[0]}, by own purchases alone "
            f"{shown[1]}: {said} these ({number(*more.ends, decimals=3)})"
            f"{', which are used instead' if self.own_better else ''}."
        )

    def to_table(self) -> Html:
        """Return what stood on the first places."""
        return table(self.held(), {"places": "offers each", "share": "of what was taken"})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how much of what was taken stood on the first places."""
        from promolab import plots

        rows = self.held()
        ends = [rows[name] * 100 for name in ("share", "ci_low", "ci_high")]
        ax = plots.curve(rows["places"], ends[0], low=ends[1], high=ends[2], ax=ax)
        return plots.finish(
            ax,
            title="What customers took stood among their first offers",
            subtitle=f"{plural(len(self.frame), 'list')}, 95 % intervals by customer",
            xlabel="offers each, best first",
            ylabel="% of what was taken",
        )


def past_offers(graph: ProductGraph, chosen_types: Sequence[str] = (), k: int = 10) -> PastOffers:
    """Rank the offers of promotions that are over by what was known at their start.

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.
    chosen_types : sequence of str
        Types whose offers the shop chose customer by customer, without a record of which: their
        figures would rediscover that choice, and they are left out.
    k : int
        Places that NDCG counts.

    Raises
    ------
    DataError
        No promotion with several offers is over, or nobody took any.
    """
    k = whole_number("k", k, 1)
    told = lessons(graph, chosen_types)
    if not told:
        raise DataError(
            "no promotion with several offers that customers took is over: nothing tells how well "
            "offers are ranked"
        )
    return PastOffers(pd.concat([_rows(lesson, told, k) for lesson in told], ignore_index=True), k)


def _rows(lesson: Lesson, told: Sequence[Lesson], k: int) -> pd.DataFrame:
    shares = learned_before(told, lesson.starts_at, lesson.kind).shares(lesson.features)
    many = lesson.taken.sum(axis=1)
    rows = {
        "promotion_id": lesson.promotion_id,
        "customer_id": lesson.customers,
        "offers": lesson.taken.shape[1],
        "taken": many.astype(int),
        "ndcg": gain(shares, lesson.taken, k),
        "own": gain(lesson.own, lesson.taken, k),
    }
    hit = np.take_along_axis(lesson.taken, _order(shares), axis=1).cumsum(axis=1)
    for places in PLACES:
        rows[f"held_{places}"] = hit[:, min(places, hit.shape[1]) - 1] / many
    return pd.DataFrame(rows)


def _order(score: np.ndarray) -> np.ndarray:
    return np.argsort(-score, axis=1, kind="stable")


def gain(score: np.ndarray, taken: np.ndarray, k: int) -> np.ndarray:
    """Return each customer's NDCG of the first ``k`` places.

    Examples
    --------
    >>> gain(np.array([[0.2, 0.9, 0.1]]), np.array([[1.0, 0.0, 0.0]]), 2).round(3)
    array([0.631])
    """
    weights = 1 / np.log2(np.arange(min(k, score.shape[1])) + 2.0)
    hit = np.take_along_axis(taken, _order(score), axis=1)[:, : len(weights)]
    best = np.append(0.0, np.cumsum(weights))[
        np.minimum(taken.sum(axis=1).astype(int), len(weights))
    ]
    return np.asarray((hit @ weights) / best)


def by_customer(values: np.ndarray, customers: ArrayLike) -> Estimate:
    """Return a mean with its 95 % interval, by customer (`promolab.effects`)."""
    return mean_of(values, np.unique(np.asarray(customers), return_inverse=True)[1], 0.95).estimate


def _ends(found: Estimate) -> dict[str, float]:
    return {"ci_low": found.ci_low, "ci_high": found.ci_high}
