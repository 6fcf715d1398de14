from .files import Scored as Scored
from .files import score_file, score_table
from .shrinking import Shrunk as Shrunk
from .shrinking import shrink

__all__ = ["score_file", "score_table", "shrink"]
