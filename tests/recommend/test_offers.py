from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score
from statsmodels.discrete.conditional_models import ConditionalLogit

from promolab.recommend import Recommender, offer_features, past_offers, product_graph, rank_offers
from promolab.recommend.offer_features import PRIOR, Lesson, learn_choices, lessons
from promolab.recommend.offer_ranking import _expected, _rows, gain
from tests.recommend.conftest import NOW, in_duckdb
from tests.refused import refused, spoilt


@pytest.fixture(scope="module")
def model(known) -> Recommender:
    return Recommender("frequency", least_customers=2).fit(*known, as_of=NOW)


@pytest.fixture(scope="module")
def ranked(shop, model):
    chances = pd.Series(0.5, index=range(120))
    return rank_offers(shop, "P4", model, chances=chances, most=12, enough=1.0)


def test_every_customer_gets_each_offer_once_and_what_is_taken_stands_first(ranked, coupons):
    assert ranked.available == 12 and ranked.kind == "coupon"
    frame, held = ranked.frame, ranked.held()["share"]
    assert (frame.groupby("customer_id")["offer"].nunique() == 12).all()
    assert frame.groupby("customer_id")["share"].sum().to_numpy() == pytest.approx(1.0)
    once = np.minimum(frame["share"] * ranked.learned.each, 1.0)  # none is taken twice
    assert frame["expected"].to_numpy() == pytest.approx(0.5 * once)
    assert held.iloc[-1] == pytest.approx(1.0) and held.is_monotonic_increasing
    came = coupons["responses"].query("promotion_id == 'P4'")
    told = came.merge(
        frame, left_on=["customer_id", "coupon_id"], right_on=["customer_id", "offer"]
    )
    assert len(told) == len(came) and (told["place"] <= 3).mean() > 0.6


def test_offers_end_where_they_hold_enough_and_chosen_types_teach_nothing(shop, model, ranked):
    few = rank_offers(shop, "P4", model, most=6, enough=0.5, named=[3]).frame
    whole = ranked.frame.merge(few[["customer_id", "place", "offer"]])
    assert len(whole) == len(few)  # the same offers at the same places
    shown = few.dropna(subset=["product_id", "reason"], how="all")
    same = shown.merge(ranked.frame, on=["customer_id", "place", "product_id", "reason"])
    assert set(shown["customer_id"]) == {3} and len(same) == len(shown)
    last = few.groupby("customer_id")["share"].agg(["sum", "last", "size"])
    assert ((last["sum"] - last["last"] < 0.5) & (last["size"] <= 6)).all()
    assert ((last["sum"] >= 0.5) | (last["size"] == 6)).all()
    graph = product_graph(shop, NOW)
    assert [x.promotion_id for x in lessons(graph)] == ["P0", "P1", "P2", "P3"]
    assert [x.promotion_id for x in lessons(graph, ["chosen"])] == ["P0", "P1", "P2"]


def test_products_and_reasons_are_of_the_offer_and_lists_joined(ranked, coupons):
    def pairs(frame: pd.DataFrame, *names: str) -> list[Any]:
        return list(zip(*(frame[name] for name in names), strict=True))

    rows = ranked.frame.dropna(subset="product_id")
    members = set(pairs(coupons["promotion_products"], "coupon_id", "product_id"))
    assert set(pairs(rows, "offer", "product_id")) <= members
    before = coupons["events"][coupons["events"]["ts"] < NOW]
    bought = set(pairs(before, "customer_id", "product_id"))
    again = rows["reason"].str.startswith("bought")
    assert again.tolist() == [pair in bought for pair in pairs(rows, "customer_id", "product_id")]
    assert rows.loc[again, "bought_before"].all()
    bare = learn_choices([])
    assert (bare.weights == PRIOR).all() and bare.each == 1.0
    assert np.argmax(bare.shares(np.zeros((1, 4, 3)))) == 0


