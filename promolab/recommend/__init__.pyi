from .comparing import compare_recommenders
from .graph import product_graph
from .launches import past_starts
from .new_products import past_new_products
from .offers import JOINED as JOINED
from .offers import rank_offers
from .paths import cold_scores
from .ranked_before import past_offers
from .recommender import Recommender
from .repeats import bought_again
from .week import week_offers

__all__ = [
    "Recommender",
    "bought_again",
    "cold_scores",
    "compare_recommenders",
    "past_new_products",
    "past_offers",
    "past_starts",
    "product_graph",
    "rank_offers",
    "week_offers",
]
