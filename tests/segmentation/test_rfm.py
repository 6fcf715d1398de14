from dataclasses import replace

import numpy as np
import pandas as pd

from promolab.segmentation import Segmenter
from promolab.segmentation.groups.rfm import RFM_GRID, RFM_ORDER, quintile_scores, rfm_scores
from tests.refused import refused


def test_fifths_are_those_of_pandas_equal_values_score_alike_and_the_grid_is_whole(features):
    values = np.random.default_rng(0).permutation(100) * 1.7
    assert (quintile_scores(values) == pd.qcut(values, 5, labels=False) + 1).all()
    refused(r"no 'amount'; the RFM grid", Segmenter("rfm").fit, features.drop(columns="amount"))
    values = np.random.default_rng(1).poisson(2, 300).astype(float)
    middle = pd.Series(values).rank(method="average").sub(0.5).mul(5).div(300)
    assert (quintile_scores(values) == np.floor(middle).astype(int) + 1).all()
    assert set(quintile_scores(np.ones(7))) == {3}
    assert set(RFM_GRID) == {(r, fm) for r in range(1, 6) for fm in range(1, 6)}
    assert set(RFM_GRID.values()) == set(RFM_ORDER)
    corners = RFM_GRID[5, 5], RFM_GRID[1, 1], RFM_GRID[5, 1], RFM_GRID[1, 5]
    assert corners == ("Champions", "Lost", "New", "Cannot lose")


def test_grid_counts_and_sales_are_those_of_plain_pandas_under_its_labels(features) -> None:
    segmenter = Segmenter("rfm", bootstraps=10).fit(features)
    recency, money = rfm_scores(features)
    ranked = features[["recency_days", "orders", "amount"]] * [-1, 1, 1]
    fifths = [np.floor((ranked[c].rank() - 0.5) * 5 / 600) + 1 for c in ranked]
    assert recency.tolist() == fifths[0].tolist()
    assert money.tolist() == np.floor((fifths[1] + fifths[2]) / 2 + 0.5).tolist()
    grid = segmenter.grid()
    expected = features.groupby([recency, money])["amount"].agg(["size", "sum"])
    cells = grid.to_frame().set_index(["recency_score", "frequency_money_score"])
    filled = cells[cells["customers"] > 0].sort_index()
    assert filled["customers"].to_dict() == expected["size"].to_dict()
    share = expected["sum"] / features["amount"].sum()
    np.testing.assert_allclose(filled["share_sales"], share)
    assert (filled["share_sales_low"] <= filled["share_sales"] + 1e-12).all()
    assert (filled["share_sales_high"] >= filled["share_sales"] - 1e-12).all()
    # A cell that nobody is in sells nothing by definition: that has no interval.
    assert cells.loc[cells["customers"] == 0, "share_sales_high"].isna().all()
    assert not grid.facts()["few"]
    assert replace(grid, least=30).say("unshown") == " · < or –: too few to be shown"
    grid.plot()
    labels = [RFM_GRID[key] for key in zip(recency.tolist(), money.tolist(), strict=True)]
    assert segmenter.labels_.tolist() == labels
    assert segmenter.names_ == [name for name in RFM_ORDER if name in labels]
    table = segmenter.assignments().set_index("customer_id").loc[features["customer_id"]]
    assert table["recency_score"].tolist() == recency.tolist()
    stability = segmenter.stability()
    assert 0.6 < stability.ci_low <= stability.value <= stability.ci_high < 1
    away = np.isin(labels, ["Cannot lose", "At risk"])
    days = features.loc[away, "recency_days"].median()
    assert f"ordered last {round(days)} days ago (median)" in grid.summary()
    same = pd.DataFrame({"customer_id": range(9), "recency_days": 3.0, "orders": 2, "amount": 5.0})
    found = Segmenter("rfm").fit(same)
    assert "no good customer stays away" in found.grid().summary() and found.choice_ is None
