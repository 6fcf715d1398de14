import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from promolab.recommend import cold_scores, past_new_products, product_graph, repurchase_rates
from promolab.recommend.cold_start import NewProducts, areas
from tests.recommend.conftest import NOW, in_duckdb
from tests.refused import refused, spoilt


@pytest.fixture(scope="module")
def with_new(coupons):
    """Six products that nobody bought before the last four weeks, and then their category does."""
    events, products = coupons["events"], coupons["products"]
    new = pd.DataFrame({"product_id": [f"n{i}" for i in range(6)], "brand": "brand new"})
    new["category"] = [f"category {i}" for i in range(6)]
    rng, known = np.random.default_rng(3), events[events["ts"] < NOW - pd.Timedelta(days=28)]
    group = known["product_id"].map(products.set_index("product_id")["category"])
    counts = pd.crosstab(known["customer_id"], group)
    rows = [events.astype({"order_id": str})]
    for product, category in zip(new["product_id"], new["category"], strict=True):
        chance = 0.05 + 0.7 * (counts[category] > counts[category].quantile(0.7))
        buys = counts.index[rng.random(len(counts)) < chance]
        when = NOW - pd.to_timedelta(rng.uniform(1, 27, len(buys)), unit="D")
        told = pd.DataFrame({"customer_id": buys, "ts": when.astype("datetime64[us]")})
        told["order_id"] = [f"{product}-{i}" for i in buys]
        rows.append(told.assign(kind="purchase", product_id=product))
    about = pd.concat([products, new], ignore_index=True)
    return {**coupons, "events": pd.concat(rows, ignore_index=True), "products": about}


def test_buyers_of_new_products_are_those_of_the_category_a_few_at_a_time(with_new, monkeypatch):
    graph = product_graph(in_duckdb(with_new), NOW)
    found = past_new_products(graph, days=28)
    assert found.frame["product_id"].tolist() == [f"n{i}" for i in range(6)]
    assert found.mean().ci_low > 0.65
    few = NewProducts(pd.DataFrame({"auc": [0.55, 0.95], "same_type": [0.9, 0.1]}), 28)
    two, gap = few.mean(), few.mean("same_type")
    assert (gap.ci_low, gap.ci_high) == (-1, 1)
    assert 0 < two.ci_low < two.value < two.ci_high < 1 and two.value == pytest.approx(0.75)
    events = with_new["events"]
    buyers = events[events["product_id"] == "n0"]["customer_id"].nunique()
    assert found.frame["buyers"].iloc[0] == buyers
    monkeypatch.setattr("promolab.recommend.cold_start.CELLS", 2 * graph.past.shape[0])
    pd.testing.assert_frame_equal(past_new_products(graph, days=28).frame, found.frame)


def test_areas_are_scikit_learns_and_scores_sums_of_standardised_paths(coupons, shop):
    rng = np.random.default_rng(0)
    score, came = rng.integers(0, 5, (40, 3)).astype(float), rng.random((40, 3)) < 0.4
    theirs = [roc_auc_score(came[:, i], score[:, i]) for i in range(3)]
    assert areas(score, came) == pytest.approx(theirs, abs=1e-12)
    assert np.isnan(areas(score[:, :1], came[:, :1] | True)).all()
    found = cold_scores(product_graph(shop, NOW), ["p05"])["p05"]
    known = coupons["events"][coupons["events"]["ts"] < NOW]
    age = (NOW - known["ts"]) / pd.Timedelta(days=1)
    own = known.assign(weight=0.5 ** (age / (7 * 16))).pivot_table(
        "weight", "customer_id", "product_id", "sum", fill_value=0.0
    )
    assert own.index.equals(found.index)
    alike = own[[f"p0{i}" for i in range(10)]].sum(axis=1)
    paths = [np.log1p(values) for values in (alike, own.sum(axis=1))]
    expected = sum((p - p.mean()) / p.std(ddof=0) for p in paths)
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-9)


def test_later_purchases_change_no_score_and_who_bought_nothing_comes_last(coupons, shop):
    mixed = coupons["events"].sample(frac=1, random_state=1)
    mixed["product_id"] = mixed["product_id"].mask(mixed["ts"] >= NOW, "p40")
    graph, other = (product_graph(of, NOW) for of in (shop, in_duckdb(coupons | {"events": mixed})))
    first, second = (cold_scores(of, ["p01", "p40"]) for of in (graph, other))
    pd.testing.assert_frame_equal(first, second, rtol=0, atol=1e-9)
    assert cold_scores(graph, ["p01"], [3, "nobody", 5])["p01"].idxmin() == "nobody"
    refused("each id once", cold_scores, graph, ["p01", "p01"])


@pytest.fixture(scope="module")
def graph(shop):
    return product_graph(shop, NOW)


def test_every_offer_is_a_row_of_the_shops_tables_once(graph, coupons):
    held = coupons["promotion_products"]
    assert len(graph.offers) == len(held) == 300 and not graph.offers.duplicated().any()
    assert graph.products[["category", "brand"]].nunique().tolist() == [6, 7]
    twice = {**coupons, "promotion_products": pd.concat([held] * 2)}
    pd.testing.assert_frame_equal(product_graph(in_duckdb(twice), NOW).offers, graph.offers)
    bare = {name: coupons[name] for name in ("events", "products")}
    assert product_graph(in_duckdb(bare), NOW).offers.empty
    refused("no product 'p1x' in this shop; did you mean", cold_scores, graph, ["p1x"])
    spoilt("no purchase of a known customer", product_graph, in_duckdb(coupons), "2020-01-01")


def test_what_is_said_later_is_not_in_it(graph, coupons):
    names = ("events", "responses", "exposures")
    early = {name: coupons[name][coupons[name]["ts"] < NOW] for name in names}
    other = product_graph(in_duckdb(coupons | early), NOW)
    for name in ("contacts", "taken"):
        pd.testing.assert_frame_equal(getattr(graph, name), getattr(other, name))
    assert graph.past.age.sum() == other.past.age.sum() and graph.past.age.min() > 0


def test_shares_are_counted_pairs_where_there_is_a_time_before(graph, coupons):
    found = repurchase_rates(graph.past)
    known = coupons["events"][coupons["events"]["ts"] < NOW]
    late = known["ts"] >= NOW - pd.Timedelta(days=28)
    before = set(zip(known[~late]["customer_id"], known[~late]["product_id"], strict=True))
    pairs = known[late][["customer_id", "product_id"]].drop_duplicates()
    again = [pair in before for pair in pairs.itertuples(index=False, name=None)]
    row = found.frame.set_index("what").loc["product"]
    assert row["pairs"] == len(pairs) and row["share"] == pytest.approx(sum(again) / len(again))
    assert row["ci_low"] < row["share"] < row["ci_high"]
    assert found.frame.set_index("what").loc["category", "share"] > row["share"]
    assert found.by_category["pairs"].sum() == len(pairs)
    late = coupons["events"][coupons["events"]["ts"] >= NOW - pd.Timedelta(days=20)]
    past = product_graph(in_duckdb({**coupons, "events": late}), NOW).past
    spoilt("last 28 days and of the time before", repurchase_rates, past)
