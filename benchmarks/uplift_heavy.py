"""Heavy-tailed money: what a plan by predicted effects is truly worth, in made-up shops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

MEAN, LEAST = 0.80, 0.70
SHOPS, DECISIONS, OTHERS, BUDGET = 4, 30_000, 20_000, 12_000.0
ARMS = ("none", "mail", "coupon", "call", "gift")
CHANCES = (0.4, 0.15, 0.15, 0.15, 0.15)
CONTACT = np.array([0.05, 0.4, 1.2, 0.8])
SIGMA, MARGIN, OFF = 1.3, 0.35, 1.5
NODES = 15
"""Of the integral over what nobody sees of a customer."""


def customers(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw customers as a shop sees them: three of the columns mean nothing."""
    import pandas as pd

    return pd.DataFrame(
        {
            "freq": rng.gamma(1.5, 2, n),
            "recency": rng.exponential(8, n),
            "age": rng.uniform(18, 80, n),
            "basket": np.exp(rng.normal(3, 0.7, n)),
            "web": rng.integers(0, 2, n).astype(float),
            **{f"noise_{k}": rng.normal(size=n) for k in range(3)},
        }
    )


def chances(X: pd.DataFrame, hidden: np.ndarray, strength: float) -> np.ndarray:
    """Return the chance of buying under each arm, shape (n, 5)."""
    from scipy.special import expit

    freq, recency, age, web = (X[name].to_numpy() for name in ("freq", "recency", "age", "web"))
    moved = np.column_stack(
        [
            np.zeros(len(X)),
            0.15 + 0.3 * web - 0.25 * (age > 60),
            0.7 * (recency > 8) - 0.1 * (freq > 4) + 0.15,
            0.2 + (age > 55) - 0.5 * web * (freq < 2),
            0.5 * (freq > 3) + 0.25 * hidden + 0.1,
        ]
    )
    line = -1.6 + 0.25 * freq - 0.06 * recency + 0.5 * hidden
    return np.asarray(expit(line[:, None] + strength * moved))


def margins(X: pd.DataFrame, strength: float) -> np.ndarray:
    """Return the mean margin of a basket under each arm, shape (n, 5)."""
    found = np.repeat(MARGIN * X["basket"].to_numpy()[:, None], len(ARMS), axis=1)
    if strength:
        found[:, 2] = np.maximum(found[:, 2] - OFF, 0.0)
    return found


def made_up(seed: int, decisions: int = DECISIONS, strength: float = 1.6) -> Experiment:
    """Draw a shop's randomised decisions: arms change who buys, and baskets are unequal."""
    from promolab.contract import Experiment

    rng = np.random.default_rng(seed)
    X, codes = customers(rng, decisions), rng.choice(len(ARMS), decisions, p=CHANCES)
    row = np.arange(decisions)
    buys = rng.random(decisions) < chances(X, rng.normal(size=decisions), strength)[row, codes]
    luck = np.exp(SIGMA * rng.normal(size=decisions) - SIGMA**2 / 2)
    money = buys * margins(X, strength)[row, codes] * luck
    rows = X.assign(customer_id=row, arm=np.array(ARMS)[codes], margin=money)
    even = np.tile(CHANCES, (decisions, 1))
    return Experiment(rows, "arm", "none", list(X.columns), ["margin"], arms=ARMS, propensity=even)


def true_effects(X: pd.DataFrame, strength: float = 1.6) -> np.ndarray:
    """Return what each arm adds on average to customers who look alike, shape (n, 4)."""
    points, weights = np.polynomial.hermite_e.hermegauss(NODES)
    share = weights / weights.sum()
    buys = sum(
        part * chances(X, np.full(len(X), point), strength)
        for point, part in zip(points, share, strict=True)
    )
    money = np.asarray(buys * margins(X, strength))
    return np.asarray(money[:, 1:] - money[:, :1])


def of_attainable(
    seed: int,
    learner: str | None = None,
    decisions: int = DECISIONS,
    strength: float = 1.6,
    budget: float = BUDGET,
) -> float:
    """Return what a plan for others by predicted effects earns, over what can be attained."""
    from promolab.effects import UpliftModel
    from promolab.policy import allocate

    others = customers(np.random.default_rng([seed, 1]), OTHERS)
    true = true_effects(others, strength) - CONTACT
    model = UpliftModel("dr", learner, seed=seed).fit(made_up(seed, decisions, strength))
    cost = np.tile(CONTACT, (OTHERS, 1))

    def earned(value: np.ndarray) -> float:
        choice = allocate(value, cost, budget=budget, pays=True).choice
        got = np.flatnonzero(choice >= 0)
        return float(true[got, choice[got]].sum())

    return earned(model.predict(others) - CONTACT) / earned(true)


def heavy_money(shops: int = SHOPS) -> Iterator[Row]:
    """Yield whether the default finds whom promotions change where baskets are unequal."""
    found = np.array([of_attainable(seed) for seed in range(shops)])
    others = {
        name: np.mean([of_attainable(seed, name) for seed in range(shops)])
        for name in ("ridge", "linear", "pooled")
    }
    told = ", ".join(f"{name} {share:.2f}" for name, share in others.items())
    yield Row(
        f"{shops} made-up shops, {DECISIONS:,} decisions, four kinds, log-normal baskets (σ "
        f"{SIGMA}): true profit of a plan by UpliftModel's default",
        f"≥ {MEAN} × attainable oracle in the mean, ≥ {LEAST} in the least",
        f"{found.mean():.3f} × ({', '.join(f'{each:.2f}' for each in found)}; {told})",
        bool(found.mean() >= MEAN and found.min() >= LEAST),
    )
