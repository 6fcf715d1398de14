from .customers import POSITIVE_RESPONSES as POSITIVE_RESPONSES
from .customers import PRIOR_CONTACTS as PRIOR_CONTACTS
from .customers import build_features
from .customers import response_features as response_features
from .decisions import OUTCOMES as OUTCOMES
from .decisions import attributes_of as attributes_of
from .decisions import decisions_experiment
from .decisions import outcomes_between as outcomes_between
from .decisions import placed_lines as placed_lines
from .decisions import whole_margin_rate as whole_margin_rate
from .decisions import with_margin as with_margin
from .decisions import with_outcomes as with_outcomes
from .decisions import with_rates as with_rates
from .lines import counted_contacts as counted_contacts
from .lines import favourite_categories
from .lines import goods as goods
from .lines import mean_vectors as mean_vectors
from .lines import order_lines as order_lines
from .lines import orders_before as orders_before
from .media import encode_media
from .media import vector_columns as vector_columns
from .media import with_vectors as with_vectors
from .pairs import build_candidates as build_candidates
from .pairs import build_pairs
from .pairs import promotion_terms as promotion_terms
from .point_in_time import fixed as fixed
from .point_in_time import read_as_of as read_as_of
from .rounds import known_until as known_until

__all__ = [
    "build_features",
    "build_pairs",
    "decisions_experiment",
    "encode_media",
    "favourite_categories",
]
