"""Promises beside what came: kept or broken, the planner's calibration, the first page's lines."""

import numpy as np
import pandas as pd
import pytest

from promolab.display import say
from promolab.loop.promises import (
    ComparedForecasts,
    join_outcomes,
)
from promolab.loop.promises.assignment import typed
from tests.refused import refused

WEEKS = [f"2024-W{w:02d}" for w in range(10, 22)]
SIZE = {"redemptions": 300.0, "spend": 3_000.0, "added_profit": 2_000.0}
NOISE = {"redemptions": 20.0, "spend": 200.0, "added_profit": 1_500.0}
Q = 1.645


def ledger(ratio=1.0, *, seed=0, weeks=WEEKS, waiting=2, unit=("", "")):
    """Return predictions and outcomes: those of the last weeks are provisional."""
    rng, said, came = np.random.default_rng(seed), [], []
    for place, week in enumerate(weeks):
        for measure, size in SIZE.items():
            keys = {"week": week, "promotion_id": unit[0], "segment": unit[1], "measure": measure}
            noise = NOISE[measure]
            value = size * ratio + noise * rng.normal()
            ends = {"readout_low": size - Q * noise, "readout_high": size + Q * noise}
            near = {"ci_low": size - noise / 5, "ci_high": size + noise / 5}
            said.append(keys | {"value": size, **near, **ends, "level": 0.9, "n": 900})
            wide = {"ci_low": value - Q * noise, "ci_high": value + Q * noise}
            state = "provisional" if place >= len(weeks) - waiting else "settled"
            came.append(keys | {"value": value, **wide, "level": 0.9, "n": 900, "state": state})
    return typed(said, "predictions"), typed(came, "outcomes")


def found_of(*args, **kwargs):
    return ComparedForecasts(join_outcomes(*ledger(*args, **kwargs)), currency="CNY")


def test_promises_are_kept_in_the_readouts_interval_and_rates_stand_in_the_ledger():
    found = found_of()
    rows = found.frame
    assert len(rows) == 3 * len(WEEKS) and rows["week"].iloc[0] == WEEKS[-1]
    inside = rows["came"].between(rows["readout_low"], rows["readout_high"])
    settled = rows["state"] == "settled"
    assert (rows.loc[settled, "kept"] == inside[settled]).all()
    assert rows.loc[~settled, "kept"].isna().all()
    share = found.kept
    assert share.n == 30 and share.value == pytest.approx(inside[settled].mean())
    words = found.summary()
    assert "Of 30 promises" in words and "6 figures are provisional" in words
    assert "provisional" in str(found.to_table()) and "CNY" in str(found.to_table())
    rows = found_of().frame
    profit = rows[rows["measure"] == "added_profit"]
    assert np.allclose(profit["off"], profit["came"] - profit["said"])
    assert np.allclose(profit["spread"], NOISE["added_profit"], rtol=1e-3)
    counts = rows[rows["measure"] == "redemptions"]
    middle = np.sqrt(counts["readout_low"] * counts["readout_high"])
    assert np.allclose(counts["off"], np.log(counts["came"] / middle))
    said, came = ledger()
    rate = {"measure": "response_rate", "value": 0.1, "ci_low": 0.05, "ci_high": 0.2}
    said = pd.concat([said, said.head(1).assign(**rate, readout_low=0.05, readout_high=0.2)])
    came = pd.concat([came, came.head(1).assign(**rate)])
    found = ComparedForecasts(join_outcomes(said, came), currency="CNY")
    assert "response_rate" in set(found.rows["measure"])
    assert len(found.frame) == 3 * len(WEEKS) and found.kept.n == 30
    assert "Of 30 promises" in found.summary()


def test_whole_plans_are_told_and_the_first_page_shows_three_weeks():
    tables = [ledger(weeks=WEEKS[:4], waiting=0, unit=u) for u in (("", ""), ("7", ""), ("", "A"))]
    said, came = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    found = ComparedForecasts(join_outcomes(said, came))
    assert len(found.frame) == 12 and len(found.rows) == 36
    found.plot()
    # A figure beside the plan's cost, with a name of its own, and the caption says what differs.
    told = str(found.to_table())
    assert "extra spend" in told and "the cost of a plan" in told
    before = say("recomputed")
    assert ComparedForecasts(join_outcomes(*ledger(waiting=12))).track_record(before) is before
    text = str(found_of().track_record(before))
    assert "recomputed" not in text and WEEKS[9] in text and WEEKS[6] not in text
    assert len(text.split()) < 120


def test_of_nothing_it_says_so():
    nothing = join_outcomes(typed((), "predictions"), typed((), "outcomes"))
    empty = ComparedForecasts(nothing, currency="CNY")
    assert "No earlier week" in empty.summary() and "No earlier week" in str(empty.to_table())
    assert "No settled week" in empty.alarm.summary()
    refused("nothing to draw", empty.plot)


def test_a_count_of_none_is_half_of_one():
    said, came = ledger(weeks=WEEKS[:1], waiting=0)
    said = said.head(1).assign(readout_low=1.0, readout_high=4.0)
    rows = join_outcomes(said, came.head(1).assign(value=0.0, ci_low=0.0, ci_high=3.0))
    assert rows["measure"].tolist() == ["redemptions"]
    assert rows["off"].tolist() == pytest.approx([np.log(0.5) - np.log(2.0)])
