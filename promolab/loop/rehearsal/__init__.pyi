from .asked import POLICIES as POLICIES
from .rehearsing import rehearse as rehearse
from .result import Rehearsal as Rehearsal

__all__: list[str] = []
