"""Curves of several models over each other, and enlarged how they differ from the simplest's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.results import Estimate
from promolab.wording import count, decimals_for, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.compare.leaderboard import Leaderboard
    from promolab.metrics import Calibration


BOARD_METRICS: Mapping[str, str] = {
    "auc": "AUC",
    "auc_within": "AUC within promotions",
    "average_precision": "average precision",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "ece": "calibration error",
}
"""What models are compared by, and its name in words."""
VALUE = ("value", "ci_low", "ci_high")
GAP = ("difference", "difference_low", "difference_high")
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
    word, alone = BOARD_METRICS[metric], len(board.models) == 1
    values, low, high = (part[c].to_numpy(dtype=float) for c in (VALUE if alone else GAP))
    shown = [in_words(Estimate(*ends)) for ends in part[list(VALUE)].to_numpy()]
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

    y, found = _labels(board)[0], list(_measured(board, calibration).values())
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


LINES: tuple[Any, ...] = (
    "-",
    "--",
    ":",
    "-.",
    (0, (8, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
)
GRID = np.linspace(0, 1, 201)


def plot_roc(board: Leaderboard, ax: Axes | None = None) -> Axes:
    """Draw the ROC curve of each model; the small panel shows the differences."""
    from promolab import plots
    from promolab.metrics import roc

    found = _measured(board, roc)
    curves = {m: np.interp(GRID, one.fpr, one.tpr) for m, one in found.items()}
    ax = _overlaid(board, curves, found, ax)
    plots.reference_line(ax, "diagonal", label="a list in random order")
    _enlarged(board, ax, curves, (0.56, 0.09, 0.42, 0.34), "true positive rate")
    areas = {m: one.auc for m, one in found.items()}
    title = f"How well each model ranks: AUC {_range(list(areas.values()))}"
    _finish(board, ax, title, "ROC curves", "false positive rate", "true positive rate")
    _listing(board, ax, "AUC", areas)
    return ax


def plot_precision_recall(board: Leaderboard, ax: Axes | None = None) -> Axes:
    """Draw the precision–recall curve of each model; the small panel shows the differences."""
    from promolab import plots
    from promolab.metrics import precision_recall

    found = _measured(board, precision_recall)
    curves = {m: np.interp(GRID, one.recall, one.precision) for m, one in found.items()}
    ax = _overlaid(board, curves, found, ax)
    top, rate = _height(curves), float(board.rows["y"].mean())
    ax.set_ylim(-0.01 * top, 1.01 * top)
    plots.reference_line(ax, "horizontal", rate)
    with plots.style():
        ax.annotate(
            "a list in random order",
            (0.0, rate),
            xytext=(4, -3),
            textcoords="offset points",
            va="top",
            fontsize=9,
        )
    _enlarged(board, ax, curves, (0.56, 0.62, 0.42, 0.34), "precision", start=0.1)
    averages = {m: one.average_precision for m, one in found.items()}
    title = f"How clean the top of each list is: average precision {_range([*averages.values()])}"
    x, y = "recall: share of positives found", "precision: share of positives among those found"
    _finish(board, ax, title, "precision–recall curves", x, y)
    _listing(board, ax, "average precision", averages)
    return ax


def _measured(board: Leaderboard, curve: Callable[..., Any]) -> dict[str, Any]:
    y, cluster = _labels(board)
    options = {"cluster": cluster, "level": board.level}
    return {m: curve(y, board.scores[m].to_numpy(), **options) for m in board.models}


def _height(curves: dict[str, np.ndarray]) -> float:
    """Return where the precision axis ends: rare positives leave most of 0 to 100 % empty."""
    found = np.array(list(curves.values()))
    # The small panel fills the upper right: below it the curves keep to half of the axis.
    return float(min(1.0, max(1.1 * found.max(), found[:, GRID >= 0.5].max() / 0.55)))


def _labels(board: Leaderboard) -> tuple[np.ndarray, np.ndarray | None]:
    rows = board.rows
    cluster = rows["customer_id"].to_numpy() if "customer_id" in rows.columns else None
    return rows["y"].to_numpy(), cluster


def _look(i: int) -> dict[str, Any]:
    from promolab import plots

    # Both change from one to the next: told apart in grey as well.
    return {"colour": plots.COLOURS[i % 7], "linestyle": LINES[i % len(LINES)]}


def _overlaid(
    board: Leaderboard, curves: dict[str, np.ndarray], found: Mapping[str, Any], ax: Axes | None
) -> Axes:
    from promolab import plots

    with plots.style():
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(figsize=(8.4, 4.8))[1]
        for i, name in enumerate(board.models):
            plots.curve(
                GRID,
                curves[name],
                label=f"{name}, {in_words(found[name].estimate)}",
                ax=ax,
                **_look(i),
            )
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    return ax


def _enlarged(
    board: Leaderboard,
    ax: Axes,
    curves: dict[str, np.ndarray],
    place: tuple[float, float, float, float],
    what: str,
    start: float = 0.0,
) -> None:
    """Draw each curve minus the simplest model's into a corner that the curves leave empty."""
    from promolab import plots

    if len(board.models) < 2:
        return
    simplest, others = board.models[0], board.models[1:]
    shown = start <= GRID
    with plots.style():
        small = ax.inset_axes(place)
        plots.reference_line(small, "horizontal", 0.0)
        for i, name in enumerate(others, start=1):
            gap = (curves[name] - curves[simplest])[shown]
            plots.curve(GRID[shown], gap, ax=small, **_look(i))
            # Each name stands at a place of its own along the axis, on its curve.
            at = int((i - 0.5) / len(others) * shown.sum())
            small.annotate(
                name,
                (GRID[shown][at], gap[at]),
                xytext=(0, 3 if gap[at] >= 0 else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if gap[at] >= 0 else "top",
                fontsize=7.5,
                color=_look(i)["colour"],
                bbox={"facecolor": "white", "alpha": 0.75, "pad": 0.5, "edgecolor": "none"},
                parse_math=False,
            )
        small.margins(y=0.3)
        small.set_xlim(-0.01, 1.01)
        small.tick_params(labelsize=7.5)
        plots.finish(small, title="", percent_x=True, percent_y=True)
        small.set_title(f"{what} minus that of {simplest}", fontsize=8, fontweight="normal", pad=3)


def _finish(board: Leaderboard, ax: Axes, title: str, what: str, x: str, y: str) -> None:
    from promolab import plots

    n, positives = len(board.rows), int(board.rows["y"].sum())
    plots.finish(
        ax,
        title=title,
        subtitle=f"{what}; small panel: enlarged differences to {board.models[0]}, the simplest · "
        f"n = {count(n)}, {count(positives)} {board.outcome}, each {board.basis}",
        xlabel=x,
        ylabel=y,
        percent_x=True,
        percent_y=True,
    )


def _listing(board: Leaderboard, ax: Axes, measure: str, values: dict[str, float]) -> None:
    """Name the curves beside them, the best on top, with a stretch of each line."""
    from promolab import plots

    lines, words = ax.get_legend_handles_labels()
    order = np.argsort([-values[name] for name in values], kind="stable")
    with plots.style():
        legend = ax.legend(
            [lines[i] for i in order],
            [words[i].replace(", ", "\n", 1) for i in order],
            title=f"{measure} [{percent(board.level, decimals=0)}],\nbest on top",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            handlelength=3.2,
            alignment="left",
            title_fontsize=9,
            labelspacing=0.9,
        )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    if f"{low:.2f}" == f"{high:.2f}":
        return f"{low:.2f}"
    return f"{low:.2f} to {high:.2f}"


def in_words(e: Estimate) -> str:
    """Write a measure with two decimals or more: 0.5 [0.4, 0.5] would say too little."""
    decimals = max(2, decimals_for(e.ci_low, e.ci_high))
    return number(e.value, e.ci_low, e.ci_high, decimals=decimals)


def higher_is_better(metric: str) -> bool:
    """Whether more of one of the `BOARD_METRICS` is better."""
    from promolab.metrics import named_metric

    return named_metric(metric.removesuffix("_within")).higher_is_better
