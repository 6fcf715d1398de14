"""Segments that leave the house hold k customers, or are shown together."""

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation import Segmenter, pooled_alike, pooled_segments, segment_migration
from promolab.segmentation.groups.preparation import NO_HISTORY, OTHERS


def test_no_segment_has_fewer_and_those_that_have_enough_stay_as_they_are():
    rng = np.random.default_rng(0)
    for _ in range(200):
        sizes = pd.Series(rng.integers(1, 30, rng.integers(2, 9)), dtype=int)
        names = np.repeat([f"s{i}" for i in sizes.index], sizes)
        shown = pooled_segments(names, range(len(names)), 10)
        found = shown.value_counts()
        assert found.sum() == len(names) and (found.min() >= 10 or len(found) == 1)
        kept = sizes[sizes >= 10]
        same = [name for name in found.index if name in set(names)]
        # One is taken in where those left were still too few.
        assert len(kept) - len(same) == (0 < sizes[sizes < 10].sum() < 10 and len(kept) > 0)
        assert all(found[name] == sizes[int(name[1:])] for name in same)


def test_customers_count_not_rows_and_one_segment_alone_stays():
    names = ["a"] * 12 + ["b"] * 12
    assert pooled_segments(names, [*range(12), *[1] * 12], 3).unique().tolist() == ["a and others"]
    assert pooled_segments(["a"] * 2, [1, 2], 10).unique().tolist() == ["a"]
    assert pooled_segments(["a", "b"], [1, 2], 10).unique().tolist() == [OTHERS]


@pytest.fixture(scope="module")
def whole(features) -> Segmenter:
    return Segmenter(k=5, bootstraps=0).fit(features, [*features["customer_id"], 1, 2])


def test_a_segmenter_shows_small_ones_as_one_and_keeps_each_customers_own(whole, features):
    sizes = whole.assignments()["segment"].value_counts()
    smallest = sizes.drop(NO_HISTORY).idxmin()
    shown = whole.pooled(10)
    joint = f"{smallest} and others"
    assert set(shown.names_) == {*whole.names_} - {smallest} | {joint}
    rows, own = shown.assignments(), whole.assignments()
    assert rows["own_segment"].tolist() == own["segment"].tolist()
    assert "own_segment" not in own and "own_segment" not in whole.pooled(2).assignments()
    profile = shown.profile().frame.set_index("segment")
    assert profile.loc[joint, "customers"] == sizes[smallest] + 2 and len(profile) == 5
    left = whole.profile().frame.set_index("segment").drop([smallest, NO_HISTORY])
    pd.testing.assert_frame_equal(profile.drop(joint), left.loc[profile.drop(joint).index])
    assert shown.advice().to_frame()["customers"].min() >= 10
    assert shown.shown([NO_HISTORY, smallest, "other"]).tolist() == [joint, joint, "other"]
    assert set(shown.map().to_frame()["segment"]) == set(shown.labels_)
    few = whole.pooled(int(sizes.max()))
    assert few.names_[-1] == OTHERS and few.profile().frame["segment"].tolist() == few.names_
    assert whole.names_ == Segmenter(k=5, bootstraps=0).fit(features).names_  # left as it was


def test_moves_are_compared_with_the_same_segments_as_one_on_both_sides():
    before = pd.DataFrame(
        {"customer_id": range(30), "own_segment": [*("a" * 12 + "b" * 15 + "ccc")]}
    )
    before["segment"] = pooled_segments(before["own_segment"], before["customer_id"], 10)
    assert before["segment"].unique().tolist() == ["a and others", "b"]
    now = pd.DataFrame({"customer_id": range(30), "segment": [*("a" * 15 + "b" * 15)]})
    both = pooled_alike(before, now)
    assert segment_migration(*both).stayed.value == 24 / 30  # 12 … 14 and 27 … 29 moved
    assert [side["segment"].value_counts().min() for side in both] == [15, 15]
    now = now.assign(own_segment=now["segment"], segment=[OTHERS] * 15 + ["b"] * 15)
    assert {*pooled_alike(before, now)[0]["segment"]} == {OTHERS, "b"}
