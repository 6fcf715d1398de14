"""Where customers went: conserved, counted by hand, honest about new names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from promolab.segmentation import segment_migration
from promolab.segmentation.migration import APPEARED, GONE, adjusted_rand, agreement
from tests.draws import check_cover, draws, ends_of

SEGMENTS = st.dictionaries(st.integers(0, 15), st.sampled_from(["a", "b", "No history"]))


def table(segments: dict[int, str]) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": list(segments), "segment": list(segments.values())})
    return frame.astype({"customer_id": "int64", "segment": object})


@settings(max_examples=15)
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
    if len(pairs):
        assert (pairs["share_low"] <= pairs["share"]).all()
        assert moves.matrix().to_numpy().sum() == pairs["customers"].sum()


def test_the_largest_moves_are_told_and_segments_made_anew_said_to_be() -> None:
    before = {i: "Lapsed" if i < 40 else "Loyal" for i in range(100)}
    now = before | dict.fromkeys(range(10), "Loyal") | {99: "Lapsed", 100: "Loyal"}
    moves = segment_migration(table(before), table(now), since="2017-W43", order=["Loyal"])
    assert "10 from Lapsed to Loyal (25 % [14, 40] of these)" in moves.summary()
    assert "89 % [81, 94] of 100 customers" in moves.summary()
    assert list(moves.matrix().index) == ["Loyal", "Lapsed", APPEARED]
    assert GONE not in moves.matrix().columns
    assert moves.to_dict()["stayed"]["n"] == 100
    assert "2017-W43" in moves.plot().get_title(loc="left")
    moves = segment_migration(table({1: "a"}), table({1: "b"}), since="2017-W43", same_fit=False)
    assert "made anew since, so a move may be no more than a new name" in moves.summary()
    texts = table({1: "a", 2: "b"}).astype({"customer_id": str})
    assert segment_migration(table({1: "a", 2: "a"}), texts).stayed.value == pytest.approx(0.5)


def test_adjusted_rand_is_that_of_scikit_learn_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 80), rng.integers(0, 4, 80)
    crossed = pd.crosstab(a, np.where(b < 2, a, b)).to_numpy()
    expected = adjusted_rand_score(a, np.where(b < 2, a, b))
    assert adjusted_rand(crossed).item() == pytest.approx(expected)
    assert adjusted_rand(np.array([[7]])).item() == adjusted_rand(np.eye(4)).item() == 1.0
    cells = np.array([[0.35, 0.05, 0.02], [0.04, 0.25, 0.03], [0.03, 0.03, 0.2]])
    true = adjusted_rand(cells * 1e7).item()
    drawn = np.random.default_rng(1).multinomial(400, cells.ravel(), size=draws())
    found = [agreement(one, seed=i) for i, one in enumerate(drawn.reshape(-1, 3, 3))]
    check_cover(ends_of(found), true)
    assert np.isnan(agreement(np.zeros((2, 2))).value)


def test_groups_agree_whatever_their_names() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["alpha", "beta", "Unlike any group"], dtype=object)
    first = rng.integers(0, 3, 300)
    second = np.where(rng.random(300) < 0.2, rng.integers(0, 3, 300), first)
    before, now = (table(dict(enumerate(names[codes]))) for codes in (first, second))
    renamed = now.assign(segment=now["segment"].map({"alpha": "x", "beta": "y"}).fillna("z"))
    for other in (now, renamed):
        moves = segment_migration(before.astype({"segment": "category"}), other, same_fit=False)
        assert moves.agreement.value == pytest.approx(adjusted_rand_score(first, second))
        assert moves.agreement.ci_low < moves.agreement.value < moves.agreement.ci_high
    assert moves.stayed.value == 0
