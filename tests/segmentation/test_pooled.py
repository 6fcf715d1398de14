"""Segments that leave the house hold k customers, or are shown together."""

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation import Segmenter, pooled_segments, segment_migration
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


def test_moves_of_few_customers_are_not_shown_nor_what_tells_them():
    before = pd.DataFrame({"customer_id": range(90), "segment": [*"a" * 40 + "b" * 50]})
    now = before.assign(segment=[*"a" * 25 + "b" * 12 + "c" * 3 + "b" * 48 + "a" * 2])
    shown = segment_migration(before, now, least=10)
    cells = shown.facts()["cells"].set_index(["before", "now"])
    assert cells["hidden"].to_dict() == {
        **{("a", "a"): True, ("a", "b"): True, ("a", "c"): True},  # 12 tells 3, and 25 tells 2
        **{("b", "a"): True, ("b", "b"): True, ("b", "c"): False},
    }
    assert cells["customers"].dropna().to_dict() == {("a", "c"): 3, ("b", "a"): 2, ("b", "c"): 0}
    said = shown.summary() + "".join(text.get_text() for text in shown.plot().texts)
    assert "from a" not in said and "< 10" in said and "25" not in said and "12" not in said
    assert "12 from a to b (30 %" in segment_migration(before, now).summary()


def test_cells_of_few_customers_are_written_as_fewer_and_say_no_share(features):
    whole = Segmenter("rfm", bootstraps=0).fit(features)
    exact = whole.grid().cells
    least = int(exact["customers"][exact["customers"] > 0].median())
    shown = whole.pooled(least).grid().facts()["named"]
    small = (exact["customers"] > 0) & (exact["customers"] < least)
    assert small.any() and shown.loc[small, "hidden"].all()
    assert shown.loc[shown["hidden"], ["percent", "share_sales"]].isna().all(axis=None)
    hidden = exact["customers"][shown["hidden"]]
    assert hidden.sum() >= least or shown["hidden"].all()
    texts = [text.get_text() for text in whole.pooled(least).grid().plot().texts]
    assert sum(f"< {least}" in text and "%" not in text for text in texts) == small.sum()
