import itertools

import ibis
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from promolab.recommend import Recommender, compare_recommenders, methods
from promolab.recommend.methods import (
    TINY,
    Als,
    Content,
    FactorizationMachine,
    Profiles,
    Tifu,
    largest,
)
from promolab.recommend.purchases import read_purchases
from promolab.recommend.reasons import every
from promolab.recommend.recommender import KINDS, _best_of
from tests.recommend.conftest import NOW
from tests.refused import refused, spoilt

FEW = {"least_customers": 2}


@pytest.fixture(scope="module")
def fitted(known) -> dict[str, Recommender]:
    return {kind: Recommender(kind, **FEW).fit(*known, as_of=NOW) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_whole_and_of_what_was_asked_for(fitted, known, kind):
    model, customers = fitted[kind], list(range(0, 120, 7))
    pairs = set(zip(known[0]["customer_id"], known[0]["product_id"], strict=True))
    for among, lists in model.recommend_each(customers, 10).items():
        pd.testing.assert_frame_equal(lists, model.recommend(customers, 10, among))
        assert lists["customer_id"].drop_duplicates().tolist() == customers
        assert not lists.duplicated(["customer_id", "product_id"]).any()
        told = [pair in pairs for pair in zip(lists.customer_id, lists.product_id, strict=True)]
        assert lists["bought_before"].tolist() == told
        assert among == "all" or set(told) == {among == "repeat"}
        assert lists["reason"].ne("").all()
        by = lists.groupby("customer_id")
        assert by["score"].apply(lambda s: s.is_monotonic_decreasing).all()
        assert lists["place"].tolist() == (by.cumcount() + 1).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_one_recommends_the_same_and_a_changed_file_is_refused(fitted, tmp_path, kind):
    model = fitted[kind]
    path = model.save(tmp_path / "model")
    read = Recommender.load(path)
    asked = [3, 5, "nobody"]
    pd.testing.assert_frame_equal(read.recommend(asked, 15), model.recommend(asked, 15))
    path.write_bytes(path.read_bytes().replace(b'half_life\\": 16.0', b'half_life\\": 17.0'))
    refused("was changed after it was saved", Recommender.load, path)


def test_rows_in_another_order_an_engines_tables_and_times_of_a_zone_change_nothing(known):
    events, products = known
    mixed = events.sample(frac=1, random_state=1), products.sample(frac=1, random_state=2)
    for kind in ("frequency", "tifu", "itemknn"):
        first, second = (
            Recommender(kind, **FEW).fit(*told, as_of=NOW).recommend(range(120), 10)
            for told in (known, mixed)
        )
        pd.testing.assert_frame_equal(first, second)
    zoned = events.assign(ts=events["ts"].dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai"))
    arrow = [table.convert_dtypes(dtype_backend="pyarrow") for table in known]
    tables = [ibis.memtable(table) for table in known]
    first, *others = (
        Recommender("frequency", **FEW).fit(*told, as_of=NOW).recommend(range(20), 5)
        for told in (known, tables, arrow, (zoned, products))
    )
    for other in others:
        pd.testing.assert_frame_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_customers_get_what_sells(fitted, kind):
    sells = fitted["popularity"].recommend(["nobody"], 5)["product_id"].tolist()
    lists = fitted[kind].recommend(["nobody", 4], 5)
    assert lists["cold_start"].tolist() == ["no history"] * 5 + [""] * 5
    assert lists["product_id"].tolist()[:5] == sells


def test_few_orders_are_marked_and_who_bought_only_what_is_not_recommended():
    def lists_of(kind, least, customers, products, asked):
        days = pd.date_range("2024-01-01", periods=len(customers), freq="D")
        rows = pd.DataFrame({"customer_id": customers, "ts": days, "product_id": products})
        model = Recommender(kind, least_customers=least).fit(rows, None, as_of="2024-02-01")
        return model.recommend(asked, 1), model

    lists, _ = lists_of("frequency", 1, [1] * 3 + [2] * 6, list("abaaabbab"), [1, 2])
    assert lists["cold_start"].tolist() == ["few orders", ""]
    bought = ["a", "a", "own", "a", None]
    lists, model = lists_of("tifu", 2, [1, 2, 3, None, 2], bought, [1, 3, 9])
    assert lists["cold_start"].tolist() == ["few orders", "rare products alone", "no history"]
    assert lists["product_id"].tolist() == ["a"] * 3
    assert (model.unknown_, model.rare_) == (2, 1)


def test_reasons_are_borne_out_by_what_was_bought_and_equal_scores_stand_by_id():
    weeks = pd.date_range("2024-01-01", periods=8, freq="21D")
    rows = [(1, "milk", day) for day in weeks] + [(1, "jam", NOW - pd.Timedelta("9D"))]
    others = [(2, "milk"), (2, "tea"), (3, "milk"), (3, "tea"), (4, "cup")]
    rows += [(*pair, NOW - pd.Timedelta("30D")) for pair in others]
    events = pd.DataFrame(rows, columns=["customer_id", "product_id", "ts"])
    products = pd.DataFrame({"product_id": ["cup", "jam"], "brand": ["Own", "Own"]})
    model = Recommender("frequency", least_customers=1).fit(events, products, as_of=NOW)
    assert model.recommend([1], 4).set_index("product_id")["reason"].to_dict() == {
        "milk": "bought every 3 weeks",
        "jam": "bought once",
        "tea": "others who buy milk",
        "cup": "same brand as jam",
    }
    events = pd.DataFrame({"customer_id": [1, 1, 1, 2], "product_id": list("cabc")})
    events["ts"] = pd.Timestamp("2024-01-01")
    model = Recommender("frequency", least_customers=1).fit(events, None, as_of="2024-01-02")
    assert model.recommend([2], 3)["product_id"].tolist() == ["c", "a", "b"]
    values = np.random.default_rng(0).integers(0, 6, (50, 40)).astype(float)
    sure = np.argsort(-values, axis=1, kind="stable")[:, :12]
    assert (largest(values, 12) == sure).all()


@pytest.mark.parametrize("kind", KINDS)
def test_customers_who_all_bought_the_same_get_it_in_the_order_of_ids(kind):
    """Scores all equal, and one department that is all of it."""
    days = pd.date_range("2024-01-01", periods=16, freq="5D")
    each = itertools.product(range(6), days, "bca")
    events = pd.DataFrame(each, columns=["customer_id", "ts", "product_id"])
    fuel = pd.DataFrame({"product_id": list("abc"), "department": "fuel"})
    lists = Recommender(kind, **FEW).fit(events, fuel, as_of="2024-03-21").recommend([1, 5], 3)
    if kind in ("als", "fm"):  # they start from what is drawn
        assert np.isfinite(lists["score"]).all()
    else:
        assert lists["product_id"].tolist() == list("abcabc")


def test_wrong_questions_are_answered_with_a_sentence(fitted, known, bought):
    for given, said in [
        ({"k": 61}, r"k = 61; expected a whole number from 1 to \d+: \d+ products were bought"),
        ({"customers": [1, 1]}, "customers = 1; expected each customer once"),
        ({"among": "old"}, "among = 'old'"),
    ]:
        refused(said, fitted["frequency"].recommend, **({"customers": [1], "k": 5} | given))
    events, products = known
    plain, content = Recommender(), Recommender("content", **FEW)
    twice = pd.concat([products, products[:1].assign(category="another")])
    gap = events.assign(ts=events["ts"].where(events.index != events.index[3]))
    for model, rows, table, said in [
        (plain, events, twice, "products holds p00 twice"),
        (plain, events, products.assign(product_id=range(60)), "products knows none of 60 prod"),
        (plain, gap, products, "ts holds what is no time"),
        (plain, bought[0], products, r"^\d+ events at or after as_of = 2024-06-03"),
        (content, events, products[["product_id"]], "products say nothing of type"),
    ]:
        refused(said, model.fit, rows, table, as_of=NOW)
    strict = Recommender(least_customers=1000)
    spoilt("none of 60 products was bought by 1,000", strict.fit, events, products, as_of=NOW)
    spoilt("no purchase of a known customer", plain.fit, events[:0], products, as_of=NOW)
    refused("does not know an option", Recommender, "tifu", near=3)
    refused("not fitted yet", Recommender().recommend, [1])


def test_of_one_group_alone_what_sells_is_recommended_and_pauses_are_told_in_words(known):
    events, products = known
    alike = products[["product_id"]].assign(department="fuel")
    told, sells = (
        Recommender(kind, **FEW).fit(events, alike, as_of=NOW).recommend([1], 9)["product_id"]
        for kind in ("content", "popularity")
    )
    assert told.equals(sells)
    none = pd.DataFrame({"row": [0], "offer": ["held by none"]})
    assert _best_of(np.ones((2, 3)), none, {}).empty
    words = "every day, every 3 days, every week, every 6 weeks, every 2 months"
    assert ", ".join(map(every, (0.4, 3, 10.4, 45, 61))) == words


@pytest.fixture(scope="module")
def board(bought):
    kinds = ["popularity", "frequency", "als", "fm"]
    return compare_recommenders(*bought, as_of=NOW, kinds=kinds, k=5, least_customers=2)


def test_own_purchases_beat_what_sells_and_new_products_are_told_by_taste(board):
    frame = board.frame.set_index("kind")
    rows, again, anew = (frame[frame["among"] == part] for part in ("all", "repeat", "new"))
    assert (rows["difference_low"][["frequency", "als", "fm"]] > 0).all()
    assert rows.loc["frequency", "p_holm"] < 0.01 and len(set(rows["customers"])) == 1
    assert (again["repeats"] == 1).all() and (anew["repeats"] == 0).all()
    assert "frequency" in board.summary() and (frame["seconds"] > 0).all()
    # Own frequency knows nothing of new ones beyond what sells.
    assert anew.loc["frequency", "difference"] == 0 < anew.loc["als", "difference_low"]
    for part in (rows, again, anew):
        values = part["ndcg"].to_numpy()
        np.testing.assert_allclose(part["difference"].to_numpy()[1:], values[1:] - values[0])


def test_nothing_after_the_moment_is_learned_from_nor_weeks_that_are_not_over(bought, board):
    spoilt("9 weeks after 2024-06-03 are not", compare_recommenders, *bought, as_of=NOW, weeks=9)
    events, products = bought
    later, mixed = events["ts"] >= NOW, events.assign(ts=events["ts"].dt.tz_localize("UTC"))
    mixed.loc[later, "product_id"] = events.loc[later, "product_id"].to_numpy()[::-1]
    kinds = ["popularity", "frequency"]
    other = compare_recommenders(mixed, products, as_of=NOW, kinds=kinds, k=5, least_customers=2)
    # The same lists, so the same share of repeats and the same products listed.
    same, first = ["repeats", "coverage", "novelty"], board.frame[board.frame["kind"].isin(kinds)]
    np.testing.assert_array_equal(first[same], other.frame[same])


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
