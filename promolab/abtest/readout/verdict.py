"""Ship, stop or go on: an experiment judged by one stated rule, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promolab.abtest.analysis import ArmComparison, Metric
from promolab.abtest.design.power import smallest_effect
from promolab.abtest.readout.decision import (
    BETTER,
    BROKEN,
    KEPT,
    NOT_WORSE,
    OPEN,
    WORSE,
    Guardrail,
    amount_words,
    change_words,
    gain_of,
    is_futile,
    lift_words,
    state_of,
)
from promolab.abtest.readout.profit import PROFIT, ArmMoney
from promolab.effects import spoken
from promolab.results import Result
from promolab.wording import capital, count, money, plural

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

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the rule."""
        return super().to_dict() | {"rule": RULE}

    def summary(self) -> str:
        """Return the verdict and its reason, in one sentence."""
        if self.word == NONE:
            return self.why
        what = f"ship {spoken(self.arm)}" if self.word == SHIP else self.word
        return f"{capital(what)}: {self.why}."


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
        told = f"{spoken(row.metric)} {change_words(row.difference, row.kind)}"
        lift = f" ({lift_words(row.relative)})" if math.isfinite(row.relative.ci_high) else ""
        return f"{told}{lift} in {spoken(row.arm)}"


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
        return _too_early(case, left)
    if winners:
        return _waits(case, winners)
    return _undecided(case, left)


def _shipped(case: Case, arm: str, won: Mapping[str, Sequence[ArmComparison]]) -> ExperimentVerdict:
    best = max(won[arm], key=case.size)
    metric = case.metrics[best.metric]
    why = f"{case.says(best)} than in {spoken(best.control)}"
    if state_of(best, metric) == NOT_WORSE:
        why += ", not worse by more than is borne"
    if others := [other for other in won if other != arm and won[other]]:
        beats = "beats" if len(others) == 1 else "beat"
        why += f"; {' and '.join(map(spoken, others))} {beats} it, too"
    kept = [g for g in case.guards(arm) if g.state == KEPT]
    if kept:
        why += f"; {' and '.join(spoken(g.metric) for g in kept)} kept inside the margin"
    return ExperimentVerdict(SHIP, why + _earned(case, arm), arm)


def _earned(case: Case, arm: str) -> str:
    found = next((m for m in case.money if m.arm == arm), None)
    if found is None or PROFIT in case.deciding:
        return ""
    e, unit = found.profit, found.currency
    if e.ci_low > 0:
        return f"; it earns {money(*e.ends, currency=unit)} more per customer"
    if e.ci_high < 0:
        return f"; but it costs {money(*(e * -1).ends, currency=unit)} per customer"
    return f"; whether it pays is not told ({money(*e.ends, currency=unit)} per customer)"


def _stopped(
    case: Case,
    barred: Mapping[str, Sequence[Guardrail]],
    lost: Mapping[str, Sequence[ArmComparison]],
) -> ExperimentVerdict:
    told = []
    for arm in case.arms:
        if barred[arm]:
            one = barred[arm][0]
            told.append(one.summary().split(": broken")[0])
        else:
            worst = min(lost[arm], key=case.size)
            told.append(case.says(worst))
    return ExperimentVerdict(STOP, "; ".join(told), case.arms[0] if len(case.arms) == 1 else "")


def _too_early(case: Case, left: Sequence[str]) -> ExperimentVerdict:
    row = max((r for arm in left for r, _ in case.of(arm)), key=case.size)
    so_far = f"so far {case.says(row)}"
    return ExperimentVerdict(GO_ON, f"{case.early}; {so_far}", row.arm)


