from .figures import show
from .hover import explained
from .page import Html, Tile, absent, beside, fold, join, link, picture, present, say, table, tiles

__all__ = [
    "Html",
    "Tile",
    "absent",
    "beside",
    "explained",
    "fold",
    "join",
    "link",
    "picture",
    "present",
    "say",
    "show",
    "table",
    "tiles",
]
