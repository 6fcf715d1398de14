import numpy as np
import pandas as pd

from promolab.profiles import AXES, build_profiles
from promolab.segmentation import describe_segments
from promolab.stats import part_of_total
from tests.refused import refused
from tests.segmentation.conftest import answered


def test_figures_are_those_of_pandas_and_segment_response_and_drawn(features):
    orders = features["orders"]
    segment = np.select([orders > 8, orders > 3], ["Many", "Some"], "Few").astype(object)
    response = answered(features, segment)
    profile = describe_segments(features, segment, response=response)
    table, by = profile.frame.set_index("segment"), features.groupby(segment)
    assert table["customers"].to_dict() == by.size().to_dict()
    assert table["customers"].is_monotonic_decreasing
    turned = pd.Series(segment, features.index).sample(frac=1, random_state=1)
    assert describe_segments(features, turned, response=response).frame.equals(table.reset_index())
    told = response.segments.set_index("segment")
    sold = features["amount"].to_numpy(), (segment[:, None] == by.size().index.to_numpy()) * 1.0
    scores = build_profiles(features).groupby(segment)[list(AXES)].mean()
    expected = scores.assign(
        share_sales=by["amount"].sum() / features["amount"].sum(),
        share_sales_low=part_of_total(*sold)[1],
        response_rate=by["responses"].sum() / by["contacts"].sum(),
        response_rate_low=told["rate_low"],
        contacts=told["contacts"],
    )
    np.testing.assert_allclose(table[expected.columns], expected.loc[table.index])
    ends = [c.removesuffix("_low") for c in table.columns if c.endswith("_low")]
    assert {"share_customers", "share_sales", "response_rate", *AXES} <= set(ends)
    for name in ends:
        assert (table[f"{name}_low"] < table[name]).all(), name
        assert (table[name] < table[f"{name}_high"]).all(), name
    # A customer's own count of contacts and responses knows neither the segment at the start nor
    # whether a promotion is over.
    without = describe_segments(features, segment).frame
    assert without["response_rate"].isna().all() and without["contacts"].eq(0).all()
    shown = {t.get_text() for t in profile.plot().texts}
    assert {f"{value:.0f}" for value in profile.frame[list(AXES)].to_numpy().ravel()} <= shown
    size = profile.plot_size_value()
    assert size.get_xlabel() == "share of customers, %"
    assert "Some" in {t.get_text() for t in size.texts}


def test_the_top_segment_is_named_and_without_sales_the_rest_stands(features) -> None:
    some = features.sort_values("customer_id", ignore_index=True).assign(contacts=1)
    segment = np.where(some.index % 2 == 0, "Deal fans", "Others")
    some["responses"] = (segment == "Deal fans") * (some.index % 4 == 0)
    profile = describe_segments(some, segment, response=answered(some, segment))
    assert "Deal fans respond most: 50 % [44, 56] (n = 300 contacts)." in profile.summary()
    frame = pd.DataFrame({"customer_id": [1, 2, 3], "recency_days": [1, 2, 30]})
    profile = describe_segments(frame, ["a", "a", "b"], absent={"No history": 4})
    table = profile.frame.set_index("segment")
    assert table.loc["No history", "customers"] == 4
    assert profile.customers == profile.to_dict()["customers"] == 7
    assert table[["share_sales", "response_rate"]].isna().all(axis=None)
    profile.plot()
    refused("one name per row", describe_segments, frame, ["a"])
