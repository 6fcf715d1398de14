"""Two estimates side by side, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.plots._base import (
    COLOURS,
    category_axis,
    list_height,
    list_width,
    new_axes,
    numbers,
    styled,
)
from promolab.plots._lines import _row_texts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["legend_below", "side_by_side"]

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


@styled
def legend_below(ax: Axes) -> Axes:
    """Put the legend of an Axes under it, where it hides nothing.

    Examples
    --------
    >>> ax = legend_below(side_by_side(["x"], [[[1], [0], [2]], [[2], [1], [3]]], ["a", "b"]))
    >>> len(ax.get_figure().legends[0].get_texts())
    2
    """
    here = ax.get_legend()
    if here is not None:
        here.remove()
    figure: Any = ax.get_figure(root=True)
    legend = figure.legend(*ax.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return ax