def test_past_promotions_are_ranked_by_those_before_them(shop, coupons):
    found = past_offers(product_graph(shop, NOW), ["chosen"])
    many = coupons["responses"].groupby("promotion_id")["customer_id"].nunique()
    counted = found.frame["promotion_id"].value_counts()
    assert counted[["P0", "P1", "P2"]].tolist() == many[["P0", "P1", "P2"]].tolist()
    assert found.mean("ndcg").ci_low > 0.5 and found.frame["held_10"].between(0, 1).all()
    # What is redeemed in a promotion decides nothing of its own ranking.
    mixed = coupons["responses"].copy()
    last = mixed["promotion_id"] == "P2"
    mixed.loc[last, "coupon_id"] = mixed.loc[last, "coupon_id"].to_numpy()[::-1]
    other = past_offers(product_graph(in_duckdb({**coupons, "responses": mixed}), NOW), ["chosen"])
    first = [f.frame[f.frame["promotion_id"] != "P2"]["ndcg"].tolist() for f in (found, other)]
    assert first[0] == first[1]
    assert other.mean("ndcg").value < found.mean("ndcg").value


def test_weights_are_those_of_statsmodels_and_ndcg_is_scikit_learns():
    rng, lists = np.random.default_rng(5), np.repeat(np.arange(300), 5)
    X = rng.normal(size=(300, 5, 3))
    chosen = (X @ [0.8, -0.4, 0.2] + rng.gumbel(size=(300, 5))).argmax(axis=1)
    taken = np.eye(5)[chosen]
    theirs = ConditionalLogit(taken.ravel(), X.reshape(-1, 3), groups=lists).fit(disp=0)
    for strength, weights in ((0.0, theirs.params), (1e9, PRIOR)):
        found = learn_choices([(X, taken)], strength=strength)
        assert found.weights == pytest.approx(weights, abs=1e-4)
    score, taken = rng.random((30, 8)), (rng.random((30, 8)) < 0.3).astype(float)
    taken[taken.sum(axis=1) == 0, 0] = 1.0
    assert gain(score, taken, 5).mean() == pytest.approx(ndcg_score(taken, score, k=5), abs=1e-12)


def test_products_are_the_offers_without_coupons_taken_while_the_promotion_ran(coupons, model):
    bare = coupons["promotion_products"].drop(columns="coupon_id")
    shop = in_duckdb({**coupons, "promotion_products": bare})
    found = rank_offers(shop, "P4", model, most=5)
    assert found.kind == "product" and found.available == 60
    own = found.frame[found.frame["place"] == 1]
    assert own["bought_before"].mean() > 0.9 and (own["offer"] == own["product_id"]).all()
    # Purchases of those contacted, while each ran, are what was learned from.
    events, dates = coupons["events"], coupons["promotions"].set_index("promotion_id")
    for lesson in (taught := lessons(product_graph(shop, NOW))):
        low, high = dates.loc[lesson.promotion_id, ["starts_at", "ends_at"]]
        inside = events[(events["ts"] >= low) & (events["ts"] < high)]
        assert lesson.taken.sum() == len(inside[["customer_id", "product_id"]].drop_duplicates())
    assert len(taught) == found.learned.promotions == 4


def test_what_cannot_be_ranked_and_arguments_out_of_range_are_sentences(shop, model, coupons):
    twice, wide = pd.Series(0.5, index=[3, 3]), pd.Series([0.5, 1.5], index=[3, 4])
    for promotion, given, said in [
        ("P9", {}, "no promotion 'P9' in this shop"),
        ("P1", {}, "fit it as of the start or before"),
        ("P4", {"most": 0}, "most = 0; expected"),
        ("P4", {"customers": [3, 3]}, "each customer once"),
        ("P4", {"chances": twice}, "chances = 3; expected"),
        ("P4", {"chances": wide}, "outside 0 to 1"),
    ]:
        refused(said, rank_offers, shop, promotion, model, **given)
    held = coupons["promotion_products"]
    for rows, said in [
        (held.query("promotion_id != 'P4'"), "promotion P4 names no products"),
        (held.replace({"coupon_id": {"k4-03": "k4|03"}}), "which stands between offers in a file"),
    ]:
        changed = in_duckdb({**coupons, "promotion_products": rows})
        spoilt(said, rank_offers, changed, "P4", model)


