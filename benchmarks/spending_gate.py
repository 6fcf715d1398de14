"""Whether money is spent where it earns some, in made-up shops whose baskets have heavy tails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.table import Row
from promolab import allocate
from promolab.contract import Experiment
from promolab.effects import UpliftModel, effect_evidence
from promolab.metrics import aipw_scores
from promolab.policy import Allocation, PolicyRows, SpendingTest, spending_test

ARMS = ("mail", "coupon", "call", "gift")
CONTACT = np.array([0.05, 0.4, 1.2, 0.8])
CHANCES = np.array([0.4, 0.15, 0.15, 0.15, 0.15])
SPREAD, CUT = 1.3, 1.1
"""Standard deviation of the log of a basket; and with a promotion that cuts the largest ones."""
OTHERS = 20_000
BUDGET = {4_000: 4_000.0, 30_000: 12_000.0}
NEVER, LOSING, APART, BIN = 0.05, 0.2, 0.15, 40
SHOPS, AVERAGED = {4_000: 900, 30_000: 150}, 150
"""Shops of each size of effects, none among them, and how many of them averages plan for, too."""
SEEN = {4_000: {0.8: 0.6, 1.6: 0.9}, 30_000: {0.8: 0.9, 1.6: 0.9}}


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
    averaged : float
        What the plan of `promolab.UpliftModel` alone earns, without a gate; nan if not asked.
    """

    pays: SpendingTest
    gated: float
    ungated: float
    at_any_rate: float
    averaged: float


