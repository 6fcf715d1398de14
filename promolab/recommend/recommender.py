"""Which products for whom: one door to every way of recommending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sparse
from joblib import cpu_count

from promolab.checks import choice, refuse, seed_of, whole_number
from promolab.errors import InputError
from promolab.metrics import AMONG
from promolab.recommend.methods import (
    HALF_LIFE,
    Als,
    Content,
    FactorizationMachine,
    Frequency,
    ItemNeighbours,
    Method,
    Popularity,
    Profiles,
    Tifu,
    largest,
    nearest_products,
)
from promolab.recommend.purchases import Purchases, read_purchases
from promolab.recommend.reasons import reasons_for
from promolab.results import Result
from promolab.wording import count

KINDS: dict[str, type[Method]] = {
    "popularity": Popularity,
    "frequency": Frequency,
    "tifu": Tifu,
    "itemknn": ItemNeighbours,
    "content": Content,
    "als": Als,
    "fm": FactorizationMachine,
}
"""Ways to recommend, the simplest first."""
BATCH = 128
FEW_ORDERS = 3
NEAREST = 50


class Recommender:
    """Products for customers, from what was bought before a moment.

    Parameters
    ----------
    kind : str
        ``"popularity"`` what sells; ``"frequency"`` what a customer orders again and again;
        ``"tifu"`` the same with what customers like them order; ``"itemknn"``, ``"als"`` what is
        bought by the same customers; ``"content"`` what is like their products; ``"fm"`` both at
        once.
    least_customers : int
        Fewest customers who bought a product that may be recommended; with 0 products may be too
        that nobody bought: "content" and "fm" know them by their attributes.
    half_life : float
        Weeks after which an order counts half.
    seed : int
        Of whatever is drawn.
    options : dict
        Of the kind, such as ``neighbours=300`` of "tifu"; see its class.

    Attributes
    ----------
    products_, customers_ : ndarray
        What may be recommended, and whose purchases were learned from.
    rare_, unknown_ : int
        Products left out because too few customers bought them; purchases left out because they
        name no customer or no product.

    Examples
    --------
    >>> events = pd.DataFrame({"customer_id": [1, 1, 1, 2, 2],
    ...                        "ts": pd.to_datetime("2024-01-01") + pd.to_timedelta(
    ...                            [0, 14, 28, 3, 5], unit="D"),
    ...                        "product_id": ["milk", "milk", "milk", "milk", "tea"]})
    >>> model = Recommender("frequency", least_customers=1).fit(events, None, as_of="2024-02-01")
    >>> model.recommend([1], k=2)[["product_id", "reason"]].values.tolist()
    [['milk', 'bought every 2 weeks'], ['tea', 'others who buy milk']]
    """

    def __init__(
        self,
        kind: str = "tifu",
        *,
        least_customers: int = 10,
        half_life: float = HALF_LIFE,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.kind = choice("kind", kind, KINDS)
        self.least_customers = whole_number("least_customers", least_customers, 0)
        self.half_life, self.seed, self.options = float(half_life), seed_of(seed), options
        try:
            self._method = KINDS[kind](**options)
        except TypeError as error:
            raise InputError(f"kind={kind!r} does not know an option ({error})") from None

    def fit(self, events: Any, products: Any, *, as_of: Any) -> Self:
        """Learn from purchases before a moment.

        Parameters
        ----------
        events : Table or DataFrame
            ``customer_id, ts, product_id`` and, where there are, ``kind, order_id``: a shop's
            events before ``as_of``, as `promolab.cleaning.known_by` gives them.
        products : Table or DataFrame or None
            ``product_id`` and what is known of products: type, category, brand, department.
        as_of : datetime, date or str
            UTC.

        Raises
        ------
        InputError
            Events at or after ``as_of``, missing columns, a product in two rows.
        DataError
            Nothing to learn from.
        """
        return self.fit_purchases(read_purchases(events, products, as_of, self.least_customers))

    def fit_purchases(self, past: Purchases) -> Self:
        """Learn from purchases that were read already."""
        self._past = past
        whole = self._profiles(past, np.arange(past.shape[0]))
        self._method.fit(past, whole, self.seed)
        self._ready(whole)
        return self

    def _ready(self, whole: Profiles) -> None:
        self._whole, self._near = whole, None
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None
        sells = Popularity()
        sells.fit(self._past, whole, self.seed)
        self._sells = sells.share_
        self.products_, self.customers_ = self._past.products, self._past.customers
        self._places = pd.Index(self.products_), pd.Index(self.customers_)
        self.rare_, self.unknown_ = self._past.rare, self._past.unknown
        self._orders = self._past.orders_of()

    def _profiles(self, past: Purchases, place: np.ndarray) -> Profiles:
        return Profiles(past.decayed(self.half_life), past.matrix(), place)

    def recommend(
        self,
        customers: Iterable[Any],
        k: int = 20,
        among: str = "all",
        *,
        reasons: bool = True,
    ) -> pd.DataFrame:
        """Return the best products for each customer.

        Parameters
        ----------
        customers : iterable of ids
            Also unknown ones: they get what sells, and it says so.
        k : int
            Products for each, at most as many as there are; a customer may have fewer of
            ``among="repeat"``.
        among : {"all", "repeat", "new"}
            All products, those the customer bought before, those never bought.
        reasons : bool
            Whether to say why.

        Returns
        -------
        DataFrame
            ``customer_id, place`` (from 1), ``product_id, score`` (comparable within a customer
            alone), ``bought_before, reason`` (in words), ``cold_start`` ("no history", "rare
            products alone": whoever bought only what is not recommended, "few orders" or ""). Equal
            scores stand in the order of product ids.

        Raises
        ------
        InputError
            Not fitted, ``k`` above the catalogue, a customer who stands twice.
        """
        among = choice("among", among, AMONG)
        return self.recommend_each(customers, k, (among,), reasons=reasons)[among]

    def recommend_each(
        self,
        customers: Iterable[Any],
        k: int = 20,
        among: Sequence[str] = AMONG,
        *,
        reasons: bool = True,
    ) -> dict[str, pd.DataFrame]:
        """Return what `recommend` gives for each of ``among``; products are scored once."""
        past = self._fitted()
        k = whole_number("k", k, 1, len(past.products), hint=_above(past))
        asked = pd.Index(list(customers))
        if asked.has_duplicates:
            raise refuse("customers", asked[asked.duplicated()][0], "each customer once")
        place = self._places[1].get_indexer(asked)
        if reasons:  # before the threads that would each make them
            self._nearest(), self._by_customer()

        def lists_from(low: int) -> list[pd.DataFrame]:
            some = place[low : low + BATCH]
            score, bought = self._scored(some)
            found = []
            for part in among:
                best = self._best(score, bought, part, k)
                if reasons:
                    words = reasons_for(self._own(some), best, self._nearest(), self._past)
                    best["reason"] = words
                found.append(best.assign(row=best["row"] + low))
            return found

        lows = range(0, len(asked), BATCH)
        with ThreadPoolExecutor(cpu_count()) as pool:
            batches = list(pool.map(lists_from, lows))
        return {
            part: self._frame(asked, place, [batch[at] for batch in batches], reasons, self._orders)
            for at, part in enumerate(among)
        }

    def _scored(self, place: np.ndarray) -> tuple[np.ndarray, sparse.csr_matrix]:
        """Return the score of each product for some customers, and which they bought."""
        some = self._of(place)
        score = self._method.score(some)
        # Of whom nothing is known, a method of products that go together says nothing.
        score[np.diff(some.counted.indptr) == 0] = self._sells
        return score, some.counted > 0

    @staticmethod
    def _best(score: np.ndarray, bought: sparse.csr_matrix, among: str, k: int) -> pd.DataFrame:
        if among != "all":
            score = np.where(bought.toarray() == (among == "new"), -np.inf, score)
        best = largest(score, k)
        row, column = np.nonzero(best >= 0)
        product = best[row, column]
        found = pd.DataFrame({"row": row, "column": column, "product": product})
        found["score"] = score[row, product]
        return found.assign(bought_before=np.asarray(bought[row, product]).ravel())

    @property
    def as_of_(self) -> datetime:
        """The moment before which it knows purchases, UTC without a zone."""
        return self._fitted().as_of

    def best_among(self, asked: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
        """Return which product of an offer is recommended most to a customer, and why.

        Parameters
        ----------
        asked : DataFrame
            ``customer_id, offer``.
        members : DataFrame
            ``offer, product_id``: the products of each offer.

        Returns
        -------
        DataFrame
            A row per row of ``asked``: ``product_id, score, reason``; missing where none of the
            offer's products was bought by enough customers.
        """
        past = self._fitted()
        at = self._places[0].get_indexer(pd.Index(members["product_id"]))
        known = pd.DataFrame({"offer": members["offer"].to_numpy(), "product": at})
        of_offer = known[at >= 0].sort_values("product").groupby("offer")["product"]
        held = {offer: places.to_numpy() for offer, places in of_offer}
        who, customers = pd.factorize(asked["customer_id"])
        rows = pd.DataFrame({"who": who, "offer": asked["offer"].to_numpy()})
        rows = rows.sort_values("who", kind="stable")
        ordered = rows["who"].to_numpy()
        place, parts = pd.Index(past.customers).get_indexer(pd.Index(customers)), []
        for low in range(0, len(customers), BATCH):
            mine = rows.iloc[slice(*np.searchsorted(ordered, [low, low + BATCH]))]
            some = place[low : low + BATCH]
            best = _best_of(self._scored(some)[0], mine.assign(row=mine["who"] - low), held)
            best["reason"] = reasons_for(self._own(some), best, self._nearest(), past)
            parts.append(best)
        rows = rows.sort_index()
        found = pd.concat(parts).reindex(rows.index)
        at = found["product"].fillna(-1).to_numpy(int)
        named = pd.Series(self.products_[np.maximum(at, 0)], index=rows.index)
        whole = named.dtype.kind in "iu"  # an id is never a float, also where some are missing
        named = named.astype("Int64" if whole else object).where(at >= 0)
        return pd.DataFrame(
            {"product_id": named, "score": found["score"], "reason": found["reason"]}
        )

    def _of(self, place: np.ndarray) -> Profiles:
        """Return the profiles at some places; those of nobody (−1) are empty."""
        held = sparse.diags((place >= 0).astype(float))
        at = np.maximum(place, 0)
        decayed, counted = self._whole.decayed[at], self._whole.counted[at]
        if (place < 0).any():
            decayed, counted = (sparse.csr_matrix(held @ m) for m in (decayed, counted))
            decayed.eliminate_zeros()
            counted.eliminate_zeros()
        return Profiles(decayed, counted, place)

    def _own(self, place: np.ndarray) -> pd.DataFrame:
        """Return row, product, orders and days from first to last of some customers."""
        past = self._past
        order, start = self._by_customer()
        many = np.where(place >= 0, np.diff(start)[place], 0)
        row = np.repeat(np.arange(len(place)), many)
        within = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
        at = order[start[place[row]] + within]
        rows = pd.DataFrame({"row": row, "product": past.product[at], "age": past.age[at]})
        found = rows.groupby(["row", "product"])["age"].agg(["size", "max", "min"]).reset_index()
        return found.assign(orders=found["size"], days=found["max"] - found["min"])

    def _by_customer(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows in the order of customers, and where each customer's begin."""
        if self._sorted is None:
            customer = self._past.customer
            order = np.argsort(customer, kind="stable")
            start = np.searchsorted(customer[order], np.arange(len(self.customers_) + 1))
            self._sorted = (order, start)
        return self._sorted

    def _nearest(self) -> sparse.csr_matrix:
        if self._near is None:
            self._near = nearest_products(self._whole.counted, NEAREST)
        return self._near

    def _frame(
        self, asked: pd.Index, place: np.ndarray, parts: list[pd.DataFrame], reasons: bool,
        of_each: np.ndarray,
    ) -> pd.DataFrame:  # fmt: skip
        columns = ["row", "column", "product", "score", "bought_before"]
        columns += ["reason"] if reasons else []
        whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
        row = whole["row"].to_numpy(int)
        orders = np.where(place >= 0, of_each[np.maximum(place, 0)], 0)
        levels = {"no history": place < 0, "rare products alone": orders == 0,
                  "few orders": orders <= FEW_ORDERS}  # fmt: skip
        cold = np.select(list(levels.values()), list(levels), "")
        return pd.DataFrame(
            {
                "customer_id": asked[row],
                "place": whole["column"].to_numpy(int) + 1,
                "product_id": self.products_[whole["product"].to_numpy(int)],
                "score": whole["score"].to_numpy(float),
                "bought_before": whole["bought_before"].to_numpy(bool),
                **({"reason": whole["reason"].to_numpy()} if reasons else {}),
                "cold_start": cold[row],
            }
        )

    def _fitted(self) -> Purchases:
        if not hasattr(self, "_past"):
            raise InputError("this Recommender is not fitted yet; call .fit(events, products, …)")
        return self._past

    def save(self, path: str | Path) -> Path:
        """Write it to one file of numbers and JSON; nothing in it is ever run.

        It holds customers' ids and purchases: it is for the shop's own machines.
        """
        told = (self.kind, self.options, self.least_customers, self.half_life, self.seed)
        return _Saved(*told, self._fitted(), self._method.learned()).save(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; it recommends the same.

        Raises
        ------
        InputError
            There is no such file, it is no recommender, or it was changed or cut short.
        """
        told = _Saved.load(path)
        model = cls(
            told.kind,
            least_customers=told.least_customers,
            half_life=told.half_life,
            seed=told.seed,
            **told.options,
        )
        model._past = told.past
        try:
            model._method.restore(told.learned)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} holds no recommender ({error}); fit it again") from error
        model._ready(model._profiles(told.past, np.arange(told.past.shape[0])))
        return model


@dataclass(frozen=True)
class _Saved(Result):
    """What a file of a recommender holds."""

    kind: str
    options: dict[str, Any]
    least_customers: int
    half_life: float
    seed: int
    past: Purchases
    learned: dict[str, Any]


def _above(past: Purchases) -> str:
    return (
        f": {count(len(past.products))} products were bought by enough customers; fewer places, or "
        "a smaller least_customers"
    )


def _best_of(score: np.ndarray, asked: pd.DataFrame, held: dict[Any, np.ndarray]) -> pd.DataFrame:
    """Return row, product and score of the best product of each offer asked for, ties by id."""
    parts = []
    for offer, rows in asked.groupby("offer"):
        if offer in held:
            values = score[np.ix_(rows["row"].to_numpy(), held[offer])]
            best = values.argmax(axis=1)
            told = {"row": rows["row"], "product": held[offer][best]}
            told["score"] = values[np.arange(len(best)), best]
            parts.append(pd.DataFrame(told, index=rows.index))
    if not parts:
        return pd.DataFrame({"row": [], "product": [], "score": []}).astype(
            {"row": int, "product": int}
        )
    return pd.concat(parts).sort_index()
