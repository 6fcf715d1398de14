"""What a search for options found: the best, and how much of its advantage is to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare.leaderboard_curves import BOARD_METRICS, higher_is_better
from promolab.errors import InputError
from promolab.model import ResponseModel
from promolab.results import Estimate, Result, plain
from promolab.wording import count, number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


OBJECTIVES = ("log_loss", "auc", "auc_within", "average_precision", "brier")
"""What `search_options` can search by."""


def measured(metric: str, y: np.ndarray, p: np.ndarray, group: np.ndarray | None) -> float:
    """Return one of `OBJECTIVES`; nan where it needs two classes and there is one."""
    from promolab.metrics import measure

    within = metric == "auc_within"
    if metric in ("auc", "average_precision") and y.min() == y.max():
        return float("nan")
    if within and (group is None or not (pd.Series(y).groupby(group).nunique() == 2).any()):
        return float("nan")
    name = metric.removesuffix("_within")
    return float(measure(y, p, name, group=group if within else None).value)


@dataclass(frozen=True)
class SearchResult(Result):
    """The best options found, and how they compare with the defaults on the same rows.

    Parameters
    ----------
    kind, outcome, metric : str
        Of the model, the label, and what made options good.
    best : mapping
        Option → value; empty where nothing tried was better than the defaults.
    defaults : mapping
        The defaults of the options that were searched.
    fixed : mapping
        Options that stayed as given.
    features : tuple of str
        Source columns used.
    value, default_value : float
        The measure of the best and of the defaults, on rows that no model had seen.
    advantage : Estimate
        By how much the best is better (above 0) on the same rows, clustered by customer. It was
        chosen for being large, so it flatters; `later` does not.
    frame : DataFrame
        One row per trial: trial, state (complete, pruned, refused), value (nan unless complete),
        folds, seconds, and a column per option.
    basis : str
        How each part of the rows was predicted.
    wanted : int
        Trials asked for.
    resumed : int
        Trials that the store held before.
    seconds : float
        What this call took.
    seed : int
    later : mapping or None
        best, defaults (values) and advantage (Estimate) on what started from ``holdout_from`` on.
    holdout_from : str or None
    leakage : str
        What is too good to be true, in a sentence; empty where nothing is.
    """

    kind: str
    outcome: str
    metric: str
    best: Mapping[str, Any]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any]
    features: tuple[str, ...]
    value: float
    default_value: float
    advantage: Estimate
    frame: pd.DataFrame = field(repr=False)
    basis: str
    wanted: int
    resumed: int
    seconds: float
    seed: int
    later: Mapping[str, Any] | None
    holdout_from: str | None
    leakage: str = ""

    def model(self) -> ResponseModel:
        """Return a new, unfitted model with the best options."""
        return ResponseModel(self.kind, **{**self.fixed, **self.best})

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as plain values."""
        later = None
        if self.later is not None:
            later = {**self.later, "from": self.holdout_from}
        return {
            "kind": self.kind,
            "metric": self.metric,
            "best": plain(dict(self.best)),
            "defaults": plain(dict(self.defaults)),
            "value": plain(self.value),
            "default_value": plain(self.default_value),
            "advantage": self.advantage.to_dict(),
            "trials": len(self.frame),
            "later": plain(later),
            "leakage": self.leakage,
        }

    def summary(self) -> str:
        """Say what was tried, what is best, and what its figure is worth."""
        states = self.frame["state"].value_counts()
        stopped = int(states.get("pruned", 0))
        refused = int(states.get("refused", 0))
        told = [f"{plural(stopped, 'trial')} stopped early"] if stopped else []
        told += [f"{refused} refused"] if refused else []
        short = f" of {count(self.wanted)}" if len(self.frame) < self.wanted else ""
        tried = f"{count(len(self.frame))}{short} {'trial' if len(self.frame) == 1 else 'trials'}"
        aside = f" ({', '.join(told)})" if told else ""
        told = [f"{tried} of {self.kind}{aside}, each {self.basis}.", self._found(), self._worth()]
        return " ".join(filter(None, [*told, self.leakage]))

    def _found(self) -> str:
        word = BOARD_METRICS[self.metric]
        default = number(self.default_value, decimals=4)
        if not self.best:
            return f"None was better than the defaults ({word} {default}): keep them."
        gain = number(self.advantage.value, self.advantage.ci_low, self.advantage.ci_high)
        return (
            f"Best: {self.options_in_words()}; {word} {number(self.value, decimals=4)} against "
            f"{default} with the defaults, better by {gain}."
        )

    def _worth(self) -> str:
        if self.later is None:
            if not self.best:
                return "What was tried and rejected does not bias the defaults' figure."
            return (
                "That figure is the best of many tried on the same rows, so it is optimistic: what "
                "it is worth, later ones will show."
            )
        gain = self.later["advantage"]
        if not self.best:
            return ""
        held = (
            "the advantage held"
            if gain.ci_low > 0
            else "the defaults did better"
            if gain.ci_high < 0
            else "the two cannot be told apart"
        )
        return (
            f"On what started from {self.holdout_from} on, which the search did not see, {held}: "
            f"better by {number(gain.value, gain.ci_low, gain.ci_high)}."
        )

    def options_in_words(self) -> str:
        """Return the best options as a person would write them."""
        values = self.best or self.defaults
        return ", ".join(f"{name} = {_short(value)}" for name, value in values.items())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each trial's value, the best so far, and the defaults."""

        return plot_trials(self, ax)


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return count(value) if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


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

    table = result.frame
    done = table[table["state"] == "complete"]
    if done.empty:
        raise InputError("no trial was completed; there is nothing to draw")
    words, higher = BOARD_METRICS[result.metric], higher_is_better(result.metric)
    at = done["trial"].to_numpy() + 1
    value = done["value"].to_numpy(dtype=float)
    so_far = np.maximum.accumulate(value) if higher else np.minimum.accumulate(value)
    low, high, beyond = _window(value, result.default_value, higher)
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
        edge = 0.0 if higher else 1.0
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
        subtitle=f"{words} of each trial of {result.kind} "
        f"({'higher' if higher else 'lower'} is better), each {result.basis}{worse}",
        xlabel="trial",
        ylabel=words,
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
    word = BOARD_METRICS[result.metric]
    return f"{result.options_in_words()}: {word} better by {told} than the defaults"
