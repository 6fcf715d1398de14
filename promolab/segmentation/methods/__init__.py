"""The ways of grouping customers, one class each, behind `Segmenter`."""

from promolab.segmentation.methods._base import Evidence, Grouped, Method, Settings, Task
from promolab.segmentation.methods.around_centres import KMeans, MiniBatch
from promolab.segmentation.methods.by_density import Dbscan, Hdbscan
from promolab.segmentation.methods.grid import Rfm
from promolab.segmentation.methods.mixture import Gaussian

__all__ = ["METHODS", "Evidence", "Grouped", "Method", "Settings", "Task"]

METHODS: dict[str, type[Method]] = {
    "kmeans": KMeans,
    "minibatch": MiniBatch,
    "gaussian": Gaussian,
    "dbscan": Dbscan,
    "hdbscan": Hdbscan,
    "rfm": Rfm,
}
"""The name of each method and its class."""
