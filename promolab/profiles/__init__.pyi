from .cards import CardPair, ProfileCard, compare_cards, profile_card, two_unlike_customers
from .overview import ProfileOverview, profile_overview
from .overview import median_interval as median_interval
from .scores import AXES, Axis, Component, build_profiles, customer_frame, numeric
from .stages import STAGES, LifeStages, life_stages

__all__ = [
    "AXES",
    "STAGES",
    "Axis",
    "CardPair",
    "Component",
    "LifeStages",
    "ProfileCard",
    "ProfileOverview",
    "build_profiles",
    "compare_cards",
    "customer_frame",
    "life_stages",
    "numeric",
    "profile_card",
    "profile_overview",
    "two_unlike_customers",
]
