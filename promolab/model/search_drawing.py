"""The figure of a search: every trial, the best so far, and the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.model.search_result import OBJECTIVES, SearchResult
from promolab.wording import number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_trials"]


def plot_trials(result: SearchResult, ax: Axes | None = None) -> Axes:
    """Draw the trials in order; those stopped early stand as ticks on the worse edge.

    Parameters
    ----------
    result : SearchResult
    ax : Axes, optional

    Raises
    ------
    InputError
        No trial was completed.
    """
    from promolab import plots

    table = result.table
    done = table[table["state"] == "complete"]
    if done.empty:
        raise InputError("no trial was completed; there is nothing to draw")
    objective = OBJECTIVES[result.metric]
    at = done["trial"].to_numpy() + 1
    value = done["value"].to_numpy(dtype=float)
    so_far = np.maximum.accumulate(value) if objective.higher else np.minimum.accumulate(value)
    low, high, beyond = _window(value, result.default_value, objective.higher)
    shown = (value >= low) & (value <= high)
    ax = plots.points(at[shown], value[shown], colour=plots.COLOURS[0], label="a trial", ax=ax)
    last = np.append(at, len(table) + 0.5)
    plots.curve(
        last,
        np.append(so_far, so_far[-1]),
        colour=plots.COLOURS[1],
        step=True,
        label="the best so far",
        ax=ax,
    )
    stopped = table.loc[table["state"] == "pruned", "trial"].to_numpy() + 1
    with plots.style():
        edge = 0.0 if objective.higher else 1.0
        if len(stopped):
            ax.plot(
                stopped,
                np.full(len(stopped), edge),
                "|",
                color=plots.MUTED,
                markersize=9,
                transform=ax.get_xaxis_transform(),
                clip_on=False,
                label="stopped early",
            )
        ax.set(xlim=(0.3, len(table) + 0.7), ylim=(low, high))
        ax.locator_params(axis="x", integer=True)
    plots.reference_line(ax, "horizontal", result.default_value, label="the defaults")
    worse = f"; {plural(beyond, 'trial')} too bad to show" if beyond else ""
    plots.finish(
        ax,
        title=_finding(result),
        subtitle=f"{objective.words} of each trial of {result.kind} "
        f"({'higher' if objective.higher else 'lower'} is better), each {result.basis}{worse}",
        xlabel="trial",
        ylabel=objective.words,
    )
    with plots.style():
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _window(value: np.ndarray, default: float, higher: bool) -> tuple[float, float, int]:
    """Return an axis on which the good trials can be told apart, and how many lie beyond it."""
    sign = 1 if higher else -1
    gain = sign * (value - default)
    worst = min(float(np.quantile(gain, 0.1)), 0.0)
    best = max(float(gain.max()), 0.0)
    room = max(best - worst, 1e-6)
    worst, best = max(worst, best - 6 * max(best, room / 6)) - 0.12 * room, best + 0.12 * room
    ends = sorted((default + sign * worst, default + sign * best))
    return ends[0], ends[1], int((gain < worst).sum())


def _finding(result: SearchResult) -> str:
    if not result.best:
        return "No options tried were better than the defaults"
    gain = result.advantage
    told = number(gain.value, gain.ci_low, gain.ci_high)
    word = OBJECTIVES[result.metric].words
    return f"{result.options_in_words()}: {word} better by {told} than the defaults"
