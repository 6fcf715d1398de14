"""Scores where nothing was bought yet, by the paths that lead through the graph."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.checks import choice, refuse
from promolab.errors import DataError, InputError, nearest
from promolab.recommend.graph.edges import ProductGraph
from promolab.recommend.method import HALF_LIFE, indicator

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
    of: str = "products",
) -> pd.DataFrame:
    """Score customers for products or promotions that nobody has answered yet.

    The paths of the graph that lead from a customer to the product or promotion (Sun et al. 2011,
    PathSim, VLDB): customer, bought product, its type (or maker, category, …), the new product. For
    each path the orders along it are counted, half as much every sixteen weeks, the logarithm of
    one more is standardised over customers, and the paths are added up. No weight is learned.

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.
    asked : iterable of ids
        The products or promotions.
    customers : iterable of ids, optional
        By default everybody who bought something.
    of : {"products", "promotions"}
        What ``asked`` are. To a promotion there lead the paths to its products, the products
        themselves, and how many other promotions the customer took.

    Returns
    -------
    DataFrame, shape (customers, asked)
        Scores that rank customers within a column; those without purchases come last. A product of
        which nothing is known is ranked for by how much a customer orders at all.

    Raises
    ------
    InputError
        An unknown product or promotion, a promotion without products, an id that stands twice.

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
    choice("of", of, ("products", "promotions"))
    ids = list(asked)
    if pd.Index(ids).has_duplicates:
        raise refuse("asked", pd.Index(ids)[pd.Index(ids).duplicated()][0], "each id once")
    counted = (
        product_paths(graph, graph.rows_of(ids, "asked"))
        if of == "products"
        else promotion_paths(graph, ids)
    )
    total = np.sum([_standard(np.log1p(values)) for values in counted.values()], axis=0)
    found = pd.DataFrame(total, index=pd.Index(graph.past.customers, name="customer_id"))
    found.columns = pd.Index(ids)
    if customers is None:
        return found
    # Whoever bought nothing is on no path.
    nothing = -np.sum([_level(np.log1p(values)) for values in counted.values()], axis=0)
    wanted = pd.Index(list(customers), name="customer_id")
    rows = found.reindex(wanted)
    unknown = ~wanted.isin(found.index)
    rows.loc[unknown] = np.broadcast_to(nothing, (int(unknown.sum()), len(ids)))
    return rows


def _level(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.where(spread > 0, values.mean(axis=0) / np.where(spread > 0, spread, 1), 0.0)


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    told = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.where(spread > 0, told, 0.0)


def bought_codes(graph: ProductGraph, codes: np.ndarray) -> np.ndarray:
    """Return the value of each product that was bought; −1 for those that no table describes."""
    at = graph.bought_at
    return np.where(at >= 0, codes[np.maximum(at, 0)], -1)


def product_paths(graph: ProductGraph, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each path the orders of each customer along it, customers × products asked for."""
    decayed, found = graph.past.decayed(HALF_LIFE), {}
    for path in PATHS:
        codes = graph.codes(path)
        if codes is None:
            continue
        wanted, column = np.unique(codes[rows], return_inverse=True)
        bought = bought_codes(graph, codes)
        place = np.where(bought >= 0, pd.Index(wanted).get_indexer(bought), -1)
        orders = (decayed @ indicator(place, len(wanted))).toarray()[:, column]
        found[" × ".join(path) or "any"] = np.where(codes[rows] >= 0, orders, 0.0)
    return found


def promotion_paths(
    graph: ProductGraph,
    promotions: list[Any],
    customers: np.ndarray | None = None,
    moment: datetime | None = None,
) -> dict[str, np.ndarray]:
    """Return for each path the orders of customers along it, customers × promotions.

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.
    promotions : list of ids
        They name products.
    customers : ndarray of int, optional
        Places among those who bought; by default all.
    moment : datetime, optional
        An earlier one: nothing at or after it counts.
    """
    past = graph.past.of_customers(customers, moment or graph.past.as_of)
    decayed = past.decayed(HALF_LIFE)
    if customers is not None:
        decayed = decayed[customers]
    offers = _of_promotions(graph, promotions)
    column = pd.Index(promotions).get_indexer(offers["promotion_id"])
    bought = pd.Index(past.products).get_indexer(offers["product_id"])
    held = _cells(bought, column, (len(past.products), len(promotions)))
    found = {"product": (decayed @ held).toarray()}
    described = pd.Index(graph.products["product_id"]).get_indexer(offers["product_id"])
    for path in PATHS:
        codes = graph.codes(path)
        if codes is None or not path:
            continue
        of = np.where(described >= 0, codes[np.maximum(described, 0)], -1)
        values = int(codes.max(initial=-1)) + 1
        reached = _cells(of, column, (values, len(promotions))) > 0
        reach = indicator(bought_codes(graph, codes), values) @ reached.astype(float)
        found[" × ".join(path)] = (decayed @ reach).toarray()
    orders = np.asarray(decayed.sum(axis=1))
    found["any"] = np.broadcast_to(orders, (len(orders), len(promotions)))
    before = graph.taken if moment is None else graph.taken[graph.taken["ts"] < moment]
    taken = np.column_stack([_taken_before(graph, before, p) for p in promotions])
    found["taken"] = taken if customers is None else taken[customers]
    return found


def _cells(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    both = (row >= 0) & (column >= 0)
    return sparse.csr_matrix((np.ones(int(both.sum())), (row[both], column[both])), shape)


def _of_promotions(graph: ProductGraph, promotions: list[Any]) -> pd.DataFrame:
    offers = graph.offers[graph.offers["promotion_id"].isin(promotions)]
    offers = offers.drop_duplicates(["promotion_id", "product_id"])
    known = graph.promotions["promotion_id"]
    for promotion in promotions:
        if not known.isin([promotion]).any():
            hint = nearest(str(promotion), known.astype(str))
            raise InputError(f"no promotion {promotion!r} in this shop; {hint}")
        if not offers["promotion_id"].isin([promotion]).any():
            raise DataError(
                f"promotion {promotion} names no products: it is valid for all of them, and no "
                "path through products tells who will answer it"
            )
    return offers


def _taken_before(graph: ProductGraph, taken: pd.DataFrame, promotion: Any) -> np.ndarray:
    """Return how many other promotions each customer took."""
    rows = taken[taken["promotion_id"] != promotion]
    pairs = rows[["promotion_id", "customer_id"]].drop_duplicates()
    at = pd.Index(graph.past.customers).get_indexer(pd.Index(pairs["customer_id"]))
    return np.bincount(at[at >= 0], minlength=len(graph.past.customers)).astype(float)
