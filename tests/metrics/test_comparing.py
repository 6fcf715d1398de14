"""Models compared on the same rows: formulas and plain resampling as oracles."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from promolab.metrics import by_group, calibration, compare, compare_auc, lift, measure
from promolab.stats import holm
from tests.refused import refused

EVERY = ("auc", "average_precision", "brier", "log_loss", "ece", "lift@0.1", "capture@0.2")
SEED, CUSTOMERS = 23, 500
METRICS = ("auc", "average_precision", "brier", "log_loss", "ece", "observed_expected", "lift@0.2")


@pytest.fixture
def models(rows) -> dict[str, np.ndarray]:
    noisy = 1 / (1 + np.exp(1.3 - rows["other"]))
    return {"plain": rows["p"], "noisy": noisy, "scaled": np.clip(1.25 * rows["p"], 0, 1)}


@pytest.mark.parametrize("metric", EVERY)
def test_values_are_those_of_the_measure(rows, models, metric):
    result = compare(rows["y"], models, metric, cluster=rows["cluster"])
    table = result.frame.set_index("model")
    for name, p in models.items():
        value = measure(rows["y"], p, metric, rows["cluster"])
        assert tuple(table.loc[name, ["value", "ci_low", "ci_high"]]) == value.ends
        gap = result.against(name)
        assert gap.value == table.loc[name, "value"] - table.loc["plain", "value"]
        assert gap.ci_low <= gap.value <= gap.ci_high
    assert table.loc["plain", "verdict"] == "reference" and result.against("plain").ci_high == 0
    sure = table.loc["noisy", "p_holm"] <= 0.05
    assert table.loc["noisy", "verdict"] == ("worse" if sure else "no difference seen")
    assert sure or metric in ("ece", "lift@0.1")


def test_errors_of_auc_are_delongs_and_of_means_those_of_a_formula(rows, models):
    result = compare(rows["y"], models, cluster=rows["cluster"], group=rows["group"])
    pair = compare_auc(rows["y"], models["noisy"], models["plain"], rows["cluster"], rows["group"])
    row = result.frame.loc[1, ["difference", "std_error", "p_value"]]
    assert tuple(row) == (pair.difference, pair.std_error, pair.p_value)
    # Scaling leaves a ranking as it is.
    assert result.frame["p_value"].iloc[2] == 1
    y, cluster = rows["y"], rows["cluster"]
    gaps = (models["noisy"] - y) ** 2 - (models["plain"] - y) ** 2
    sums = np.bincount(cluster, weights=gaps - gaps.mean())
    error = np.sqrt(np.square(sums).sum()) / len(y)
    table = compare(y, models, "brier", cluster=cluster).frame
    assert table["std_error"].iloc[1] == pytest.approx(error, rel=0.05)
    # Of several models each is held to one rate of false alarms together.
    np.testing.assert_allclose(table["p_holm"].dropna(), holm(table["p_value"].dropna()))


def capture(y, score, sample_weight, depth=0.2):
    order = np.argsort(-score, kind="stable")
    n = np.append(0, np.cumsum(sample_weight[order]))
    m = np.append(0, np.cumsum((sample_weight * y)[order]))
    return np.interp(depth * n[-1], n, m) / m[-1]


def test_errors_are_those_of_a_plain_bootstrap(rows, models):
    y, cluster = rows["y"], rows["cluster"]
    a, b = models["plain"], models["noisy"] + 1e-7 * np.arange(len(y))
    pair = {"a": a, "b": b}

    def error(metric: str) -> float:
        return float(compare(y, pair, metric, cluster=cluster).frame["std_error"].iloc[1])

    for metric, measured, times, rel in (
        ("average_precision", average_precision_score, 200, 0.16),
        ("capture@0.2", capture, 1000, 0.1),
    ):
        rng, customers, found = np.random.default_rng(9), cluster.max() + 1, []
        for _ in range(times):
            drawn = np.bincount(rng.integers(0, customers, customers), minlength=customers)
            w = drawn[cluster].astype(float)
            found.append(measured(y, b, sample_weight=w) - measured(y, a, sample_weight=w))
        assert error(metric) == pytest.approx(np.std(found), rel=rel)
    assert error("lift@0.2") == pytest.approx(5 * error("capture@0.2"), rel=1e-9)


def test_groups_are_ranked_apart(rows):
    y, score, group = rows["y"], rows["score"] + 1e-6 * np.arange(len(rows["y"])), rows["group"]
    pair = {"a": score, "shifted": score - 50 * group}
    apart = compare(y, pair, "lift@0.3", cluster=rows["cluster"], group=group)
    assert apart.against("shifted").value == 0 and apart.against("shifted").ci_high == 0
    mixed = compare(y, pair, "lift@0.3", cluster=rows["cluster"])
    assert mixed.against("shifted").ci_high < 0
    expected = lift(y, score, [0.3], group, rows["cluster"]).at(0.3).lift
    assert apart.frame["value"].tolist() == pytest.approx([expected.value] * 2)


def test_bad_input_is_named(rows, models):
    y = rows["y"]
    refused("did you mean 'log_loss'", compare, y, models, "logloss")
    refused(r"above 0 and up to 1, such as 'lift@0\.1'", compare, y, models, "lift@10")
    refused("reference = 'scald' is unknown; did you mean", compare, y, models, reference="scald")
    refused("holds 1 models", compare, y, {"a": models["plain"]})
    refused("holds no names", compare, y, [models["plain"], models["noisy"]])
    refused("Brier score does not rank", compare, y, models, "brier", group=rows["group"])
    refused("noisy has 3 rows", compare, y, {"plain": models["plain"], "noisy": [1, 2, 3]})
    refused("model = 'plan' is unknown; did you mean 'plain'", compare(y, models).against, "plan")
    refused("level = '95'; expected a share", compare, y, models, "brier", level="95")
    refused("neither more nor less is better", compare, y, models, "observed_expected")


def test_it_says_who_is_better_and_one_customer_has_no_interval(rows, models) -> None:
    result = compare(rows["y"], models, "brier", cluster=rows["cluster"], reference="noisy")
    assert result.summary().startswith("By Brier score, against noisy: plain −0.0")
    one = np.zeros(len(rows["y"]))
    found = compare(rows["y"], models, "brier", cluster=one)
    assert found.frame["difference_low"].isna().all()
    assert set(found.frame["verdict"]) == {"reference", "no difference seen"}
    assert np.isnan(calibration(rows["y"], rows["p"], cluster=one).observed_expected.ci_low)


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
