"""Panels under each other that share what runs across."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promolab.plots._base import PANEL_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["stacked"]


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
