from .figures import png as png
from .figures import show as show
from .page import NOTEBOOK_STYLE as NOTEBOOK_STYLE
from .page import Html as Html
from .page import Ranged as Ranged
from .page import Tile as Tile
from .page import absent as absent
from .page import beside as beside
from .page import explained as explained
from .page import fold as fold
from .page import join as join
from .page import link as link
from .page import picture as picture
from .page import present
from .page import say as say
from .page import table as table
from .page import tiles as tiles
from .page import tried as tried

__all__ = ["present"]
