"""What a plan is said to add, beside what it truly adds: made-up shops by the thousand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row
from promolab.policy import PolicyRows, plan_value, solve, spending_test
from promolab.policy.frontier import Limits
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

ARMS, COLUMNS, FOLDS, NOISE = 3, 5, 5, 2.0
CONTACT, BUDGET = 0.02, 0.04
"""A contact's cost, and the budget per decision: it pays for about a third of the customers."""
COVERED, BIASED = (0.87, 0.93), (-0.4, 0.1)
EVERYBODY = 5_000
"""Customers of whom the truth is told."""
NEVER, NULL_CUSTOMERS = 0.05, 2_000


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


def money_holds(draws: int = 1_000) -> Iterator[Row]:
    """Yield whether the money answer's interval holds the truth, and how wide it is."""
    # Fewer draws than the bar was set for count less exactly.
    slack = 0.0 if draws >= 1_000 else 2 * float(np.sqrt(0.09 / draws))
    low, high = COVERED[0] - slack, COVERED[1] + slack
    for strength, which in ((1.0, "effects"), (0.3, "small effects"), (0.0, "no effects")):
        found = answers(draws, strength)
        inside = (found["low"] <= found["evaluated"]) & (found["evaluated"] <= found["high"])
        deployed = (found["low"] <= found["deployed"]) & (found["deployed"] <= found["high"])
        half = (found["high"] - found["low"]).mean() / 2
        error = half / normal_quantile(0.9)
        bias, naive = (
            float((found[name] - found["deployed"]).mean() / error) for name in ("said", "naive")
        )
        width = 2 * half / found["split_width"].mean()
        what = f"money answer, {which}, {draws:,} draws"
        yield Row(
            f"{what}: 90 % interval covers",
            f"{low:.0%} – {high:.0%}",
            f"{inside.mean():.1%} (of the policy in use {deployed.mean():.1%})",
            bool(low <= inside.mean() <= high),
        )
        yield Row(
            f"{what}: bias against the policy in use",
            f"{BIASED[0]} – +{BIASED[1]} standard errors",
            f"{bias:+.2f} (by the predictions that chose {naive:+.2f})",
            BIASED[0] <= bias <= BIASED[1],
        )
        yield Row(
            f"{what}: width beside that of a 50:50 split",
            "≤ 1.0 ×",
            f"{width:.2f} ×",
            bool(width <= 1.0),
        )


def spending_nothing(shops: int = 200, strength: float = 0.0) -> list[bool]:
    """Return of which small made-up shops it is said that spending pays."""
    drawn = (made_up(seed, strength).rows for seed in range(shops))
    return [bool(spending_test(rows, budget=BUDGET * len(rows))) for rows in drawn]


def spends_in_a_null_shop(seed: int, customers: int = NULL_CUSTOMERS) -> bool | None:
    """Return whether it is said to pay to spend on contacts in a simulated shop without effects.

    None where a check refuses the shop's decisions.
    """
    import torch

    from promolab import UpliftModel, load_shop
    from promolab.features import decisions_experiment

    torch.set_num_threads(1)  # the shops run side by side
    shop = load_shop("simulated", customers=customers, variant="null", seed=seed)
    model = UpliftModel(seed=seed)
    model.fit(decisions_experiment(shop, by="kind", early=True), refuse=False)
    if model.why_ is not None:
        return None
    mean = shop.promotions.execute().groupby("kind")["contact_cost"].mean()
    contact = {kind: float(mean[kind]) for kind in model.treatments_}
    return bool(spending_test(PolicyRows.of_model(model, cost=contact, contact_cost=contact)))


def nothing_is_spent(shops: int = 200, customers: int = NULL_CUSTOMERS) -> Iterator[Row]:
    """Yield how often it is said to pay where nothing does anything."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        told = list(pool.map(spends_in_a_null_shop, range(shops), [customers] * shops))
    for what, found in (
        (f"{shops} null shops of {customers:,} customers", [x for x in told if x is not None]),
        (f"{shops} small made-up shops without effects", spending_nothing(shops)),
    ):
        yield Row(
            f"spending nothing: {what}: spend",
            f"≤ {NEVER:.0%}",
            f"{sum(found) / len(found):.1%} of {len(found)}",
            sum(found) <= NEVER * len(found),
        )
