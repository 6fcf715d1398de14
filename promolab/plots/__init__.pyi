from ._base import COLOURS, MUTED, segment_colours, span, style
from ._base import roomy as roomy
from ._base import stacked as stacked
from ._base import text_width as text_width
from ._base import wrapped as wrapped
from ._lines import bars, columns, curve, intervals, points, reference_line
from ._lines import legend_below as legend_below
from ._lines import side_by_side as side_by_side
from ._maps import bubbles, heat_map, histogram, scatter_map
from ._words import finish
from .flows import alluvial as alluvial

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
