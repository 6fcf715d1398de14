from .cold_start import cold_scores, past_new_products
from .evaluation import compare_recommenders
from .graph import ProductGraph as ProductGraph
from .graph import product_graph
from .offers import JOINED as JOINED
from .offers import Offers as Offers
from .offers import PastOffers as PastOffers
from .offers import past_offers, rank_offers, repurchase_rates
from .recommender import FEW_ORDERS as FEW_ORDERS
from .recommender import Recommender

__all__ = [
    "Recommender",
    "cold_scores",
    "compare_recommenders",
    "past_new_products",
    "past_offers",
    "product_graph",
    "rank_offers",
    "repurchase_rates",
]
