"""What a plan is said to add, beside what it truly adds: made-up shops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row, at_most, part, within
from promolab.policy import PolicyRows, plan_value, solve
from promolab.policy.frontier import Limits
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

ARMS, COLUMNS, FOLDS, NOISE = 3, 5, 5, 2.0
CONTACT, BUDGET = 0.02, 0.04
"""A contact's cost, and the budget per decision: it pays for about a third of the customers."""
EVERYBODY = 5_000
"""Customers of whom the truth is told."""


@dataclass(frozen=True)
class Shop:
    """A made-up shop's past decisions, and what each policy learned from them truly adds.

    Parameters
    ----------
    rows : PolicyRows
    logged : ndarray of shape (n, p)
        Columns of the customers decided on.
    X, effect, cost : ndarray
        Of everybody: columns, true net effects and costs of the arms.
    of_folds : ndarray of shape (folds, p, K)
        Lines of effects, learned without each fold.
    of_all : ndarray of shape (p, K)
        The line that is put to use.
    """

    rows: PolicyRows
    logged: np.ndarray
    X: np.ndarray
    effect: np.ndarray
    cost: np.ndarray
    of_folds: np.ndarray
    of_all: np.ndarray

    def adds(self, line: np.ndarray) -> tuple[float, float]:
        """Return what the policy of a line truly adds, and what it promises, per customer."""
        promised = self.X @ line - CONTACT
        choice = solve(promised, self.cost, Limits(BUDGET * len(self.X))).choice
        got = np.flatnonzero(choice >= 0)
        true, told = (a[got, choice[got]].sum() / len(self.X) for a in (self.effect, promised))
        return float(true), float(told)

    def evaluated(self) -> float:
        """Return what the folds' policies truly add, per customer: what is estimated."""
        share = np.bincount(self.rows.fold) / len(self.rows)
        return float(share @ [self.adds(line)[0] for line in self.of_folds])


def made_up(seed: int, strength: float = 1.0, customers: int = 2_000, rounds: int = 2) -> Shop:
    """Draw a shop whose customers decide by chance, and learn lines of effects from it.

    Effects are linear in five columns, a hundredth to a tenth of the spread of what customers
    spend; customers have a level of their own; money is skewed.

    Parameters
    ----------
    seed : int
    strength : float
        Of the effects: 1 as above, 0 for none.
    customers, rounds : int
    """
    rng, n = np.random.default_rng(seed), customers * rounds
    same = np.random.default_rng(5)  # the shop's truth, the same in every draw
    slope = strength * 0.15 * same.normal(size=(COLUMNS, ARMS)) / np.sqrt(COLUMNS)
    truth = np.vstack([np.full(ARMS, 0.1 * strength), slope])
    everybody = _columns(same, EVERYBODY)
    who = np.repeat(np.arange(customers), rounds)
    X, arm = _columns(rng, customers)[who], rng.integers(0, ARMS + 1, n)
    level = rng.normal(size=customers)[who]
    y = 1 + 0.5 * X[:, 1] + level + NOISE * (rng.exponential(size=n) - 1)
    y += np.where(arm > 0, (X @ truth)[np.arange(n), arm - 1], 0.0)
    fold = rng.permutation(customers)[who] % FOLDS
    gamma, response = _scores(X, arm, y, fold)
    own = fold[:, None] == np.arange(FOLDS)
    of_folds = np.stack([_line(X[~mine], gamma[~mine]) for mine in own.T])
    effect = np.einsum("np,npk->nk", X, of_folds[fold])
    cost = _costs(X)
    rows = PolicyRows(
        gamma - CONTACT, effect - CONTACT, cost, fold, who, tuple(range(ARMS)), response, y
    )  # fmt: skip
    return Shop(
        rows, X, everybody, everybody @ truth - CONTACT, _costs(everybody), of_folds,
        _line(X, gamma),
    )  # fmt: skip


