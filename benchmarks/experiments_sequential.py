"""Tests that are looked at every day, and as they were planned: how often they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, at_least, at_most, part

if TYPE_CHECKING:
    from promolab.abtest import ExperimentPlan

DAYS, MAX_OFF = 60, 0.02
TIMES = 1.4  # of the effect that a single look at the end would show
RATE, BUYERS, LOG_MEAN, LOG_SD = 0.05, 0.02, 3.0, 1.0
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


# --- planned power -----------------------------------------------------------------------------

Simulated = Callable[[np.random.Generator, Mapping[str, int], float], float]
"""Draws one experiment with these customers and effect; the p value of the first arm."""


def _arms(sizes: Mapping[str, int]) -> tuple[int, int]:
    held, other, *_ = sizes.values()
    return other, held


def _welch(one: np.ndarray, zero: np.ndarray) -> float:
    from scipy.stats import ttest_ind

    return float(ttest_ind(one, zero, equal_var=False).pvalue)


def _shares(rng: np.random.Generator, sizes: Mapping[str, int], effect: float) -> float:
    from scipy.stats import norm

    n1, n0 = _arms(sizes)
    y1, y0 = rng.binomial(n1, RATE + effect), rng.binomial(n0, RATE)
    pooled = (y1 + y0) / (n1 + n0)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    return float(2 * norm.sf(abs(y1 / n1 - y0 / n0) / error))


def _means(rng: np.random.Generator, sizes: Mapping[str, int], effect: float) -> float:
    n1, n0 = _arms(sizes)
    return _welch(rng.gamma(1.0, 20.0, n1) + effect, rng.gamma(1.0, 20.0, n0))


def _adjusted(rng: np.random.Generator, sizes: Mapping[str, int], effect: float) -> float:
    n1, n0 = _arms(sizes)
    x = rng.gamma(1.0, 20.0, n1 + n0)
    y = 0.7 * x + np.sqrt(1 - 0.49) * rng.gamma(1.0, 20.0, n1 + n0)
    y[:n1] += effect
    theta = np.cov(x, y)[0, 1] / x.var(ddof=1)
    left = y - theta * (x - x.mean())
    return _welch(left[:n1], left[n1:])


def _ratios(rng: np.random.Generator, sizes: Mapping[str, int], effect: float) -> float:
    from scipy.stats import norm

    values, variances = [], []
    for n, more in zip(_arms(sizes), (effect, 0.0), strict=True):
        orders, basket = _orders(rng, n)
        spend = basket + more * orders
        ratio = spend.sum() / orders.sum()
        values.append(ratio)
        variances.append(((spend - ratio * orders) / orders.mean()).var(ddof=1) / n)
    return float(2 * norm.sf(abs(values[0] - values[1]) / np.sqrt(sum(variances))))


def _orders(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    orders = rng.poisson(2.0, n).astype(float)
    return orders, orders * rng.gamma(4.0, 5.0, n)


def _ratio_plan() -> tuple[ExperimentPlan, Simulated]:
    import pandas as pd

    from promolab import plan_experiment

    orders, spend = _orders(np.random.default_rng(4), 200_000)
    past = pd.DataFrame({"orders": orders, "spend": spend})
    return plan_experiment(past, "spend", per="orders", effect=1.0), _ratios


def _planned(simulate: Simulated, **given: Any) -> tuple[ExperimentPlan, Simulated]:
    from promolab import plan_experiment

    return plan_experiment(**given), simulate


_HELD = {"holdout": 0.1, "send": 0.9}
_MONEY = partial(_planned, _means, mean=20.0, sd=20.0, effect=3.0)
PLANS: dict[str, Callable[[], tuple[ExperimentPlan, Simulated]]] = {
    "shares": partial(_planned, _shares, rate=RATE, effect=0.015),
    "means": _MONEY,
    "ratio": _ratio_plan,
    "CUPED": partial(_planned, _adjusted, mean=28.0, sd=20.0, correlation=0.7, effect=2.0),
    "10 % held back": partial(
        _planned,
        _shares,
        rate=RATE,
        customers=20_000,
        effect=0.02,
        shares={"holdout": 0.1, "send": 0.9},
    ),
    "means, 20 % held back": partial(_MONEY, shares={"holdout": 0.2, "send": 0.8}),
    "two arms and a control": partial(_MONEY, shares={"control": 0.5, "a": 0.25, "b": 0.25}),
}
