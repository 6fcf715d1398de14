from .edges import ProductGraph as ProductGraph
from .edges import product_graph
from .launches import past_starts
from .new_products import past_new_products
from .paths import bought_codes as bought_codes
from .paths import cold_scores
from .paths import indicator as indicator

__all__ = ["cold_scores", "past_new_products", "past_starts", "product_graph"]
