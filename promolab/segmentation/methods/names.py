"""The name of each method, and its class."""

from promolab.segmentation.methods._base import Method
from promolab.segmentation.methods.by_density import Dbscan, Hdbscan
from promolab.segmentation.methods.by_number import Gaussian, KMeans, MiniBatch, Rfm

__all__ = ["METHODS"]

METHODS: dict[str, type[Method]] = {
    "kmeans": KMeans,
    "minibatch": MiniBatch,
    "gaussian": Gaussian,
    "dbscan": Dbscan,
    "hdbscan": Hdbscan,
    "rfm": Rfm,
}
"""The name of each method and its class."""
