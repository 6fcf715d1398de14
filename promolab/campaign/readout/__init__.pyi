from .comparable import comparable_promotion
from .reading import read_out
from .result import PromotionReadout, Readout
from .running import Running, RunningPromotion, follow_running
from .verdict import RULE

__all__ = [
    "RULE",
    "PromotionReadout",
    "Readout",
    "Running",
    "RunningPromotion",
    "comparable_promotion",
    "follow_running",
    "read_out",
]
