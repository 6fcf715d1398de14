"""Heavy-tailed money: made-up shops in which what promotions do, and a plan earns, is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.table import Row, at_least, at_most, part
from promolab.contract import Experiment
from promolab.effects import UpliftModel, effect_evidence
from promolab.metrics import aipw_scores
from promolab.policy import PolicyRows, SpendingTest, allocate, spending_test

ARMS = ("none", "mail", "coupon", "call", "gift")
CHANCES = (0.4, 0.15, 0.15, 0.15, 0.15)
CONTACT = np.array([0.05, 0.4, 1.2, 0.8])
SPREAD, CUT = 1.3, 1.1
"""Standard deviation of the log of a basket; and with a promotion that cuts the largest ones."""
DECISIONS, OTHERS, BUDGET = 30_000, 20_000, 12_000.0
SMALL_BUDGET = 4_000.0  # of a shop of 4,000 decisions
NODES = 15
"""Of the integral over what nobody sees of a customer."""


def customers(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw customers as a shop sees them: three of the columns mean nothing."""
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


def margins(X: pd.DataFrame, strength: float, *, cut: bool = False) -> np.ndarray:
    """Return the mean margin of a basket under each arm, shape (n, 5)."""
    found = np.repeat(0.35 * X["basket"].to_numpy()[:, None], len(ARMS), axis=1)
    if strength:
        found[:, 2] = np.maximum(found[:, 2] - 1.5, 0.1)
    found[:, 1:] *= np.exp((CUT**2 - SPREAD**2) / 2) if cut else 1.0
    return found


def made_up(
    seed: int | np.random.Generator,
    decisions: int = DECISIONS,
    strength: float = 1.6,
    *,
    cut: bool = False,
) -> Experiment:
    """Draw a shop's randomised decisions: arms change who buys, and baskets are unequal.

    Parameters
    ----------
    seed : int or Generator
    decisions : int
    strength : float
        Of the effects; 0 for none.
    cut : bool
        Whether promotions make baskets less unequal, so that the largest ones are lost.
    """
    rng, row = np.random.default_rng(seed), np.arange(decisions)
    X, hidden = customers(rng, decisions), rng.normal(size=decisions)
    codes = rng.choice(len(ARMS), decisions, p=CHANCES)
    buys = rng.random(decisions) < chances(X, hidden, strength)[row, codes]
    spread = np.where((codes > 0) & cut, CUT, SPREAD)
    luck = np.exp(spread * rng.normal(size=decisions) - SPREAD**2 / 2)
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


def earned(value: np.ndarray, true: np.ndarray, budget: float, gate: SpendingTest | bool) -> float:
    """Return what a plan by these values truly earns; both are less the contacts."""
    cost = np.tile(CONTACT, (len(value), 1))
    choice = allocate(value, cost, budget=budget, pays=gate).choice
    got = np.flatnonzero(choice >= 0)
    return float(true[got, choice[got]].sum())


def of_attainable(seed: int, learner: str | None = None) -> float:
    """Return what a plan for others by predicted effects earns, over what can be attained."""
    others = customers(np.random.default_rng([seed, 1]), OTHERS)
    true = true_effects(others) - CONTACT
    model = UpliftModel("dr", learner, seed=seed).fit(made_up(seed))
    mine = earned(model.predict(others) - CONTACT, true, BUDGET, True)
    return mine / earned(true, true, BUDGET, True)


@part("uplift", "made-up shops of heavy-tailed money")
def heavy_money(shops: int = 4) -> Row:
    """Return whether the default finds whom promotions change where baskets are unequal."""
    found, ridge = (
        [of_attainable(seed, learner) for seed in range(shops)] for learner in (None, "ridge")
    )
    what = f"{shops} made-up shops, four kinds, log-normal baskets: true profit of a plan by "
    what += "UpliftModel's default, in the mean (≥ 0.7 in the least)"
    told = f"least {min(found):.2f}; ridge {np.mean(ridge):.2f}"
    mean, unit = float(np.mean(found)), "× attainable oracle"
    return at_least(what, mean, 0.8, unit, told, also=min(found) >= 0.7)


@dataclass(frozen=True)
class Trial:
    """What came of a shop's plan.

    Parameters
    ----------
    pays : SpendingTest
    gated, ungated : float
        What the plan truly earns, and that of effects taken as they are, in money.
    at_any_rate : float
        What the plan would earn if it were carried out whatever is said.
    """

    pays: SpendingTest
    gated: float
    ungated: float
    at_any_rate: float


def gated(seed: int, decisions: int, effects: float, *, cut: bool = False) -> Trial:
    """Log decisions that chance made, plan for others, and add up what that truly earns."""
    rng = np.random.default_rng([seed, decisions, int(100 * effects), cut])
    trial, budget = made_up(rng, decisions, effects, cut=cut), SMALL_BUDGET
    evidence = effect_evidence(trial)
    assert evidence is not None and trial.propensity is not None
    rows, cost = np.arange(decisions), np.tile(CONTACT, (decisions, 1))
    gamma, fold = aipw_scores(trial.y(), trial.codes, trial.propensity) - cost, rows % 5
    sums = np.stack([gamma[fold == k].sum(axis=0) for k in range(5)])
    average = ((sums.sum(axis=0) - sums) / (0.8 * decisions))[fold]  # of the other folds
    log = PolicyRows(
        gamma, average, cost, fold, rows, ARMS[1:], evidence=evidence, known=trial.X, contact=cost
    )
    pays = spending_test(log, customers=OTHERS, budget=budget)
    others, hidden = customers(rng, OTHERS), rng.normal(size=OTHERS)
    money = chances(others, hidden, effects) * margins(others, effects, cut=cut)
    true = money[:, 1:] - money[:, :1] - CONTACT
    effect = evidence.effects(others)
    drawn = (1 - evidence.nothing()) * effect - CONTACT
    return Trial(
        pays,
        earned(drawn, true, budget, pays),
        earned(effect - CONTACT, true, budget, True),
        earned(drawn, true, budget, True),
    )


@part("policy", "the gate of spending, made-up shops")
def spending_gates(shops: int = 300) -> Iterator[Row]:
    """Yield how often money is spent without effects and with some, and how often that loses."""
    for effects, least in ((0.0, 0.0), (0.8, 0.6), (1.6, 0.9)):
        found = [gated(seed, 4_000, effects) for seed in range(shops)]
        spending = [one for one in found if one.pays]
        what, share = f"{shops} shops of 4,000 decisions, effects {effects}", len(spending) / shops
        yield (
            at_least(f"{what}: spend", share, least, "%")
            if effects
            else at_most(f"{what}: spend", share, 0.05, "%")
        )
        lost = sum(one.gated < 0 for one in spending) / max(len(spending), 1)
        yield at_most(f"{what}: of those that spend lose", lost, 0.2, "%")
