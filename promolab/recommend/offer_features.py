"""What a promotion offers, what is known of each customer about it, and what they choose of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.errors import DataError
from promolab.recommend.graph import ProductGraph
from promolab.recommend.methods import HALF_LIFE, indicator

PRIOR = np.array([0.6, 0.3, 0.0])
"""Weights before anything was seen: own purchases twice those of the same type."""
STRENGTH = 30.0
"""How hard the weights are held there: as so many choices whose features vary by one would."""


@dataclass(frozen=True)
class Choices:
    """Weights of a conditional logit, and what they were learned from.

    Parameters
    ----------
    weights : ndarray of shape (features,)
        Of standardised features.
    choosers, choices : int
        Customers of one promotion each who took something, and what they took; 0: nothing was
        learned, and the weights are `PRIOR`.
    promotions : int
        Past promotions they come from.
    unit : ndarray of shape (features,), optional
        What the features were divided by, in the mean of those promotions.
    """

    weights: np.ndarray = field(repr=False)
    choosers: int = 0
    choices: int = 0
    promotions: int = 0
    unit: np.ndarray | None = field(default=None, repr=False)

    @property
    def each(self) -> float:
        """How many offers one who takes any takes, in the mean."""
        return self.choices / self.choosers if self.choosers else 1.0

    def shares(self, features: np.ndarray) -> np.ndarray:
        """Return how a customer's choices spread over the offers, rows that add up to one."""
        return _softmax(np.asarray(features @ self.weights))


def within(values: np.ndarray, spread: np.ndarray | None = None) -> np.ndarray:
    """Return features less the customer's own mean over the offers, in units of their spread.

    Parameters
    ----------
    values : ndarray of shape (customers, offers, features)
        As they are counted.
    spread : ndarray of shape (features,), optional
        The unit; by default the spread of these values.
    """
    told: np.ndarray = values - values.mean(axis=1, keepdims=True)
    unit = spread_of(told) if spread is None else spread
    return np.asarray(told / np.where(unit > 0, unit, 1.0))


def spread_of(centred: np.ndarray) -> np.ndarray:
    """Return the root mean square of each feature."""
    return np.asarray(np.sqrt(np.mean(centred.reshape(-1, centred.shape[-1]) ** 2, axis=0)))


def learn_choices(
    cases: Sequence[tuple[np.ndarray, np.ndarray]],
    prior: np.ndarray = PRIOR,
    strength: float = STRENGTH,
) -> Choices:
    r"""Learn which offers are taken, by a conditional logit with a prior.

    With x the features of an offer to a customer, a choice falls on it with the share
    :math:`e^{\beta x} / \sum_j e^{\beta x_j}` (McFadden 1974, Conditional logit analysis of
    qualitative choice behavior). The log-likelihood of all choices less strength · |β − prior|² is
    maximised: a ridge around what holds where nothing was seen.

    Parameters
    ----------
    cases : sequence of (features, taken)
        For each past promotion: an array (customers, offers, features) of `within`, and an array
        (customers, offers) of how many were taken; customers who took none say nothing.
    prior, strength : ndarray, float
        What the weights are drawn to, and how hard.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 6, 3))
    >>> taken = rng.multinomial(1, _softmax(X @ np.array([1.0, -0.5, 0.0])))
    >>> np.round(learn_choices([(X, taken)]).weights, 1) + 0
    array([ 1. , -0.5,  0. ])
    """
    from scipy.optimize import minimize

    used = [(X[y.sum(axis=1) > 0], y[y.sum(axis=1) > 0]) for X, y in cases]
    used = [(X, y) for X, y in used if len(y)]
    if not used:
        return Choices(prior.copy())

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        away = weights - prior
        value, slope = strength * float(away @ away), 2 * strength * away
        for X, y in used:
            shares = _softmax(X @ weights)
            many = y.sum(axis=1, keepdims=True)
            value -= float((y * np.log(np.maximum(shares, 1e-300))).sum())
            slope = slope - np.einsum("ij,ijk->k", y - many * shares, X)
        return value, slope

    found = minimize(loss, prior.astype(float), jac=True, method="L-BFGS-B")
    choosers, choices = (int(sum(f(y) for _, y in used)) for f in (len, np.sum))
    return Choices(found.x, choosers, choices, len(used))


def _softmax(values: np.ndarray) -> np.ndarray:
    told = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(told / told.sum(axis=1, keepdims=True))


_AS_OFFER = {"coupon_id": "offer"}
LATELY_DAYS = 56
LARGEST = 2_000
"""Offers of a past promotion, and customers who took some, that are still learned from."""
MEASURED = 2_000
"""Customers by whose features their unit is found, evenly among all."""


