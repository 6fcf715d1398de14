"""Ship, stop or go on: what the rows of an experiment amount to, by one stated rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promolab.abtest.comparison import ALONE, CORRECTIONS, HOLM, SHARE, ArmComparison, Metric
from promolab.abtest.power import smallest_effect
from promolab.abtest.profit import PROFIT, ArmMoney
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
    def left(self) -> float:
        """How much worse it may still become."""
        return (self.margin or 0.0) - max(self.harm.value, 0.0)

    def facts(self) -> dict[str, Any]:
        """Return the change in the metric's own direction."""
        signed = self.harm * (-1 if self.good == "up" else 1)
        told = {"called": spoken(self.metric), "in_arm": spoken(self.arm)}
        return told | change_of(signed, self.kind)


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
    unit = "points" if kind == SHARE else "amount"
    return {"difference": e, "changed": "same" if same else unit}


SHIP, STOP, GO_ON, NONE = "ship", "stop", "go on", "no verdict"

MOST_LONGER = 4.0
"""How many times the customers so far an answer may take before it is asked what is worth it."""

RULE = (
    "Ship: what decides is better (or, with a margin, not worse by more than it) beyond chance, "
    "all arms and deciding metrics allowed for, nothing that decides is worse, and no guardrail "
    "bars it; stop: in every arm what decides is worse, a guardrail is broken, or every interval "
    "excludes the smallest effect worth finding, where one is stated; go on: all else, and "
    "whatever is looked at before its end."
)
"""The rule of `judge_experiment`, in a sentence."""


@dataclass(frozen=True)
class ExperimentVerdict(Result):
    """What to do after an experiment; made by `judge_experiment`.

    Parameters
    ----------
    word : str
        ``ship``, ``stop`` or ``go on``; ``no verdict`` where the arms are not as large as planned.
    why : str
        The reason, in words.
    arm : str
        Which arm to ship, or that the reason is about; may be empty.
    more : float
        Customers who would tell, beside those so far; nan where that is not asked.
    """

    word: str
    why: str
    arm: str = ""
    more: float = math.nan

    @property
    def rule(self) -> str:
        """The rule, in a sentence."""
        return RULE

    def facts(self) -> dict[str, Any]:
        """Return what the arm is called."""
        return {"in_arm": spoken(self.arm)}


@dataclass(frozen=True)
class Case:
    """What a verdict rests on.

    Parameters
    ----------
    rows : sequence of ArmComparison
        With adjusted p values; of all metrics.
    metrics : mapping of str to Metric
    deciding : sequence of str
        Names of the metrics that decide.
    guardrails : sequence of Guardrail
    money : sequence of ArmMoney
    n : mapping of str to int
        Customers by arm.
    weeks : float
        How long it has run; nan where that is not known.
    early : str
        Why it is too early to ship; empty where it is not.
    planned : int
        Customers that it is planned for; 0 where it is over.
    """

    rows: Sequence[ArmComparison]
    metrics: Mapping[str, Metric]
    deciding: Sequence[str]
    guardrails: Sequence[Guardrail]
    money: Sequence[ArmMoney]
    n: Mapping[str, int]
    weeks: float = math.nan
    early: str = ""
    planned: int = 0

    def of(self, arm: str) -> list[tuple[ArmComparison, str]]:
        """Return an arm's deciding rows and their states."""
        mine = [r for r in self.rows if r.arm == arm and r.metric in self.deciding]
        return [(row, state_of(row, self.metrics[row.metric])) for row in mine]

    @property
    def arms(self) -> list[str]:
        """The arms beside the control."""
        return list(dict.fromkeys(row.arm for row in self.rows))

    def guards(self, arm: str) -> list[Guardrail]:
        """Return an arm's guardrails."""
        return [one for one in self.guardrails if one.arm == arm]

    def size(self, row: ArmComparison) -> float:
        """Return how large a gain is against its error: arms are ranked by it."""
        gain = gain_of(row, self.metrics[row.metric])
        return gain.value / row.std_error if row.std_error > 0 else 0.0

    def says(self, row: ArmComparison) -> str:
        """Write how a metric is in an arm."""
        lift = row.relative
        told = {"called": spoken(row.metric), "in_arm": spoken(row.arm), "relative": lift}
        told |= {"lifted": math.isfinite(lift.ci_high), "sign": "+" if lift.value > 0 else ""}
        return _say("says", **told, **change_of(row.difference, row.kind))

    def leading(self, rows: Iterable[ArmComparison]) -> ArmComparison:
        """Return the row whose gain is largest against its error."""
        return max(rows, key=self.size)


def _say(line: str, **facts: Any) -> str:
    return words_of(__name__, "ExperimentVerdict", **facts).say(line)


def judge_experiment(case: Case) -> ExperimentVerdict:
    """Judge an experiment by `RULE`."""
    barred = {arm: [g for g in case.guards(arm) if g.state == BROKEN] for arm in case.arms}
    lost = {arm: [r for r, state in case.of(arm) if state == WORSE] for arm in case.arms}
    left = [arm for arm in case.arms if not barred[arm] and not lost[arm]]
    if not left:
        return _stopped(case, barred, lost)
    won = {arm: [r for r, s in case.of(arm) if s in (BETTER, NOT_WORSE)] for arm in left}
    winners = [arm for arm in left if won[arm]]
    ready = [arm for arm in winners if not any(g.bars for g in case.guards(arm))]
    if ready and not case.early:
        return _shipped(case, max(ready, key=lambda arm: max(map(case.size, won[arm]))), won)
    if case.early:
        row = case.leading(r for arm in left for r, _ in case.of(arm))
        why = _say("early", why_early=case.early, best=case.says(row))
        return ExperimentVerdict(GO_ON, why, row.arm)
    if winners:
        return _waits(case, winners)
    return _undecided(case, left)


