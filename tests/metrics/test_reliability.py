"""Calibration, log-loss and Brier score against scikit-learn and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from promolab.metrics import calibration, measure
from promolab.stats import around, spread_of, wilson
from tests.draws import bounds, draws, ends_of, noise
from tests.refused import refused

SEED, CUSTOMERS = 8, 500


def test_bins_are_those_of_scikit_learn(rows):
    bins = calibration(rows["y"], rows["p"]).bins
    observed, predicted = calibration_curve(rows["y"], rows["p"], n_bins=10, strategy="quantile")
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    low, high = wilson(bins["positives"], bins["n"])
    np.testing.assert_allclose(bins["ci_low"], low)
    np.testing.assert_allclose(bins["ci_high"], high)
    assert bins["n"].sum() == len(rows["y"])


def test_intercept_and_slope_are_those_of_a_logistic_regression(rows):
    logit = np.log(rows["p"] / (1 - rows["p"]))
    family = sm.families.Binomial()
    clustered = {"groups": rows["cluster"], "df_correction": False}
    options = {"cov_type": "cluster", "cov_kwds": clustered}
    y = rows["y"].astype(float)
    both = sm.GLM(y, sm.add_constant(logit), family=family).fit(**options)
    shift = sm.GLM(y, np.ones(len(y)), family=family, offset=logit).fit(**options)
    result = calibration(rows["y"], rows["p"], cluster=rows["cluster"])
    told = (result.intercept, both, 0), (result.slope, both, 1), (result.in_the_large, shift, 0)
    for mine, fit, k in told:
        assert mine.value == pytest.approx(fit.params[k], rel=1e-6)
        # statsmodels leaves out K/(K − 1) here.
        assert (mine.ci_high - mine.ci_low) / 2 == pytest.approx(1.96 * fit.bse[k], rel=3e-3)
    assert result.in_the_large.ci_low > 0  # predictions too low


def errors_of(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Calibration errors of samples with their intervals, and what chance alone makes them."""
    rng, found = np.random.default_rng(4), []
    for _ in range(draws()):
        p = rng.uniform(0.1, 0.5, 400)
        found.append(calibration(rng.random(400) < p + shift, p, bins=4))
    return ends_of(result.distance for result in found), np.array([x.ece_by_chance for x in found])


def test_the_error_is_chance_where_calibrated_and_far_from_it_what_it_seems(rows):
    found, chance = errors_of(0.0)
    assert found[:, 0].mean() == pytest.approx(chance.mean(), rel=0.05)
    least = bounds(0.975, len(found), 0.01)[0]  # its other end cannot miss
    assert least <= (found[:, 1] <= 0).mean() and found[:, 2].mean() < 0.1
    found, chance = errors_of(0.1)
    inside = ((found[:, 1] <= 0.1) & (found[:, 2] >= 0.1)).mean()
    assert inside >= bounds(0.95, len(found), 0.01)[0]
    # As wide as the values vary, and as chance may have added.
    width = (found[:, 2] - found[:, 1]).mean() - chance.mean()
    assert width == pytest.approx(2 * 1.96 * found[:, 0].std(ddof=1), rel=noise(len(found)) + 0.1)
    hits, customer = np.array([1.0, 0, 1, 1, 1, 0, 0, 1]), np.repeat(np.arange(4), 2)
    error = calibration(hits, np.full(8, 0.5), 1, customer).distance
    # 5 of 8 against 4; less 1/8 of two rows the customers add −1/4, 3/4, −1/4, −1/4 of 8 rows.
    spread = spread_of(np.array([-1, 3, -1, -1]) / 32, None)
    assert error.value == 1 / 8 and error.ci_high == around(1 / 8, spread, 0.95)[1]


