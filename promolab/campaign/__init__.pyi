from .comparison import Difference, adjusted_difference, design_matrix
from .launch import Launch, ListOutlook, launch_week, list_outlook
from .readout import read_out
from .readout_result import PromotionReadout, Readout
from .schedule import promotion_name, timeline

__all__ = [
    "Difference",
    "Launch",
    "ListOutlook",
    "PromotionReadout",
    "Readout",
    "adjusted_difference",
    "design_matrix",
    "launch_week",
    "list_outlook",
    "promotion_name",
    "read_out",
    "timeline",
]
