"""What a test reads off a figure."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle


def bars_of(ax: Axes) -> list[Rectangle]:
    """Return the patches of axes that have none but bars."""
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(bars) == len(ax.patches)
    return bars
