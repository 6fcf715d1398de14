import pandas as pd
import pytest

from promolab.recommend import cold_scores, product_graph, repurchase_rates
from tests.recommend.conftest import NOW, in_duckdb
from tests.refused import refused, spoilt


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
