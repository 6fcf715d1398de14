from .comparing import compare_recommenders
from .recommender import Recommender

__all__ = ["Recommender", "compare_recommenders"]
