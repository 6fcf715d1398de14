"""Features: what is known about customers, and customers and promotions, before a date."""

from promolab.features.chosen import RESPONSE_FEATURES, response_features
from promolab.features.customers import POSITIVE_RESPONSES, build_features
from promolab.features.decisions import decisions_experiment
from promolab.features.favourites import favourite_categories
from promolab.features.pairs import LABELS, build_candidates, build_pairs

__all__ = [
    "LABELS",
    "POSITIVE_RESPONSES",
    "RESPONSE_FEATURES",
    "build_candidates",
    "build_features",
    "build_pairs",
    "decisions_experiment",
    "favourite_categories",
    "response_features",
]