@dataclass(frozen=True)
class OnOffer:
    """The coupons of a promotion, or its products where it has no coupons.

    Parameters
    ----------
    promotion_id : id
        The promotion.
    kind : {"coupon", "product"}
        What its offers are.
    ids : ndarray of shape (offers,)
        In order.
    members : DataFrame
        ``offer`` (place in ``ids``), ``product_id``.
    """

    promotion_id: Any
    kind: str
    ids: np.ndarray = field(repr=False)
    members: pd.DataFrame = field(repr=False)


def on_offer(graph: ProductGraph, promotion_id: Any) -> OnOffer:
    """Return what a promotion has on offer.

    Raises
    ------
    InputError
        There is no such promotion.
    DataError
        It names no products.
    """
    rows = graph.offers_of(promotion_id)
    coupons = bool(rows["coupon_id"].notna().all())
    kind = "coupon" if coupons else "product"
    odd = rows[f"{kind}_id"].astype(str).str.contains("|", regex=False)
    if odd.any():
        raise DataError(
            f"promotion {promotion_id}: {kind} {rows.loc[odd, f'{kind}_id'].iloc[0]!r} holds |, "
            "which stands between offers in a file; give it another id"
        )
    place, ids = pd.factorize(rows[f"{kind}_id"], sort=True)
    members = pd.DataFrame({"offer": place, "product_id": rows["product_id"].to_numpy()})
    return OnOffer(promotion_id, kind, np.asarray(ids), members.drop_duplicates())


class Features:
    """Own purchases of an offer's products, of their type, and how many customers buy them.

    Parameters
    ----------
    graph : ProductGraph
        Of `promolab.recommend.product_graph`.
    offered : OnOffer
        The promotion's offers.
    moment : datetime
        Nothing at or after it counts.
    customers : ndarray of int, optional
        Places of those whose purchases are needed; by default all.
    """

    def __init__(
        self,
        graph: ProductGraph,
        offered: OnOffer,
        moment: datetime,
        customers: np.ndarray | None = None,
    ) -> None:
        everybody = graph.past.of_customers(None, moment)
        past = everybody if customers is None else everybody.of_customers(customers, moment)
        self._decayed = past.decayed(HALF_LIFE)
        at = pd.Index(past.products).get_indexer(offered.members["product_id"])
        offer, many = offered.members["offer"].to_numpy(), len(offered.ids)
        held = at >= 0
        self._members = sparse.csr_matrix(
            (np.ones(int(held.sum())), (offer[held], at[held])), (many, len(past.products))
        )
        self._alike = self._by_type(graph, offered)
        self._popular = np.log1p(self._members @ everybody.buyers(LATELY_DAYS))
        self.products = len(past.products)

    def _by_type(self, graph: ProductGraph, offered: OnOffer) -> sparse.csr_matrix:
        """Return products bought × offers: the share of the offer that is of the product's type."""
        narrowest = tuple(graph.groups[:1])
        codes = graph.codes(narrowest)
        assert codes is not None
        of = graph.of_products(offered.members["product_id"], codes)
        known = of >= 0
        values, many = int(codes.max(initial=-1)) + 1, len(offered.ids)
        offer = offered.members["offer"].to_numpy()[known]
        cells = (np.ones(len(offer)), (of[known], offer))
        share = sparse.csr_matrix(cells, (values, many))
        whole = np.maximum(np.asarray(share.sum(axis=0)).ravel(), 1)
        spread = share @ sparse.diags(1 / whole)
        return sparse.csr_matrix(indicator(graph.of_bought(codes), values) @ spread)

    def of(self, places: np.ndarray) -> np.ndarray:
        """Return customers × offers × features; a customer at −1 has bought nothing."""
        mine = self._decayed[np.maximum(places, 0)]
        mine = sparse.csr_matrix(sparse.diags((places >= 0).astype(float)) @ mine)
        own = np.log1p((mine @ self._members.T).toarray())
        alike = np.log1p((mine @ self._alike).toarray())
        return np.stack([own, alike, np.broadcast_to(self._popular, own.shape)], axis=-1)

    def unit(self, places: np.ndarray) -> np.ndarray:
        """Return the spread of each feature within customers, over some of them, evenly chosen."""
        some = places[np.linspace(0, len(places) - 1, min(len(places), MEASURED)).astype(int)]
        values = self.of(some)
        return spread_of(values - values.mean(axis=1, keepdims=True))