def _waits(case: Case, winners: Sequence[str]) -> ExperimentVerdict:
    """A win whose guardrails are not yet shown to be kept."""
    arm = winners[0]
    unsure = [g for g in case.guards(arm) if g.bars]
    factors = [_times_guard(case, g) for g in unsure]
    worst = max(range(len(unsure)), key=lambda i: factors[i])
    why = (
        f"{case.says(max((r for r, _ in case.of(arm)), key=case.size))}, but "
        f"whether {spoken(unsure[worst].metric)} stays inside its margin is not told yet"
    )
    return _longer(case, why, factors[worst], arm)


def _undecided(case: Case, left: Sequence[str]) -> ExperimentVerdict:
    rows = [r for arm in left for r, state in case.of(arm) if state == OPEN]
    hopeful = [r for r in rows if not is_futile(r, case.metrics[r.metric])]
    row = max(hopeful or rows, key=case.size)
    metric = case.metrics[row.metric]
    why = f"{case.says(row)}, which chance alone could have made"
    if (more := case.planned - sum(case.n.values())) > 0:
        told = plural(more, "customer is", "customers are")
        return ExperimentVerdict(GO_ON, f"{why}; {told} still to come", row.arm, more)
    worth, ahead = metric.worth or 0.0, gain_of(row, metric).value + (metric.margin or 0.0)
    if not hopeful:
        told = f"{amount_words(worth, row.kind)}, the smallest effect worth finding, is excluded"
        return ExperimentVerdict(STOP, f"{why}, and {told}", row.arm)
    effect, factor = "an effect like that", _times(case, row, ahead)
    # Once it is about as large as the effect worth finding takes, what was seen says how much more.
    if 1.2 < (longer := _times(case, row, worth)) < math.inf:
        effect, factor = f"an effect of {amount_words(worth, row.kind)}", longer
    if metric.worth is None and factor > MOST_LONGER:
        why += "; when to stop is told where the smallest effect worth finding is stated (worth=)"
    return _longer(case, why, factor, row.arm, effect)


def _longer(
    case: Case, why: str, factor: float, arm: str, effect: str = "an effect like that"
) -> ExperimentVerdict:
    if not math.isfinite(factor):
        return ExperimentVerdict(GO_ON, why, arm)
    more = max(factor - 1, 0.0) * sum(case.n.values())
    told = plural(_rounded(more), "more customer", "more customers")
    if math.isfinite(case.weeks) and case.weeks > 0:
        weeks = max(1.0, math.ceil(case.weeks * (factor - 1)))
        told += f", {plural(weeks, 'week')} at the pace so far,"
    ending = f"{told} would tell {effect} in 4 of 5 such experiments"
    return ExperimentVerdict(GO_ON, f"{why}; about {ending}", arm, more)


def _rounded(n: float) -> float:
    """Return a number of customers with two digits: no more is known of it."""
    digits = max(math.floor(math.log10(max(n, 1))) - 1, 0)
    return float(math.ceil(n / 10**digits) * 10**digits)


def _times(case: Case, row: ArmComparison, gain: float) -> float:
    """Return how many times the customers would tell a gain; infinite where there is none."""
    if not (gain > 0 and row.std_error > 0):
        return math.inf
    n1, n0 = max(case.n[row.arm], 1), max(case.n[row.control], 1)
    sd = row.std_error / math.sqrt(1 / n1 + 1 / n0)
    return (smallest_effect(n1, n0, sd=sd, alpha=1 - row.level).effect / gain) ** 2


def _times_guard(case: Case, guard: Guardrail) -> float:
    row = next(r for r in case.rows if r.metric == guard.metric and r.arm == guard.arm)
    return _times(case, row, (guard.margin or 0.0) - max(guard.harm.value, 0.0))


def mismatch(sentence: str) -> ExperimentVerdict:
    """Return that nothing is said, and why: arms that are not as large as chance made them."""
    return ExperimentVerdict(NONE, f"No verdict: {sentence[:1].lower()}{sentence[1:]}")


def said_of(n: Mapping[str, int]) -> str:
    """Write the sizes of the arms."""
    return ", ".join(f"{spoken(arm)} {count(size)}" for arm, size in n.items())
