from .quarantine import FLAGS as FLAGS
from .quarantine import QUARANTINE_RULES as QUARANTINE_RULES
from .quarantine import clean, known_by

__all__ = ["clean", "known_by"]
