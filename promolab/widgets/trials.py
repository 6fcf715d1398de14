"""Experiment: how many customers for which effect, in how many arms, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promolab.abtest import ExperimentPlan, plan_experiment
from promolab.checks import real_number
from promolab.display import Dots, Html, Line, beside, chart, join, say
from promolab.widgets.controls import Control, Figure, Slide, Tick, round_step
from promolab.widgets.explorer import Explorer
from promolab.wording import count, percent, plural

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
    controls: dict[str, Control] = {
        "baseline": _baseline(known.centre, share),
        "lift": Slide("effect worth finding, of that", 0.01, 1.0, 0.01, share=True),
        "arms": Slide("arms, control included", 2, 8, 1),
        "power": Slide("found how often", 0.5, 0.95, 0.01, share=True),
        "arrivals": Figure("new customers a day", 1.0, 1e9, round_step(coming)),
        "days": Slide("days to take them in (0: as needed)", 0, 180, 1),
        "sequential": Tick("looked at every day"),
    }
    first = ExperimentState(known.centre, real_number("lift", lift, above=0, most=1), 2, 0, coming)
    made = Outcome(known.kind, known.sd, known.correlation, known.level, wait)
    return Explorer("Experiment", first, controls, render, made)


def _baseline(centre: float, share: bool) -> Control:
    if share:
        return Slide("without it", 0.001, 0.999, 0.001, share=True)
    most = 10 * abs(centre) if centre else 1e6
    return Figure("without it", -most, most, round_step(abs(centre) or 1.0))


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
    arms = ["control", *(f"arm {i + 1}" for i in range(state.arms - 1))]
    if state.arms == 2:
        arms = ["control", "treatment"]
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
    return join(
        [
            say(plan.summary(), css="finding"),
            say(_beside(state, once, daily)),
            beside([plan.to_table()]),
            beside([_power(plan, once, daily), _over_time(plan)]),
        ]
    )


def _beside(state: ExperimentState, once: ExperimentPlan, daily: ExperimentPlan) -> str:
    """Say what looking every day costs."""
    if state.days:
        return (
            f"In {plural(state.days, 'day')} a test read once finds the effect in "
            f"{percent(once.reached, decimals=0)}, one looked at every day in "
            f"{percent(daily.reached, decimals=0)} of such tests, and often sooner."
        )
    return (
        f"Read once, at the end, it takes {plural(once.customers, 'customer')} and "
        f"{plural(once.days or 0, 'day')}; looked at every day {count(daily.customers)} and "
        f"{count(daily.days or 0)} at most, less where the effect is larger than that."
    )


def _scale(plan: ExperimentPlan) -> tuple[float, str]:
    """Return what effects are multiplied by, and their unit: points of a share."""
    return (100.0, "points") if plan.kind == SHARE else (1.0, "of the outcome's unit")


def _power(plan: ExperimentPlan, once: ExperimentPlan, daily: ExperimentPlan) -> Html:
    times, unit = _scale(plan)
    effect = plan.effect or 0.0
    title = f"{plan.worded(effect)} is found in {percent(plan.reached, decimals=0)} of such tests"
    reach = 2 * times * max(effect, 1e-12)
    marks = [
        Line(times * one.curve["effect"], one.curve["power"], name, colour)
        for one, name, colour in ((once, "read once", 0), (daily, "looked at every day", 2))
    ]
    return chart(
        [*marks, Dots([times * effect], [plan.reached], "the effect worth finding")],
        title,
        "Power by size of the effect",
        f"effect, {unit}",
        "found in so many tests",
        shares="y",
        xlim=(0.0, max(reach, times * float(plan.curve["effect"].iloc[-1]))),
        ylim=(0.0, 1.0),
        width=430,
    )


def _over_time(plan: ExperimentPlan) -> Html:
    times, unit = _scale(plan)
    rows = plan.over_time.dropna()
    if len(rows) < 2:
        return Html("")
    effect = times * (plan.effect or 0.0)
    last = int(rows["day"].iloc[-1])
    return chart(
        [
            Line([0, last], [effect] * 2, "the effect worth finding", 1, dashed=True),
            Line(rows["day"], times * rows["smallest_effect"], "smallest that shows"),
        ],
        f"What shows by day {count(last)}: {plan.worded(plan.smallest)}",
        "Smallest effect that shows, by the day it ends, falling",
        "days that customers are taken in",
        f"effect, {unit}",
        width=430,
    )
