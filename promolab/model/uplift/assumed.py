"""Covariates that nobody named: whether they may have been measured after the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.contract.roles import names_a_result
from promolab.metrics.alone import auc_alone, r_squared_alone
from promolab.model.uplift.before import DOUBTFUL, UNLIKELY
from promolab.model.uplift.checks_result import ASSUMED, Check
from promolab.model.uplift.figures import p_words

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

__all__ = ["check_assumed"]

DETERMINED = 0.9
"""Share of an outcome's variance that hardly anything known before it tells: a correlation of 0.95.
"""
RANKED = 0.95
"""AUC with which hardly anything known before ranks whether there is an outcome at all."""
RARE = 20
"""Rows with, and without, an outcome that an AUC needs."""
SOME = 12
"""Covariates that fit into a sentence on what to write."""


def check_assumed(experiment: Experiment, balance: pd.DataFrame) -> Check:
    """Name the covariates that nobody named; refuse those that look measured afterwards.

    A covariate that the arms change takes a part of their effect away, or makes one up
    (Rosenbaum 1984, "The consequences of adjustment for a concomitant variable that has been
    affected by the treatment", Journal of the Royal Statistical Society A 147). Three signs of it:
    its name, that it nearly determines an outcome, and, where chance assigned the arms, that it
    differs between them (the smallest of several p values is one of several: Bonferroni).

    Parameters
    ----------
    experiment : Experiment
    balance : DataFrame
        From `balance_table`.
    """
    p_values = _by_covariate(experiment, balance) if experiment.randomised else {}
    signs = {name: _signs(experiment, name, p_values.get(name, 1.0)) for name in experiment.assumed}
    signs = {name: found for name, found in signs.items() if found}
    least = min(p_values.values(), default=float("nan"))
    if signs:
        each = [f"{name}, which {_listed(found)}" for name, found in signs.items()]
        return Check(
            ASSUMED, "refused",
            f"Taken as known before the decision, but named by nobody: {'; '.join(each)}. "
            f"{_what_to_do(experiment, list(signs))}", float(len(signs)), least,
        )  # fmt: skip
    told = (
        "Taken as known before the decision, for nobody named the covariates: "
        f"{', '.join(experiment.assumed)}."
    )
    if least < DOUBTFUL:
        worst = min(p_values, key=lambda name: p_values[name])
        return Check(
            ASSUMED, "warning",
            f"{told} One differs between the arms more than is likely ({p_words(least)}): {worst}. "
            "If it was measured afterwards, name the covariates without it.", 0.0, least,
        )  # fmt: skip
    return Check(ASSUMED, "passed", told, 0.0, least)


def _by_covariate(experiment: Experiment, balance: pd.DataFrame) -> dict[str, float]:
    """Return the p value of each assumed covariate's difference between arms, for all at once."""
    mine = balance[balance["source"].isin(experiment.assumed)]
    least = mine.groupby("source")["p_value"].min()
    return {str(name): min(1.0, p * len(mine)) for name, p in least.items() if np.isfinite(p)}


def _signs(experiment: Experiment, name: str, p_value: float) -> list[str]:
    found = []
    if names_a_result(name):
        found.append("is named like something measured after it")
    determined = [o for o in experiment.outcomes if _determines(experiment, name, o)]
    if determined:
        found.append(f"nearly determines {', '.join(determined)}")
    if p_value < UNLIKELY:
        found.append(f"differs between the arms although chance assigned them ({p_words(p_value)})")
    return found


def _determines(experiment: Experiment, name: str, outcome: str) -> bool:
    column, y = experiment.frame[name], experiment.y(outcome)
    some = np.where(np.isnan(y), np.nan, y != 0)
    ranks = min((some == 1).sum(), (some == 0).sum()) >= RARE
    if ranks and auc_alone(column, some) >= RANKED:
        return True
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    return not binary and r_squared_alone(column, y) >= DETERMINED


def _what_to_do(experiment: Experiment, doubted: list[str]) -> str:
    it, was = ("it", "it was") if len(doubted) == 1 else ("them", "they were")
    rest = [name for name in experiment.covariates if name not in doubted]
    without, with_it = f"covariates={rest}", f"covariates={[*rest, *doubted]}"
    if len(experiment.covariates) > SOME:
        without, with_it = f"covariates= all but {it}", f"covariates= with {it} among the others"
    return (
        f"If {was} measured afterwards, say what was known before ({without}); {it} can be an "
        f"outcome. If {was} known before, say so: {with_it}."
    )


def _listed(signs: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(signs[:-1]), signs[-1]]))
