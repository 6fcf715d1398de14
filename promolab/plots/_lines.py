"""Curves with bands, reference lines, intervals and bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.plots._base import (
    COLOURS,
    INK,
    MUTED,
    category_axis,
    list_height,
    list_width,
    new_axes,
    numbers,
    shades,
    spans_of,
    styled,
    turn_if_crowded,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


@styled
def curve(
    x: ArrayLike,
    y: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    label: str | None = None,
    colour: str | None = None,
    linestyle: str = "-",
    step: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a line and, where ``low`` and ``high`` are given, the band of its interval.

    Parameters
    ----------
    x, y : array-like of shape (n,)
        The curve.
    low, high : array-like of shape (n,), optional
        Ends of the interval at each ``x``.
    label : str, optional
        Name in the legend that `finish` draws.
    colour, linestyle : str
        By default the next colour of the cycle, and a solid line.
    step : bool
        True for a step that rises at each ``x``.
    """
    ax = new_axes(ax)
    draw_style = "steps-post" if step else "default"
    (line,) = ax.plot(
        numbers(x),
        numbers(y),
        color=colour,
        linestyle=linestyle,
        label=label,
        drawstyle=draw_style,
    )
    if low is not None and high is not None:
        ax.fill_between(
            numbers(x),
            numbers(low),
            numbers(high),
            color=line.get_color(),
            alpha=0.18,
            linewidth=0,
            step="post" if step else None,
        )
    return ax


@styled
def points(
    x: ArrayLike,
    y: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    label: str | None = None,
    colour: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw dots and, where ``low`` and ``high`` are given, the interval of each as an upright line.

    Parameters
    ----------
    x, y : array-like of shape (n,)
        Where the dots stand.
    low, high : array-like of shape (n,), optional
        Ends of each interval along ``y``.
    label : str, optional
        Name in the legend that `finish` draws.
    colour : str, optional
        By default the next colour of the cycle.
    """
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax)
    (line,) = ax.plot(numbers(x), numbers(y), "o", color=colour, label=label)
    whole = np.asarray(x).dtype.kind in "iu"  # trials, days: there is nothing between them
    if whole and isinstance(ax.xaxis.get_major_locator(), MaxNLocator):
        ax.locator_params(axis="x", integer=True)
    if low is not None and high is not None:
        ends = numbers(low), numbers(high)
        ax.vlines(numbers(x), *ends, colors=line.get_color(), linewidth=2.2, alpha=0.55)
    return ax


@styled
def reference_line(
    ax: Axes, kind: str = "diagonal", at: float = 0.0, label: str | None = None
) -> Axes:
    """Draw a thin dashed line to compare with: ``diagonal``, ``horizontal`` or ``vertical``.

    The label stands beside the line. The diagonal is y = x; ``at`` places the other two.
    """
    from matplotlib.patheffects import withStroke

    looks: dict[str, Any] = {
        "color": MUTED,
        "linewidth": 1.0,
        "linestyle": (0, (4, 3)),
        "zorder": 1,
    }
    words: dict[str, Any] = {"color": "#666666", "fontsize": 9, "textcoords": "offset points"}
    words["path_effects"] = [withStroke(linewidth=3, foreground="white")]  # over a curve as well
    if kind == "diagonal":
        ax.axline((0, 0), slope=1, **looks)
        if label:
            ax.annotate(label, (0.66, 0.66), xytext=(8, -4), ha="left", va="top", **words)
    elif kind == "horizontal":
        ax.axhline(at, **looks)
        if label:
            xy, over = (1.0, at), ax.get_yaxis_transform()
            ax.annotate(label, xy, xycoords=over, xytext=(-2, 3), ha="right", va="bottom", **words)
    elif kind == "vertical":
        ax.axvline(at, **looks)
        if label:
            xy, over = (at, 0.0), ax.get_xaxis_transform()
            ax.annotate(label, xy, xycoords=over, xytext=(4, 4), ha="left", va="bottom", **words)
    else:
        raise ValueError(f"kind is {kind!r}; use 'diagonal', 'horizontal' or 'vertical'")
    return ax


@styled
def intervals(
    labels: Sequence[Any],
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    reference: float | None = None,
    colour: str | Sequence[str] | None = None,
    marked: ArrayLike | None = None,
    text: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot: one dot with its interval per row, the first label on top.

    Parameters
    ----------
    labels : sequence of length n
        Names of the rows.
    values, low, high : array-like of shape (n,)
        Estimates and the ends of their intervals; nan leaves the mark out.
    reference : float, optional
        Where a dashed vertical line stands (no effect, the average …).
    colour : str or sequence of str, optional
        One colour, or one per row.
    marked : array-like of bool of shape (n,), optional
        Rows that stand out.
    text : sequence of str, optional
        Words at the right edge of each row.
    """
    values = numbers(values)
    ax = new_axes(ax, height=list_height(len(values)), width=list_width(text))
    found = shades(colour, marked, len(values))
    colours = [found] * len(values) if isinstance(found, str) else found
    rows = np.arange(len(values))
    if reference is not None:
        reference_line(ax, "vertical", reference)
    ax.hlines(rows, numbers(low), numbers(high), colors=colours, linewidth=2.2, alpha=0.55)
    ax.scatter(values, rows, c=list(colours), s=34, zorder=3)
    category_axis(ax, labels, "y")
    _row_texts(ax, rows, text)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="x")
    return ax


