from .edges import ProductGraph as ProductGraph
from .edges import product_graph as product_graph
from .launches import past_starts as past_starts
from .new_products import past_new_products as past_new_products
from .paths import bought_codes as bought_codes
from .paths import cold_scores as cold_scores

__all__: list[str] = []
