from .evaluation import compare_recommenders
from .graph import cold_scores, past_new_products, past_starts, product_graph
from .offers import JOINED as JOINED
from .offers import bought_again, past_offers, rank_offers, week_offers
from .recommender import Recommender

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
