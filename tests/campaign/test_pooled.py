"""Holdouts read together: against inverse variances by hand, shared customers, and coverage."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from promolab.campaign.readout.holdout import HoldoutComparison, pool_holdouts
from promolab.effects.differences import compare_arms
from promolab.results import Estimate
from promolab.stats import compare_means
from tests.draws import check_cover, draws, ends_of


def compared(y: np.ndarray, arm: np.ndarray, who: np.ndarray) -> HoldoutComparison:
    arm = np.where(arm, "assigned", "holdout")
    sales = compare_arms(y, arm, cluster=who, kind="mean")
    n1, n0 = int((arm == "assigned").sum()), int((arm == "holdout").sum())
    units = pd.unique(who)
    return HoldoutComparison("P", n1, n0, "promotion", 0.1, sales, None, None, "", units=units)


def some(seed: int, n: int, who: np.ndarray, effect: float = 5.0) -> HoldoutComparison:
    rng = np.random.default_rng(seed)
    arm = rng.permutation(n) >= n // 10
    return compared(rng.gamma(2.0, 20.0, n) + effect * arm, arm, who)


def test_customers_are_weighed_by_inverse_variances_few_of_them_as_a_sample() -> None:
    parts = [some(0, 400, np.arange(400)), some(1, 1000, np.arange(1000, 2000))]
    found = pool_holdouts(parts, currency="EUR")
    v = np.array([p.sales.scores @ p.sales.scores for p in parts])
    d = np.array([p.sales.estimate.value for p in parts])
    assert found.difference.value == pytest.approx((d / v).sum() / (1 / v).sum())
    half = (found.difference.ci_high - found.difference.ci_low) / 2
    assert half == pytest.approx(1.98 * (1 / (1 / v).sum()) ** 0.5, rel=0.02)
    assert found.promotions == 2 and found.difference.n == 1400
    assert "The holdouts of 2 promotions, read together: extra net sales of" in found.summary()
    # G/(G − 1) over all customers of both, degrees of freedom by the smaller groups.
    rng = np.random.default_rng(4)
    parts = []
    for start in (0, 12):
        y, arm = rng.gamma(2.0, 20.0, 12), np.arange(12) < 8
        parts.append(compared(y, arm, np.arange(start, start + 12)))
    squares = np.array([p.sales.scores @ p.sales.scores for p in parts])
    w = (1 / squares) / (1 / squares).sum()
    summed = float(w**2 @ squares)  # nobody is in both
    degrees = summed**2 / float((w**2 * squares) ** 2 @ [1 / 3, 1 / 3])  # four are held back
    e = pool_holdouts(parts).difference
    half = t.ppf(0.975, degrees) * (summed * 24 / 23) ** 0.5
    assert (e.ci_high - e.ci_low) / 2 == pytest.approx(half)


def test_customers_of_both_count_once_and_of_one_there_is_nothing_to_pool() -> None:
    """The same outcomes and arms twice are no more than once."""
    once = some(2, 500, np.arange(500))
    twice = pool_holdouts([once, once]).difference
    width = once.sales.estimate.ci_high - once.sales.estimate.ci_low
    assert twice.value == pytest.approx(once.sales.estimate.value)
    assert twice.ci_high - twice.ci_low == pytest.approx(width, rel=0.03)
    one = some(3, 300, np.arange(300))
    none = HoldoutComparison("Q", 5, 0, "", 0.0, None, None, None, "nobody was held back")
    flat = compared(np.zeros(100), np.arange(100) >= 50, np.arange(100))
    assert pool_holdouts([one, none, flat]) is None


def test_four_together_cover_and_are_half_as_wide() -> None:
    """Customers differ and come again: four promotions to the same 600."""
    rng = np.random.default_rng(4)
    taste, who = rng.gamma(1.5, 30.0, 600), np.arange(600)
    template = compared(taste, who >= 60, who)
    assert template.sales is not None
    found, single = [], []
    for _ in range(draws()):
        parts = []
        for _ in range(4):
            arm = rng.permutation(600) >= 60
            arms = compare_means(taste + rng.gamma(2.0, 20.0, 600) + 5 * arm, arm, who)
            estimate = Estimate(arms.value, *arms.interval(0.95), 600)
            scores = arms.treated.scores - arms.control.scores
            sales = replace(template.sales, estimate=estimate, scores=scores)
            parts.append(replace(template, sales=sales))
        found.append(pool_holdouts(parts).difference)
        single.append(parts[0].sales.estimate)
    together, alone = ends_of(found), ends_of(single)
    check_cover(together, 5, slack=0.005, wide=0.08)
    widths = [np.mean(ends[:, 2] - ends[:, 1]) for ends in (together, alone)]
    assert widths[0] / widths[1] == pytest.approx(0.5, abs=0.03)
