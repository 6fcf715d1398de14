from ._base import COLOURS, MUTED, roomy, segment_colours, span, stacked, style, text_width, wrapped
from ._lines import (
    bars,
    columns,
    curve,
    intervals,
    legend_below,
    points,
    reference_line,
    side_by_side,
)
from ._maps import bubbles, heat_map, histogram, scatter_map
from ._words import finish
from .flows import alluvial

__all__ = [
    "COLOURS",
    "MUTED",
    "alluvial",
    "bars",
    "bubbles",
    "columns",
    "curve",
    "finish",
    "heat_map",
    "histogram",
    "intervals",
    "legend_below",
    "points",
    "reference_line",
    "roomy",
    "scatter_map",
    "segment_colours",
    "side_by_side",
    "span",
    "stacked",
    "style",
    "text_width",
    "wrapped",
]
