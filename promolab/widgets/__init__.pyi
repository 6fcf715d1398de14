from .controls import control as control
from .controls import slide as slide
from .designing import promotion_design
from .explorer import Explorer as Explorer
from .grouping import segments
from .one_customer import customer
from .reviewing import review
from .spending import budget
from .thresholds import threshold
from .trials import experiment

__all__ = [
    "budget",
    "customer",
    "experiment",
    "promotion_design",
    "review",
    "segments",
    "threshold",
]
