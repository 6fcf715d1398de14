from .policies import POLICIES as POLICIES
from .simulation import Rehearsal as Rehearsal
from .simulation import rehearse as rehearse

__all__: list[str] = []
