"""Were the arms alike before the promotion: in covariates, and in the outcome's own past?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.model.uplift.checks_result import NOTABLE, Check
from promolab.model.uplift.contrasts import arm_contrast, comparable_columns
from promolab.model.uplift.figures import p_words, signed, spoken
from promolab.wording import arm_words, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

__all__ = ["DOUBTFUL", "UNLIKELY", "balance_table", "check_balance", "check_placebo"]

UNLIKELY = 0.001
"""p value below which a check refuses: one sound experiment in a thousand does so by chance."""
DOUBTFUL = 0.01
LARGE = 0.25
"""Difference in standard deviations too large to adjust for (Stuart 2010)."""


def balance_table(
    experiment: Experiment, chances: np.ndarray, kept: np.ndarray
) -> tuple[pd.DataFrame, list[tuple[float, int, float]]]:
    """Return how far the arms differ in each covariate, and a joint test per arm.

    Parameters
    ----------
    experiment : Experiment
    chances : ndarray of shape (n, K)
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count in each arm's average.
    """
    import pandas as pd

    values, names, sources = comparable_columns(experiment.X)
    tables, joint = [], []
    size = np.bincount(experiment.codes, minlength=experiment.K)
    for arm in range(1, experiment.K):
        if not names or not size[arm] or not size[0]:
            joint.append((float("nan"), 0, float("nan")))
            continue
        raw, weighted, p_values, test = arm_contrast(
            values, experiment.codes, chances, arm, experiment.cluster, kept[:, arm - 1]
        )
        columns = {"column": names, "source": sources, "raw": raw, "weighted": weighted}
        columns |= {"p_value": p_values}
        tables.append(pd.DataFrame({"arm": experiment.arms[arm], **columns}))
        joint.append(test)
    empty = pd.DataFrame(columns=["arm", "column", "source", "raw", "weighted", "p_value"])
    return (pd.concat(tables, ignore_index=True) if tables else empty), joint


def check_balance(
    experiment: Experiment, balance: pd.DataFrame, joint: list[tuple[float, int, float]]
) -> Check:
    """Say whether covariates are alike in the arms, given the chances."""
    name = "balance"
    if not len(balance):
        return Check(name, "not possible", "There is no covariate that varies.")
    size = balance["weighted"].abs()
    worst = balance.iloc[int(size.argmax())]
    told = (
        f"{spoken(worst['column'])} differs most, by {signed(worst['weighted'])} sd in "
        f"{arm_words(worst['arm'])}"
    )
    value = float(size.max())
    if not experiment.randomised:
        raw = float(balance["raw"].abs().max())
        if value > LARGE:
            return Check(
                name, "refused",
                f"Weighting does not make the arms alike: {told}. Add what decided who got which "
                "arm to the covariates, or compare those alone who are alike.", value,
            )  # fmt: skip
        verdict = "warning" if value > NOTABLE else "passed"
        return Check(name, verdict, f"After weighting {told} (before it up to {raw:.2f}).", value)
    # A joint test per arm; the smallest of several p values is one of several.
    usable = [(s, d, p) for s, d, p in joint if d and experiment.customers > 5 * d]
    if not usable:
        return Check(name, "not possible", "There are too few customers for so many covariates.")
    p = min(1.0, len(usable) * min(p for _, _, p in usable))
    if p < UNLIKELY:
        return Check(
            name, "refused",
            f"The arms differ before the promotion by more than chance ({p_words(p)}): {told}. "
            "Assignment was not the stated one, or a covariate was measured after it.", value, p,
        )  # fmt: skip
    verdict = "warning" if p < DOUBTFUL else "passed"
    return Check(name, verdict, f"Covariates (jointly {p_words(p)}): {told}.", value, p)


def check_placebo(experiment: Experiment, chances: np.ndarray, kept: np.ndarray) -> Check:
    """Say whether there is an effect on what was measured before the promotion."""
    name = "placebo"
    if not experiment.placebo:
        return Check(name, "not possible", "Nothing was measured before as the outcome was after.")
    found: list[tuple[float, float, Any, str]] = []
    for column in experiment.placebo:
        y = experiment.y(column)
        known = np.isfinite(y)
        if known.sum() < 2 or y[known].std() == 0:
            continue
        codes = experiment.codes[known]
        size = np.bincount(codes, minlength=experiment.K)
        standard = ((y[known] - y[known].mean()) / y[known].std())[:, None]
        for arm in range(1, experiment.K):
            if size[arm] and size[0]:
                _, difference, p, _ = arm_contrast(
                    standard, codes, chances[known], arm, experiment.cluster[known],
                    kept[known, arm - 1],
                )  # fmt: skip
                found.append((float(p[0]), float(difference[0]), experiment.arms[arm], column))
    if not found:
        return Check(name, "not possible", "What was measured before does not vary.")
    least, off, arm, column = min(found, key=lambda one: (one[0], str(one[2]), one[3]))
    chance = min(1.0, least * len(found))
    words = f"{p_words(chance)}, of {plural(len(found), 'test')}"
    told = f"{spoken(column)} differs most, by {signed(off, 3)} sd in {arm_words(arm)} ({words})"
    if chance < UNLIKELY and (experiment.randomised or abs(off) > NOTABLE):
        return Check(
            name, "refused",
            f"There is an effect on what came before the promotion: {told}. What follows cannot be "
            "told apart from it.", off, chance,
        )  # fmt: skip
    verdict = "warning" if chance < DOUBTFUL else "passed"
    return Check(name, verdict, f"Before the promotion {told}.", off, chance)
