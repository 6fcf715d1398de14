from .bg_nbd import fit_orders as fit_orders
from .cards import card_attributes as card_attributes
from .cards import compare_cards, contrast_customers, profile_card
from .lifecycle import life_stages
from .lifetime import customer_value
from .overview import median_interval as median_interval
from .overview import profile_overview
from .scores import AXES as AXES
from .scores import build_profiles
from .scores import customer_frame as customer_frame
from .scores import numeric as numeric

__all__ = [
    "build_profiles",
    "compare_cards",
    "contrast_customers",
    "customer_value",
    "life_stages",
    "profile_card",
    "profile_overview",
]
