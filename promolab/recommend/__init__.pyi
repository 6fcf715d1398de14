from .cold_start import cold_scores, past_new_products
from .evaluation import compare_recommenders
from .evaluation import repurchase_rates as repurchase_rates
from .graph import ProductGraph as ProductGraph
from .graph import product_graph
from .offer_ranking import JOINED as JOINED
from .offer_ranking import Offers as Offers
from .offer_ranking import PastOffers as PastOffers
from .offer_ranking import past_offers, rank_offers
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
]
