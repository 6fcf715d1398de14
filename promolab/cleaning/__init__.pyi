from .later import known_by
from .quarantine import FLAGS, ODD_TIMES, QUARANTINE_RULES, Flag, clean
from .report import CleaningReport, LeftOut

__all__ = [
    "FLAGS",
    "ODD_TIMES",
    "QUARANTINE_RULES",
    "CleaningReport",
    "Flag",
    "LeftOut",
    "clean",
    "known_by",
]
