"""The door: fitting, averages, groups, customers."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.uplift import COVERED, coverage
from promolab.effects.means import group_means
from promolab.effects.model import UpliftModel
from promolab.metrics.uplift import aipw_scores
from tests.draws import bounds, noise
from tests.effects.made_up import assign, frame, of, trial

DRAWS = 200  # `make bench` takes 2,000


def test_averages_are_means_of_scores_with_errors_clustered_by_customer(experiment, model):
    sm = pytest.importorskip("statsmodels.api")
    table = model.average(level=0.9).rows
    for k, arm in enumerate(("coupon", "mail")):
        scores = model.scores_[arm].to_numpy()
        other = sm.OLS(scores, np.ones(len(scores))).fit(
            cov_type="cluster", cov_kwds={"groups": experiment.cluster, "df_correction": True}
        )
        row = table.iloc[k]
        assert (row["arm"], row["effect"]) == (arm, pytest.approx(other.params[0]))
        assert row["std_error"] == pytest.approx(other.bse[0], rel=1e-3)
        width = row["ci_high"] - row["ci_low"]
        assert width == pytest.approx(2 * 1.645 * row["std_error"], rel=0.01)
        assert (row["n"], row["customers"]) == (3_000, 1_500)
        assert row["lift"] == pytest.approx(row["effect"] / row["control"])


def test_the_rows_order_changes_nothing_and_another_seed_deals_other_folds(experiment, model):
    order = np.random.default_rng(0).permutation(experiment.n)
    mixed, other = UpliftModel().fit(experiment.take(order)), UpliftModel(seed=1).fit(experiment)
    left, right = (each.average().rows.drop(columns="arm") for each in (model, mixed))
    assert left.to_numpy() == pytest.approx(right.to_numpy(), rel=1e-9)
    assert mixed.effects_.to_numpy() == pytest.approx(model.effects_.to_numpy()[order], abs=1e-8)
    assert (other.fold_ != model.fold_).any()
    assert other.average().rows["effect"][0] != model.average().rows["effect"][0]


def test_groups_add_up_and_are_tested_for_differences(experiment, model):
    found = model.by_group("town")
    rows = found.of("coupon").rows
    overall = (rows["effect"] * rows["n"]).sum() / rows["n"].sum()
    assert overall == pytest.approx(model.average().rows["effect"][0])
    assert found.tests["p_value"].between(0.001, 1).all()
    fifths = model.by_group(5)
    coupon = fifths.of("coupon").rows
    assert coupon["n"].sum() == 3_000 and coupon["n"].between(590, 610).all()
    assert coupon["effect"].iloc[0] > coupon["effect"].iloc[-1] + 0.5
    assert fifths.tests["p_value"].max() < 1e-3 and "groups differ (p < 0.001)" in fifths.summary()
    some = np.array(["a"] * 100 + [None] * 2_900, dtype=object)
    assert model.by_group(some).of("mail").rows["n"].tolist() == [100]
    assert "Coupon: 1 group with a figure" in model.by_group(some).summary()


def test_the_test_of_groups_is_walds_with_shared_customers_who_are_all_counted(model):
    groups = np.arange(3_000) % 2
    found = model.by_group(groups).tests.iloc[0]
    scores = model.scores_["coupon"].to_numpy()
    difference = scores[groups == 1].mean() - scores[groups == 0].mean()
    sides = np.where(groups == 1, 1, -1) * 2 / 3_000
    means = np.where(groups == 1, scores[groups == 1].mean(), scores[groups == 0].mean())
    sums = pd.Series(sides * (scores - means)).groupby(model.cluster_).sum()
    variance = (sums**2).sum() * 1_500 / 1_499
    assert found["statistic"] == pytest.approx(difference**2 / variance, rel=1e-6)
    means = group_means(np.array([1.0, 3.0, 2.0]), np.zeros(3, dtype=int), 1, np.array([0, 0, 1]))
    assert means.customers.tolist() == [2] and means.std_error.tolist() == [0.0]


def test_customers_effects_have_intervals(experiment, model):
    new = experiment.X.iloc[[5, 3]]
    found, wider = model.effect(new, level=0.9), model.effect(new)["coupon"]
    assert found.index.tolist() == [5, 3]
    assert set(found.columns[:3]) == {("coupon", name) for name in ("effect", "ci_low", "ci_high")}
    coupon = found["coupon"]
    assert (coupon["ci_low"] < coupon["effect"]).all()
    width = (wider["ci_high"] - wider["ci_low"]) / (coupon["ci_high"] - coupon["ci_low"])
    assert width.to_numpy() == pytest.approx(1.95996 / 1.64485, rel=1e-3)
    assert model.predict(new[["town", "visits", "age", "orders"]]) == pytest.approx(
        model.predict(new)
    )


@pytest.mark.parametrize("learner", ["linear", "boosting"])
def test_an_outcome_that_is_the_same_for_all_has_no_effect(learner):
    experiment = trial(1_200)
    experiment.frame["y"] = 1.0
    for kind in ("dr", "s", "t", "x", "r"):
        model = UpliftModel(kind, learner, folds=2).fit(experiment)
        assert model.average().rows["effect"].abs().max() < 1e-12
        assert np.abs(model.predict(experiment)).max() < 1e-9


def test_an_arm_in_which_nobody_bought_has_an_effect_and_rounds_are_adjusted_for():
    experiment = trial(2_000, binary=True)
    experiment.frame.loc[experiment.codes == 0, "y"] = 0.0
    table = UpliftModel().fit(experiment).average().rows
    mean = experiment.frame.loc[experiment.codes == 1, "y"].mean()
    assert table["effect"][0] == pytest.approx(mean, abs=0.03)
    assert table["lift"].isna().all() and table["control"][0] == pytest.approx(0, abs=1e-12)
    rows = frame(4_000, 3)
    rows["round"] = np.random.default_rng(0).integers(0, 2, 4_000)
    chances = np.where(rows["round"] == 1, 0.8, 0.2)
    rows = assign(rows, np.column_stack([1 - chances, chances, np.zeros(4_000)]))
    rows["y"] += 3 * rows["round"]  # a good week, in which more coupons went out
    for how in ({}, {"design": "constant"}):
        made = of(rows, "orders", "age", "visits", block="round", arms=["none", "coupon"], **how)
        row = UpliftModel().fit(made).average().rows.iloc[0]
        assert abs(row["effect"] - rows["effect_coupon"].mean()) < 4 * row["std_error"] < 0.25


def test_averages_and_groups_are_covered_by_intervals_no_wider_than_needed():
    drawn = coverage(draws=DRAWS, n=5_000, seed=0)
    assert set(drawn["what"]) == {"average", "group"}
    for name, share in (("covered_95", 0.95), ("covered_90", 0.9)):
        assert drawn[name].between(*bounds(share, DRAWS)).all(), drawn
    assert (drawn["bias_over_sd"].abs() < 4 / np.sqrt(DRAWS)).all(), drawn
    least, most = COVERED["error_over_sd"]
    assert drawn["error_over_sd"].between(least - noise(DRAWS), most + noise(DRAWS)).all(), drawn


def test_an_average_is_as_certain_as_with_the_true_expectations():
    # Robins, Rotnitzky & Zhao (1994): the least variance is that of the scores with the true mu.
    experiment = trial(5_000, seed=21)
    rows = experiment.frame
    base = (2 + rows["orders"] + 0.5 * rows["visits"]).to_numpy()
    effects = np.column_stack([np.zeros(5_000), rows["effect_coupon"], rows["effect_mail"]])
    scores = aipw_scores(
        experiment.y(), experiment.codes, experiment.propensity, base[:, None] + effects
    )
    least = scores.std(axis=0, ddof=1) / np.sqrt(5_000)
    found = UpliftModel().fit(experiment).average().rows["std_error"].to_numpy()
    assert found == pytest.approx(least, rel=0.02)