def customers(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw what is known of customers, and what is not."""
    known = {
        "freq": rng.gamma(1.5, 2, n), "recency": rng.exponential(8, n),
        "age": rng.uniform(18, 80, n), "basket": np.exp(rng.normal(3, 0.7, n)),
        "web": rng.integers(0, 2, n).astype(float),
    }  # fmt: skip
    noise = {f"noise_{k}": rng.normal(size=n) for k in range(3)}
    return pd.DataFrame(known | noise), rng.normal(size=n)


def truth(X: pd.DataFrame, hidden: np.ndarray, effects: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the chance of buying and the mean margin of a basket with none and each arm."""
    f, recency, age, basket, web = (X[name].to_numpy() for name in X.columns[:5])
    moved = np.column_stack([
        0 * f, 0.15 + 0.3 * web - 0.25 * (age > 60), 0.7 * (recency > 8) - 0.1 * (f > 4) + 0.15,
        0.2 + (age > 55) - 0.5 * web * (f < 2), 0.5 * (f > 3) + 0.25 * hidden + 0.1,
    ])  # fmt: skip
    line = -1.6 + 0.25 * f - 0.06 * recency + 0.5 * hidden
    margin = np.repeat(0.35 * basket[:, None], 5, axis=1)
    if effects:
        margin[:, 2] = np.maximum(margin[:, 2] - 1.5, 0.1)
    return 1 / (1 + np.exp(-(line[:, None] + effects * moved))), margin


def gated(
    seed: int, decisions: int, effects: float, cut: bool = False, *, averages: bool = True
) -> Trial:
    """Log decisions that chance made, plan for others, and add up what that truly earns.

    Parameters
    ----------
    seed, decisions : int
    effects : float
        0 for none.
    cut : bool
        Whether promotions make baskets less unequal, so that the largest ones are lost.
    averages : bool
        Whether averages plan, too.
    """
    rng = np.random.default_rng([seed, decisions, int(100 * effects), cut])
    X, hidden = customers(rng, decisions)
    rows, arm = np.arange(decisions), rng.choice(5, decisions, p=CHANCES)
    buys, margin = (each[rows, arm] for each in truth(X, hidden, effects))
    spread = np.where((arm > 0) & cut, CUT, SPREAD)
    y = (rng.random(decisions) < buys) * margin
    y *= np.exp(spread * rng.normal(size=decisions) - SPREAD**2 / 2)
    frame, chances = X.assign(customer_id=rows, arm=arm, y=y), np.tile(CHANCES, (decisions, 1))
    trial = Experiment(frame, "arm", 0, [*X.columns], ["y"], propensity=chances)
    evidence = effect_evidence(trial)
    assert evidence is not None
    cost = np.tile(CONTACT, (decisions, 1))
    gamma, fold = aipw_scores(y, arm, chances) - cost, rows % 5
    sums = np.stack([gamma[fold == k].sum(axis=0) for k in range(5)])
    average = ((sums.sum(axis=0) - sums) / (0.8 * decisions))[fold]  # of the other folds
    log = PolicyRows(
        gamma, average, cost, fold, rows, ARMS, evidence=evidence, known=X, contact=cost
    )
    pays = spending_test(log, customers=OTHERS, budget=BUDGET[decisions])
    others, unseen = customers(rng, OTHERS)
    buys, margin = truth(others, unseen, effects)
    margin[:, 1:] *= np.exp((CUT**2 - SPREAD**2) / 2) if cut else 1.0
    true = (buys * margin)[:, 1:] - (buys * margin)[:, :1] - CONTACT
    effect, charged = evidence.effects(others), np.tile(CONTACT, (OTHERS, 1))

    def earned(value: np.ndarray, gate: SpendingTest | bool) -> float:
        plan: Allocation = allocate(value, charged, budget=BUDGET[decisions], pays=gate)
        got = np.flatnonzero(plan.choice >= 0)
        return float(true[got, plan.choice[got]].sum())

    drawn = (1 - evidence.nothing()) * effect - charged
    found = [earned(drawn, pays), earned(effect - charged, True), earned(drawn, True)]
    if not averages:
        return Trial(pays, *[*found, float("nan")])
    model = UpliftModel("dr", "ridge").fit(trial, despite=["sample ratio"])  # 1 of 1,000 by chance
    return Trial(pays, *[*found, earned(model.predict(others) - charged, True)])


def said_and_lost(found: list[Trial]) -> pd.DataFrame:
    """Return the chance of a loss said, beside the share that lost, in five bins of shops."""
    table = pd.DataFrame(
        {"said": [one.pays.loss for one in found if one.at_any_rate],
         "lost": [one.at_any_rate < 0 for one in found if one.at_any_rate]}
    )  # fmt: skip
    bins = pd.cut(table["said"], [0, 0.05, 0.2, 0.5, 0.8, 1.0], include_lowest=True)
    told = table.groupby(bins, observed=True).agg(
        said=("said", "mean"), lost=("lost", "mean"), shops=("said", "size")
    )
    return told[told["shops"] >= BIN]


def spending_gates(null: int = 300, most: int | None = None) -> Iterator[Row]:
    """Yield how often money is spent with and without effects, and what comes of it.

    Parameters
    ----------
    null : int
        Shops without effects at least.
    most : int, optional
        Shops of each size of effects, where fewer than `SHOPS` will do.
    """
    for decisions, bars in SEEN.items():
        what, shops = f"spending gate, {decisions:,} decisions", most or SHOPS[decisions]
        by = {
            s: [
                gated(k, decisions, s, averages=k < AVERAGED)
                for k in range(shops if s else max(null, shops))
            ]
            for s in (0.0, *bars)
        }
        for s, found in by.items():
            spends = float(np.mean([bool(one.pays) for one in found]))
            fine = spends >= bars[s] if s else spends <= NEVER
            bar = f"≥ {bars[s]:.0%}" if s else f"≤ {NEVER:.0%}"
            yield Row(f"{what}: effects {s}: {len(found)} shops, spend", bar, f"{spends:.1%}", fine)
        spending = [one for found in by.values() for one in found if one.pays]
        lost = float(np.mean([one.gated < 0 for one in spending]))
        yield Row(f"{what}: of those that spend lose", f"≤ {LOSING:.0%}", f"{lost:.1%}",
                  lost <= LOSING)  # fmt: skip
        earned = {
            name: np.array([[getattr(one, name) for one in found[:shops]] for found in by.values()])
            for name in ("gated", "ungated", "averaged")
        }
        mean = {n: float(np.nanmean(values, axis=1).sum()) for n, values in earned.items()}
        worst = {name: float(values.min()) for name, values in earned.items()}
        apart = earned["gated"] - earned["ungated"]
        error = float(np.sqrt((apart.var(axis=1, ddof=1) / shops).sum()))
        yield Row(
            f"{what}: true profit of a shop of each, summed",
            f"≥ {mean['ungated']:,.0f} without a gate, less one standard error of {error:,.0f}",
            f"{mean['gated']:,.0f} (worst shop {worst['gated']:,.0f}, without "
            f"{worst['ungated']:,.0f}; by averages without {mean['averaged']:,.0f})",
            mean["gated"] >= mean["ungated"] - error,
        )
        told = said_and_lost([one for found in by.values() for one in found[:shops]])
        off = float((told["said"] - told["lost"]).abs().max())
        listed = ", ".join(f"{s:.2f} → {x:.2f}" for s, x in told[["said", "lost"]].to_numpy())
        yield Row(f"{what}: chance of a loss said → lost, bins of ≥ {BIN} shops",
                  f"within {APART}", listed, off <= APART)  # fmt: skip
        found = [gated(k, decisions, 0.8, cut=True) for k in range(min(shops, AVERAGED) // 3)]
        spending = [one for one in found if one.pays]
        said = float(np.mean([one.pays.loss for one in spending] or [0.0]))
        lost = sum(one.gated < 0 for one in spending) / max(len(spending), 1)
        yield Row(
            f"{what}: promotions cut the largest baskets, {len(found)} shops, spend", "≤ 50%",
            f"{len(spending) / len(found):.0%}; of them said to lose {said:.0%}, lost {lost:.0%}",
            len(spending) <= len(found) / 2,
        )  # fmt: skip
