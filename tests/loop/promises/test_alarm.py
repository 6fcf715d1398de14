"""The alarm rings falsely in 5 % of years at most, and rings where the planner promises twice."""

import numpy as np
from scipy.stats import multivariate_normal

from promolab.loop.promises import join_outcomes, promise_alarm
from promolab.loop.promises.forecast_errors import LEVEL, evidence
from tests.loop.promises.test_forecast_errors import ledger

WEEKS, RUNS = 52, 2_000


def drawn(rng, *, shared, noise, ratio=1.0, said=100.0, together=1.0):
    """Return what came less what was said, runs × weeks: errors that weeks share, and their own."""
    part = np.sqrt(together) * rng.normal(size=(RUNS, 1))
    part = part + np.sqrt(1 - together) * rng.normal(size=(RUNS, WEEKS))
    return said * (ratio - 1) + shared * part + noise * rng.normal(size=(RUNS, WEEKS))


def rung(off, *, shared, noise, said=100.0):
    spread = np.full(WEEKS, np.hypot(shared, noise))
    found = evidence(off, spread, np.full(WEEKS, shared), np.full(WEEKS, said))
    return (found.max(axis=-1) >= 1 / LEVEL).mean()


def test_false_alarms_are_few_and_a_planner_that_promises_twice_is_found_out():
    rng = np.random.default_rng(0)
    for shared, noise in ((0.0, 50.0), (30.0, 50.0), (60.0, 30.0)):
        for together in (0.0, 1.0):
            off = drawn(rng, shared=shared, noise=noise, together=together)
            false = rung(off, shared=shared, noise=noise)
            assert false <= LEVEL + 3 * np.sqrt(LEVEL * 0.95 / RUNS), (shared, noise, together)
    rng = np.random.default_rng(1)
    # The readout of one week tells half of the promise from nothing as one standard error.
    found = rung(drawn(rng, shared=10.0, noise=50.0, ratio=0.5), shared=10.0, noise=50.0)
    assert found >= 0.85
    weak = rung(drawn(rng, shared=10.0, noise=150.0, ratio=0.5), shared=10.0, noise=150.0)
    assert 0.05 < weak < found


def test_evidence_is_a_martingale_and_of_two_weeks_that_of_densities_written_out():
    rng = np.random.default_rng(2)
    off = drawn(rng, shared=0.0, noise=50.0)[:, :8]
    found = evidence(off, np.full(8, 50.0), np.zeros(8), np.full(8, 20.0))
    assert np.allclose(found.mean(axis=0), 1.0, atol=0.02)
    off, spread, shared, size = map(np.array, ([-60.0, -40], [50.0, 40], [20.0, 10], [100.0, 80]))
    null = np.diag(spread**2) + np.outer(shared, shared)
    begins = 0.5 * (1 / 26) * (25 / 26) ** np.arange(2) + [0.5, 0]
    expected = 1 - begins.sum()
    for k in range(2):
        x = np.where(np.arange(2) >= k, size, 0.0)
        broken = multivariate_normal([0, 0], null + 0.25 * np.outer(x, x)).pdf(off)
        expected += begins[k] * broken / multivariate_normal([0, 0], null).pdf(off)
    assert np.isclose(evidence(off, spread, shared, size)[-1], expected, rtol=1e-9)


def spent(ratio, weeks):
    names = [f"2024-W{w:02d}" for w in range(1, weeks + 1)]
    rows = join_outcomes(*ledger(ratio, weeks=names, waiting=0))
    return rows[rows["measure"] == "spend"]


def test_the_alarm_names_the_week_and_what_came_and_without_settled_weeks_is_still():
    kept, broken = promise_alarm(spent(1.0, 20)), promise_alarm(spent(0.4, 20))
    assert not kept.rings and "No promise was broken beyond chance in 20" in kept.summary()
    assert broken.rings and broken.measure == "spend" and 0.3 < broken.ratio < 0.5
    assert broken.since in broken.summary() and "extra spend" in broken.summary()
    assert broken.frame["week"].tolist()[-1] == "2024-W20"
    none = spent(1.0, 3).assign(state="provisional")
    assert "No settled week" in promise_alarm(none).summary()
