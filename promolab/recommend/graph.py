"""The shop's products as a graph: their groups, coupons and promotions, and who buys them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import DataError, InputError, nearest
from promolab.features import read_as_of
from promolab.recommend.purchases import ATTRIBUTES, Purchases, read_purchases, read_rows, settled

if TYPE_CHECKING:
    from promolab.contract import Shop

TOOK = ("redeem", "purchase")
"""Responses that take an offer; the second where a shop records none of the first."""
LOOK_BACK = 28


@dataclass(frozen=True)
class ProductGraph:
    """Products, what they have in common and who bought them; made by `product_graph`.

    Parameters
    ----------
    products : DataFrame
        ``product_id`` and what is known of each: type, category, maker, brand, department.
    offers : DataFrame
        ``promotion_id, coupon_id, product_id``: what each promotion is valid for; no coupon where
        the shop has none.
    promotions : DataFrame
        ``promotion_id, starts_at, ends_at, type``, as they are planned.
    contacts, taken : DataFrame
        ``promotion_id, customer_id, ts`` of contacts before, and with ``coupon_id`` of those who
        took it.
    past : Purchases
        Who bought what before; all that was said after it is left out.
    """

    products: pd.DataFrame = field(repr=False)
    offers: pd.DataFrame = field(repr=False)
    promotions: pd.DataFrame = field(repr=False)
    contacts: pd.DataFrame = field(repr=False)
    taken: pd.DataFrame = field(repr=False)
    past: Purchases

    @property
    def groups(self) -> list[str]:
        """What is known of products, the narrowest first."""
        return [name for name in ATTRIBUTES if name in self.products.columns]

    @property
    def known_from(self) -> pd.Timestamp:
        """The moment from which on there are four weeks of purchases to look back on."""
        oldest = float(self.past.age.max(initial=0.0))
        return pd.Timestamp(self.past.as_of) - pd.Timedelta(days=max(oldest - LOOK_BACK, 0))

    def codes(self, path: tuple[str, ...]) -> np.ndarray | None:
        """Return each product's value of some groups: −1 unknown, None without the groups."""
        if not path:
            return np.zeros(len(self.products), dtype=int)
        if not set(path) <= set(self.groups):
            return None
        by = self.products.groupby(list(path))
        return np.asarray(self.once(path, lambda: by.ngroup().fillna(-1).to_numpy(int)))

    def once(self, what: Any, make: Callable[[], Any]) -> Any:
        """Return what is made of the graph alone, made when first asked for."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    @functools.cached_property
    def _made(self) -> dict[Any, Any]:
        return {}

    @functools.cached_property
    def bought_at(self) -> np.ndarray:
        """The place among ``products`` of each product bought; −1 where no table describes it."""
        known = pd.Index(self.products["product_id"])
        return np.asarray(known.get_indexer(pd.Index(self.past.products)))

    def of_bought(self, codes: np.ndarray) -> np.ndarray:
        """Return the value of each product bought; −1 for those that no table describes."""
        return np.where(self.bought_at >= 0, codes[np.maximum(self.bought_at, 0)], -1)

    def of_products(self, products: Any, codes: np.ndarray) -> np.ndarray:
        """Return the value of products by id; −1 for those that no table describes."""
        at = pd.Index(self.products["product_id"]).get_indexer(products)
        return np.where(at >= 0, codes[np.maximum(at, 0)], -1)

    def offers_of(self, promotion_id: Any) -> pd.DataFrame:
        """Return the rows of ``offers`` of a promotion.

        Raises
        ------
        InputError
            There is no such promotion.
        DataError
            It names no products.
        """
        known = self.promotions["promotion_id"]
        if not known.isin([promotion_id]).any():
            hint = nearest(str(promotion_id), known.astype(str))
            raise InputError(f"no promotion {promotion_id!r} in this shop; {hint}")
        rows: pd.DataFrame = self.offers[self.offers["promotion_id"] == promotion_id]
        if rows.empty:
            raise DataError(
                f"promotion {promotion_id} names no products (promotion_products): it is valid for "
                "all of them, and nothing tells what of it a customer chooses, or who answers it"
            )
        return rows

    def contacted(self, promotion_id: Any) -> np.ndarray:
        """Return the customers who were contacted for a promotion before."""
        rows = self.contacts[self.contacts["promotion_id"] == promotion_id]
        return np.asarray(rows["customer_id"].unique())

    def rows_of(self, products: Any, called: str = "products") -> np.ndarray:
        """Return the places of products among ``products``.

        Raises
        ------
        InputError
            One is unknown.
        """
        asked = pd.Index(list(products))
        at = pd.Index(self.products["product_id"]).get_indexer(asked)
        if (at < 0).any():
            lost = asked[at < 0][0]
            known = nearest(str(lost), self.products["product_id"].astype(str).head(2_000))
            raise InputError(f"{called}: no product {lost!r} in this shop; {known}")
        return np.asarray(at)


def product_graph(shop: Shop, as_of: Any) -> ProductGraph:
    """Read a shop's products as a graph, as known at a moment.

    Parameters
    ----------
    shop : Shop
        A cleaned one; its events name products. Without a table of products nothing is known of
        them but who buys them.
    as_of : datetime, date or str
        Purchases, contacts and responses from it on are not read. What promotions are valid for is
        a plan, and read whenever they start.

    Returns
    -------
    ProductGraph

    Raises
    ------
    DataError
        The shop lacks the tables, or nothing was bought before.

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> con = ibis.duckdb.connect()
    >>> events = pd.DataFrame({"customer_id": [1, 2], "product_id": ["a", "b"],
    ...     "kind": "purchase", "ts": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    >>> products = pd.DataFrame({"product_id": list("abc"), "category": ["tea", "tea", "oil"]})
    >>> shop = Shop({"events": con.create_table("events", events),
    ...              "products": con.create_table("products", products)})
    >>> graph = product_graph(shop, "2024-02-01")
    >>> graph.groups, graph.past.products.tolist()
    (['category'], ['a', 'b'])
    """
    now = read_as_of(as_of)
    shop.require("recommendations and offers")
    past = shop.events.filter(shop.events.ts < now)
    products = _products(shop, past)
    columns = ["promotion_id", "coupon_id", "product_id"]
    offers = _table(shop, "promotion_products", columns).drop_duplicates()
    offers = settled(offers[offers["promotion_id"].notna() & offers["product_id"].notna()])
    return ProductGraph(
        products=products,
        offers=offers.sort_values(columns, ignore_index=True),
        promotions=_promotions(shop),
        contacts=_before(shop, "exposures", now, ["promotion_id", "customer_id", "ts"]),
        taken=_taken(shop, now),
        past=read_purchases(past, products, now, 1),
    )


def _products(shop: Shop, past: Any) -> pd.DataFrame:
    """Return the products with what is known of them; without a table, those that were bought."""
    known = shop.tables.get("products", past)
    told = ATTRIBUTES if "products" in shop.tables else ()
    names = ["product_id", *(name for name in told if name in known.columns)]
    rows = read_rows(known.select(names).distinct())
    rows = settled(rows[rows["product_id"].notna()])
    return rows.sort_values(names).drop_duplicates("product_id", ignore_index=True)


def _table(shop: Shop, name: str, columns: list[str]) -> pd.DataFrame:
    if name not in shop.tables:
        return pd.DataFrame(columns=columns)
    table = shop[name]
    told = [column for column in columns if column in table.columns]
    return read_rows(table.select(told)).reindex(columns=columns)


def _promotions(shop: Shop) -> pd.DataFrame:
    columns = ["promotion_id", "kind", "type", "starts_at", "ends_at"]
    rows = _table(shop, "promotions", columns)
    rows["type"] = rows["type"].where(rows["type"].notna(), rows["kind"])
    return rows.sort_values(["starts_at", "promotion_id"], ignore_index=True)


def _before(shop: Shop, name: str, now: datetime, columns: list[str]) -> pd.DataFrame:
    if name not in shop.tables:
        return pd.DataFrame(columns=columns)
    table = shop[name].filter(shop[name].ts < now)
    told = [column for column in columns if column in table.columns]
    rows = read_rows(table.select(told).distinct()).reindex(columns=columns)
    rows = settled(rows[rows["promotion_id"].notna() & rows["customer_id"].notna()])
    return rows.sort_values(columns, ignore_index=True)


def _taken(shop: Shop, now: datetime) -> pd.DataFrame:
    columns = ["promotion_id", "customer_id", "coupon_id", "ts", "kind"]
    rows = _before(shop, "responses", now, columns)
    kind = next((kind for kind in TOOK if (rows["kind"] == kind).any()), TOOK[0])
    return rows[rows["kind"] == kind].drop(columns="kind").reset_index(drop=True)
