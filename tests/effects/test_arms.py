"""The interval of a randomised difference covers a planted effect, and is no wider than needed."""

import itertools

import numpy as np
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.proportion import confint_proportions_2indep

from promolab import assign
from promolab.effects.differences import compare_arms
from tests.draws import check_cover, draws, ends_of

DRAWS = draws()
HELD_AND_RATE = [(50, 0.01), (50, 0.15), (100, 0.05), (500, 0.03)]


def counted(treated: tuple[int, int], control: tuple[int, int]):
    """Compare arms of so many successes among so many."""
    y = np.zeros(treated[1] + control[1], dtype=int)
    y[: treated[0]] = 1
    y[treated[1] : treated[1] + control[0]] = 1
    return compare_arms(y, np.repeat(["send", "holdout"], [treated[1], control[1]]))


def ends(x1, n1, x0, n0) -> np.ndarray:
    """Return value and ends of each draw; equal counts are compared once."""
    pairs, place = np.unique(np.column_stack([x1, x0]), axis=0, return_inverse=True)
    found = [counted((int(a), n1), (int(b), n0)).estimate for a, b in pairs]
    return ends_of(found)[place.ravel()]


@pytest.mark.parametrize(("held", "rate"), HELD_AND_RATE)
@pytest.mark.parametrize("planted", [0.0, 0.02])
def test_shares_are_covered_over_customers_like_these(held, rate, planted):
    rng = np.random.default_rng(2)
    n1, p1 = 9 * held, rate + planted
    x1, x0 = rng.binomial(n1, p1, DRAWS), rng.binomial(held, rate, DRAWS)
    # With half a success, or one, expected in the holdout, nothing that covers is narrower.
    most = 0.7 if held * rate < 1 else 0.4 if held * rate < 2 else 0.12
    check_cover(ends(x1, n1, x0, held), planted, wide=most)


@pytest.fixture(scope="module")
def households():
    """Outcomes without and with contact of 1,200 customers in 500 households that buy alike."""
    rng = np.random.default_rng(5)
    cluster = np.sort(rng.integers(0, 500, 1200))
    leaning = rng.beta(0.4, 2.5, 500)[cluster]
    without = rng.random(1200) < leaning
    spend = np.where(rng.random(1200) < 0.6, rng.gamma(2, 10, 500)[cluster], 0.0)
    bought, spent = without | (rng.random(1200) < 0.05), spend + rng.normal(3, 2, 1200)
    return cluster, {"share": (without * 1.0, bought * 1.0), "mean": (spend, spent)}


@pytest.mark.parametrize("kind", ["share", "mean"])
def test_differences_are_covered_by_assignment_of_households(households, kind):
    cluster, outcomes = households
    (y0, y1), shares = outcomes[kind], {"holdout": 0.2, "send": 0.8}
    ours, naive, truth = [], [], float((y1 - y0).mean())
    for draw in range(DRAWS):
        arm = assign(range(1200), f"{kind} {draw}", shares, 0, cluster=cluster).frame["arm"]
        seen = np.where(arm == "send", y1, y0)
        ours.append(compare_arms(seen, arm, cluster=cluster).estimate)
        naive.append(compare_arms(seen, arm).estimate)
    low, high = ends_of(naive)[:, 1:].T
    assert ((low <= truth) & (truth <= high)).mean() < 0.92
    check_cover(ends_of(ours), truth, wide=0.15)


def test_customers_drawn_anew_each_week_count_with_their_covariance():
    rng = np.random.default_rng(3)
    customer = np.tile(np.arange(300), 4)
    taste = rng.normal(0, 3, 300)[customer]
    found = []
    for _ in range(DRAWS):
        arm = np.where(rng.random(1200) < 0.3, "holdout", "send")
        y = taste + rng.normal(0, 1, 1200) + (arm == "send")
        found.append(compare_arms(y, arm, cluster=customer).estimate)
    check_cover(ends_of(found), 1)


def test_without_clusters_it_is_welch_and_newcombe():
    rng = np.random.default_rng(0)
    a, b = rng.gamma(2, 5, 80), rng.gamma(2, 4, 30)
    e = compare_arms(np.r_[a, b], ["send"] * 80 + ["holdout"] * 30).estimate
    expected = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (e.ci_low, e.ci_high) == pytest.approx(tuple(expected), rel=1e-9)
    for one, other in (((99, 900), (5, 100)), ((0, 40), (0, 50)), ((3, 60), (0, 9))):
        e = counted(one, other).estimate
        expected = confint_proportions_2indep(*one, *other, method="newcomb")
        assert (e.ci_low, e.ci_high) == pytest.approx(expected, rel=1e-9)
    # Each row its own cluster is no cluster.
    y, arm = [0, 1, 1, 0, 1, 0], ["send"] * 4 + ["holdout"] * 2
    assert compare_arms(y, arm, cluster=range(6)) == compare_arms(y, arm)
    assert compare_arms(y, arm, cluster=[None] * 6) == compare_arms(y, arm)
    told = counted((99, 900), (5, 100)).summary()
    assert "Send 11.0 % (n = 900) against holdout 5.0 % (n = 100)" in told


def test_arms_are_chosen_may_be_numbers_and_rows_come_in_any_order():
    arm, cluster = np.array(["holdout", "a", "b"] * 20), np.arange(60) // 6
    y, order = np.arange(60) % 7 < 2, np.random.default_rng(0).permutation(60)
    one = compare_arms(y, arm, treated="a", cluster=cluster)
    again = compare_arms(y[order], arm[order], treated="a", cluster=cluster[order])
    assert one.estimate.ends == pytest.approx(again.estimate.ends, abs=1e-12)
    assert one.estimate.n == 40 and one.arms[0] == "a"
    swapped = compare_arms(y, arm, control="a", treated="holdout")
    assert swapped.estimate.value == pytest.approx(-one.estimate.value)
    assert compare_arms([0] * 60, arm, treated="a", kind="mean").estimate.ci_high == 0
    bought = [1] * 5 + [0] * 95 + [1] * 99 + [0] * 801
    named = compare_arms(bought, ["0"] * 100 + ["1"] * 900, control="0")
    for kind, control in itertools.product((int, float), (0, 0.0, "0")):
        found = compare_arms(bought, np.repeat([0, 1], [100, 900]).astype(kind), control=control)
        assert found.estimate == named.estimate and found.arms == ("1", "0")
