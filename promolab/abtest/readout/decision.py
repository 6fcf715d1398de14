"""What the rows of an experiment amount to: better, worse, not told apart; guardrails kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promolab.abtest.analysis import ArmComparison, Metric
from promolab.abtest.analysis.metric import ALONE, CORRECTIONS, HOLM
from promolab.abtest.sequential import p_at_any_time
from promolab.checks import choice
from promolab.effects import spoken
from promolab.results import Estimate, Result, words_of
from promolab.stats import benjamini_hochberg, holm

BETTER, WORSE, NOT_WORSE, OPEN = "better", "worse", "not worse", "not told apart"
ROOM = 0.05
"""Of half a 95 % interval, beyond it: an effect worth finding is given up in 2 %, not in 2.5."""
KEPT, BROKEN, UNSURE = "kept", "broken", "not sure"


def adjusted(p_values: Sequence[float], method: str = HOLM) -> np.ndarray:
    """Return p values adjusted for their number.

    Parameters
    ----------
    p_values : sequence of float
        A missing one stays missing.
    method : {"holm", "benjamini-hochberg", "none"}
        Holm bounds the chance of any false alarm, Benjamini–Hochberg the false share of alarms.

    Examples
    --------
    >>> adjusted([0.01, 0.04, 0.02]).tolist(), adjusted([0.01, 0.04], "none").tolist()
    ([0.03, 0.04, 0.04], [0.01, 0.04])
    """
    p = np.asarray(p_values, dtype=float)
    choice("multiplicity", method, CORRECTIONS)
    if method == ALONE:
        return p
    return holm(p) if method == HOLM else benjamini_hochberg(p)


def gain_of(row: ArmComparison, metric: Metric) -> Estimate:
    """Return the difference such that more is better, whichever way is good."""
    return row.difference if metric.good == "up" else row.difference * -1


def p_of_gain(row: ArmComparison, metric: Metric, part: float | None = None) -> float:
    """Return the two-sided p value of no difference; with a margin, of being worse by it.

    With a margin it is twice the one-sided one, so that 0.05 means for both that one in forty is
    called better, or not worse, that is none.

    Parameters
    ----------
    row : ArmComparison
    metric : Metric
    part : float, optional
        Of an experiment that may be looked at at any time: how much of it there is
        (`p_at_any_time`).
    """
    from scipy.special import stdtr

    if not row.std_error > 0 or (metric.margin is None and part is None):
        return row.p
    above = (gain_of(row, metric).value + (metric.margin or 0.0)) / row.std_error
    if part is not None:
        if not math.isfinite(row.difference.ci_high):  # before the burn-in
            return 1.0
        if metric.margin is not None and above <= 0:
            return 1.0
        return p_at_any_time(abs(above), part, 1 - row.level)
    return float(min(1.0, 2 * stdtr(row.degrees, -above)))


def with_adjusted(
    rows: Iterable[ArmComparison],
    metrics: Mapping[str, Metric],
    deciding: Sequence[str],
    guardrails: Sequence[str],
    method: str,
    parts: Mapping[str, float] | None = None,
) -> tuple[ArmComparison, ...]:
    """Return the rows with their adjusted p values.

    The metrics that decide are one family over all arms, the others a second one; guardrails are in
    none: what protects from false wins must not hide harm.

    Parameters
    ----------
    rows : iterable of ArmComparison
    metrics : mapping of str to Metric
    deciding, guardrails : sequence of str
    method : str
        As `adjusted` takes it.
    parts : mapping of str to float, optional
        Arm → how much of a sequential experiment there is (`p_at_any_time`).
    """
    found = list(rows)
    families: dict[bool, list[int]] = {True: [], False: []}
    for place, row in enumerate(found):
        if row.metric not in guardrails:
            families[row.metric in deciding].append(place)
    for places in families.values():
        p = [
            p_of_gain(found[i], metrics[found[i].metric], (parts or {}).get(found[i].arm))
            for i in places
        ]
        for i, value in zip(places, adjusted(p, method) if p else (), strict=True):
            found[i] = replace(found[i], p_adjusted=float(value))
    return tuple(found)


def state_of(row: ArmComparison, metric: Metric) -> str:
    """Return ``better``, ``worse``, ``not worse`` (by its margin) or ``not told apart``."""
    gain, alpha = gain_of(row, metric), 1 - row.level
    shown = row.p_adjusted <= alpha
    if metric.margin is None:
        return OPEN if not shown else BETTER if gain.value > 0 else WORSE
    if shown:
        return BETTER if gain.ci_low > 0 else NOT_WORSE
    return WORSE if gain.ci_high < -metric.margin else OPEN


def is_futile(row: ArmComparison, metric: Metric) -> bool:
    """Return whether the interval excludes the smallest effect worth finding, by `ROOM`.

    Never where none is stated, nor with a margin: not to be worse is worth finding there.
    """
    gain = gain_of(row, metric)
    most = gain.ci_high + ROOM * (gain.ci_high - gain.value)
    return metric.margin is None and metric.worth is not None and most < metric.worth


@dataclass(frozen=True)
class Guardrail(Result):
    """What must not get worse, in one arm; judged by its whole interval against its margin.

    Parameters
    ----------
    metric, arm : str
        Which.
    kind : str
        ``share``, ``mean`` or ``ratio``.
    harm : Estimate
        By how much it is worse than in the control: above 0 is worse.
    margin : float or None
        How much worse is borne; None where that is not stated.
    state : str
        ``kept``: the whole interval lies below the margin; ``broken``: it lies above it (above 0
        where there is none); ``not sure``: all else.
    std_error : float
        Of the harm.
    good : str
        Which way is good.
    """

    metric: str
    arm: str
    kind: str
    harm: Estimate
    margin: float | None
    state: str
    std_error: float
    good: str = "down"

    @property
    def bars(self) -> bool:
        """Whether the arm may not be shipped: it is broken, or not shown to keep its margin."""
        return self.state == BROKEN or (self.margin is not None and self.state != KEPT)

    @property
    def harmed(self) -> str:
        """What it changed by in the arm, in words."""
        return words_of(__name__, "Guardrail", **self.facts()).say("harmed")

    def facts(self) -> dict[str, Any]:
        """Return the change in the metric's own direction, and what is borne."""
        signed = self.harm * (-1 if self.good == "up" else 1)
        told = {"called": spoken(self.metric), "in_arm": spoken(self.arm)}
        return told | {"stated": self.margin is not None} | change_of(signed, self.kind)


def guardrail_of(row: ArmComparison, metric: Metric) -> Guardrail:
    """Judge a guardrail by its whole interval."""
    harm = gain_of(row, metric) * -1
    margin = metric.margin
    if harm.ci_low > (margin or 0.0):
        state = BROKEN
    elif harm.ci_high < (margin or 0.0):
        state = KEPT
    else:
        state = UNSURE
    return Guardrail(row.metric, row.arm, row.kind, harm, margin, state, row.std_error, metric.good)


def change_of(e: Estimate, kind: str) -> dict[str, Any]:
    """Return a difference as the line ``change`` says it: so much higher or lower, or the same.

    Examples
    --------
    >>> change_of(Estimate(0.045, 0.039, 0.052, 900), "share")["changed"]
    'points'
    """
    # Where nobody had any, chance has no part in that.
    same = e.value == e.ci_low == e.ci_high == 0
    return {"difference": e, "changed": "same" if same else _unit(kind)}


def amount_words(value: float, kind: str) -> str:
    """Write a size of a difference, of shares in points."""
    return words_of(__name__).written(value, "points" if kind == "share" else "number")


def _unit(kind: str) -> str:
    return "points" if kind == "share" else "amount"