def test_ratio_and_distance_are_drawn_as_they_are_said(rows):
    result = calibration(rows["y"], rows["p"], cluster=rows["cluster"])
    ratio = result.observed_expected
    assert ratio.value == pytest.approx(rows["y"].sum() / rows["p"].sum())
    assert ratio.ci_low > 1 and "More respond than predicted" in result.summary()
    bins = result.bins
    distance = (bins["observed"] - bins["predicted"]).abs()
    assert result.ece == pytest.approx((distance * bins["n"]).sum() / bins["n"].sum())
    assert result.ece > 1.5 * result.ece_by_chance
    for name, told in (("observed_expected", ratio), ("ece", result.distance)):
        assert measure(rows["y"], rows["p"], name, rows["cluster"]) == told
    np.testing.assert_array_equal(result.plot().lines[0].get_ydata(), bins["observed"])


def test_clusters_never_narrow_bins(rows):
    alone = calibration(rows["y"], rows["p"], bins=4).bins
    for times in (1, 2):  # each row twice holds no more than each row once
        each = np.repeat(np.arange(len(rows["y"])), times)
        found = calibration(rows["y"][each], rows["p"][each], bins=4, cluster=each).bins
        np.testing.assert_allclose(found["ci_low"], alone["ci_low"], atol=2e-3)


def test_equal_predictions_share_a_bin_and_extremes_and_bad_input():
    p = np.repeat([0.1, 0.3, 0.9], [50, 3, 7])
    bins = calibration(np.arange(60) % 2, p, bins=20).bins
    assert bins["predicted"].to_numpy() == pytest.approx([0.1, 0.3, 0.9])
    assert bins["n"].tolist() == [50, 3, 7]
    none = calibration(np.zeros(40), np.full(40, 0.1))
    ratio, separated = none.observed_expected, calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert (ratio.value, ratio.ci_high) == (0, pytest.approx(-np.log(0.025) / 4))
    assert np.isnan([none.slope.value, separated.slope.value]).all()
    assert none.bins["ci_high"].max() < 0.15
    assert calibration([0, 1, 1, 0], [0.0, 1.0, 0.5, 0.5]).observed_expected.value == 1
    refused("p has 1 of 2 values outside", calibration, [0, 1], [0.2, 1.2])
    refused("p is 0 in every row", calibration, [0, 1], [0, 0])
    refused("bins = 0; expected a whole number from 1 on", calibration, [0, 1], [0.1, 0.2], bins=0)


@pytest.mark.parametrize("clustered", [False, True])
def test_means_and_errors_are_those_of_the_others(rows, clustered):
    y, p = rows["y"], rows["p"]
    cluster = rows["cluster"] if clustered else np.arange(len(y))
    how = {"cov_type": "cluster", "cov_kwds": {"groups": cluster, "df_correction": False}}
    for name, theirs, losses in (
        ("brier", brier_score_loss, (p - y) ** 2),
        ("log_loss", log_loss, -np.log(np.where(y, p, 1 - p))),
    ):
        one = measure(y, p, name, cluster if clustered else None)
        assert one.value == pytest.approx(theirs(y, p), rel=1e-12)
        assert one.ci_low < one.value < one.ci_high
        error = float(sm.OLS(losses, np.ones(len(y))).fit(**how).bse[0])
        assert one.ci_high - one.ci_low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_certainty_is_held_off_and_perfect_single_and_few_rows_have_scores():
    y, p = [0, 1, 1], [0.0, 1.0, 0.0]
    assert measure(y, p, "log_loss").value == pytest.approx(log_loss(y, p))
    assert measure([0, 1], [0, 1], "brier").value == 0
    one = measure([1], [0.5], "log_loss")
    assert one.value == pytest.approx(np.log(2)) and (one.ci_low, one.ci_high) == (0, np.inf)
    refused("p has 1 of 2 values outside", measure, [0, 1], [0.2, 1.2], "brier")
    refused("cluster has 3 rows", measure, [0, 1], [0.2, 0.3], "brier", [1, 2, 3])
    refused("level = 95; expected a share", measure, [0, 1], [0.2, 0.3], "brier", level=95)
