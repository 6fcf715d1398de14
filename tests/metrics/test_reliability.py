"""Calibration against scikit-learn and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.calibration import calibration_curve

from promolab.metrics import calibration
from promolab.stats import wilson
from tests.refused import refused

SEED, CUSTOMERS = 8, 500


def test_bins_are_those_of_scikit_learn_and_the_slope_a_logistic_regressions(rows):
    bins = calibration(rows["y"], rows["p"]).bins
    observed, predicted = calibration_curve(rows["y"], rows["p"], n_bins=10, strategy="quantile")
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    low, high = wilson(bins["positives"], bins["n"])
    np.testing.assert_allclose(bins["ci_low"], low)
    np.testing.assert_allclose(bins["ci_high"], high)
    assert bins["n"].sum() == len(rows["y"])
    logit = np.log(rows["p"] / (1 - rows["p"]))
    design = sm.add_constant(logit)
    fit = sm.Logit(rows["y"].astype(float), design).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": rows["cluster"], "df_correction": False}
    )
    slope = calibration(rows["y"], rows["p"], cluster=rows["cluster"]).slope
    assert slope.value == pytest.approx(fit.params[1], rel=1e-6)
    # statsmodels leaves out K/(K − 1) here.
    assert (slope.ci_high - slope.ci_low) / 2 == pytest.approx(1.96 * fit.bse[1], rel=3e-3)


def test_ratio_and_distance_are_drawn_as_they_are_said(rows):
    result = calibration(rows["y"], rows["p"], cluster=rows["cluster"])
    ratio = result.observed_expected
    assert ratio.value == pytest.approx(rows["y"].sum() / rows["p"].sum())
    assert ratio.ci_low > 1 and "More respond than predicted" in result.summary()
    bins = result.bins
    distance = (bins["observed"] - bins["predicted"]).abs()
    assert result.ece == pytest.approx((distance * bins["n"]).sum() / bins["n"].sum())
    assert result.ece > 1.5 * result.ece_by_chance
    ax = result.plot()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), result.bins["observed"])
    assert ax.get_title(loc="left") == "More respond than predicted"
    assert set(result.to_dict()) >= {"observed_expected", "slope", "ece", "n"}


def test_clusters_never_narrow_bins_and_the_distance_by_chance_is_what_is_seen(rows):
    alone = calibration(rows["y"], rows["p"], bins=4).bins
    apart = calibration(rows["y"], rows["p"], bins=4, cluster=np.arange(len(rows["y"]))).bins
    np.testing.assert_allclose(apart["ci_low"], alone["ci_low"], atol=2e-3)
    twice = {k: np.repeat(v, 2) for k, v in rows.items()}
    doubled = calibration(
        twice["y"], twice["p"], bins=4, cluster=np.repeat(np.arange(len(rows["y"])), 2)
    ).bins
    # Each row twice holds no more than each row once.
    np.testing.assert_allclose(doubled["ci_low"], alone["ci_low"], atol=2e-3)
    rng, seen, said = np.random.default_rng(2), [], []
    for _ in range(200):
        p = rng.beta(2, 5, 500)
        result = calibration(rng.random(500) < p, p)
        seen.append(result.ece)
        said.append(result.ece_by_chance)
    assert np.mean(said) == pytest.approx(np.mean(seen), rel=0.05)


def test_equal_predictions_share_a_bin_and_extremes_and_bad_input():
    p = np.repeat([0.1, 0.3, 0.9], [50, 3, 7])
    bins = calibration(np.arange(60) % 2, p, bins=20).bins
    assert bins["predicted"].to_numpy() == pytest.approx([0.1, 0.3, 0.9])
    assert bins["n"].tolist() == [50, 3, 7]
    none = calibration(np.zeros(40), np.full(40, 0.1))
    assert none.observed_expected.value == 0
    assert none.observed_expected.ci_high == pytest.approx(-np.log(0.025) / 4)
    assert np.isnan(none.slope.value) and none.bins["ci_high"].max() < 0.15
    separated = calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert np.isnan(separated.slope.value)
    assert calibration([0, 1, 1, 0], [0.0, 1.0, 0.5, 0.5]).observed_expected.value == 1
    refused("p has 1 of 2 values outside", calibration, [0, 1], [0.2, 1.2])
    refused("p is 0 in every row", calibration, [0, 1], [0, 0])
    refused("bins = 0; expected a whole number from 1 on", calibration, [0, 1], [0.1, 0.2], bins=0)
    refused("p has 1 missing value of 2", calibration, [0, 1], [0.1, np.nan])
