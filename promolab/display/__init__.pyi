from .figures import png as png
from .figures import show as show
from .page import NOTEBOOK_STYLE as NOTEBOOK_STYLE
from .page import Html as Html
from .page import Ranged as Ranged
from .page import Tile as Tile
from .page import absent as absent
from .page import beside as beside
from .page import ends_beside as ends_beside
from .page import explained as explained
from .page import fold as fold
from .page import heading as heading
from .page import join as join
from .page import link as link
from .page import picture as picture
from .page import plain_markdown as plain_markdown
from .page import present
from .page import say as say
from .page import table as table
from .page import tiles as tiles
from .page import tried as tried
from .vector import GREY as GREY
from .vector import Dots as Dots
from .vector import Line as Line
from .vector import Upright as Upright
from .vector import chart as chart
from .vector import lying_bars as lying_bars
from .vector import thin as thin

__all__ = ["present"]
