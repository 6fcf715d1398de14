"""Who bought what, in which orders and how long ago: what every recommender learns from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.checks import columns_there, whole_number
from promolab.errors import DataError, InputError
from promolab.features import read_as_of
from promolab.wording import count, plural

NEEDED = ("customer_id", "ts", "product_id")
ATTRIBUTES = ("type", "category", "maker", "brand", "department")
"""What may say that two products are alike, the narrowest first."""


@dataclass(frozen=True)
class Purchases:
    """Purchases before a moment, a row for each product of each order.

    Parameters
    ----------
    as_of : datetime
        UTC without a zone; all rows lie before it.
    customers, products : ndarray
        Ids in order. Products are those that enough customers bought; rarer ones are no row.
    customer, product, order : ndarray of shape (n,)
        Places in ``customers`` and ``products``; the order's number.
    age : ndarray of shape (n,)
        Days from the row to ``as_of``.
    attributes : DataFrame, shape (number of products, …)
        What is known of each product, of `ATTRIBUTES`.
    rare : int
        Products left out because too few customers bought them.
    unknown : int
        Purchases left out because they name no customer or no product.
    """

    as_of: datetime
    customers: np.ndarray = field(repr=False)
    products: np.ndarray = field(repr=False)
    customer: np.ndarray = field(repr=False)
    product: np.ndarray = field(repr=False)
    order: np.ndarray = field(repr=False)
    age: np.ndarray = field(repr=False)
    attributes: pd.DataFrame = field(repr=False)
    rare: int = 0
    unknown: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Number of customers and of products."""
        return len(self.customers), len(self.products)

    def matrix(self, weight: np.ndarray | None = None) -> sparse.csr_matrix:
        """Return customers × products: the sum of a weight for each row, or the orders' number."""
        values = np.ones(len(self.age)) if weight is None else weight
        rows = (values, (self.customer, self.product))
        found = sparse.csr_matrix(rows, self.shape, dtype=np.float64)
        found.sum_duplicates()
        return found

    def decayed(self, half_life: float) -> sparse.csr_matrix:
        """Return customers × products: orders, each half as much for every so many weeks of age."""
        return self.matrix(0.5 ** (self.age / (7 * half_life)))

    def buyers(self, days: float) -> np.ndarray:
        """Return how many customers bought each product in the last days."""
        late = self.age <= days
        return _buyers(self.customer[late], self.product[late], self.shape[1])

    def orders_of(self) -> np.ndarray:
        """Return how many orders each customer placed."""
        _, first = np.unique(self.order, return_index=True)
        return np.bincount(self.customer[first], minlength=len(self.customers))

    def of_customers(self, places: np.ndarray | None, moment: datetime) -> Purchases:
        """Return what some customers (None: all) had bought at an earlier moment."""
        gone = (self.as_of - moment).total_seconds() / 86_400
        kept = self.age > gone
        if places is not None:
            kept &= np.isin(self.customer, places)
        rows = {name: getattr(self, name)[kept] for name in ("customer", "product", "order")}
        return replace(self, as_of=moment, age=self.age[kept] - gone, **rows)


def _buyers(customer: np.ndarray, product: np.ndarray, products: int) -> np.ndarray:
    """Return how many customers bought each product: pairs are put in order by counting."""
    shape = (int(customer.max(initial=-1)) + 1, products)
    pairs = sparse.csr_matrix((np.ones(len(customer), bool), (customer, product)), shape)
    pairs.sum_duplicates()
    return np.bincount(pairs.indices, minlength=products)


def read_purchases(events: Any, products: Any, as_of: Any, least: int = 10) -> Purchases:
    """Read purchases before a moment.

    Parameters
    ----------
    events : Table or DataFrame
        customer_id, ts (UTC), product_id; of ``kind`` "purchase" where there are kinds, in orders
        where there is an order_id.
    products : Table or DataFrame or None
        product_id and, as far as known, type, category, maker, brand, department.
    as_of : datetime, date or str
        Nothing at or after it may be among the events.
    least : int
        Fewest customers who bought a product that may be recommended; with 0 those of ``products``
        that nobody bought may be too.

    Raises
    ------
    InputError
        Events at or after ``as_of``, a column that is missing, a product that stands twice.
    DataError
        No purchase, or none of a product that enough customers bought.

    Examples
    --------
    >>> events = pd.DataFrame({"customer_id": [1, 2, 2], "product_id": ["a", "a", "b"],
    ...                        "ts": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])})
    >>> found = read_purchases(events, None, "2024-02-01", least=1)
    >>> found.products.tolist(), found.matrix().toarray().tolist()
    (['a', 'b'], [[1.0, 0.0], [1.0, 1.0]])
    """
    least = whole_number("least_customers", least, 0)
    now = read_as_of(as_of)
    rows = _rows_of(events, now)
    lost = rows["product_id"].isna() | rows["customer_id"].isna()
    rows = settled(rows[~lost])
    if rows.empty:
        raise DataError(
            f"no purchase of a known customer and product before {now:%Y-%m-%d}"
            + (f"; {plural(int(lost.sum()), 'purchase')} name none" if lost.any() else "")
        )
    customer, customers = pd.factorize(rows["customer_id"], sort=True)
    known = _known(products)
    catalogue = pd.Index(rows["product_id"].unique())
    if known is not None and not catalogue.isin(known.index).any():
        raise InputError(
            f"products knows none of {plural(len(catalogue), 'product')} that were bought (such as "
            f"{catalogue[0]!r}; it holds such as {next(iter(known.index), None)!r}); give both "
            "the same ids"
        )
    if known is not None and not least:
        catalogue = catalogue.union(known.index)
    catalogue = catalogue.sort_values()
    product = catalogue.get_indexer(pd.Index(rows["product_id"]))
    some = _buyers(customer, product, len(catalogue)) >= least
    if not some.any():
        raise DataError(
            f"none of {plural(len(catalogue), 'product')} was bought by {count(least)} customers "
            "or more; give a smaller least_customers"
        )
    age = (pd.Timestamp(now) - rows["ts"]).dt.total_seconds().to_numpy(float) / 86_400
    order = _orders(rows, customer)
    del rows  # as large as what comes
    place = np.cumsum(some) - 1
    whole = pd.DataFrame({"customer": customer, "product": place[product], "order": order})
    whole["age"] = age
    whole = whole[some[product]].drop_duplicates(["order", "product"])
    names = np.asarray(catalogue)[some]
    return Purchases(
        now,
        np.asarray(customers),
        names,
        whole["customer"].to_numpy(),
        whole["product"].to_numpy(),
        whole["order"].to_numpy(),
        whole["age"].to_numpy(),
        pd.DataFrame(index=range(len(names)))
        if known is None
        else known.reindex(names).reset_index(drop=True),
        int((~some).sum()),
        int(lost.sum()),
    )


