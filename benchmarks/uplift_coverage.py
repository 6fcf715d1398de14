"""Intervals of uplift models on made-up customers whose effects are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, part, within

if TYPE_CHECKING:
    import pandas as pd

COVERED = {"covered_95": (0.93, 0.97), "covered_90": (0.87, 0.93), "error_over_sd": (0.93, 1.1)}
POINTS = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5], [-1.5, 0.5, 2.0]])
"""Customers whose effect is asked for in every draw."""
LEVELS = (0.95, 0.90)


def coverage(draws: int = 2_000, n: int = 5_000, seed: int = 0, tail: float = 0.0) -> pd.DataFrame:
    """Draw experiments, and count how often intervals hold the truth.

    Two arms and a control; chances that vary with what is seen; one to three rows per customer
    that share a level; effects that are linear in the columns; spread that is not equal.

    Parameters
    ----------
    draws, n, seed : int
    tail : float
        Above 0: noise of money, log-normal with this σ, its mean taken off.

    Returns
    -------
    DataFrame
        One row per figure: what, which, truth, covered_95, covered_90, error_over_sd (mean standard
        error over the standard deviation of the estimates), bias_over_sd.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    truths, found = _truths(), []
    for _ in range(draws):
        found.append(_one_draw(rng, n, tail))
    values = np.array([[estimate for estimate, _, _ in draw] for draw in found])
    errors = np.array([[error for _, error, _ in draw] for draw in found])
    halves = np.array([[half for _, _, half in draw] for draw in found])
    truth = np.array([value for _, _, value in truths])
    inside = np.abs(values - truth)[:, :, None] <= halves
    spread = values.std(axis=0, ddof=1)
    return pd.DataFrame(
        {
            "what": [what for what, _, _ in truths],
            "which": [which for _, which, _ in truths],
            "truth": truth,
            "covered_95": inside[:, :, 0].mean(axis=0),
            "covered_90": inside[:, :, 1].mean(axis=0),
            "error_over_sd": errors.mean(axis=0) / spread,
            "bias_over_sd": (values.mean(axis=0) - truth) / spread,
        }
    )


EFFECTS = np.array([[0.5, 0.4, 0.0, 0.0, 0.3], [0.2, 0.0, -0.3, 0.1, -0.2]])
"""Per arm: constant, three columns, and a group of two (0 or 1, half each)."""


def _truths() -> list[tuple[str, str, float]]:
    listed = []
    for arm, (constant, *slopes, group) in enumerate(EFFECTS, start=1):
        listed.append(("average", f"arm {arm}", constant + group / 2))
        listed += [("group", f"arm {arm}, {g}", constant + group * g) for g in (0, 1)]
        listed += [
            ("customer", f"arm {arm}, {place}", constant + float(point @ slopes) + group * 0.5)
            for place, point in enumerate(POINTS)
        ]
    return listed


def _one_draw(rng: np.random.Generator, n: int, tail: float) -> list[tuple[float, float, Any]]:
    """Return estimate, standard error and half-widths of every figure, from one experiment."""
    from promolab.effects.learners.aipw import Design, Rows, fit_nuisance
    from promolab.effects.learners.base_learners import base_learner
    from promolab.effects.learners.learners import KINDS, Setting
    from promolab.effects.means import group_means
    from promolab.stats import t_quantile

    rows, Z, group, chances = _experiment_arrays(rng, n, tail, Rows)
    design, maker = Design(None, ()), base_learner("linear")
    nuisance = fit_nuisance(rows, Z, design, maker, chances, 0)
    setting = Setting(rows, Z, design, maker, Z, design, maker, nuisance)
    model = KINDS["dr"](setting).fit(np.ones(rows.n, dtype=bool))
    at = np.column_stack([POINTS, np.full(len(POINTS), 0.5)])
    of_customers, errors = model.predict(at), model.std_error(at)
    assert errors is not None  # a linear learner has them
    normal = np.array([t_quantile(level, np.inf) for level in LEVELS])
    figures: list[tuple[float, float, Any]] = []
    for k in range(2):
        scores = nuisance.gamma[:, k]
        for codes, groups in ((np.zeros(rows.n, dtype=np.int64), 1), (group, 2)):
            means = group_means(scores, codes, groups, rows.cluster)
            half = np.array(
                [t_quantile(level, means.degrees) * means.std_error for level in LEVELS]
            )
            figures += list(zip(means.value, means.std_error, half.T, strict=True))
        figures += [
            (value, error, normal * error)
            for value, error in zip(of_customers[:, k], errors[:, k], strict=True)
        ]
    return figures


def _experiment_arrays(
    rng: np.random.Generator, n: int, tail: float, rows_class: Any
) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    cluster = np.repeat(np.arange(n), rng.integers(1, 4, n))[:n]
    customers = int(cluster[-1]) + 1
    seen = rng.normal(size=(customers, 3))[cluster]
    group = rng.integers(0, 2, customers)[cluster]
    Z = np.column_stack([seen, group])
    push = 0.5 * seen[:, [0]] * [0.0, 1.0, -1.0]
    chances = np.exp(push) / np.exp(push).sum(axis=1, keepdims=True)
    codes = (rng.random(n)[:, None] > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    effect = np.column_stack([np.zeros(n), EFFECTS[:, 0] + Z @ EFFECTS[:, 1:].T])
    noise = rng.normal(size=n) * (1 + 0.5 * np.abs(seen[:, 0]))
    if tail:
        noise = np.exp(tail * rng.normal(size=n)) - np.exp(tail**2 / 2)
    level = 0.7 * rng.normal(size=customers)[cluster]
    y = 2 + seen[:, 0] + 0.5 * seen[:, 1] ** 2 + effect[np.arange(n), codes] + level + noise
    fold = rng.permutation(customers)[cluster] % 5
    rows = rows_class(y, codes, 3, cluster, fold, 5, chances)
    return rows, Z, group, chances


@part("uplift", "coverage of effects, two seeds")
def coverage_holds(draws: int = 2_000, n: int = 5_000) -> Iterator[Row]:
    """Yield whether the coverage of averages, groups and customers' effects is as stated."""
    for seed in (1, 2):
        for what, figures in coverage(draws, n, seed).groupby("what", sort=False):
            for name, ends in COVERED.items():
                told = f"effects, {what}: {name}, seed {seed}, {draws:,} draws of {n:,}"
                yield within(told, figures[name], *ends)
