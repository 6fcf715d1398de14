"""Figures of a comparison of models: differences to the simplest, and reliability of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.model.leaderboard_result import METRICS, Leaderboard, higher_is_better, in_words
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.metrics import Calibration

__all__ = ["plot_differences", "plot_reliability"]

PANELS = 3  # side by side: readable on a page


def plot_differences(board: Leaderboard, metric: str, ax: Axes | None = None) -> Axes:
    """Draw each model's paired difference to the simplest; right: its own value.

    Parameters
    ----------
    board : Leaderboard
    metric : str
        One of its `metrics`.
    ax : Axes, optional
    """
    from promolab import plots

    part = board.differences[board.differences["metric"] == metric]
    chosen, simplest = board.recommend(metric), board.models[0]
    word, alone = METRICS[metric], len(board.models) == 1
    values, low, high = (
        part[c].to_numpy(dtype=float)
        for c in (
            ("value", "ci_low", "ci_high")
            if alone
            else ("difference", "difference_low", "difference_high")
        )
    )
    shown = [
        in_words(*ends) for ends in zip(part["value"], part["ci_low"], part["ci_high"], strict=True)
    ]
    names = [f"{m} (recommended)" if m == chosen and not alone else m for m in part["model"]]
    colours = [plots.COLOURS[1] if m == chosen else plots.COLOURS[0] for m in part["model"]]
    ax = plots.intervals(
        names,
        values,
        low,
        high,
        reference=None if alone else 0.0,
        colour=colours,
        text=shown,
        ax=ax,
    )
    ax.locator_params(axis="x", nbins=6)
    better = f"{'right' if higher_is_better(metric) else 'left'} is better"
    return plots.finish(
        ax,
        title=_finding(board, metric, chosen),
        subtitle=f"{word} on {count(len(board.rows))} {board.unit} that no model had seen: paired "
        f"difference to {simplest} ({better}) and, beside it, each value; {board.interval_words()}",
        xlabel=word if alone else f"difference in {word} to {simplest}",
    )


def _finding(board: Leaderboard, metric: str, chosen: str) -> str:
    best, simplest = board.best(metric), board.models[0]
    if len(board.models) == 1:
        return f"One model: {simplest}"
    if best == simplest:
        return f"The simplest model, {simplest}, is the best"
    if chosen == simplest:
        return f"No model is better than {simplest}, the simplest, beyond noise"
    if chosen == best:
        return f"{best} is the best, and no simpler model comes within noise of it"
    return f"{chosen} is the simplest model within noise of the best, {best}"


def plot_reliability(board: Leaderboard, axes: Any = None) -> Any:
    """Draw observed against predicted for each model, a panel each, on the same axes.

    Parameters
    ----------
    board : Leaderboard
    axes : sequence of Axes, optional
        One per model; by default panels of a new figure.

    Returns
    -------
    ndarray of Axes
        The panels drawn, one per model.
    """
    from promolab import plots
    from promolab.metrics import calibration

    y = board.rows["y"].to_numpy()
    cluster = board.rows["customer_id"].to_numpy() if "customer_id" in board.rows else None
    found = [
        calibration(y, board.scores[m].to_numpy(), cluster=cluster, level=board.level)
        for m in board.models
    ]
    end = 1.05 * max(float(c.bins[["predicted", "ci_high"]].max().max()) for c in found)
    with plots.style():
        panels = _panels(len(found)) if axes is None else np.atleast_1d(np.asarray(axes)).ravel()
        for i, (name, one, ax) in enumerate(zip(board.models, found, panels, strict=True)):
            bins = one.bins
            plots.points(
                bins["predicted"],
                bins["observed"],
                low=bins["ci_low"],
                high=bins["ci_high"],
                colour=plots.COLOURS[i % len(plots.COLOURS)],
                ax=ax,
            )
            plots.reference_line(ax, "diagonal")
            ax.set(xlim=(-0.02 * end, end), ylim=(-0.02 * end, end))
            ratio = one.observed_expected
            told = number(ratio.value, ratio.ci_low, ratio.ci_high, decimals=2)
            plots.finish(
                ax,
                title=name,
                subtitle=f"observed/expected {told}",
                xlabel="predicted" if i + PANELS >= len(found) else "",
                ylabel="observed" if i % PANELS == 0 else "",
                percent_x=True,
                percent_y=True,
            )
        if axes is None:
            figure = panels[0].get_figure()
            figure.suptitle(_right_on_average(board, found), x=0.01, ha="left", fontweight="bold")
            figure.supxlabel(
                f"share of {board.outcome} by predicted probability, ten groups, "
                f"{board.interval_words()};\ndashed: observed as predicted · n = {count(len(y))}, "
                f"{percent(float(y.mean()))} positive",
                x=0.01,
                ha="left",
                fontsize=9.5,
            )
    return panels


def _right_on_average(board: Leaderboard, found: list[Calibration]) -> str:
    right = [
        name
        for name, one in zip(board.models, found, strict=True)
        if one.observed_expected.ci_low <= 1 <= one.observed_expected.ci_high
    ]
    if len(right) == len(found):
        return "Probabilities come true on average, within noise"
    if not right:
        return "No model's probabilities come true on average"
    return f"Probabilities come true on average, within noise, for {', '.join(right)}"


def _panels(n: int) -> Any:
    import matplotlib.pyplot as plt

    wide = min(n, PANELS)
    high = -(-n // wide)
    figure, axes = plt.subplots(
        high,
        wide,
        squeeze=False,
        figsize=(max(7.2, 3.0 * wide), 0.8 + 3.1 * high),
    )
    for ax in axes.ravel()[n:]:
        figure.delaxes(ax)
    return axes.ravel()[:n]
