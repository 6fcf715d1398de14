from .customers import POSITIVE_RESPONSES, RESPONSE_FEATURES, build_features, response_features
from .decisions import attributes_of, decisions_experiment, with_outcomes
from .lines import favourite_categories, order_lines
from .outcomes import OUTCOMES, placed_lines, whole_margin_rate
from .pairs import LABELS, build_candidates, build_pairs
from .point_in_time import read_as_of
from .rounds import known_until

__all__ = [
    "LABELS",
    "OUTCOMES",
    "POSITIVE_RESPONSES",
    "RESPONSE_FEATURES",
    "attributes_of",
    "build_candidates",
    "build_features",
    "build_pairs",
    "decisions_experiment",
    "favourite_categories",
    "known_until",
    "order_lines",
    "placed_lines",
    "read_as_of",
    "response_features",
    "whole_margin_rate",
    "with_outcomes",
]
