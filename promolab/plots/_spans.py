"""Stretches of an axis that a figure points out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promolab.plots._base import COLOURS, MUTED, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@styled
def span(
    ax: Axes,
    low: float,
    high: float,
    *,
    at: float | None = None,
    label: str | None = None,
    colour: str = MUTED,
) -> Axes:
    """Shade a stretch of the x axis, and draw a line at the value that it is the interval of.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    low, high : float
        Where the stretch begins and ends.
    at : float, optional
        Where a solid upright line stands.
    label : str, optional
        Name in the legend that `finish` draws.
    colour : str
        Of the stretch.
    """
    ax.axvspan(low, high, color=colour, alpha=0.16, linewidth=0, zorder=0, label=label)
    if at is not None:
        ax.axvline(at, color=COLOURS[1], linewidth=1.4, zorder=2)
    return ax
