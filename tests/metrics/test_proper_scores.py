"""Log-loss and Brier score against scikit-learn and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as log_loss_of_sklearn

from promolab.metrics import brier, log_loss
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
    assert brier([0, 1], [0, 1]).value == 0
    one = log_loss([1], [0.5])
    assert one.value == pytest.approx(np.log(2)) and (one.ci_low, one.ci_high) == (0, np.inf)
    assert one.to_dict()["ci_high"] is None


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


@pytest.mark.parametrize("function", [brier, log_loss])
def test_bad_input_is_named(function):
    refused("p has 1 of 2 values outside", function, [0, 1], [0.2, 1.2])
    refused("y_true holds 2", function, [0, 2], [0.2, 0.3])
    refused("cluster has 3 rows and y_true 2", function, [0, 1], [0.2, 0.3], [1, 2, 3])
    refused("level = 95; expected a share", function, [0, 1], [0.2, 0.3], level=95)


def test_it_draws_what_it_says(rows):
    loss = log_loss(rows["y"], rows["p"], rows["cluster"])
    ax = loss.plot()
    assert ax.collections[-1].get_offsets()[0, 0] == pytest.approx(loss.value)
    base = rows["y"].mean()
    entropy = -base * np.log(base) - (1 - base) * np.log(1 - base)
    assert ax.lines[0].get_xdata()[0] == pytest.approx(entropy)
    score = brier(rows["y"], rows["p"], rows["cluster"])
    assert score.plot().lines[0].get_xdata()[0] == pytest.approx(base * (1 - base))
