from .files import Scored, score_file
from .grid import score_grid
from .shrinking import Shrunk, shrink

__all__ = ["Scored", "Shrunk", "score_file", "score_grid", "shrink"]
