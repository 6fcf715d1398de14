from .controls import Choose as Choose
from .controls import Figure as Figure
from .controls import Press as Press
from .controls import Several as Several
from .controls import Slide as Slide
from .controls import Steps as Steps
from .controls import Tick as Tick
from .controls import Words as Words
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
