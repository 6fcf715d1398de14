from ._base import COLOURS as COLOURS
from ._base import MUTED as MUTED
from ._base import date_axis as date_axis
from ._base import finish
from ._base import look as look
from ._base import new_axes as new_axes
from ._base import segment_colours as segment_colours
from ._base import style as style
from ._base import text_width as text_width
from ._base import wrapped as wrapped
from ._fonts import lacking_font as lacking_font
from ._lines import bars, curve, intervals
from ._lines import columns as columns
from ._lines import points as points
from ._lines import reference_line as reference_line
from ._lines import side_by_side as side_by_side
from ._maps import bubbles as bubbles
from ._maps import heat_map as heat_map
from ._maps import histogram as histogram
from ._maps import scatter_map as scatter_map

__all__ = ["bars", "curve", "finish", "intervals"]
