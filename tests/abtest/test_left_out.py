"""What is left out of a readout, and what is not told, is said."""

import numpy as np
import pandas as pd
import pytest

from promolab.abtest.comparison import Metric
from promolab.abtest.measured import measure_arms
from tests.abtest.made_up import shop

THIRDS = {"control": 1 / 3, "mail": 1 / 3, "coupon": 1 / 3}


@pytest.fixture(scope="module")
def frame():
    return shop(600)


def test_a_mismatch_stops_the_readout_and_no_part_is_told_of_what_may_be_nothing(frame):
    lost = frame[(frame["arm"] != "mail") | (frame.index % 3 > 0)]
    found = measure_arms(lost, {"m": "spend"}, shares=THIRDS)
    assert found.stopped and not found.rows
    assert "not come as often as their chances say (p < 0.001)" in found.sample_ratio.sentence
    assert measure_arms(frame, {"m": "spend"}, shares=THIRDS).sample_ratio.verdict == "passed"
    for spend, why in (
        (frame["spend"] - frame["spend"].mean(), "too near 0: no percentage"),
        (-1 - frame["spend"], "below 0: no percentage"),
    ):
        row = measure_arms(frame.assign(spend=spend), {"m": "spend"}).rows[0]
        assert np.isnan(row.relative.ci_low) and np.isfinite(row.difference.ci_low)
        assert why in row.why


def test_what_is_left_out_is_counted_and_said(frame):
    adjusted, spend = {"m": Metric("spend", earlier="before")}, frame["spend"]
    gaps = frame.assign(spend=spend.where(frame.index % 10 > 0))
    gaps["before"] = frame["before"].where(frame.index > 4)
    found, left = measure_arms(gaps, adjusted), gaps[gaps["spend"].notna()]
    filled = left.assign(before=left["before"].fillna(left["before"].min()))
    row, same = found.rows[0], measure_arms(filled, adjusted).rows[0]
    assert row.difference.ends == pytest.approx(same.difference.ends, rel=1e-9)
    assert sum(row.missing) == int(gaps["spend"].isna()[gaps["arm"] != "mail"].sum())
    assert "m is missing in 60 rows" in found.notes[0]
    assert "before is missing in 5 rows" in found.notes[1]
    kinds = np.where(frame.index < 3, "few", np.where(frame.index < 300, "one", "two"))
    segmented = frame.assign(kind=pd.Series(kinds).where(frame.index < 500))
    found = measure_arms(segmented, {"m": "spend"}, segments="kind")
    assert {row.segment for row in found.segments} == {"one", "two"}
    told = ["100 rows without kind are in", "Too few in an arm to compare within kind few."]
    assert all(note.startswith(said) for note, said in zip(found.notes, told, strict=True))
    rare = frame.assign(spend=spend.where(frame.index % 50 == 0, 0.0))
    found = measure_arms(rare, {"m": Metric("spend", winsorise=0.95)})
    assert found.rows[0].winsorised is None and "m is not winsorised: 95 %" in found.notes[0]
