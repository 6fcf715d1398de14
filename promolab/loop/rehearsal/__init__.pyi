from .asked import POLICIES as POLICIES
from .rehearsing import rehearse
from .result import Rehearsal as Rehearsal

__all__ = ["rehearse"]