def _columns(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.column_stack([np.ones(n), rng.normal(size=(n, COLUMNS))])


def _costs(X: np.ndarray) -> np.ndarray:
    """Return what arms charge: more for whoever buys more, as a discount does."""
    return np.exp(0.3 * X[:, [1]]) * np.linspace(0.08, 0.16, ARMS)


def _line(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.solve(X.T @ X, X.T @ y)


def _scores(
    X: np.ndarray, arm: np.ndarray, y: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return doubly robust scores of the effects, and outcomes foretold with each arm."""
    n = len(y)
    mu = np.empty((n, ARMS + 1))
    for own in range(FOLDS):
        mine = fold == own
        for k in range(ARMS + 1):
            others = ~mine & (arm == k)
            mu[mine, k] = X[mine] @ _line(X[others], y[others])
    scores = mu.copy()
    scores[np.arange(n), arm] += (y - mu[np.arange(n), arm]) * (ARMS + 1)
    return scores[:, 1:] - scores[:, :1], mu[:, 1:]


def answers(
    draws: int = 1_000, strength: float = 1.0, seed: int = 0, level: float = 0.9
) -> pd.DataFrame:
    """Return, per draw, what is said of the plan and what is true of it, per customer.

    Parameters
    ----------
    draws : int
    strength : float
        As `made_up`.
    seed : int
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        ``said, low, high`` (the money answer); ``evaluated, deployed`` (true, of the policies that
        were evaluated and of the one in use); ``naive`` (by the predictions that chose);
        ``split_width`` (of an interval where one half teaches and the other tells).
    """
    import pandas as pd

    return pd.DataFrame(
        [_answer(made_up(seed * 100_000 + draw, strength), level) for draw in range(draws)]
    )


def _answer(shop: Shop, level: float) -> dict[str, float]:
    rows = shop.rows
    said = plan_value(rows, budget=BUDGET * len(rows), level=level).profit * (1 / len(rows))
    deployed, promised = shop.adds(shop.of_all)
    return {
        "said": said.value,
        "low": said.ci_low,
        "high": said.ci_high,
        "evaluated": shop.evaluated(),
        "deployed": deployed,
        "naive": promised,
        "split_width": _split_width(shop, level),
    }


def _split_width(shop: Shop, level: float) -> float:
    """Return how wide an interval is where half of the customers teach and the others tell."""
    rows, X = shop.rows, shop.logged
    telling = rows.cluster % 2 == 1
    line = _line(X[~telling], rows.gamma[~telling] + CONTACT)
    most = BUDGET * int(telling.sum())
    choice = solve(X[telling] @ line - CONTACT, rows.cost[telling], Limits(most)).choice
    gained = np.where(choice >= 0, rows.gamma[telling, np.maximum(choice, 0)], 0.0)
    each = np.bincount(rows.cluster[telling] // 2, weights=gained - gained.mean())
    return 2 * normal_quantile(level) * float(np.sqrt((each**2).sum())) / len(gained)


@part("policy", "the money answer, made-up shops", quick={"draws": 100})
def money_holds(draws: int = 1_000) -> Iterator[Row]:
    """Yield whether the money answer's interval holds the truth, and how wide it is."""
    # Fewer draws than the bar was set for count less exactly.
    slack = 0.0 if draws >= 1_000 else 2 * float(np.sqrt(0.09 / draws))
    for strength in (1.0, 0.3, 0.0):
        found, what = answers(draws, strength), f"money answer, effects × {strength}: "
        half = (found["high"] - found["low"]).mean() / 2
        inside = found["evaluated"].between(found["low"], found["high"]).mean()
        bias = (found["said"] - found["deployed"]).mean() / (half / normal_quantile(0.9))
        yield within(f"{what}90 % interval holds", inside, 0.87 - slack, 0.93 + slack, "%")
        yield within(f"{what}bias against the policy in use", bias, -0.4, 0.1, "standard errors")
        yield at_most(f"{what}width", 2 * half / found["split_width"].mean(), 1, "× of a split")
