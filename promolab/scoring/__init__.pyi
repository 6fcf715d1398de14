from .files import Scored, score_file
from .grid import fill_grid, score_grid
from .shrinking import Shrunk, shrink

__all__ = ["Scored", "Shrunk", "fill_grid", "score_file", "score_grid", "shrink"]
