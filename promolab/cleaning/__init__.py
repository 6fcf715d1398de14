"""Clean a shop: rules by name, every row that goes is in the quarantine with its reason.

This room alone removes rows. It nets nothing: amounts and quantities of returns and cancels are
only brought to one sign (0 or more), and the features set them against their orders.
"""

from promolab.cleaning.flags import FLAGS, ODD_TIMES, Flag
from promolab.cleaning.later import known_by
from promolab.cleaning.losses import LeftOut, left_out
from promolab.cleaning.quarantine import QUARANTINE_RULES, clean
from promolab.cleaning.report import CleaningReport

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
