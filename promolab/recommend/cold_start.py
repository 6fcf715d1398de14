"""Who buys products that nobody has bought yet, by paths through the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import refuse, whole_number
from promolab.effects import mean_of
from promolab.errors import DataError
from promolab.metrics import Variance, auc_interval
from promolab.recommend.graph import ProductGraph
from promolab.recommend.methods import HALF_LIFE, indicator
from promolab.results import Estimate, Result

PATHS: tuple[tuple[str, ...], ...] = (
    ("type",),
    ("type", "maker"),
    ("category",),
    ("maker",),
    ("department",),
    (),
)
"""What two products have in common on the way from one to the other; () is any product at all."""


def cold_scores(
    graph: ProductGraph,
    asked: Iterable[Any],
    customers: Iterable[Any] | None = None,
    vectors: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score customers for products that nobody has bought yet.

    The paths of the graph that lead from a customer to the product (Sun et al. 2011, PathSim,
    VLDB): customer, bought product, its type (or maker, category, …), the new product. For
    each path the orders along it are counted, half as much every sixteen weeks, the logarithm of
    one more is standardised over customers, and the paths are added up. No weight is learned.

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.
    asked : iterable of ids
        The products.
    customers : iterable of ids, optional
        By default everybody who bought something.
    vectors : DataFrame, optional
        By product_id, of `encode_media`: how near (cosine) the new product is to what a customer
        bought is one more path. Give them where `past_new_products` found that they help.

    Returns
    -------
    DataFrame, shape (customers, asked)
        Scores that rank customers within a column; those without purchases come last. A product of
        which nothing is known is ranked for by how much a customer orders at all.

    Raises
    ------
    InputError
        An unknown product, an id that stands twice.

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> from promolab.recommend import product_graph
    >>> con = ibis.duckdb.connect()
    >>> events = pd.DataFrame({"customer_id": [1, 2], "product_id": ["a", "b"],
    ...     "kind": "purchase", "ts": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    >>> products = pd.DataFrame({"product_id": list("abc"), "category": ["tea", "oil", "tea"]})
    >>> shop = Shop({"events": con.create_table("events", events),
    ...              "products": con.create_table("products", products)})
    >>> int(cold_scores(product_graph(shop, "2024-02-01"), ["c"])["c"].idxmax())
    1
    """
    ids = list(asked)
    if pd.Index(ids).has_duplicates:
        raise refuse("asked", pd.Index(ids)[pd.Index(ids).duplicated()][0], "each id once")
    rows = graph.rows_of(ids, "asked")
    paths = [np.log1p(values) for values in product_paths(graph, rows).values()]
    paths += [] if vectors is None else [_nearness(graph, rows, vectors)]
    total = np.sum([_standard(values) for values in paths], axis=0)
    found = pd.DataFrame(total, index=pd.Index(graph.past.customers, name="customer_id"))
    found.columns = pd.Index(ids)
    if customers is None:
        return found
    # Whoever bought nothing is on no path.
    nothing = -np.sum([_level(values) for values in paths], axis=0)
    wanted = pd.Index(list(customers), name="customer_id")
    told = found.reindex(wanted)
    unknown = ~wanted.isin(found.index)
    told.loc[unknown] = np.broadcast_to(nothing, (int(unknown.sum()), len(ids)))
    return told


def _nearness(graph: ProductGraph, rows: np.ndarray, vectors: pd.DataFrame) -> np.ndarray:
    """Return the mean cosine of products with what each customer bought, and two orders of 0."""
    found = (vectors - vectors.mean()).reindex(graph.products["product_id"]).fillna(0.0).to_numpy()
    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    orders = graph.past.decayed(HALF_LIFE)
    liked = orders @ np.where(graph.bought_at[:, None] >= 0, found[graph.bought_at], 0.0)
    return np.asarray(liked / (orders.sum(axis=1) + 2) @ found[rows].T)


