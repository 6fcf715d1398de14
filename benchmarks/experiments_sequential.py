"""Tests that are looked at every day: how often they are wrong, and what they find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.table import Row, at_least, at_most, part

DAYS = 60
TIMES = 1.4  # of the effect that a single look at the end would show
BUYERS, LOG_MEAN, LOG_SD = 0.02, 3.0, 1.0
MEAN = BUYERS * float(np.exp(LOG_MEAN + LOG_SD**2 / 2))
SD = float(np.sqrt(BUYERS * np.exp(2 * LOG_MEAN + 2 * LOG_SD**2) - MEAN**2))
"""Of revenue, where 2 % buy."""
EVEN, HELD_BACK, BUSY = (500, 500), (60, 540), (4_000, 4_000)
"""Customers each day, control and treatment.

Busy, so that what can be found is no large part of all revenue: more buyers are more variance too,
of a single look as of many.
"""


def _spends(rng: np.random.Generator, customers: int, lift: float) -> tuple[float, float]:
    """Return the total and the squares of so many customers' revenue."""
    amounts = rng.lognormal(LOG_MEAN, LOG_SD, rng.binomial(customers, min(1.0, BUYERS * lift)))
    return float(amounts.sum()), float((amounts**2).sum())


@dataclass(frozen=True)
class Watched:
    """Simulated tests as they look on each day, all of shape (tests, days)."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def decided(self) -> np.ndarray:
        """Return where the interval that may be looked at every day leaves 0."""
        return np.asarray((self.low > 0) | (self.high < 0))


def watched(daily: tuple[int, int], tests: int, lift: float = 1.0, seed: int = 0) -> Watched:
    """Look at simulated tests every day, as `analyze_experiment` with ``sequential`` does."""
    from promolab.abtest import confidence_sequence
    from promolab.abtest.sequential import enough

    rng = np.random.default_rng(seed)
    means, variances, told = [], [], np.ones((tests, DAYS), dtype=bool)
    for customers, times in zip(daily, (1.0, lift), strict=True):
        drawn = [_spends(rng, customers, times) for _ in range(tests * DAYS)]
        total, squares = np.cumsum(np.reshape(drawn, (tests, DAYS, 2)), axis=1).transpose(2, 0, 1)
        n = customers * np.arange(1, DAYS + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            told &= enough(total**2 / squares, np.broadcast_to(n, total.shape))
        means.append(total / n)
        variances.append((squares - total**2 / n) / (n - 1) / n)
    difference, (few, many) = means[1] - means[0], variances
    ratio = daily[1] / daily[0]
    variance = np.maximum(few + many, few / ratio + many * ratio)
    n = sum(daily) * np.arange(1, DAYS + 1)
    ends = [
        confidence_sequence(n, d, v * n, tuned_for=n[-1])
        for d, v in zip(difference, variance, strict=True)
    ]
    low, high = np.swapaxes(np.array(ends), 0, 1)
    return Watched(difference, np.where(told, low, -np.inf), np.where(told, high, np.inf))


@part("experiments", "tests looked at every day")
def daily_looks(tests: int = 1_000) -> Iterator[Row]:
    """Yield false alarms of daily looks, and how often 1.4 times a single look's effect is found.

    Of revenue; of conversion tests ask it.
    """
    from promolab import plan_experiment

    for daily in (EVEN, HELD_BACK):
        alarms = float(watched(daily, tests).decided.any(axis=1).mean())
        what = f"A/A, {daily} customers a day, {DAYS} daily looks, {tests:,} tests: false alarms"
        yield at_most(what, alarms, 0.05, "%")
    plan = plan_experiment(customers=sum(BUSY) * DAYS, mean=MEAN, sd=SD)
    found = watched(BUSY, tests, lift=1 + TIMES * plan.smallest / MEAN, seed=2)
    power = float((found.decided & (found.difference > 0)).any(axis=1).mean())
    what = f"{TIMES} × the effect that one look at the end shows, {tests:,} tests: found"
    yield at_least(what, power, 0.8, "%")
