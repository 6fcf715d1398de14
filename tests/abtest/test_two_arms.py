"""Arms with earlier figures and chances that differ: against least squares, and the truth."""

import numpy as np
import pytest
import statsmodels.api as sm

from promolab.effects.differences import compare_arms
from tests.draws import check_cover, draws, ends_of

N, DRAWS = 1200, draws()


@pytest.fixture(scope="module")
def shop() -> tuple[np.ndarray, np.ndarray]:
    """Earlier sales and sales without a promotion of 1,200 customers; correlated about 0.8."""
    rng = np.random.default_rng(0)
    habit = rng.gamma(1.2, 150.0, N)
    earlier, later = (habit * rng.gamma(5.0, 0.2, N) for _ in range(2))
    return earlier.round(2), later.round(2)


@pytest.mark.parametrize("weighted", [False, True])
def test_an_earlier_figure_and_weights_are_those_of_least_squares(shop, weighted):
    """Pooled θ is the slope of y on arm and x (Frisch & Waugh), weights those of WLS."""
    x, y = shop
    arm = np.where(np.random.default_rng(1).random(N) < 0.9, "send", "holdout")
    y = y + 12 * (arm == "send")
    w = np.random.default_rng(2).uniform(1, 5, N) if weighted else np.ones(N)
    found = compare_arms(y, arm, earlier=x, weight=w if weighted else None)
    design = np.column_stack([np.ones(N), arm == "send", x])
    fit = sm.WLS(y, design, weights=w).fit(cov_type="HC1")
    assert found.estimate.value == pytest.approx(fit.params[1], rel=1e-9)
    width = found.estimate.ci_high - found.estimate.ci_low
    assert width == pytest.approx(2 * 1.97 * fit.bse[1], rel=0.03)


def test_weights_of_one_over_the_chance_cover_where_chances_differ(shop):
    """Good customers are contacted four times as often: the plain difference is off."""
    x, y = shop
    chance = np.where(x > np.median(x), 0.8, 0.2)
    home = np.arange(N) // 2  # drawn by household, which shares a chance
    chance = chance[2 * home]
    found, plain = [], 0
    for draw in range(DRAWS):
        send = (np.random.default_rng(draw).random(N)[2 * home]) < chance
        seen, arm = y + 15 * send, np.where(send, "send", "holdout")
        weight = 1 / np.where(send, chance, 1 - chance)
        found.append(compare_arms(seen, arm, weight=weight, earlier=x, cluster=home).estimate)
        if draw < 50:
            p = compare_arms(seen, arm, cluster=home).estimate
            plain += p.ci_low <= 15 <= p.ci_high
    assert plain == 0
    check_cover(ends_of(found), 15, slack=0.0, wide=0.08)
