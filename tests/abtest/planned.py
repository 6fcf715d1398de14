"""Experiments drawn as they were planned, by what is asked of them: a share, a mean, a ratio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, ttest_ind

from promolab import plan_experiment
from promolab.abtest import ExperimentPlan

RATE = 0.05
Simulated = Callable[[np.random.Generator, Mapping[str, int], float], float]
"""Draws one experiment with these customers and effect; the p value of the first arm."""


def _arms(sizes: Mapping[str, int]) -> tuple[int, int]:
    held, other, *_ = sizes.values()
    return other, held


def _welch(one: np.ndarray, zero: np.ndarray) -> float:
    return float(ttest_ind(one, zero, equal_var=False).pvalue)


def _shares(rng: np.random.Generator, sizes: Mapping[str, int], effect: float) -> float:
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
    orders, spend = _orders(np.random.default_rng(4), 200_000)
    past = pd.DataFrame({"orders": orders, "spend": spend})
    return plan_experiment(past, "spend", per="orders", effect=1.0), _ratios


def _planned(simulate: Simulated, **given: Any) -> tuple[ExperimentPlan, Simulated]:
    return plan_experiment(**given), simulate


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
