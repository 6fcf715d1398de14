"""Which of a promotion's coupons or products for whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import refuse, share, whole_number
from promolab.contract import read_operations
from promolab.effects import mean_of
from promolab.errors import DataError, InputError
from promolab.recommend.graph import ProductGraph, product_graph
from promolab.recommend.methods import largest
from promolab.recommend.offer_features import (
    Choices,
    Features,
    Lesson,
    OnOffer,
    learned_before,
    lessons,
    on_offer,
    within,
)
from promolab.recommend.reasons import PLAIN
from promolab.recommend.recommender import Recommender
from promolab.results import Estimate, Result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.contract import Shop

BATCH = 512
WHAT_SELLS = Choices(np.array([0.0, 0.0, 1.0]))
JOINED = "|"
ALIKE = 0.9
"""Of lists that hold the same offer so many are hardly told apart."""


@dataclass(frozen=True)
class Offers(Result):
    """A promotion's offers for each customer, best first; made by `rank_offers`.

    Parameters
    ----------
    promotion_id : id
        The promotion.
    kind : {"coupon", "product"}
        What its offers are.
    frame : DataFrame
        A row per customer and offer: ``customer_id, place`` (from 1), ``offer, share`` (of what the
        customer would take, were anything taken), ``expected`` (redemptions, if the customer is
        contacted; missing without ``chances``), ``product_id`` (the one of the offer that is
        recommended most) and ``reason`` (both missing of customers who are not ``named``), and
        ``bought_before`` (that product, or any of the offer's).
    available : int
        Offers the promotion has.
    customers : int
        Who was asked for.
    learned : Choices
        What earlier promotions taught.
    chosen : bool
        Whether the shop chooses the offers of this type of promotion itself, customer by customer.
    name : str
        What readers call the promotion.
    own : bool
        Whether own purchases alone rank them.
    """

    promotion_id: Any
    kind: str
    frame: pd.DataFrame = field(repr=False)
    available: int
    customers: int
    learned: Choices
    chosen: bool = False
    name: str = ""
    own: bool = False

    @property
    def called(self) -> str:
        """What readers call the promotion."""
        return self.name or f"Promotion {self.promotion_id}"

    def held(self) -> pd.DataFrame:
        """Return for each number of places how much of what customers would take stands on them."""
        if self.frame.empty:
            return pd.DataFrame({"places": [], "share": [], "expected": []})
        rows = self.frame.groupby("place")[["share", "expected"]].sum(min_count=1).cumsum()
        rows["share"] /= self.customers
        return rows.rename_axis("places").reset_index()

    def facts(self) -> dict[str, Any]:
        """Return how long lists are and how alike, and what was learned."""
        many = self.frame["customer_id"].value_counts()
        held = self.frame["share"].sum() / max(self.customers, 1)
        lists = self.frame["offer"].value_counts()
        part = float(lists.iloc[0] / max(self.customers, 1))
        alike = part >= ALIKE and self.available > int(self.frame["place"].max())
        return {
            "fewest": int(many.min()),
            "most": int(many.max()),
            "lengths": "several" if many.min() < many.max() else "one",
            "part": float(held),
            "known": bool(self.learned.choosers),
            "choices": self.learned.choices,
            "choosers": self.learned.choosers,
            "earlier": self.learned.promotions,
            "same": lists.index[0] if alike else "",
            "same_part": part,
        }


def rank_offers(
    shop: Shop,
    promotion_id: Any,
    recommender: Recommender,
    *,
    customers: Iterable[Any] | None = None,
    chances: pd.Series[float] | None = None,
    most: int = 10,
    enough: float = 0.8,
    graph: ProductGraph | None = None,
    own: bool = False,
    named: Iterable[Any] | None = None,
) -> Offers:
    """Rank a promotion's coupons for each customer; its products where it has no coupons.

    A conditional logit of which offers were taken, learned from promotions that are over: own
    purchases of an offer's products, purchases of their type, and how many buy them lately. Whom to
    contact is not decided here: that stays with effects and the budget. What is recommended because
    it is bought anyway is subsidised, not sold: ``bought_before`` marks what may be.

    Parameters
    ----------
    shop : Shop
        A cleaned one.
    promotion_id : id
        The promotion.
    recommender : Recommender
        Fitted as of no later than its start; names the product of each offer and the reason.
    customers : iterable of ids, optional
        By default everybody who bought something; those without purchases get what sells.
    chances : Series, optional
        By customer, the chance to take anything (`promolab.ResponseModel`): with it expected
        redemptions are stated.
    most : int
        Offers of a customer at most.
    enough : float
        A customer's offers end where they hold this share of what would be taken.
    graph : ProductGraph, optional
        As of the recommender's moment, where it is there already.
    own : bool
        Rank by own purchases of an offer's products alone, and what sells where there are none.
    named : iterable of ids, optional
        Whose offers get a product and a reason, one or more of the customers; by default everybody,
        which takes most of the time.

    Returns
    -------
    Offers

    Raises
    ------
    InputError
        No such promotion, one that began before the recommender's moment, one named more than once.
    DataError
        The promotion names no products.

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> con = ibis.duckdb.connect()
    >>> when = pd.to_datetime(["2024-01-01", "2024-01-02"])
    >>> events = pd.DataFrame({"customer_id": [1, 2], "ts": when, "kind": "purchase",
    ...                        "product_id": ["a", "b"]})
    >>> products = pd.DataFrame({"product_id": list("abc"), "category": ["tea", "oil", "tea"]})
    >>> promotions = pd.DataFrame({"promotion_id": ["P"], "kind": "coupon",
    ...     "starts_at": pd.to_datetime(["2024-02-01"]), "ends_at": pd.to_datetime(["2024-03-01"])})
    >>> coupons = pd.DataFrame({"promotion_id": "P", "coupon_id": ["k1", "k2"],
    ...                         "product_id": ["a", "b"]})
    >>> tables = {"events": events, "products": products, "promotions": promotions,
    ...           "promotion_products": coupons}
    >>> shop = Shop({name: con.create_table(name, rows) for name, rows in tables.items()})
    >>> model = Recommender("frequency", least_customers=1)
    >>> model = model.fit(events, products, as_of="2024-02-01")
    >>> found = rank_offers(shop, "P", model, enough=1.0)
    >>> found.frame["offer"].tolist()
    ['k1', 'k2', 'k2', 'k1']
    """
    most = whole_number("most", most, 1)
    share("enough", enough, zero=False)
    now = recommender.as_of_
    graph = product_graph(shop, now) if graph is None else graph
    if graph.past.as_of != now:
        raise refuse("graph", f"of {graph.past.as_of:%Y-%m-%d}", f"one of {now:%Y-%m-%d}")
    offered = on_offer(graph, promotion_id)
    row = graph.promotions[graph.promotions["promotion_id"] == promotion_id].iloc[0]
    if pd.Timestamp(now) > row["starts_at"]:
        raise InputError(
            f"promotion {promotion_id} starts on {row['starts_at']:%Y-%m-%d} and the recommender "
            f"knows what was bought until {now:%Y-%m-%d}: fit it as of the start or before"
        )
    chosen_types, kind = read_operations(shop.settings).offers.chosen_types, offered.kind
    learned = graph.once(
        ("learned", *chosen_types, kind, own),
        lambda: learned_before(lessons(graph, chosen_types), now, kind, own=own),
    )
    asked = pd.Index(graph.past.customers if customers is None else list(customers))
    if not len(asked):
        raise refuse("customers", [], "one customer or more")
    if asked.has_duplicates:
        raise refuse("customers", asked[asked.duplicated()][0], "each customer once")
    if chances is not None and chances.index.has_duplicates:
        raise refuse("chances", chances.index[chances.index.duplicated()][0], "each customer once")
    if chances is not None and not chances.dropna().between(0, 1).all():
        raise InputError("chances lie outside 0 to 1; expected of each customer how likely it is")
    found = _ranked(graph, offered, asked, learned, most, enough)
    found["expected"] = _expected(found, learned, chances)
    rows = found if named is None else found[found["customer_id"].isin(list(named))]
    asked_for = rows[["customer_id"]].assign(offer=rows["at"])
    told = recommender.best_among(asked_for, offered.members)
    told["reason"] = told["reason"].replace("", np.nan).fillna(PLAIN)
    for name in ("product_id", "reason"):
        found[name] = pd.Series(told[name].array, index=rows.index).reindex(found.index)
    found["bought_before"] = found["own"].to_numpy() > 0
    columns = ["customer_id", "place", "offer", "share", "expected", "product_id"]
    return Offers(
        promotion_id,
        kind,
        found[[*columns, "bought_before", "reason"]],
        len(offered.ids),
        len(asked),
        learned,
        str(row["type"]) in chosen_types,
        name=shop.promotion_name(str(row["kind"]), promotion_id),
        own=own,
    )


def _ranked(
    graph: ProductGraph,
    offered: OnOffer,
    asked: pd.Index,
    learned: Choices,
    most: int,
    enough: float,
) -> pd.DataFrame:
    features = Features(graph, offered, graph.past.as_of)
    places = pd.Index(graph.past.customers).get_indexer(asked)
    known = np.arange(len(graph.past.customers))
    unit, parts = features.unit(known) if learned.unit is None else learned.unit, []
    for low in range(0, len(asked), BATCH):
        values = features.of(places[low : low + BATCH])
        told = within(values, unit)
        shares = learned.shares(told)
        # Of whom nothing is known there is only what sells; and it breaks the ties of all others.
        told_by = values[..., :2] if learned.weights[1] else values[..., :1]
        nobody = ~told_by.any(axis=(1, 2))
        shares[nobody] = WHAT_SELLS.shares(told[nobody])
        shares = shares + 1e-12 * told[..., 2]
        best = largest(shares, most)
        row, column = np.nonzero(best >= 0)
        at = best[row, column]
        held = np.cumsum(np.take_along_axis(shares, np.maximum(best, 0), axis=1), axis=1)
        before = np.where(column > 0, held[row, np.maximum(column - 1, 0)], 0.0)
        part = pd.DataFrame({"customer_id": asked[low + row], "place": column + 1, "at": at})
        part["share"], part["own"] = shares[row, at], values[row, at, 0]
        parts.append(part[before < enough])
    whole = pd.concat(parts, ignore_index=True)
    return whole.assign(offer=offered.ids[whole["at"].to_numpy(int)])


def _expected(
    found: pd.DataFrame, learned: Choices, chances: pd.Series[float] | None
) -> np.ndarray:
    """Return each offer's expected redemptions by its customer: no offer is taken twice."""
    if chances is None:
        return np.full(len(found), np.nan)
    chance = chances.reindex(found["customer_id"]).to_numpy(float)
    return chance * np.minimum(found["share"].to_numpy() * learned.each, 1.0)


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
        return self._facts.say("first")

    @property
    def own_better(self) -> bool:
        """Whether own purchases alone ranked offers better, beyond noise."""
        return self.mean("ndcg", "own").ci_high < 0

    def facts(self) -> dict[str, Any]:
        """Return how the ranking did beside own purchases alone."""
        return {
            "promotions": self.frame["promotion_id"].nunique(),
            "customers": self.frame["customer_id"].nunique(),
            "on_first": self.mean(f"held_{PLACES[2]}"),
            "first_places": PLACES[2],
            "mine": self.mean("ndcg"),
            "by_own": self.mean("own"),
            "more": self.mean("ndcg", "own"),
            "places": self.held,
        }


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
    moments = {(lesson.starts_at, lesson.kind) for lesson in told}
    learned = {each: learned_before(told, *each) for each in moments}
    rows = [_rows(lesson, learned[lesson.starts_at, lesson.kind], k) for lesson in told]
    return PastOffers(pd.concat(rows, ignore_index=True), k)


def _rows(lesson: Lesson, learned: Choices, k: int) -> pd.DataFrame:
    shares = learned.shares(lesson.features)
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
