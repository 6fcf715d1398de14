from .convex_hull import HullPath as HullPath
from .convex_hull import hull_path as hull_path
from .limits import Limits as Limits
from .limits import check_limits as check_limits
from .limits import name_of as name_of
from .optimum import Scaled as Scaled
from .optimum import Solution as Solution
from .optimum import cheapest as cheapest
from .optimum import scale as scale
from .optimum import solve as solve
from .optimum import solve_within as solve_within

__all__: list[str] = []
