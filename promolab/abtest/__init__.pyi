from .assignment import Assignment, assign
from .power import HoldoutShare, SmallestEffect, share_to_see, smallest_effect

__all__ = [
    "Assignment",
    "HoldoutShare",
    "SmallestEffect",
    "assign",
    "share_to_see",
    "smallest_effect",
]
