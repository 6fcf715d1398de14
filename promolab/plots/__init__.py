"""Drawing on arrays: curves, intervals, bars, heat maps, maps, and the style they share.

Every function takes arrays and ``ax=None`` (a new figure by default) and returns the Axes. Nothing
here knows a result of promolab; nothing changes Matplotlib's settings outside its own call.
"""

from promolab.plots._base import COLOURS, MUTED, segment_colours, style
from promolab.plots._lines import bars, columns, curve, intervals, points, reference_line
from promolab.plots._maps import bubbles, heat_map, histogram, scatter_map
from promolab.plots._spans import span
from promolab.plots._words import finish

__all__ = [
    "COLOURS",
    "MUTED",
    "bars",
    "bubbles",
    "columns",
    "curve",
    "finish",
    "heat_map",
    "histogram",
    "intervals",
    "points",
    "reference_line",
    "scatter_map",
    "segment_colours",
    "span",
    "style",
]