def _row_texts(ax: Axes, rows: np.ndarray, text: Sequence[str] | None) -> None:
    for row, words in zip(rows, text if text is not None else [], strict=False):
        ax.text(1.02, row, words, transform=ax.get_yaxis_transform(), va="center", fontsize=9)


@styled
def bars(
    labels: Sequence[Any],
    values: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    text: Sequence[str] | None = None,
    colours: str | Sequence[str] | None = None,
    marked: ArrayLike | None = None,
    starts: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw horizontal bars, the first label on top, with intervals where given.

    Parameters
    ----------
    labels : sequence of length n
        Names of the bars.
    values : array-like of shape (n,)
        Their lengths.
    low, high : array-like of shape (n,), optional
        Ends of the intervals.
    text : sequence of str, optional
        Words at the right edge of each row.
    colours : str or sequence of str, optional
        One colour, or one per bar.
    marked : array-like of bool of shape (n,), optional
        Bars that stand out.
    starts : array-like of shape (n,), optional
        Where each bar begins, as in a waterfall; at 0 by default.
    """
    values = numbers(values)
    ax = new_axes(ax, height=list_height(len(values)), width=list_width(text))
    rows = np.arange(len(values))
    begin = 0.0 if starts is None else numbers(starts)
    colour: Any = shades(colours, marked, len(values))
    ax.barh(rows, values, left=begin, color=colour, height=0.68, alpha=0.85)
    if low is not None and high is not None:
        spans = spans_of(values, low, high)
        ax.errorbar(
            values + begin, rows, xerr=spans, fmt="none", ecolor=INK, elinewidth=1.2, capsize=2.5
        )
    category_axis(ax, labels, "y")
    _row_texts(ax, rows, text)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.grid(axis="x")
    return ax


@styled
def columns(
    labels: Sequence[Any],
    values: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    colours: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw vertical bars over an ordered axis, with intervals where given.

    Long or many labels are thinned out to at most twelve.
    """
    values = numbers(values)
    ax = new_axes(ax)
    places = np.arange(len(values))
    ax.bar(places, values, color=colours or COLOURS[0], width=0.78, alpha=0.85)
    if low is not None and high is not None:
        spans = spans_of(values, low, high)
        ax.errorbar(places, values, yerr=spans, fmt="none", ecolor=INK, elinewidth=1.2, capsize=2.5)
    every = max(1, -(-len(values) // 12))
    category_axis(ax, [x if i % every == 0 else "" for i, x in enumerate(labels)], "x")
    turn_if_crowded(ax)
    ax.grid(axis="y")
    return ax


APART = 0.16


@styled
def side_by_side(
    labels: Sequence[Any],
    series: Sequence[ArrayLike],
    names: Sequence[str],
    *,
    colours: Sequence[str] | None = None,
    text: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw two estimates with their intervals in each row, the first row on top.

    Parameters
    ----------
    labels : sequence of length n
        Names of the rows.
    series : two array-likes of shape (3, n)
        Values, lower and upper ends of the intervals; nan leaves the mark out.
    names : sequence of two str
        What the two are, in the legend that `finish` draws.
    colours : sequence of two str, optional
        Their colours; they differ in their marks as well.
    text : sequence of str, optional
        Words at the right edge of each row.

    Examples
    --------
    >>> ax = side_by_side(["loyalty"], [[[60], [55], [65]], [[40], [35], [45]]], ["a", "b"])
    >>> ax.get_legend_handles_labels()[1]
    ['a', 'b']
    """
    shades = list(colours or COLOURS[:2])
    ax = new_axes(ax, height=list_height(round(1.5 * len(labels))), width=list_width(text))
    rows = np.arange(len(labels))
    for values, name, shade, mark, aside in zip(
        series, names, shades, "os", (-APART, APART), strict=True
    ):
        value, low, high = numbers(values)
        ax.hlines(rows + aside, low, high, colors=shade, linewidth=2.2, alpha=0.55)
        ax.plot(value, rows + aside, mark, color=shade, label=name)
    category_axis(ax, labels, "y")
    _row_texts(ax, rows, text)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    return ax