def _rows_of(events: Any, now: datetime) -> pd.DataFrame:
    """Return the purchases' columns, refusing what lies at or after the moment."""
    rows = purchase_rows(events)
    late = int((rows["ts"] >= now).sum())
    if late:
        raise InputError(
            f"{plural(late, 'event')} at or after as_of = {now:%Y-%m-%d %H:%M}; a recommendation "
            "of that moment knows none of them: give the events before it, or a later as_of"
        )
    return rows


def purchase_rows(events: Any) -> pd.DataFrame:
    """Return customer_id, ts in UTC, product_id and, where there is one, order_id of purchases.

    Examples
    --------
    >>> seen = {"customer_id": [1], "ts": pd.Timestamp("2024-01-01 01:00+01:00"), "kind": ["view"]}
    >>> purchase_rows(pd.DataFrame({**seen, "product_id": ["a"]})).dtypes["ts"]
    dtype('<M8[us]')
    """
    columns_there(events, NEEDED, "events")
    names = [*NEEDED, *(["order_id"] if "order_id" in events.columns else [])]
    if isinstance(events, pd.DataFrame):
        bought = events["kind"] == "purchase" if "kind" in events.columns else slice(None)
        rows = events.loc[bought, names]
    else:
        if "kind" in events.columns:
            events = events.filter(events.kind == "purchase")
        rows = read_rows(events.select(names))
    if not pd.api.types.is_datetime64_any_dtype(rows["ts"]) or rows["ts"].isna().any():
        raise InputError("events' ts holds what is no time; give times in UTC")
    if rows["ts"].dt.tz is not None:
        rows = rows.assign(ts=rows["ts"].dt.tz_convert("UTC").dt.tz_localize(None))
    return rows.assign(ts=rows["ts"].to_numpy("datetime64[us]"))


def read_rows(table: Any) -> pd.DataFrame:
    """Return an Ibis table's rows; whole numbers stay whole where some are missing."""
    found: pd.DataFrame = table.to_pyarrow().to_pandas(integer_object_nulls=True)
    return found


def settled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return columns in which nothing is missing any more as what they hold: whole numbers again.

    Examples
    --------
    >>> rows = pd.DataFrame({"a": [7, None, 9], "b": [1, 2, None]}, dtype=object)
    >>> settled(rows[rows["a"].notna()]).dtypes.astype(str).tolist()
    ['int64', 'object']
    """
    whole = [name for name in rows.columns if rows[name].notna().all()]
    return rows.assign(**{name: rows[name].infer_objects() for name in whole})


def _orders(rows: pd.DataFrame, customer: np.ndarray) -> np.ndarray:
    """Return each row's order as a number; without orders, what is bought in a moment is one."""
    if "order_id" in rows.columns:
        known, _ = pd.factorize(rows["order_id"])
        if (known >= 0).all():
            return np.asarray(known)
    moments = pd.DataFrame({"customer": customer, "ts": rows["ts"].to_numpy()})
    return np.asarray(moments.groupby(["customer", "ts"]).ngroup())


def _known(products: Any) -> pd.DataFrame | None:
    """Return what is known of products, by id."""
    if products is None:
        return None
    columns_there(products, "product_id", "products")
    told = [name for name in ATTRIBUTES if name in products.columns]
    names = ["product_id", *told]
    if isinstance(products, pd.DataFrame):
        rows = products[names]
    else:
        rows = read_rows(products.select(names))
    rows = settled(rows[rows["product_id"].notna()]).drop_duplicates()
    if rows["product_id"].duplicated().any():
        twice = rows["product_id"][rows["product_id"].duplicated()].iloc[0]
        raise InputError(
            f"products holds {twice} twice with different {', '.join(told)}; a product has one row"
        )
    return rows.set_index("product_id")
