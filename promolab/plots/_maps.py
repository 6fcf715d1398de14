"""Heat maps, bubbles, histograms and maps of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.language import _
from promolab.plots._base import (
    COLOURS,
    INK,
    MUTED,
    PANEL_WIDTH,
    category_axis,
    new_axes,
    numbers,
    segment_colours,
    styled,
    text_width,
    turn_if_crowded,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


MISSING = "#E3E3E3"
LABEL_WIDTH = 130.0  # points; a longer name goes on in the next line
MANY = 5  # names from which on a map of points or bubbles needs more room for them
PART_FOR_CELLS = 0.62  # of a figure's width, beside names of rows and the scale of colours
READABLE = 0.48  # brightness of words on white, 0 black


@styled
def heat_map(
    values: ArrayLike,
    row_labels: Sequence[Any],
    column_labels: Sequence[Any],
    *,
    text: Sequence[Sequence[str]] | np.ndarray | None = None,
    centre: float | None = None,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a table as colours; with ``centre``, blue lies below it and vermilion above.

    Parameters
    ----------
    values : array-like of shape (rows, columns)
        The figures; nan is drawn grey.
    row_labels, column_labels : sequence
        Names; the first row is on top.
    text : array-like of str of shape (rows, columns), optional
        Words in the cells.
    centre : float, optional
        The neutral value of a diverging scale.
    label : str, optional
        What the colours measure, with its unit; without it there is no scale beside the map.
    """
    from matplotlib.colors import LinearSegmentedColormap

    table = np.ma.masked_invalid(np.atleast_2d(numbers(values)))
    rows, cells = table.shape
    words = None if text is None else np.asarray(text, dtype=object).reshape(rows, cells)
    if words is not None:
        words = _in_cells(words, PART_FOR_CELLS * 72 * PANEL_WIDTH / cells)
    lines = (
        1 if words is None else max([str(word).count("\n") + 1 for word in words.flat], default=1)
    )
    row = max(0.42, 0.17 * lines)  # inches
    ax = new_axes(ax, height=float(np.clip(1.7 + row * rows, 2.6, 14.0)))
    if centre is None:
        scale = LinearSegmentedColormap.from_list("value", ["#F7FAFC", "#9CC9E3", "#00507F"])
        limits = (float(table.min()), float(table.max())) if table.count() else (0.0, 1.0)
    else:
        scale = LinearSegmentedColormap.from_list("change", ["#0072B2", "#FAFAFA", "#D55E00"])
        reach = (float(np.abs(table - centre).max()) if table.count() else 0.0) or 1.0
        limits = (centre - reach, centre + reach)
    image = ax.imshow(
        table, cmap=scale.with_extremes(bad=MISSING), vmin=limits[0], vmax=limits[1], aspect="auto"
    )
    category_axis(ax, row_labels, "y")
    category_axis(ax, column_labels, "x")
    turn_if_crowded(ax)
    if words is not None:
        _cell_texts(ax, image.to_rgba(table), words)
    ax.spines[:].set_visible(False)
    if label is not None:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.85, pad=0.02)
        # Beside few rows the bar is too short for a sentence.
        bar.set_label(wrapped(label, 30.0 * max(rows, 3), 8.3), fontsize="small")
        bar.outline.set_visible(False)
    return ax


def _in_cells(text: np.ndarray, room: float) -> np.ndarray:
    """Put intervals into a line of their own where figure and interval are wider than a cell."""
    lines = [line for words in text.flat for line in str(words).split("\n")]
    if max((text_width(line, 9) for line in lines), default=0.0) <= room:
        return text
    own_line = np.vectorize(lambda words: str(words).replace(" [", "\n["), otypes=[object])
    return np.asarray(own_line(text))


def _cell_texts(ax: Axes, colours: np.ndarray, text: np.ndarray) -> None:
    bright = colours[..., :3] @ np.array([0.299, 0.587, 0.114]) > 0.55
    for (row, column), words in np.ndenumerate(text):
        ink = INK if bright[row, column] else "white"
        ax.text(column, row, str(words), ha="center", va="center", color=ink, fontsize=9)


