import pandas as pd
import pytest

from promolab.errors import DataError
from promolab.recommend import bought_again, product_graph
from tests.recommend.conftest import NOW, in_duckdb


def test_shares_are_counted_pairs_where_there_is_a_time_before(coupons):
    found = bought_again(product_graph(in_duckdb(coupons), NOW).past)
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
    with pytest.raises(DataError, match="last 28 days and of the time before"):
        bought_again(product_graph(in_duckdb({**coupons, "events": late}), NOW).past)
