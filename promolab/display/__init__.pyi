from .figures import png as png
from .figures import show
from .page import Html, fold, join, present, say, table
from .page import Ranged as Ranged
from .page import Tile as Tile
from .page import absent as absent
from .page import beside as beside
from .page import explained as explained
from .page import link as link
from .page import picture as picture
from .page import tiles as tiles

__all__ = ["Html", "fold", "join", "present", "say", "show", "table"]
