from .logistic import fit_elastic_net as fit_elastic_net
from .logistic import fit_logistic as fit_logistic
from .logistic import largest_l1 as largest_l1
from .logistic import sandwich as sandwich

__all__: list[str] = []
