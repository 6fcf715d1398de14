"""How an experiment is shown: a table of eight columns at most, and the lift by metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from promolab.abtest.analysis import ArmComparison, Metric
from promolab.abtest.readout.decision import Guardrail, level_words, lift_words, state_of
from promolab.display import Html, table
from promolab.effects import p_words, spoken
from promolab.wording import capital, count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rows_table(
    rows: Sequence[ArmComparison],
    metrics: Mapping[str, Metric],
    guardrails: Sequence[Guardrail],
    caption: str,
) -> Html:
    """Return every metric of every arm: figures, difference, lift, and what that amounts to.

    Parameters
    ----------
    rows : sequence of ArmComparison
    metrics : mapping of str to Metric
    guardrails : sequence of Guardrail
    caption : str
    """
    states = {(g.metric, g.arm): f"guardrail {g.state}" for g in guardrails}
    shown = []
    for row in rows:
        state = states.get((row.metric, row.arm)) or state_of(row, metrics[row.metric])
        shown.append(_shown(row, spoken(row.metric), state))
        if row.winsorised is not None:
            cut = f"{spoken(row.metric)}, cut off at {number(row.cap)}"
            shown.append(_shown(row.winsorised, cut, "beside it"))
    columns = {
        "metric": "metric",
        "arm": "arm",
        "treated": "its figure",
        "baseline": "the control's",
        "difference": "difference",
        "relative": "relative lift",
        "told": "chance alone",
        "state": "which is",
    }
    return table(pd.DataFrame(shown, columns=list(columns)), columns, caption=caption, most=30)


def _shown(row: ArmComparison, name: str, state: str) -> dict[str, str]:
    e, scale = row.difference, 100 if row.kind == "share" else 1
    unit = "points" if row.kind == "share" else ""
    p = row.p_adjusted if math.isfinite(row.p_adjusted) else row.p
    return {
        "metric": name,
        "arm": spoken(row.arm),
        "treated": level_words(row.treated, row.kind),
        "baseline": level_words(row.baseline, row.kind),
        "difference": number(scale * e.value, scale * e.ci_low, scale * e.ci_high, unit=unit),
        "relative": lift_words(row.relative),
        "told": p_words(p) if math.isfinite(p) else "–",
        "state": state,
    }


def lift_plot(
    rows: Sequence[ArmComparison], title: str, level: float, ax: Axes | None = None
) -> Axes:
    """Draw the relative lift of every metric and arm, cut-off outcomes beside raw ones.

    Parameters
    ----------
    rows : sequence of ArmComparison
    title : str
    level : float
    ax : Axes, optional
    """
    from promolab import plots

    several = len({row.arm for row in rows}) > 1
    labels, ends, colours, words = [], [], [], []
    for row in rows:
        beside = [] if row.winsorised is None else [row.winsorised]
        for one, cut in [(row, ""), *((w, f", cut off at {number(row.cap)}") for w in beside)]:
            name = capital(spoken(row.metric)) + cut
            labels.append(f"{name} · {spoken(row.arm)}" if several else name)
            ends.append([100 * x for x in one.relative.ends])
            colours.append(plots.COLOURS[1] if cut else plots.COLOURS[0])
            words.append(lift_words(one.relative))
    value, low, high = zip(*ends, strict=True) if ends else ((), (), ())
    ax = plots.intervals(labels, value, low, high, reference=0.0, colour=colours, text=words, ax=ax)
    return plots.finish(
        ax,
        title=title,
        subtitle=f"lift against the control by metric, {percent(level, decimals=0)} intervals",
        xlabel="relative lift, %",
    )


def sizes_plot(
    n: Mapping[str, int], shares: Mapping[str, float], title: str, ax: Axes | None = None
) -> Axes:
    """Draw how large the arms are beside how large they were to be.

    Parameters
    ----------
    n : mapping of str to int
        Customers by arm.
    shares : mapping of str to float
        Planned; an arm may lack.
    title : str
    ax : Axes, optional
    """
    from promolab import plots

    everybody = sum(n.values())
    planned = [f"planned {percent(shares[arm], decimals=1)}" if arm in shares else "" for arm in n]
    size = [100 * customers / everybody for customers in n.values()]
    ax = plots.bars([spoken(arm) for arm in n], size, text=planned, ax=ax)
    return plots.finish(
        ax,
        title=title,
        subtitle=f"share of {count(everybody)} customers",
        xlabel="share of customers, %",
    )
