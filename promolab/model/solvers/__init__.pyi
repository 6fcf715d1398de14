from .elastic_net import fit_elastic_net as fit_elastic_net
from .elastic_net import largest_l1 as largest_l1
from .logistic import fit_logistic as fit_logistic
from .logistic import sandwich as sandwich
from .newton import one_thread as one_thread
from .partial_pooling import fit_pooled as fit_pooled
from .penalty import choose_l2 as choose_l2

__all__: list[str] = []