def _level(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.where(spread > 0, values.mean(axis=0) / np.where(spread > 0, spread, 1), 0.0)


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    told = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.where(spread > 0, told, 0.0)


def product_paths(graph: ProductGraph, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each path the orders of each customer along it, customers × products asked for."""
    decayed, found = graph.past.decayed(HALF_LIFE), {}
    for path in PATHS:
        codes = graph.codes(path)
        if codes is None:
            continue
        wanted, column = np.unique(codes[rows], return_inverse=True)
        bought = graph.of_bought(codes)
        place = np.where(bought >= 0, pd.Index(wanted).get_indexer(bought), -1)
        orders = (decayed @ indicator(place, len(wanted))).toarray()[:, column]
        found[" × ".join(path) or "any"] = np.where(codes[rows] >= 0, orders, 0.0)
    return found


CELLS = 10_000_000
"""Customers times products that are scored at a time."""


@dataclass(frozen=True)
class NewProducts(Result):
    """Products that were new lately, and how well their buyers were ranked; by `past_new_products`.

    Parameters
    ----------
    frame : DataFrame
        A row per product: ``product_id, buyers, auc`` (of `cold_scores` as of before it was sold),
        ``same_type`` (AUC by orders of its narrowest group, then by all orders), and ``shown``
        where vectors were given (AUC of `cold_scores` with them).
    days : int
        What counts as lately.
    """

    frame: pd.DataFrame = field(repr=False)
    days: int

    @property
    def vectors_help(self) -> bool:
        """Whether vectors rank better, beyond noise, the products that were new."""
        return "shown" in self.frame and (self.mean("auc", "shown").ci_low or 0.0) > 0

    def mean(self, minus: str | None = None, of: str = "auc") -> Estimate:
        """Return the mean AUC or paired difference, with its interval over products."""
        values = self.frame[of].to_numpy(float)
        values = values if minus is None else values - self.frame[minus].to_numpy(float)
        found = mean_of(values, np.arange(len(values)), 0.95)
        if minus is not None:  # a difference of two areas lies between −1 and 1
            value, low, high = found.estimate.ends
            return Estimate(value, max(low, -1.0), min(high, 1.0), found.estimate.n)
        n = len(values)  # of few products an interval around the mean would leave 0 to 1
        spread = Variance(found.std_error**2, n - 1.0, n, (1.0, 1.0))
        value = found.estimate.value
        return Estimate(value, *auc_interval(value, spread, 0.95), n)

    def facts(self) -> dict[str, Any]:
        """Return the mean AUC, and by how much it beats purchases of the same group."""
        told = {"area": self.mean(), "more": self.mean("same_type"), "by": "shown" in self.frame}
        return told | ({"shown": self.mean("auc", "shown")} if told["by"] else {})


def past_new_products(
    graph: ProductGraph, days: int = 56, least: int = 8, vectors: pd.DataFrame | None = None
) -> NewProducts:
    """Rank customers for products of the last weeks by what was known before, and hold it.

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.
    days : int
        Products first bought in the last so many days count as new.
    least : int
        Fewest customers who bought one since.
    vectors : DataFrame, optional
        Of `cold_scores`: products are ranked for with them, too, and the two are compared.

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
    of, cut = (known, bought, vectors), range(0, len(fresh), many)
    parts = [_ranked(then, fresh[i : i + many], *of) for i in cut]
    told = pd.concat(parts, ignore_index=True).assign(buyers=buyers[fresh])
    rows = told.dropna(subset=["auc", "same_type"]).reset_index(drop=True)
    rows = rows[["product_id", "buyers", *told.columns[1:-1]]]
    if rows.empty:
        raise DataError("nobody, or everybody, of those known before bought what came new")
    return NewProducts(rows, days)


def _ranked(
    then: ProductGraph, products: np.ndarray, known: np.ndarray, bought: Any, vectors: Any
) -> pd.DataFrame:
    """Return product_id, auc and same_type of some products, by what was known then."""
    ids = then.past.products[products]
    came = (bought[:, products].toarray() > 0)[known]
    paths = product_paths(then, then.bought_at[products])
    narrow, wide = next(iter(paths.values())), paths["any"]
    plain = (narrow + 1e-6 * wide / max(wide.max(), 1))[known]
    score = cold_scores(then, ids).to_numpy()[known]
    told = {"product_id": ids, "auc": areas(score, came), "same_type": areas(plain, came)}
    if vectors is not None:
        told["shown"] = areas(cold_scores(then, ids, vectors=vectors).to_numpy()[known], came)
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
