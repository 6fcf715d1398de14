"""Figures by promotion and segment: each is the measure's own, and what is missing is said."""

import numpy as np
import pandas as pd
import pytest

from promolab.metrics import by_group, measure
from tests.refused import refused

METRICS = ("auc", "average_precision", "brier", "log_loss", "ece", "observed_expected", "lift@0.2")
SEED, CUSTOMERS = 24, 300


def test_every_figure_is_that_of_the_groups_own_rows_in_any_order(rows):
    result = by_group(rows["y"], rows["p"], rows["group"], rows["cluster"], METRICS)
    assert len(result.frame) == 5 * len(METRICS)
    for row in result.frame.to_dict("records"):
        mine = rows["group"] == row["group"]
        value = measure(rows["y"][mine], rows["p"][mine], row["metric"], rows["cluster"][mine])
        found = row["value"], row["ci_low"], row["ci_high"]
        assert found == pytest.approx(value.ends, rel=1e-9, abs=1e-12)
        assert row["n"] == mine.sum() and row["positives"] == rows["y"][mine].sum()
        assert row["clusters"] == len(np.unique(rows["cluster"][mine])) and row["note"] == ""
    whole = measure(rows["y"], rows["p"], "auc", rows["cluster"])
    assert result.overall["value"].iloc[0] == whole.value
    named = np.array(["b", "a", "e", "d", "c"])[rows["group"]]
    told = [rows["y"], rows["p"], named, rows["cluster"], ["brier"]]
    one = by_group(*told).frame
    pd.testing.assert_frame_equal(one, by_group(*[part[::-1] for part in told]).frame)
    assert one["group"].tolist() == ["a", "b", "c", "d", "e"]


def test_groups_without_a_figure_say_why(rows):
    y = rows["y"].copy()
    y[rows["group"] == 1], y[rows["group"] == 2] = False, True
    y = np.append(y, [True])
    p = np.append(rows["p"], [0.4])
    group = np.append(np.array(["a", "none", "all", "d", "e"])[rows["group"]], "alone")
    result = by_group(y, p, group, metrics=METRICS)
    notes = result.frame.set_index(["group", "metric"])["note"]
    n = (rows["group"] == 1).sum()
    assert notes["none", "auc"] == notes["none", "lift@0.2"] == f"no positive row of {n}"
    assert notes["all", "lift@0.2"] == notes["none", "brier"] == ""
    assert notes["alone", "auc"] == "no negative row of 1"
    missing = result.frame["value"].isna()
    assert (missing == (result.frame["note"] != "")).all()
    # Ids as numbers beside ids as texts, and a group of which nothing was expected.
    mixed = np.array([12, "b"] * 4, dtype=object)
    odd = by_group([0, 1] * 4, [0.0, 0.5] * 4, mixed, metrics=["observed_expected"]).frame
    assert odd["group"].tolist() == [12, "b"] and odd["value"].tolist()[1] == 2.0
    assert odd["note"].tolist() == ["nobody was expected to respond", ""]


def test_scores_will_do_where_no_probability_is_asked_for_and_it_draws_what_it_says(rows):
    scores = rows["y"], 9 * rows["score"], rows["group"]
    result = by_group(*scores, metrics="auc")
    assert result.metrics == ("auc",) and result.frame["value"].notna().all()
    shown = result.plot().collections[-1].get_offsets()[:, 0]
    np.testing.assert_allclose(shown, result.frame["value"])
    refused("outside", by_group, *scores, metrics=["auc", "brier"])
    refused("expected at least one", by_group, *scores, metrics=[])
    refused("group has 1 missing value of 2", by_group, [0, 1], [0.1, 0.2], ["a", None])
