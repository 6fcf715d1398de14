from .later import known_by
from .quarantine import FLAGS, ODD_TIMES, QUARANTINE_RULES, Flag, clean
from .report import CleaningReport, LeftOut, left_out

__all__ = [
    "FLAGS",
    "ODD_TIMES",
    "QUARANTINE_RULES",
    "CleaningReport",
    "Flag",
    "LeftOut",
    "clean",
    "known_by",
    "left_out",
]
