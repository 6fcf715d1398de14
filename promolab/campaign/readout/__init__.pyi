from .comparable import comparable_promotion as comparable_promotion
from .reading import read_out
from .result import PromotionReadout, Readout
from .running import Running as Running
from .running import RunningPromotion as RunningPromotion
from .running import follow_running as follow_running
from .verdict import RULE as RULE

__all__ = ["PromotionReadout", "Readout", "read_out"]
