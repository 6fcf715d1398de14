from .elastic_net import fit_elastic_net
from .elastic_net import largest_l1 as largest_l1
from .logistic import fit_logistic, sandwich
from .partial_pooling import fit_pooled
from .penalty import choose_l2

__all__ = ["choose_l2", "fit_elastic_net", "fit_logistic", "fit_pooled", "sandwich"]