@styled
def bubbles(
    x: ArrayLike,
    y: ArrayLike,
    size: ArrayLike,
    labels: Sequence[Any],
    *,
    colours: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw labelled circles whose area is proportional to ``size``.

    Labels that would stand on each other are moved apart vertically.
    """
    x, y, size = numbers(x), numbers(y), numbers(size)
    names = [str(label) for label in labels]
    ax = new_axes(ax, width=9.6, height=6.4) if len(names) > MANY else new_axes(ax)
    shades = list(colours) if colours is not None else [segment_colours(names)[n] for n in names]
    largest = np.nanmax(size, initial=0.0) or 1.0
    area = 60 + 1100 * np.nan_to_num(size) / largest
    ax.scatter(x, y, s=area, c=shades, alpha=0.75, edgecolors="white", linewidths=1.0)
    ax.margins(0.22)
    ax.autoscale_view()
    ax.grid(True)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    places = _apart(x, y, reach=0.3 * (right - left), gap=0.06 * (top - bottom))
    for i in np.flatnonzero(np.isfinite(x) & np.isfinite(y)):
        to_left = x[i] > left + 0.62 * (right - left)
        aside = (np.sqrt(area[i]) / 2 + 4) * (-1 if to_left else 1)
        ax.annotate(
            wrapped(names[i], LABEL_WIDTH, 9),
            (x[i], places[i]),
            xytext=(aside, 0),
            textcoords="offset points",
            ha="right" if to_left else "left",
            va="center",
            fontsize=9,
        )
    return ax


def _apart(x: np.ndarray, y: np.ndarray, reach: float, gap: float) -> np.ndarray:
    """Move labels up, from the lowest on, until none is within ``gap`` of one near it in ``x``."""
    moved = y.astype(float).copy()
    order = np.argsort(y, kind="stable")
    for k, i in enumerate(order):
        below = order[:k][np.abs(x[order[:k]] - x[i]) < reach]
        for other in below[np.argsort(moved[below], kind="stable")]:
            if abs(moved[i] - moved[other]) < gap:
                moved[i] = moved[other] + gap
    return moved


@styled
def histogram(
    values: ArrayLike,
    *,
    bins: int = 40,
    high_quantile: float = 0.995,
    colour: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how values are spread between two quantiles; says how many lie outside.

    Missing and infinite values are left out.
    """
    known = numbers(values)
    known = known[np.isfinite(known)]
    ax = new_axes(ax)
    if not len(known):
        ax.text(0.5, 0.5, _("no values"), transform=ax.transAxes, ha="center", color="#666666")
        return ax
    low, high = np.quantile(known, [0.0, high_quantile])
    inside = known[(known >= low) & (known <= high)]
    ax.hist(inside, bins=bins, color=colour or COLOURS[0], alpha=0.85, edgecolor="white")
    ax.grid(axis="y")
    if len(inside) < len(known):
        out = {"n": f"{len(known) - len(inside):,}", "all": f"{len(known):,}"}
        words = _("{n} of {all} lie outside the axis", **out)
        looks: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 9, "color": "#666666"}
        ax.text(1, 0.98, words, transform=ax.transAxes, **looks)
    return ax


@styled
def scatter_map(
    x: ArrayLike,
    y: ArrayLike,
    group: ArrayLike,
    *,
    colours: dict[Any, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw points coloured by group, each group named at its median.

    Parameters
    ----------
    x, y : array-like of shape (n,)
        Coordinates.
    group : array-like of shape (n,)
        The group of each point.
    colours : dict, optional
        Colour of each group; by default those of `segment_colours`.
    """
    from matplotlib.patheffects import withStroke

    x, y, group = numbers(x), numbers(y), np.asarray(group).astype(str)
    names = np.unique(group)
    width, height = (9.6, 6.2) if len(names) > MANY else (7.2, 4.8)
    ax = new_axes(ax, width=width, height=height)
    shades = segment_colours(names) if colours is None else {str(k): v for k, v in colours.items()}
    # One scatter in the rows' own order, so that no group is drawn on top of all others.
    ax.scatter(x, y, s=9, c=[shades.get(g, MUTED) for g in group], alpha=0.5, linewidths=0)
    middle = np.array([[np.median(x[group == g]), np.median(y[group == g])] for g in names])
    middle = middle.reshape(-1, 2)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    reach, gap = 0.3 * (right - left), 0.06 * (top - bottom)
    places = _apart(middle[:, 0], middle[:, 1], reach, gap)
    for name, across, up in zip(names, middle[:, 0], places, strict=True):
        where = (across - left) / (right - left)
        words = ax.text(
            across,
            up,
            wrapped(str(name), LABEL_WIDTH, 9.5, "bold"),
            # Near an edge the name stands inwards.
            ha="left" if where < 0.2 else "right" if where > 0.8 else "center",
            va="center",
            fontsize=9.5,
            weight="bold",
            color=_darkened(shades.get(str(name), INK)),
        )
        words.set_path_effects([withStroke(linewidth=3, foreground="white")])
    return ax


def _darkened(colour: str) -> tuple[float, float, float]:
    """Return the colour itself, or a dark one of the same hue where it is too pale to be read."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    share = min(1.0, READABLE / bright) if bright else 1.0
    return share * red, share * green, share * blue
