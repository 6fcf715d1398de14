"""Experiment: how many customers for which effect, in how many arms, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promolab.abtest import ExperimentPlan, plan_experiment
from promolab.checks import real_number
from promolab.display import Dots, Html, Line, beside, join, say
from promolab.results import Facts, words_of
from promolab.widgets.controls import control, round_step, slide
from promolab.widgets.explorer import Explorer, drawn

SHARE = "share"


@dataclass(frozen=True)
class ExperimentState:
    """What is to be found, and how.

    Parameters
    ----------
    baseline : float
        The outcome without a promotion: a share (0–1), or a mean.
    lift : float
        The effect worth finding, as a part of the baseline.
    arms : int
        The control among them; all of one size.
    days : int
        How long customers are taken in; 0 as long as the effect needs.
    arrivals : float
        New customers a day.
    power : float
        How often the effect is to be found.
    sequential : bool
        Whether it is looked at every day.
    """

    baseline: float
    lift: float = 0.1
    arms: int = 2
    days: int = 0
    arrivals: float = 1000.0
    power: float = 0.8
    sequential: bool = False


@dataclass(frozen=True)
class Outcome:
    """What is known of the outcome, counted once.

    Parameters
    ----------
    kind : str
        Share, mean or ratio.
    sd : float
        Standard deviation over customers; of a share it follows from the baseline.
    correlation : float
        With the figure from before.
    level : float
        Confidence level of the whole experiment.
    wait : int
        Days from a customer's start to the end of the outcome's window.
    """

    kind: str
    sd: float
    correlation: float
    level: float
    wait: int


def experiment(
    data: Any = None,
    outcome: str | None = None,
    *,
    rate: float | None = None,
    mean: float | None = None,
    sd: float | None = None,
    earlier: str | None = None,
    correlation: float | None = None,
    lift: float = 0.1,
    arrivals: float = 1000.0,
    outcome_days: int = 28,
    level: float = 0.95,
) -> Explorer[ExperimentState, Outcome]:
    """Explore an experiment before it is planned: sizes, power, duration, looked at daily or once.

    Parameters
    ----------
    data, outcome, earlier
        A table of customers or a shop, and its columns, as `promolab.plan_experiment` takes them:
        the baseline is taken from there.
    rate, mean, sd, correlation : float, optional
        The baseline in figures, likewise; without any, 5 % respond.
    lift : float
        Effect worth finding at first, as a part of the baseline.
    arrivals : float
        New customers a day at first.
    outcome_days : int
        Days from a customer's start to the end of the outcome's window.
    level : float
        Confidence level of the whole experiment.

    Returns
    -------
    Explorer

    Raises
    ------
    InputError
        As `promolab.plan_experiment`.

    Examples
    --------
    >>> found = experiment(rate=0.05)
    >>> found.move(lift=0.2, arms=3, sequential=True).text.startswith("<p class=")
    True
    """
    if data is None and rate is None and mean is None and sd is None:
        rate = 0.05
    known = plan_experiment(
        data, outcome, rate=rate, mean=mean, sd=sd, earlier=earlier, correlation=correlation,
        customers=1000, level=level,
    )  # fmt: skip
    coming = real_number("arrivals", arrivals, above=0)
    wait = int(real_number("outcome_days", outcome_days, least=0))
    share = known.kind == SHARE
    words = words_of(__name__, "experiment")
    controls = {
        "baseline": _baseline(words.word("baseline"), known.centre, share),
        "lift": slide(words.word("lift"), 0.01, 1.0, 0.01, share=True),
        "arms": slide(words.word("arms"), 2, 8),
        "power": slide(words.word("power"), 0.5, 0.95, 0.01, share=True),
        "arrivals": control(
            "BoundedFloatText", words.word("arrivals"), min=1.0, max=1e9, step=round_step(coming)
        ),
        "days": slide(words.word("days"), 0, 180),
        "sequential": control("Checkbox", words.word("sequential")),
    }
    first = ExperimentState(known.centre, real_number("lift", lift, above=0, most=1), 2, 0, coming)
    made = Outcome(known.kind, known.sd, known.correlation, known.level, wait)
    return Explorer(words.word("title"), first, controls, render, made)


def _baseline(label: str, centre: float, share: bool) -> Any:
    if share:
        return slide(label, 0.001, 0.999, 0.001, share=True)
    most = 10 * abs(centre) if centre else 1e6
    step = round_step(abs(centre) or 1.0)
    return control("BoundedFloatText", label, min=-most, max=most, step=step)


def plan_of(state: ExperimentState, outcome: Outcome, sequential: bool) -> ExperimentPlan:
    """Return the plan of a state, looked at every day or once.

    Parameters
    ----------
    state : ExperimentState
    outcome : Outcome
    sequential : bool
    """
    described: dict[str, Any] = {"rate": state.baseline}
    if outcome.kind != SHARE:
        described = {"mean": state.baseline, "sd": outcome.sd, "kind": outcome.kind}
    words = words_of(__name__, "experiment")
    arms = [words.word("control"), words.word("treatment")]
    if state.arms > 2:
        arms[1:] = [f"{words.word('arm')} {i + 1}" for i in range(state.arms - 1)]
    return plan_experiment(
        **described, lift=state.lift, correlation=outcome.correlation or None,
        shares=dict.fromkeys(arms, 1 / state.arms), power=state.power, level=outcome.level,
        sequential=sequential, arrivals=state.arrivals, days=state.days or None,
        outcome_days=outcome.wait,
    )  # fmt: skip


def render(state: ExperimentState, outcome: Outcome) -> Html:
    """Return what the experiment shows and takes, arm by arm, and its power.

    Parameters
    ----------
    state : ExperimentState
    outcome : Outcome
    """
    plan = plan_of(state, outcome, state.sequential)
    other = plan_of(state, outcome, not state.sequential)
    once, daily = (other, plan) if state.sequential else (plan, other)
    share = plan.kind == SHARE
    words = words_of(
        __name__,
        "experiment",
        days=state.days,
        limited=state.days > 0,
        once=once,
        daily=daily,
        once_days=once.days or 0,
        daily_days=daily.days or 0,
        reached=plan.reached,
        effect=plan.worded(plan.effect or 0.0),
        smallest=plan.worded(plan.smallest),
        unit="points" if share else "of_outcome",
        last=0 if plan.over_time.empty else int(plan.over_time.dropna()["day"].max() or 0),
    )
    return join(
        [
            say(plan.summary(), css="finding"),
            say(words.say("beside")),
            beside([plan.to_table()]),
            beside([_power(words, plan, once, daily), _over_time(words, plan)]),
        ]
    )


def _times(plan: ExperimentPlan) -> float:
    """Return what effects are multiplied by on an axis: shares are shown in points."""
    return 100.0 if plan.kind == SHARE else 1.0


def _power(words: Facts, plan: ExperimentPlan, once: ExperimentPlan, daily: ExperimentPlan) -> Html:
    times, effect = _times(plan), plan.effect or 0.0
    marks: list[Line | Dots] = [
        Line(times * one.curve["effect"], one.curve["power"], words.word(name), colour)
        for one, name, colour in ((once, "read_once", 0), (daily, "sequential", 2))
    ]
    marks.append(Dots([times * effect], [plan.reached], words.word("worth_finding")))
    most = max(2 * times * max(effect, 1e-12), times * float(plan.curve["effect"].iloc[-1]))
    looks: dict[str, Any] = {"xlim": (0.0, most), "ylim": (0.0, 1.0), "width": 430}
    return drawn(words, "power", marks, shares="y", **looks)


def _over_time(words: Facts, plan: ExperimentPlan) -> Html:
    times, rows = _times(plan), plan.over_time.dropna()
    if len(rows) < 2:
        return Html("")
    effect, last = times * (plan.effect or 0.0), int(rows["day"].iloc[-1])
    marks = [
        Line([0, last], [effect] * 2, words.word("worth_finding"), 1, dashed=True),
        Line(rows["day"], times * rows["smallest_effect"], words.word("smallest")),
    ]
    return drawn(words, "time", marks, ("time_xlabel", "power_xlabel"), width=430)
