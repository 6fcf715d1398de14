from .logistic import fit_elastic_net as fit_elastic_net
from .logistic import fit_logistic as fit_logistic
from .logistic import largest_l1 as largest_l1
from .logistic import sandwich as sandwich
from .logistic import small_sample_factor as small_sample_factor
from .newton import Data as Data
from .newton import Point as Point
from .newton import Problem as Problem
from .newton import minimise as minimise
from .newton import require_optimum as require_optimum
from .newton import solver as solver

__all__: list[str] = []
