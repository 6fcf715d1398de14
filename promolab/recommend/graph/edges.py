"""The shop's products as a graph: their groups, coupons and promotions, and who buys them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.features import read_as_of
from promolab.recommend.purchases import ATTRIBUTES, Purchases, read_purchases, read_rows, settled
from promolab.results import Result
from promolab.weeks import local_day
from promolab.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop

COLUMNS = ["from_kind", "from_id", "to_kind", "to_id"]
NESTED = (("type", "category"), ("category", "department"))
TOOK = ("redeem", "purchase")
"""Responses that take an offer; the second where a shop records none of the first."""
LONGEST = 36
LOOK_BACK = 28


@dataclass(frozen=True)
class ProductGraph(Result):
    """Products and what they have in common, as tables of typed edges; made by `product_graph`.

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
    zone : str
        Where days begin.
    """

    products: pd.DataFrame = field(repr=False)
    offers: pd.DataFrame = field(repr=False)
    promotions: pd.DataFrame = field(repr=False)
    contacts: pd.DataFrame = field(repr=False)
    taken: pd.DataFrame = field(repr=False)
    past: Purchases
    zone: str = "UTC"

    @property
    def groups(self) -> list[str]:
        """What is known of products, the narrowest first."""
        return [name for name in ATTRIBUTES if name in self.products.columns]

    @property
    def known_from(self) -> pd.Timestamp:
        """The moment from which on there are four weeks of purchases to look back on."""
        oldest = float(self.past.age.max(initial=0.0))
        return pd.Timestamp(self.past.as_of) - pd.Timedelta(days=max(oldest - LOOK_BACK, 0))

    def to_frame(self) -> pd.DataFrame:
        """Return the edges: ``from_kind, from_id, to_kind, to_id`` (ids as text), in order.

        Products belong to types, categories, makers, brands and departments, types to categories,
        categories to departments; coupons hold products and belong to promotions. Purchases, of
        which there are many more, are in ``past``.
        """
        told = [("product", "product_id", name, name, self.products) for name in self.groups]
        told += [(a, a, b, b, self.products) for a, b in NESTED if {a, b} <= set(self.groups)]
        coupons = self.offers[self.offers["coupon_id"].notna()]
        bare = self.offers[self.offers["coupon_id"].isna()]
        told += [
            ("coupon", "coupon_id", "product", "product_id", coupons),
            ("coupon", "coupon_id", "promotion", "promotion_id", coupons),
            ("promotion", "promotion_id", "product", "product_id", bare),
        ]
        parts = []
        for kind, column, to_kind, to_column, rows in told:
            pairs = rows[[column, to_column]].dropna().astype(str).drop_duplicates()
            pairs.columns = ["from_id", "to_id"]
            parts.append(pairs.assign(from_kind=kind, to_kind=to_kind)[COLUMNS])
        return pd.concat(parts).sort_values(COLUMNS, ignore_index=True)

    def summary(self) -> str:
        """Say what there is."""
        kinds = [plural(self.products[name].nunique(), *_CALLED[name]) for name in self.groups]
        text = plural(len(self.products), "product")
        if kinds:
            text += " of " + ", ".join(kinds[:-1]) + (" and " if len(kinds) > 1 else "") + kinds[-1]
        many = plural(self.offers["promotion_id"].nunique(), "promotion")
        reached = plural(self.offers["product_id"].nunique(), "product")
        buyers = plural(len(self.past.customers), "customer")
        return (
            f"{text}; {many} with {plural(self.offers['coupon_id'].nunique(), 'coupon')} for "
            f"{reached}; {buyers} bought before {local_day(self.past.as_of, self.zone)}."
        )

    def codes(self, path: tuple[str, ...]) -> np.ndarray | None:
        """Return each product's value of some groups: −1 unknown, None without the groups."""
        if path not in self._codes:
            if not path:
                self._codes[path] = np.zeros(len(self.products), dtype=int)
            elif set(path) <= set(self.groups):
                told = self.products.groupby(list(path)).ngroup()
                self._codes[path] = told.fillna(-1).to_numpy(int)
            else:
                self._codes[path] = None
        return self._codes[path]

    @functools.cached_property
    def _codes(self) -> dict[tuple[str, ...], np.ndarray | None]:
        return {}

    @functools.cached_property
    def bought_at(self) -> np.ndarray:
        """The place among ``products`` of each product bought; −1 where no table describes it."""
        known = pd.Index(self.products["product_id"])
        return np.asarray(known.get_indexer(pd.Index(self.past.products)))

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

    def around(self, product_id: Any, others: int = 2) -> pd.DataFrame:
        """Return what one product has in common with others.

        Parameters
        ----------
        product_id : id
            The product.
        others : int
            Other products named for each group, those that most customers bought.

        Returns
        -------
        DataFrame
            A row per group or coupon: ``kind, value, products`` (others of it), ``like`` (some of
            them, as a tuple of ids), and the ``promotion`` of a coupon.
        """
        own = self.products.iloc[self.rows_of([product_id], "product_id")[0]]
        buyers = pd.Series(self.past.buyers(np.inf), self.past.products)
        rows = []
        for name in self.groups:
            if pd.notna(own[name]):
                alike = self.products.loc[self.products[name] == own[name], "product_id"]
                rows.append(self._row(name, own[name], alike, product_id, buyers, others, ""))
        mine = self.offers[self.offers["product_id"] == product_id]
        for coupon, promotion in (
            mine[["coupon_id", "promotion_id"]].drop_duplicates().itertuples(index=False)
        ):
            known = pd.notna(coupon)
            kind, value = ("coupon", coupon) if known else ("promotion", promotion)
            held = self.offers["promotion_id"] == promotion
            if known:
                held &= self.offers["coupon_id"] == coupon
            alike = self.offers.loc[held, "product_id"]
            rows.append(self._row(kind, value, alike, product_id, buyers, others, str(promotion)))
        columns = ["kind", "value", "products", "like", "promotion"]
        return pd.DataFrame(rows, columns=columns)

    def _row(
        self,
        kind: str,
        value: Any,
        alike: pd.Series[Any],
        own: Any,
        buyers: pd.Series[Any],
        others: int,
        promotion: str,
    ) -> tuple[Any, ...]:
        ids = pd.Index(alike.unique())
        ids = ids[ids != own]
        many = buyers.reindex(ids, fill_value=0).to_numpy()
        best = ids.to_numpy()[np.lexsort((ids.astype(str), -many))][:others]
        return kind, value, len(ids), tuple(best), promotion

    def plot(self, ax: Axes | None = None, product_id: Any = None, most: int = 8) -> Axes:
        """Draw what one product has in common with others, by default the most bought one.

        Parameters
        ----------
        ax : Axes, optional
            Where; by default a figure of its own.
        product_id : id, optional
            The product.
        most : int
            Groups and coupons drawn.
        """
        from promolab import plots

        if product_id is None:
            product_id = self.past.products[int(self.past.buyers(np.inf).argmax())]
        around = self.around(product_id)
        shown = around.head(most)
        ax = plots.roomy(len(shown) + 1, 6) if ax is None else ax
        height = (len(shown) - 1) / 2
        for place, row in enumerate(shown.to_dict("records")):
            told = f"{row['kind']} {row['value']}"
            if row["promotion"] and row["kind"] == "coupon":
                told += f" (promotion {row['promotion']})"
            like = ", ".join(map(str, row["like"]))
            more = row["products"] - len(row["like"])
            like += f" and {plural(more, 'other')}" if more > 0 and like else ""
            ax.plot([0, 1], [height, place], color=plots.MUTED, linewidth=0.8, zorder=0)
            ax.plot([1, 2], [place, place], color=plots.MUTED, linewidth=0.8, zorder=0)
            _node(ax, 1, place, told)
            _node(ax, 2, place, like or "no other product")
        _node(ax, 0, height, f"product {product_id}")
        left = len(around) - len(shown)
        ax.set_axis_off()
        ax.set_xlim(-0.4, 2.6)
        ax.invert_yaxis()
        return plots.finish(
            ax,
            title=f"Product {product_id}, and what it has in common with others",
            subtitle=f"{plural(left, 'more coupon or promotion', 'more coupons or promotions')}"
            if left
            else "",
        )


