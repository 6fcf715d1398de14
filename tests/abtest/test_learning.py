"""What a test is worth: against a simulation of prior, test and decision."""

import numpy as np
import pytest

from promolab.abtest import Stakes, plan_experiment
from promolab.abtest.design.learning import worth_of_test
from promolab.errors import InputError
from tests.refused import refused

DRAWS = 200_000


def simulated(stakes, shares, variance, n):
    """Draw truths, test results, decide by the posterior means; worth per customer after it."""
    rng = np.random.default_rng(0)
    one = np.array(list(shares.values())[1:])
    truth = rng.normal(stakes.prior_mean, stakes.prior_sd, (DRAWS, len(one)))
    control = rng.normal(0, np.sqrt(variance / (n * next(iter(shares.values())))), DRAWS)
    seen = truth + rng.normal(0, np.sqrt(variance / (n * one)), truth.shape) - control[:, None]
    error = np.diag(variance / (n * one)) + variance / (n * next(iter(shares.values())))
    prior = stakes.prior_sd**2 * np.eye(len(one))
    weight = prior @ np.linalg.inv(prior + error)
    believed = stakes.prior_mean + (seen - stakes.prior_mean) @ weight.T
    best = believed.argmax(axis=1)
    sends = believed.max(axis=1) > 0
    got = np.where(sends, truth[np.arange(DRAWS), best], 0.0)
    return got.mean() - max(0.0, stakes.prior_mean)


@pytest.mark.parametrize("prior", [(-0.1, 0.3), (0.0, 0.2), (0.2, 0.3)])
@pytest.mark.parametrize(
    "shares", [{"none": 0.5, "a": 0.5}, {"none": 0.1, "a": 0.9}, {"none": 0.4, "a": 0.4, "b": 0.2}]
)
def test_the_gain_is_what_a_simulation_gains(prior, shares):
    stakes = Stakes(prior[0], prior[1], 1000)
    found = worth_of_test(stakes, shares, "none", 100.0, 5000)
    expected = 1000 * simulated(stakes, shares, 100.0, 5000)
    assert found.gain == pytest.approx(expected, abs=1000 * 3 * 0.3 / np.sqrt(DRAWS) + 0.5)


def test_the_cost_is_what_those_lose_without_the_best_and_the_best_size_is_of_those_tried():
    shares = {"none": 0.3, "a": 0.7}
    good = worth_of_test(Stakes(0.2, 1, 10, setup_cost=50), shares, "none", 9.0, 1000)
    bad = worth_of_test(Stakes(-0.2, 1, 10, setup_cost=50), shares, "none", 9.0, 1000)
    assert good.cost == pytest.approx(50 + 300 * 0.2) and bad.cost == pytest.approx(50 + 700 * 0.2)
    assert good.without == pytest.approx(2) and bad.without == 0
    found = worth_of_test(Stakes(-0.05, 0.3, 1e5), {"none": 0.5, "a": 0.5}, "none", 400.0, 20_000)
    assert found.best_net == found.frame["net"].max() and found.net <= found.best_net
    assert found.frame["gain"].is_monotonic_increasing
    hopeless = worth_of_test(Stakes(-5, 0.1, 10), {"none": 0.5, "a": 0.5}, "none", 400.0, 20_000)
    assert hopeless.best_customers == 0
    assert found.plot().get_title(loc="left") and "20,000" in found.to_table().text


def test_stakes_are_of_a_profit():
    plan = plan_experiment(mean=2, sd=20, customers=10_000, stakes=Stakes(0.1, 0.3, 1e5))
    assert plan.learning is not None and plan.learning.summary() in plan.summary()
    with pytest.raises(InputError, match="stakes are of a profit"):
        plan_experiment(rate=0.1, customers=10_000, stakes=Stakes(0.1, 0.3, 1e5))
    refused("prior_sd = 0; expected", Stakes, 0.1, 0, 10)
    refused("customers_after = 0; expected", Stakes, 0.1, 1, 0)
