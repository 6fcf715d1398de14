"""The interval of a randomised difference covers a planted effect, and is no wider than needed."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.proportion import confint_proportions_2indep

from promolab import assign
from promolab.effects.differences import compare_arms
from tests.draws import check_cover, draws, ends_of

DRAWS = draws()
HELD_AND_RATE = [(50, 0.01), (50, 0.05), (50, 0.15), (100, 0.01), (100, 0.1), (500, 0.03)]


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


@pytest.mark.parametrize("rate", [0.05, 0.15])
@pytest.mark.parametrize("planted", [0.0, 0.02])
def test_shares_are_covered_over_draws_of_the_same_customers(rate, planted, held=200):
    rng = np.random.default_rng(3)
    # Every customer has an outcome for each arm; chance only draws which of the two is seen.
    n = 10 * held
    anyway, if_sent = round(n * rate), round(n * planted)
    drawn = rng.multivariate_hypergeometric([anyway, if_sent, n - anyway - if_sent], held, DRAWS)
    bought = anyway + if_sent - drawn[:, 0] - drawn[:, 1]
    check_cover(ends(bought, n - held, drawn[:, 0], held), if_sent / n)


@pytest.fixture(scope="module")
def households():
    """Outcomes without and with contact of 1,200 customers in 500 households that buy alike."""
    rng = np.random.default_rng(5)
    cluster = np.sort(rng.integers(0, 500, 1200))
    leaning = rng.beta(0.4, 2.5, 500)[cluster]
    without = rng.random(1200) < leaning
    spend = np.where(rng.random(1200) < 0.6, rng.gamma(2, 10, 500)[cluster], 0.0)
    return pd.DataFrame(
        {
            "cluster": cluster,
            "share_0": without,
            "share_1": without | (rng.random(1200) < 0.05),
            "mean_0": spend,
            "mean_1": spend + rng.normal(3, 2, 1200),
        }
    )


@pytest.mark.parametrize("kind", ["share", "mean"])
def test_differences_are_covered_by_assignment_of_households(households, kind):
    ours, naive = [], []
    y0, y1 = (households[f"{kind}_{i}"].to_numpy(float) for i in (0, 1))
    cluster, truth = households["cluster"].to_numpy(), float((y1 - y0).mean())
    for draw in range(DRAWS):
        arm = assign(
            range(1200), f"{kind} {draw}", {"holdout": 0.2, "send": 0.8}, 0, cluster=cluster
        ).frame["arm"]
        seen = np.where(arm == "send", y1, y0)
        ours.append(compare_arms(seen, arm, cluster=cluster).estimate)
        e = compare_arms(seen, arm).estimate
        naive.append(e.ci_low <= truth <= e.ci_high)
    assert np.mean(naive) < 0.92
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
    found = counted((99, 900), (5, 100))
    assert "Send 11.0 % (n = 900) against holdout 5.0 % (n = 100)" in found.summary()
    assert found.to_dict()["contacted"] == 900
    assert found.to_frame()["what"].tolist() == ["send", "holdout", "difference"]


def test_arms_are_chosen_may_be_numbers_and_rows_come_in_any_order():
    arm = np.array(["holdout", "a", "b"] * 20)
    y = np.arange(60) % 7 < 2
    one = compare_arms(y, arm, treated="a", cluster=np.arange(60) // 6)
    order = np.random.default_rng(0).permutation(60)
    again = compare_arms(y[order], arm[order], treated="a", cluster=(np.arange(60) // 6)[order])
    assert one.to_dict()["value"] == pytest.approx(again.to_dict()["value"], abs=1e-12)
    assert one.estimate.ci_low == pytest.approx(again.estimate.ci_low, abs=1e-12)
    assert one.estimate.n == 40 and one.arms[0] == "a"
    swapped = compare_arms(y, arm, control="a", treated="holdout")
    assert swapped.estimate.value == pytest.approx(-one.estimate.value)
    assert compare_arms([0] * 60, arm, treated="a", kind="mean").estimate.ci_high == 0
    bought = [1] * 5 + [0] * 95 + [1] * 99 + [0] * 801
    named = compare_arms(bought, ["0"] * 100 + ["1"] * 900, control="0")
    for arm in (np.repeat([0, 1], [100, 900]), np.repeat([0.0, 1.0], [100, 900])):
        for control in (0, 0.0, "0"):
            found = compare_arms(bought, arm, control=control)
            assert found.estimate == named.estimate
            assert found.arms == ("1", "0")