def _shipped(case: Case, arm: str, won: Mapping[str, Sequence[ArmComparison]]) -> ExperimentVerdict:
    best = case.leading(won[arm])
    found = next((m for m in case.money if m.arm == arm and PROFIT not in case.deciding), None)
    side = "" if found is None else found.profit.side
    why = _say(
        "shipped",
        best=case.says(best),
        control=spoken(best.control),
        only_not_worse=state_of(best, case.metrics[best.metric]) == NOT_WORSE,
        others=[spoken(other) for other in won if other != arm and won[other]],
        unharmed=[spoken(g.metric) for g in case.guards(arm) if g.state == KEPT],
        earns="unsure" if side == "unknown" else side,
        profit=None if found is None else found.profit,
        currency="" if found is None else found.currency,
    )
    return ExperimentVerdict(SHIP, why, arm)


def _stopped(
    case: Case,
    barred: Mapping[str, Sequence[Guardrail]],
    lost: Mapping[str, Sequence[ArmComparison]],
) -> ExperimentVerdict:
    told = [
        barred[arm][0].summary() if barred[arm] else case.says(min(lost[arm], key=case.size))
        for arm in case.arms
    ]
    return ExperimentVerdict(STOP, "; ".join(told), case.arms[0] if len(case.arms) == 1 else "")


def _waits(case: Case, winners: Sequence[str]) -> ExperimentVerdict:
    """A win whose guardrails are not yet shown to be kept."""
    arm = winners[0]
    best = case.leading(r for r, _ in case.of(arm))
    factor, name = max((_times(case, g, g.left), g.metric) for g in case.guards(arm) if g.bars)
    more, told = _longer(case, factor)
    why = _say("waits", best=case.says(best), guard=spoken(name), an_effect="like", **told)
    return ExperimentVerdict(GO_ON, why, arm, more)


def _undecided(case: Case, left: Sequence[str]) -> ExperimentVerdict:
    rows = [r for arm in left for r, state in case.of(arm) if state == OPEN]
    hopeful = [r for r in rows if not is_futile(r, case.metrics[r.metric])]
    row = case.leading(hopeful or rows)
    metric = case.metrics[row.metric]
    worth, ahead = metric.worth or 0.0, gain_of(row, metric).value + (metric.margin or 0.0)
    written = words_of(__name__).written(worth, "points" if row.kind == SHARE else "number")
    told: dict[str, Any] = {"best": case.says(row), "worth": written}
    if (more := case.planned - sum(case.n.values())) > 0:
        why = _say("undecided", rest="planned", left=more, **told)
        return ExperimentVerdict(GO_ON, why, row.arm, more)
    if not hopeful:
        return ExperimentVerdict(STOP, _say("undecided", rest="excluded", **told), row.arm)
    effect, factor = "like", _times(case, row, ahead)
    # Once it is about as large as the effect worth finding takes, what was seen says how much more.
    if 1.2 < (longer := _times(case, row, worth)) < math.inf:
        effect, factor = "worth", longer
    told["worth_unstated"] = metric.worth is None and bool(factor > MOST_LONGER)
    needed, beside = _longer(case, factor)
    why = _say("undecided", rest="open", an_effect=effect, **told, **beside)
    return ExperimentVerdict(GO_ON, why, row.arm, needed)


def _longer(case: Case, factor: float) -> tuple[float, dict[str, Any]]:
    """Return how many more customers it takes, and what is said of that."""
    if not math.isfinite(factor):
        return math.nan, {"needs": ""}
    more = max(factor - 1, 0.0) * sum(case.n.values())
    paced = math.isfinite(case.weeks) and case.weeks > 0
    weeks = max(1, math.ceil(case.weeks * (factor - 1))) if paced else None
    return more, {"needs": "more", "needed": _rounded(more), "weeks": weeks}


def _rounded(n: float) -> float:
    """Return a number of customers with two digits: no more is known of it."""
    digits = max(math.floor(math.log10(max(n, 1))) - 1, 0)
    return float(math.ceil(n / 10**digits) * 10**digits)


def _times(case: Case, row: ArmComparison | Guardrail, gain: float) -> float:
    """Return how many times the customers would tell a gain; infinite where there is none."""
    if not (gain > 0 and row.std_error > 0):
        return math.inf
    first = case.rows[0]
    n1, n0 = max(case.n[row.arm], 1), max(case.n[first.control], 1)
    sd = row.std_error / math.sqrt(1 / n1 + 1 / n0)
    return (smallest_effect(n1, n0, sd=sd, alpha=1 - first.level) / gain) ** 2


def mismatch(sentence: str) -> ExperimentVerdict:
    """Return that nothing is said, and why: arms that are not as large as chance made them."""
    told = f"{sentence[:1].lower()}{sentence[1:]}"
    return ExperimentVerdict(NONE, _say("mismatch", sentence=told))