@dataclass(frozen=True)
class Lesson:
    """A past promotion: what those who took something had before them, and what they took."""

    promotion_id: Any
    kind: str
    starts_at: pd.Timestamp
    ends_at: pd.Timestamp
    customers: np.ndarray = field(repr=False)
    features: np.ndarray = field(repr=False)
    own: np.ndarray = field(repr=False)
    taken: np.ndarray = field(repr=False)
    unit: np.ndarray = field(repr=False)


def lessons(graph: ProductGraph, chosen_types: Sequence[str] = (), seed: int = 0) -> list[Lesson]:
    """Return past promotions with what their customers took, the earliest first.

    Only those that are over, began when four weeks of purchases were known, name two offers or
    more, and had the same offers for everybody.

    Parameters
    ----------
    graph : ProductGraph
        Of `promolab.recommend.product_graph`.
    chosen_types : sequence of str
        Types whose offers the shop chose for each customer: left out.
    seed : int
        Of the draw of customers where more took something than are learned from.
    """
    now, found = pd.Timestamp(graph.past.as_of), []
    plans = graph.promotions
    over = (plans["ends_at"] <= now) & (plans["starts_at"] >= graph.known_from)
    for row in plans[over].itertuples():
        named = graph.offers["promotion_id"] == row.promotion_id
        if str(row.type) in chosen_types or not named.any():
            continue
        offered = on_offer(graph, row.promotion_id)
        if not 1 < len(offered.ids) <= LARGEST:
            continue
        lesson = _lesson(graph, offered, row, seed)
        if lesson is not None:
            found.append(lesson)
    return found


def _lesson(graph: ProductGraph, offered: OnOffer, row: Any, seed: int) -> Lesson | None:
    rows = _takings(graph, offered, row)
    who = pd.Index(graph.past.customers)
    at = who.get_indexer(pd.Index(rows["customer_id"]))
    offer = pd.Index(offered.ids).get_indexer(pd.Index(rows["offer"]))
    kept = (at >= 0) & (offer >= 0)
    if not kept.any():
        return None
    choosers = np.unique(at[kept])
    if len(choosers) > LARGEST:
        rng = np.random.default_rng(seed)
        choosers = np.sort(rng.choice(choosers, LARGEST, replace=False, shuffle=False))
    taken = np.zeros((len(choosers), len(offered.ids)))
    place = pd.Index(choosers).get_indexer(at)
    kept &= place >= 0
    taken[place[kept], offer[kept]] = 1.0
    there = who.get_indexer(pd.Index(graph.contacted(row.promotion_id)))
    there = np.union1d(there[there >= 0], choosers)
    features = Features(graph, offered, row.starts_at.to_pydatetime(), there)
    values, unit = features.of(choosers), features.unit(there)
    return Lesson(
        row.promotion_id,
        offered.kind,
        row.starts_at,
        row.ends_at,
        graph.past.customers[choosers],
        within(values, unit),
        values[..., 0] + 1e-6 * values[..., 2],
        taken,
        unit,
    )


def _takings(graph: ProductGraph, offered: OnOffer, row: Any) -> pd.DataFrame:
    """Return customer_id and offer: coupons redeemed, or products that those contacted bought."""
    if offered.kind == "coupon":
        rows = graph.taken[graph.taken["promotion_id"] == row.promotion_id]
        rows = rows[rows["coupon_id"].notna()]
        taken = rows[["customer_id", "coupon_id"]].drop_duplicates()
        return pd.DataFrame(taken.rename(columns=_AS_OFFER))
    past, now = graph.past, pd.Timestamp(graph.past.as_of)
    old, new = ((now - end) / pd.Timedelta(days=1) for end in (row.starts_at, row.ends_at))
    within_it = (past.age <= old) & (past.age > new)
    within_it &= np.isin(past.customers, graph.contacted(row.promotion_id))[past.customer]
    told = pd.DataFrame(
        {
            "customer_id": past.customers[past.customer[within_it]],
            "offer": past.products[past.product[within_it]],
        }
    )
    return told.drop_duplicates()


def learned_before(told: Sequence[Lesson], moment: Any, kind: str, *, own: bool = False) -> Choices:
    """Return what promotions with offers of a kind that were over at a moment teach of choices.

    With ``own`` of own purchases alone: what else tells of an offer has no weight.
    """
    over = [lesson for lesson in told if lesson.ends_at <= moment and lesson.kind == kind]
    used = np.array([1.0, 0.0, 0.0]) if own else np.ones(3)
    learned = learn_choices([(lesson.features * used, lesson.taken) for lesson in over])
    learned = replace(learned, weights=learned.weights * used)
    if not over:
        return learned
    return replace(learned, unit=np.mean([lesson.unit for lesson in over], axis=0))
