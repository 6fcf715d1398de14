"""Figures with room: panels under each other, and maps with words in their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promolab.plots._base import PANEL_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["roomy", "stacked"]


@styled
def roomy(rows: int, columns: int) -> Axes:
    """Return Axes of a new figure on which two lines of words fit into each cell of a heat map.

    Examples
    --------
    >>> float(roomy(4, 5).figure.get_figwidth())
    8.4
    """
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(max(8.4, 3.4 + 0.86 * columns), 2.0 + 0.46 * rows))[1]


@styled
def stacked(heights: Sequence[float], *, share: bool = True) -> list[Axes]:
    """Return panels of one new figure, the first on top.

    Parameters
    ----------
    heights : sequence of float
        Height of each panel in inches.
    share : bool
        Whether all have the same horizontal axis.

    Examples
    --------
    >>> len(stacked([3.0, 1.5]))
    2
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(
        len(heights),
        1,
        sharex=share,
        squeeze=False,
        figsize=(PANEL_WIDTH, sum(heights)),
        height_ratios=list(heights),
    )
    return list(axes[:, 0])