def test_whole_numbers_stay_whole_and_newcomers_get_what_sells(shop, model, coupons):
    held, taken = coupons["promotion_products"], coupons["responses"]
    numbers = [t["coupon_id"].str[1:].str.replace("-", "").astype("Int64") for t in (held, taken)]
    held = held.assign(coupon_id=numbers[0].where(held["promotion_id"] != "P3"))
    taken = taken.assign(coupon_id=numbers[1].astype(int))
    numbered = in_duckdb({**coupons, "promotion_products": held, "responses": taken})
    found = rank_offers(numbered, "P4", model, customers=[3], most=2)
    for ids in (found.frame["offer"], product_graph(numbered, NOW).offers["coupon_id"]):
        assert not ids.astype(str).str.contains(".", regex=False).any()
    sold = coupons["events"][coupons["events"]["ts"].between(NOW - pd.Timedelta(days=56), NOW)]
    sold = sold.groupby("product_id")["customer_id"].nunique()
    mine = coupons["promotion_products"].query("promotion_id == 'P4'")
    best = mine.assign(n=mine["product_id"].map(sold)).groupby("coupon_id")["n"].sum()
    asked = {"customers": ["new", 3, "newer"], "most": 12, "enough": 1.0}
    told = rank_offers(shop, "P4", model, **asked).frame.set_index("customer_id")["offer"]
    assert told["new"].tolist() == told["newer"].tolist()
    assert (sold_of := told["new"].map(best)).is_monotonic_decreasing
    assert sold_of.iloc[0] == best.max()


def lesson_of(name: str, ends: str, taken: list[int], offers: int) -> Lesson:
    """One customer, to whom the first offer is nearest and the last one farthest."""
    features = np.zeros((1, offers, 3))
    features[0, :, 0] = -np.arange(offers)
    got = np.isin(np.arange(offers), taken).astype(float)[None]
    start, end = pd.Timestamp(ends) - pd.Timedelta(days=7), pd.Timestamp(ends)
    given = np.array(["c"]), features, features[..., 0], got, np.ones(3)
    return Lesson(name, "coupon", start, end, *given)


def test_of_two_that_overlap_the_first_teaches_nothing_and_only_what_is_over_does(coupons):
    told = [lesson_of("over", "2024-05-01", [0], 4), lesson_of("runs", "2024-06-01", [1, 2], 4)]
    learned_before = offer_features.learned_before
    learned = learned_before(told, pd.Timestamp("2024-05-28"), "coupon")
    assert (learned.promotions, learned.choosers, learned.choices) == (1, 1, 1)
    assert learned_before(told, pd.Timestamp("2024-06-01"), "coupon").promotions == 2
    # Four promotions count; one at the data's beginning, with the offers of P0, does not.
    first = {"promotion_id": "first", "starts_at": coupons["events"]["ts"].min()}
    tables = {
        name: pd.concat([rows, rows.query("promotion_id == 'P0'").assign(**first)])[rows.columns]
        for name, rows in coupons.items()
        if "promotion_id" in rows
    }
    graph = product_graph(in_duckdb({**coupons, **tables}), NOW)
    assert [x.promotion_id for x in lessons(graph)] == ["P0", "P1", "P2", "P3"]


def test_no_offer_is_expected_more_than_once_and_places_hold_a_share_of_all_taken():
    """Three offers each, by a customer who answers in half of the cases."""
    learned = replace(learn_choices([]), choosers=2, choices=6)
    found = pd.DataFrame({"customer_id": "c", "share": [0.5, 0.3, 0.1]})
    expected = _expected(found, learned, pd.Series({"c": 0.5}))
    assert expected == pytest.approx([0.5, 0.45, 0.15])
    # Twelve offers, of which the first, the seventh and the last were taken.
    lesson = lesson_of("P", "2024-05-01", [0, 6, 11], 12)
    row = _rows(lesson, learn_choices([]), 10).iloc[0]
    held = [row[f"held_{places}"] for places in (1, 3, 5, 10)]
    assert held == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3])