_CALLED = {
    "type": ("type",),
    "category": ("category", "categories"),
    "maker": ("maker",),
    "brand": ("brand",),
    "department": ("department",),
}


def _node(ax: Axes, x: float, y: float, text: str) -> None:
    from promolab import plots

    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": plots.MUTED}
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    ax.text(x, y, text, ha="center", va="center", fontsize=8, bbox=box)


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
    >>> graph.to_frame().query("to_id == 'tea'")["from_id"].tolist()
    ['a', 'b']
    """
    now = read_as_of(as_of)
    shop.require("recommendations and offers")
    past = shop.events.filter(shop.events.ts < now)
    products = _products(shop, past)
    return ProductGraph(
        products=products,
        offers=_offers(shop),
        promotions=_promotions(shop),
        contacts=_before(shop, "exposures", now, ["promotion_id", "customer_id", "ts"]),
        taken=_taken(shop, now),
        past=read_purchases(past, products, now, 1),
        zone=shop.zone,
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


def _offers(shop: Shop) -> pd.DataFrame:
    columns = ["promotion_id", "coupon_id", "product_id"]
    rows = _table(shop, "promotion_products", columns).drop_duplicates()
    rows = settled(rows[rows["promotion_id"].notna() & rows["product_id"].notna()])
    return rows.sort_values(columns, ignore_index=True)


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
