"""Each way of scoring, against the formula of its paper worked out the long way."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from promolab.recommend import Recommender, methods
from promolab.recommend.methods import TINY, Als, Content, FactorizationMachine, Profiles, Tifu
from promolab.recommend.purchases import read_purchases
from tests.recommend.conftest import NOW


@pytest.fixture(scope="module")
def past(known):
    events, products = known
    return read_purchases(events, products, NOW, 2)


@pytest.fixture(scope="module")
def whole(past) -> Profiles:
    return Profiles(past.decayed(16), past.matrix(), np.arange(past.shape[0]))


def test_content_is_what_its_formula_says(past, whole):
    model = Content(smooth=7)
    model.fit(past, whole, 0)
    own, everybody = whole.decayed.toarray()[5], whole.decayed.toarray().sum(axis=0)
    sure = past.buyers(56) / past.shape[0]
    for name in past.attributes:
        values = past.attributes[name].to_numpy()
        for product, value in enumerate(values):
            usual = everybody[values == value].sum() / everybody.sum()
            mine = (own[values == value].sum() + 7 * usual) / (own.sum() + 7)
            sure[product] *= np.sqrt(mine / usual)
    found = model.score(whole.rows(slice(5, 6)))[0]
    np.testing.assert_allclose(np.exp(found), sure, rtol=1e-9)


def points_of(other, counted, alpha, penalty, base=0.0):
    """Solve the normal equations of each row of a table in full, one after the other."""
    found = []
    for row in counted:
        confidence = 1 + alpha * row
        left = other.T @ (confidence[:, None] * other) + penalty * np.eye(other.shape[1])
        found.append(np.linalg.solve(left, other.T @ (confidence * ((row > 0) - base))))
    return np.array(found)


def test_als_finds_as_small_a_loss_as_equations_solved_in_turn_and_folds_in(past, whole):
    model, counted = Als(factors=8), whole.counted.toarray()
    model.fit(past, whole, 0)
    V = model.products_.astype(float)
    sure = points_of(V, counted, model.alpha, model.penalty)
    np.testing.assert_allclose(model.points(whole.counted), sure, atol=1e-5)
    alone = Profiles(whole.decayed[:1], whole.counted[:1], np.array([-1]))
    np.testing.assert_allclose(model.score(alone)[0], V @ sure[0], atol=1e-4)
    own = np.random.default_rng(1).normal(0, 0.01, V.shape)
    for _ in range(15):
        own = points_of(points_of(own, counted, 1, 50), counted.T, 1, 50)
    losses = []
    for products in (V, own):
        points = points_of(products, counted, 1, 50)
        off = (1 + counted) * ((counted > 0) - points @ products.T) ** 2
        losses.append(off.sum() + 50 * ((points**2).sum() + (products**2).sum()))
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


def test_tifu_mixes_own_purchases_with_the_nearests_by_the_same_buyers(past, whole, known):
    model = Tifu(neighbours=9, own=0.6)
    model.fit(past, whole, 0)
    held = whole.decayed.toarray()
    near = cosine_similarity(held)
    np.fill_diagonal(near, -1)
    for place in (0, 17, 100):
        nearest = np.argsort(-near[place], kind="stable")[:9]
        sure = 0.6 * held[place] + 0.4 * held[nearest].mean(axis=0) + TINY * model.share_
        found = model.score(whole.rows(slice(place, place + 1)))[0]
        np.testing.assert_allclose(found, sure, atol=1e-12)
    first, second, third = models = [Tifu(neighbours=9, sample=50) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        model.fit(past, whole, seed)
    assert len(first.drawn_) == 50 and (first.drawn_ == second.drawn_).all()
    assert (first.drawn_ != third.drawn_).any()
    sure = cosine_similarity(whole.counted.toarray().T > 0)
    np.fill_diagonal(sure, 0)
    found = methods.nearest_products(whole.counted, 5).toarray()
    assert ((found > 0).sum(axis=1) == 5).all()
    np.testing.assert_allclose(found, np.where(found > 0, sure, 0))
    left_out = np.where(found > 0, 0, sure).max(axis=1)
    assert (np.where(found > 0, sure, 1).min(axis=1) >= left_out - 1e-12).all()


def test_a_factorization_machine_solves_its_equations_and_draws_products_to_their_attributes(
    past, whole
):
    model = FactorizationMachine(factors=5, iterations=2, penalty=8, shared=3)
    model.fit(past, whole, 0)
    counted, V = whole.counted.toarray(), model.products_.astype(float)
    points = model.points(whole.counted.astype(np.float32), model.products_)
    assert (points[:, 0] == 1).all()
    sure = points_of(V[:, 1:], counted, model.alpha, 8, V[:, 0])
    np.testing.assert_allclose(points[:, 1:], sure, atol=1e-5)
    # Much confidence in attributes and little in products: those of a kind are one point.
    stiff = FactorizationMachine(factors=5, iterations=2, penalty=1e7, shared=1e-3)
    stiff.fit(past, whole, 0)
    spread = pd.DataFrame(stiff.products_).groupby(
        [past.attributes["category"], past.attributes["brand"]]
    )
    assert spread.std().max().max() < 1e-3 * np.abs(stiff.products_).max()


def test_what_nobody_bought_is_scored_by_its_attributes(known):
    events, products = known
    # Customers of one taste buy categories 0 and 1; p99 is of theirs, p98 of others'.
    more = pd.DataFrame({"product_id": ["p98", "p99"], "category": ["category 5", "category 0"]})
    table = pd.concat([products[["product_id", "category"]], more])
    model = Recommender("fm", least_customers=0).fit(events, table, as_of=NOW)
    lists = model.recommend(range(120), 62)
    mine = events[events["product_id"] < "p20"].groupby("customer_id").size()
    share = (mine / events.groupby("customer_id").size()).fillna(0)
    held = lists.pivot_table(index="customer_id", columns="product_id", values="score")
    nearer = held["p99"] - held["p98"]
    assert nearer[share > 0.5].min() > nearer[share < 0.5].max()
    told = lists[lists["product_id"] == "p99"].set_index("customer_id")["reason"]
    assert told[share[share > 0.5].index].str.startswith("same category as p").all()
    # Without a word on products it knows them by who buys them alone; so does als in any case.
    for kind in ("fm", "als"):
        whole, bare = (
            Recommender(kind, least_customers=2).fit(events, about, as_of=NOW)
            for about in (products, None)
        )
        one, other = (m.recommend(range(20), 5, reasons=False) for m in (whole, bare))
        assert one.equals(other) == (kind == "als")
