"""Streams from groups to groups: who was where, and went where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.plots._base import (
    INK,
    MUTED,
    category_axis,
    new_axes,
    segment_colours,
    styled,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["alluvial"]

BAR = 0.06  # width of a stage's bar, where stages are 1 apart
GAP = 0.015  # between two groups, as a share of all
LABEL_ROOM = 0.62  # beside the first and the last stage
LABEL_WIDTH = 120.0  # points
LINE = 0.045  # height of a line of a label, as a share of all, on a figure of HEIGHT
HEIGHT, ROOM = 5.2, 1.15  # inches, and how much of all (1, and the gaps) they have room for


@styled
def alluvial(
    stages: Sequence[str],
    names: Sequence[str],
    moves: Sequence[np.ndarray],
    *,
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many go from each group of a stage to each group of the next.

    Parameters
    ----------
    stages : sequence of str of length s ≥ 2
        What each stage is, such as a week; written under it.
    names : sequence of str of length k
        The groups, from top to bottom; the same at each stage.
    moves : sequence of s − 1 ndarrays of shape (k, k)
        How many go from the group of the row to the group of the column.
    colours : mapping, optional
        Colour of each group; by default those of `segment_colours`. A stream has the colour of the
        group that it comes from.

    Examples
    --------
    >>> ax = alluvial(["before", "now"], ["a", "b"], [np.array([[5, 1], [0, 4]])])
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['before', 'now']
    """
    known = segment_colours(names) | dict(colours or {})
    shades = [known[str(name)] for name in names]
    totals = [moves[0].sum(axis=1), *(move.sum(axis=0) for move in moves)]
    most = max(float(total.sum()) for total in totals) or 1.0
    given, ax = ax, new_axes(ax, height=HEIGHT)
    tops = [_tops(total / most) for total in totals]
    for stage, (total, top) in enumerate(zip(totals, tops, strict=True)):
        _bars(ax, stage, total / most, top, shades)
    for stage, move in enumerate(moves):
        _streams(ax, stage, move / most, tops, shades)
    lowest = max(float((top + total / most).max()) for top, total in zip(tops, totals, strict=True))
    for stage, side in ((0, "right"), (len(stages) - 1, "left")):
        middles = tops[stage] + totals[stage] / most / 2
        lowest = max(lowest, _labels(ax, stage, names, totals[stage], middles, shades, side))
    if given is None and lowest > ROOM:  # many small groups: their names need a taller figure
        figure: Any = ax.get_figure(root=True)
        figure.set_figheight(HEIGHT * lowest / ROOM)
    category_axis(ax, stages, "x")
    ax.set_yticks([])
    ax.set_xlim(-LABEL_ROOM * (len(stages) - 1), (1 + LABEL_ROOM) * (len(stages) - 1))
    ax.set_ylim(lowest + 0.02, -0.02)
    ax.spines[:].set_visible(False)
    return ax


def _tops(share: np.ndarray) -> np.ndarray:
    """Return where each group starts, from the top; a group without anybody takes no room."""
    gaps = np.where(share > 0, GAP, 0.0)
    return np.concatenate([[0.0], np.cumsum(share + gaps)[:-1]])


def _bars(ax: Axes, stage: int, share: np.ndarray, top: np.ndarray, shades: list[str]) -> None:
    ax.bar(np.full(len(share), float(stage)), share, bottom=top, width=BAR, color=shades, zorder=3)


def _streams(
    ax: Axes, stage: int, share: np.ndarray, tops: list[np.ndarray], shades: list[str]
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    # Streams leave a group in the order of where they go, and arrive in that of where they come
    # from, so that they cross as little as can be.
    leave = tops[stage][:, None] + np.cumsum(share, axis=1) - share
    arrive = tops[stage + 1][None, :] + np.cumsum(share, axis=0) - share
    left, right = stage + BAR / 2, stage + 1 - BAR / 2
    middle = (left + right) / 2
    codes: Any = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    for row, column in zip(*np.nonzero(share), strict=True):
        a, b, size = leave[row, column], arrive[row, column], share[row, column]
        path = [(left, a), (middle, a), (middle, b), (right, b), (right, b + size)]
        path += [(middle, b + size), (middle, a + size), (left, a + size), (left, a)]
        fill = 0.5 if row != column else 0.25  # who moved stands out from who stayed
        ax.add_patch(PathPatch(Path(path, codes), facecolor=shades[row], alpha=fill, linewidth=0))


def _labels(
    ax: Axes,
    stage: int,
    names: Sequence[str],
    total: np.ndarray,
    middles: np.ndarray,
    shades: list[str],
    side: str,
) -> float:
    """Write names and sizes beside a stage, and return where the last of them ends."""
    there = [i for i, n in enumerate(total) if n > 0]
    words = [wrapped(f"{names[i]} ({total[i]:,.0f})", LABEL_WIDTH, 9) for i in there]
    heights = np.array([LINE * (text.count("\n") + 1) for text in words])
    places = _spread(middles[there], heights)
    aside = stage + (-0.03 - BAR / 2 if side == "right" else 0.03 + BAR / 2)
    for i, place, text in zip(there, places, words, strict=True):
        ink = MUTED if shades[i] == MUTED else INK
        ax.text(aside, place, text, ha=side, va="center", fontsize=9, color=ink)
    return float((places + heights / 2).max(initial=0.0))


def _spread(places: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Move labels down until none stands on the one above it."""
    moved = places.astype(float).copy()
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + (heights[i - 1] + heights[i]) / 2)
    return moved
