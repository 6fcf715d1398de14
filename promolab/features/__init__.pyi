from .customers import POSITIVE_RESPONSES, RESPONSE_FEATURES, build_features, response_features
from .decisions import attributes_of as attributes_of
from .decisions import decisions_experiment
from .decisions import with_outcomes as with_outcomes
from .lines import favourite_categories
from .lines import order_lines as order_lines
from .outcomes import OUTCOMES as OUTCOMES
from .outcomes import placed_lines as placed_lines
from .outcomes import whole_margin_rate as whole_margin_rate
from .pairs import LABELS, build_candidates, build_pairs
from .point_in_time import read_as_of as read_as_of
from .rounds import known_until as known_until

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
