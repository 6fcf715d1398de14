"""Log-loss and Brier against scikit-learn and statsmodels; calibration error against chance."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as log_loss_of_sklearn

from promolab.metrics import brier, calibration, ece, log_loss
from promolab.metrics.scoring import Gaps
from tests.drawn import bars_of
from tests.draws import bounds, check_cover, draws, ends_of
from tests.refused import refused

SEED, CUSTOMERS = 22, 500


def clustered_error(values: np.ndarray, cluster: np.ndarray | None) -> float:
    fit = sm.OLS(values, np.ones(len(values)))
    if cluster is None:
        return float(fit.fit(cov_type="HC0").bse[0])
    options = {"groups": cluster, "df_correction": False}
    return float(fit.fit(cov_type="cluster", cov_kwds=options).bse[0])


@pytest.mark.parametrize("clustered", [False, True])
def test_means_and_errors_are_those_of_the_others(rows, clustered):
    y, p = rows["y"], rows["p"]
    cluster = rows["cluster"] if clustered else None
    score, loss = brier(y, p, cluster), log_loss(y, p, cluster)
    assert score.value == pytest.approx(brier_score_loss(y, p), rel=1e-12)
    assert loss.value == pytest.approx(log_loss_of_sklearn(y, p), rel=1e-12)
    squares, losses = (p - y) ** 2, -np.log(np.where(y, p, 1 - p))
    assert score.std_error == pytest.approx(clustered_error(squares, cluster), rel=2e-3)
    assert loss.std_error == pytest.approx(clustered_error(losses, cluster), rel=2e-3)
    for one in (score, loss):
        assert one.ci_low < one.value < one.ci_high
        assert one.ci_high - one.ci_low == pytest.approx(2 * 1.96 * one.std_error, rel=0.05)


def test_certainty_is_held_off_and_perfect_single_and_few_rows_have_scores():
    y, p = [0, 1, 1], [0.0, 1.0, 0.0]
    result = log_loss(y, p)
    assert result.value == pytest.approx(log_loss_of_sklearn(y, p))
    assert result.certain_and_wrong == 1 and "1 row had been ruled out" in result.summary()
    right = ece([0, 1, 0, 1], [0, 1, 0, 1])
    assert (right.value, right.debiased.value, right.debiased.ci_low) == (0, 0, 0)
    assert brier([0, 1], [0, 1]).value == 0
    one = log_loss([1], [0.5])
    assert one.value == pytest.approx(np.log(2)) and (one.ci_low, one.ci_high) == (0, np.inf)
    assert one.to_dict()["ci_high"] is None
    hits, customer = np.array([1.0, 0, 1, 1, 0, 0, 0, 1]), np.repeat(np.arange(4), 2)
    gaps = Gaps.between(hits, np.full(8, 0.5), np.zeros(8, dtype=int), customer)
    # Less what is predicted the customers have 0, 1, −1 and 0 of 8 rows: 2/64 · 4/3.
    assert gaps.covariance == pytest.approx(1 / 24)


def test_skill_is_against_the_base_rate_with_errors_of_resampled_customers(rows):
    y, p = rows["y"], rows["p"]
    base = np.full(len(y), y.mean())
    assert log_loss(y, base).skill.value == pytest.approx(0, abs=1e-12)
    assert brier(y, base).skill.value == pytest.approx(0, abs=1e-12)
    skill = log_loss(y, p).skill
    assert skill.value == pytest.approx(1 - log_loss(y, p).value / log_loss(y, base).value)
    assert brier(y, p).skill.value == pytest.approx(1 - brier(y, p).value / brier(y, base).value)
    one_class = log_loss(np.zeros(9), np.full(9, 0.1))
    assert one_class.value == pytest.approx(-np.log(0.9)) and np.isnan(one_class.skill.value)
    y, p, cluster = rows["y"], rows["p"], rows["cluster"]
    customers = cluster.max() + 1
    draws = np.random.default_rng(1).poisson(1.0, (2000, customers))
    sums = [np.bincount(cluster, weights=x) for x in ((p - y) ** 2, y, np.ones(len(y)))]
    squares, hits, n = (draws @ x for x in sums)
    share = hits / n
    drawn = 1 - squares / n / (share * (1 - share))
    skill = brier(y, p, cluster).skill
    assert (skill.ci_high - skill.ci_low) / 2 / 1.96 == pytest.approx(drawn.std(), rel=0.08)


def test_parts_add_up_to_the_score(rows):
    for p, bins in ((rows["p"], 10), (np.round(rows["p"], 1), 10), (rows["p"], 1), (rows["p"], 50)):
        result = brier(rows["y"], p, rows["cluster"], bins=bins)
        parts = result.reliability - result.resolution + result.uncertainty + result.within
        assert parts == pytest.approx(result.value, rel=1e-12)
        frame = result.parts.set_index("part")
        assert frame["seen"]["resolution"] == result.resolution
        assert (frame["seen"] - frame["by_chance"]).clip(lower=0)["resolution"] == (
            pytest.approx(frame["value"]["resolution"])
        )
        assert (frame["ci_low"] <= frame["value"]).all()
        assert (frame["value"] <= frame["ci_high"]).all()


def test_murphys_parts_by_hand_and_what_chance_adds_is_taken_off():
    result = brier([0, 1, 1, 1], [0.2, 0.2, 0.6, 0.6], bins=2)
    assert result.reliability == pytest.approx((0.3**2 + 0.4**2) / 2)
    assert result.resolution == pytest.approx((0.25**2 + 0.25**2) / 2)
    assert result.uncertainty == pytest.approx(0.75 * 0.25)
    assert result.within == pytest.approx(0)  # equal predictions inside every bin
    # Of a calibrated model the reliability is chance alone; the parts' means are then the truth's.
    rng, parts = np.random.default_rng(3), []
    for _ in range(80):
        p = rng.choice([0.1, 0.3, 0.6], 400)
        y = rng.random(400) < p
        frame = brier(y, p).parts.set_index("part")
        parts.append(frame["seen"] - frame["by_chance"])
    means = np.mean(parts, axis=0)
    truth = np.array([0.1, 0.3, 0.6])
    assert means[0] == pytest.approx(0, abs=1e-4)
    assert means[1] == pytest.approx(truth.var(), rel=0.06)
    assert means[2] == pytest.approx(truth.mean() * (1 - truth.mean()), rel=0.02)


def calibration_errors(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """As seen and by chance, and value and interval without chance, of samples."""
    rng, found = np.random.default_rng(4), []
    for _ in range(draws()):
        p = rng.uniform(0.1, 0.5, 400)
        found.append(ece(rng.random(400) < p + shift, p, bins=4))
    seen = np.array([(result.value, result.by_chance) for result in found])
    return seen, ends_of(result.debiased for result in found)


def test_calibration_error_is_chance_where_calibrated_and_far_from_it_what_it_seems(rows):
    seen, found = calibration_errors(0.0)
    assert seen[:, 0].mean() == pytest.approx(seen[:, 1].mean(), rel=0.08)
    least, most = bounds(0.975, len(found), 0.01)  # its other end cannot miss
    assert least <= (found[:, 1] <= 0).mean() <= most
    assert found[:, 0].mean() < 0.45 * seen[:, 0].mean() and found[:, 2].mean() < 0.08
    check_cover(calibration_errors(0.1)[1], 0.1, biased=True)
    rng = np.random.default_rng(6)
    p = rng.uniform(0.1, 0.5, 20_000)
    result = ece(rng.random(20_000) < p + 0.2, p)
    assert result.debiased.value == pytest.approx(0.2, abs=0.01)
    assert result.debiased.ci_low < 0.2 < result.debiased.ci_high
    assert result.debiased.ci_high - result.debiased.ci_low < 0.02
    bins = calibration(rows["y"], rows["p"], cluster=rows["cluster"])
    same = ece(rows["y"], rows["p"], rows["cluster"])
    assert (bins.ece, bins.ece_by_chance) == (same.value, same.by_chance)
    assert bins.distance == same.debiased and "percentage points" in same.summary()


@pytest.mark.parametrize("function", [brier, log_loss, ece])
def test_bad_input_is_named(function):
    refused("p has 1 of 2 values outside", function, [0, 1], [0.2, 1.2])
    refused("y_true holds 2", function, [0, 2], [0.2, 0.3])
    refused("cluster has 3 rows and y_true 2", function, [0, 1], [0.2, 0.3], [1, 2, 3])
    refused("level = 95; expected a share", function, [0, 1], [0.2, 0.3], level=95)
    for bins in ("ten", 2.5):
        if function is not log_loss:
            words = f"bins = {bins!r}; expected a whole number from 1 on"
            refused(words, function, [0, 1], [0.2, 0.3], bins=bins)


def test_intercept_and_slope_are_those_of_a_logistic_regression(rows):
    logit = np.log(rows["p"] / (1 - rows["p"]))
    family = sm.families.Binomial()
    clustered = {"groups": rows["cluster"], "df_correction": False}
    options = {"cov_type": "cluster", "cov_kwds": clustered}
    both = sm.GLM(rows["y"].astype(float), sm.add_constant(logit), family=family).fit(**options)
    shift = sm.GLM(rows["y"].astype(float), np.ones(len(logit)), family=family, offset=logit).fit(
        **options
    )
    result = calibration(rows["y"], rows["p"], cluster=rows["cluster"])
    for mine, fit, k in (
        (result.intercept, both, 0),
        (result.slope, both, 1),
        (result.in_the_large, shift, 0),
    ):
        assert mine.value == pytest.approx(fit.params[k], rel=1e-5)
        assert (mine.ci_high - mine.ci_low) / 2 == pytest.approx(1.96 * fit.bse[k], rel=3e-3)
    assert result.in_the_large.ci_low > 0  # predictions too low


def test_it_draws_what_it_says(rows):
    result = brier(rows["y"], rows["p"], rows["cluster"])
    ax = result.plot()
    assert "less than the base rate" in ax.get_title(loc="left").replace("\n", " ")
    widths = [bar.get_width() for bar in bars_of(ax)]
    assert widths[-1] == pytest.approx(result.value) and widths[1] < 0
    loss = log_loss(rows["y"], rows["p"], rows["cluster"])
    ax = loss.plot()
    assert ax.collections[-1].get_offsets()[0, 0] == pytest.approx(loss.value)
    base = rows["y"].mean()
    entropy = -base * np.log(base) - (1 - base) * np.log(1 - base)
    assert ax.lines[0].get_xdata()[0] == pytest.approx(entropy)
    assert "less than the base rate" in ax.get_title(loc="left").replace("\n", " ")
    one_class = log_loss(np.zeros(9), np.full(9, 0.1)).plot()
    assert one_class.get_title(loc="left").startswith("Log-loss is 0.105")
    distance = ece(rows["y"], rows["p"], rows["cluster"])
    shown = distance.plot().collections[-1].get_offsets()[:, 0]
    np.testing.assert_allclose(shown, distance.gaps.gaps)
