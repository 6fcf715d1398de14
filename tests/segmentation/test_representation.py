import numpy as np
import pandas as pd
import pytest

from promolab.segmentation.representation import _index_interval, segment_index
from tests.refused import refused


def test_index_is_the_ratio_of_shares_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    segment = rng.choice(["a", "b", "c"], 900, p=[0.5, 0.3, 0.2])
    selected = rng.random(900) < np.where(segment == "b", 0.4, 0.1)
    result = segment_index(segment, selected)
    shares = pd.Series(segment[selected]).value_counts(normalize=True)
    expected = (shares / pd.Series(segment).value_counts(normalize=True)).sort_values()[::-1]
    assert result.frame["segment"].tolist() == expected.index.tolist()
    np.testing.assert_allclose(result.frame["index"], expected)
    assert result.frame["verdict"].iloc[0] == "over"
    assert "Over-represented: b" in result.summary()
    rng = np.random.default_rng(5)
    chance = np.array([0.3 * 0.3, 0.3 * 0.7, 0.7 * 0.1, 0.7 * 0.9])
    inside, left_out, others, _ = rng.multinomial(400, chance, size=4000).T.astype(float)
    low, high = _index_interval(inside, inside + left_out, inside + others, 400.0, 0.95)
    truth = chance[0] / (chance[[0, 1]].sum() * chance[[0, 2]].sum())
    assert 0.935 <= ((low <= truth) & (truth <= high)).mean() <= 0.965


def test_all_selected_are_as_among_all_by_flags_or_ids_and_bad_lists_refused() -> None:
    table = segment_index(["a", "a", "b"], np.ones(3, dtype=bool)).frame
    assert table[["index", "index_low"]].to_numpy() == pytest.approx(1.0)
    assert set(table["verdict"]) == {"as among all"}
    table = segment_index(["a"] * 200 + ["b"] * 100, [True] * 50 + [False] * 250).frame
    row = table.set_index("segment").loc["b"]
    assert row["index"] == row["index_low"] == 0 < row["index_high"] < 1
    assert row["verdict"] == "under"
    frame = pd.DataFrame({"customer_id": [7, 8, 9, 10], "segment": ["a", "a", "b", "b"]})
    by_id = segment_index(frame, [9, 7, 8]).frame
    turned = pd.Series([True, True, True, False])[::-1]  # matched by its labels
    for flags in (np.array([True, True, True, False]), turned):
        pd.testing.assert_frame_equal(segment_index(frame, flags).frame, by_id)
    for segments, selected, said in [
        (frame, [7, 99], "1 selected customer of 2 are in no segment"),
        (["a", "b"], [True], "expected one flag per customer"),
        (["a", "b"], [False, False], "selected is empty"),
        (["a", "b"], [7], "expected a boolean array"),
    ]:
        refused(said, segment_index, segments, selected)
