"""Where customers went: conserved, counted by hand, honest about new names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promolab.segmentation import segment_migration
from promolab.segmentation.migration import APPEARED, GONE

SEGMENTS = st.dictionaries(st.integers(0, 15), st.sampled_from(["a", "b", "No history"]))


def table(segments: dict[int, str]) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": list(segments), "segment": list(segments.values())})
    return frame.astype({"customer_id": "int64", "segment": object})


@settings(max_examples=30)
@given(SEGMENTS, SEGMENTS)
def test_every_customer_is_in_one_pair(before, now) -> None:
    moves = segment_migration(table(before), table(now), since="2017-W43")
    pairs = moves.to_frame()
    assert pairs["customers"].sum() == len(before.keys() | now.keys())
    for side, of in (("before", before), ("now", now)):
        for name in ("a", "b", "No history"):
            found = pairs.loc[pairs[side] == name, "customers"].sum()
            assert found == list(of.values()).count(name)
    assert moves.appeared == len(now.keys() - before.keys())
    assert moves.gone == len(before.keys() - now.keys())
    both = before.keys() & now.keys()
    assert moves.stayed.n == len(both)
    if both:
        assert moves.stayed.value == np.mean([before[i] == now[i] for i in both])
    assert moves.summary()
    if len(pairs):
        assert (pairs["share_low"] <= pairs["share"]).all()
        assert moves.matrix().to_numpy().sum() == pairs["customers"].sum()


def test_the_largest_moves_are_told_and_segments_made_anew_said_to_be() -> None:
    before = {i: "Lapsed" if i < 40 else "Loyal" for i in range(100)}
    now = before | dict.fromkeys(range(10), "Loyal") | {99: "Lapsed", 100: "Loyal"}
    moves = segment_migration(table(before), table(now), since="2017-W43", order=["Loyal"])
    assert moves.summary() == (
        "89 % [81, 94] of 100 customers are in the same segment as in 2017-W43. Largest moves: "
        "10 from Lapsed to Loyal (25 % [14, 40] of these); 1 from Loyal to Lapsed (2 % [0, 9] of "
        "these). 1 customer appeared, nobody went. Whatever they are called, the groups agree by "
        "0.60 [0.40, 0.80] (adjusted Rand index)."
    )
    assert list(moves.matrix().index) == ["Loyal", "Lapsed", APPEARED]
    assert GONE not in moves.matrix().columns
    assert moves.to_dict()["stayed"]["n"] == 100
    assert "2017-W43" in moves.plot().get_title(loc="left")
    moves = segment_migration(table({1: "a"}), table({1: "b"}), since="2017-W43", same_fit=False)
    assert "made anew since, so a move may be no more than a new name" in moves.summary()
    texts = table({1: "a", 2: "b"}).astype({"customer_id": str})
    assert segment_migration(table({1: "a", 2: "a"}), texts).stayed.value == pytest.approx(0.5)
