from .controls import Choose as Choose
from .controls import Figure as Figure
from .controls import Press as Press
from .controls import Several as Several
from .controls import Slide as Slide
from .controls import Tick as Tick
from .controls import Words as Words
from .explorer import Explorer as Explorer
from .grouping import segments
from .one_customer import customer
from .reviewing import review
from .thresholds import threshold

__all__ = ["customer", "review", "segments", "threshold"]
