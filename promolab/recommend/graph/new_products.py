"""How well customers were ranked for products that nobody had bought yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.effects import mean_of
from promolab.errors import DataError
from promolab.recommend.graph.edges import ProductGraph
from promolab.recommend.graph.paths import cold_scores, product_paths
from promolab.results import Estimate, Result
from promolab.wording import number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = 10_000_000
"""Customers times products that are scored at a time."""


@dataclass(frozen=True)
class NewProducts(Result):
    """Products that were new lately, and how well their buyers were ranked; by `past_new_products`.

    Parameters
    ----------
    frame : DataFrame
        A row per product: ``product_id, buyers, auc`` (of `cold_scores` as of before it was sold),
        ``same_type`` (AUC by orders of its narrowest group, then by all orders).
    days : int
        What counts as lately.
    """

    frame: pd.DataFrame = field(repr=False)
    days: int

    def to_frame(self) -> pd.DataFrame:
        """Return a row per product."""
        return self.frame

    def mean(self, minus: str | None = None) -> Estimate:
        """Return the mean AUC or paired difference, with its interval over products."""
        values = self.frame["auc"].to_numpy(float)
        values = values if minus is None else values - self.frame[minus].to_numpy(float)
        return mean_of(values, np.arange(len(values)), 0.95).estimate

    def summary(self) -> str:
        """Say how well buyers of new products were found."""
        more = self.mean("same_type")
        return (
            f"Customers ranked for {plural(len(self.frame), 'product')} that came new in the last "
            f"{self.days} days, by what was known before: AUC "
            f"{number(*self.mean().ends, decimals=2)}; less that of a ranking by purchases of the "
            f"same group alone {number(*more.ends, decimals=3)}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how the products' AUC spread."""
        from promolab import plots

        ax = plots.histogram(self.frame["auc"].to_numpy(float), ax=ax)
        return plots.finish(
            ax,
            title="How well buyers of new products were found",
            subtitle=f"{plural(len(self.frame), 'product')} of the last {self.days} days",
            xlabel="AUC among customers with purchases before",
            ylabel="products",
        )


def past_new_products(graph: ProductGraph, days: int = 56, least: int = 8) -> NewProducts:
    """Rank customers for products of the last weeks by what was known before, and hold it.

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.
    days : int
        Products first bought in the last so many days count as new.
    least : int
        Fewest customers who bought one since.

    Raises
    ------
    DataError
        No product was new lately, or nothing was bought before.
    """
    days, least = whole_number("days", days, 1), whole_number("least", least, 1)
    if not graph.groups:
        raise DataError(
            "nothing is known of products (products: type, category, maker, department): no path "
            "leads to a new one"
        )
    past = graph.past
    oldest = np.zeros(past.shape[1])
    np.maximum.at(oldest, past.product, past.age)
    buyers = past.buyers(days)
    fresh = np.flatnonzero((oldest <= days) & (buyers >= least) & (graph.bought_at >= 0))
    moment = past.as_of - timedelta(days=days)
    before = past.of_customers(None, moment)
    known = np.flatnonzero(np.bincount(before.customer, minlength=past.shape[0]) > 0)
    if not len(fresh) or not len(known) or pd.Timestamp(moment) < graph.known_from:
        raise DataError(
            f"no product came new in the last {days} days, after four weeks of others, and was "
            f"bought by {least} customers: nothing tells how well new ones are ranked for"
        )
    then, bought = replace(graph, past=before), past.matrix().tocsc()
    # A few products at a time: scores of all customers for all of them would not fit.
    many = max(CELLS // past.shape[0], 1)
    parts = [_ranked(then, fresh[i : i + many], known, bought) for i in range(0, len(fresh), many)]
    told = pd.concat(parts, ignore_index=True).assign(buyers=buyers[fresh])
    rows = told.dropna(subset=["auc", "same_type"]).reset_index(drop=True)
    rows = rows[["product_id", "buyers", "auc", "same_type"]]
    if rows.empty:
        raise DataError("nobody, or everybody, of those known before bought what came new")
    return NewProducts(rows, days)


def _ranked(
    then: ProductGraph, products: np.ndarray, known: np.ndarray, bought: Any
) -> pd.DataFrame:
    """Return product_id, auc and same_type of some products, by what was known then."""
    ids = then.past.products[products]
    came = (bought[:, products].toarray() > 0)[known]
    paths = product_paths(then, then.bought_at[products])
    narrow, wide = next(iter(paths.values())), paths["any"]
    plain = (narrow + 1e-6 * wide / max(wide.max(), 1))[known]
    score = cold_scores(then, ids).to_numpy()[known]
    told = {"product_id": ids, "auc": areas(score, came), "same_type": areas(plain, came)}
    return pd.DataFrame(told)


def areas(score: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each column; nan where all or none came.

    Examples
    --------
    >>> areas(np.array([[0.1], [0.9], [0.5]]), np.array([[False], [True], [True]]))
    array([1.])
    """
    from scipy.stats import rankdata

    many = came.sum(axis=0)
    ranks = np.where(came, rankdata(score, axis=0), 0.0).sum(axis=0)
    pairs = many * (len(came) - many)
    area = (ranks - many * (many + 1) / 2) / np.where(pairs > 0, pairs, 1)
    return np.where(pairs > 0, area, np.nan)
