from .assignment import FEWEST_UNITS as FEWEST_UNITS
from .assignment import clusters as clusters
from .contacted import known_at as known_at
from .outcomes import past_answers
from .outcomes import response_spans as response_spans
from .outcomes import settles_at as settles_at
from .schedule import days_of as days_of
from .schedule import list_of as list_of
from .schedule import shifted as shifted
from .schedule import timeline

__all__ = ["past_answers", "timeline"]
