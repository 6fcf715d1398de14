"""Customer profiles: interests, purchasing power, loyalty and habits as 0–100 scores."""

from promolab.profiles.axes import AXES, Axis, Component
from promolab.profiles.cards import CardPair, ProfileCard, compare_cards, profile_card
from promolab.profiles.columns import customer_frame, numeric
from promolab.profiles.overview import ProfileOverview, profile_overview
from promolab.profiles.scores import build_profiles
from promolab.profiles.stages import STAGES, LifeStages, life_stages

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
]
