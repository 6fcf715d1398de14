from .contacted import contacted_experiment, known_at, promotions_over
from .decided import FEWEST_UNITS
from .outcomes import contacts_before, kinds_recorded, response_spans, responses_between, settles_at
from .schedule import list_of, moment_of, promotion_name, shifted, timeline

__all__ = [
    "FEWEST_UNITS",
    "contacted_experiment",
    "contacts_before",
    "kinds_recorded",
    "known_at",
    "list_of",
    "moment_of",
    "promotion_name",
    "promotions_over",
    "response_spans",
    "responses_between",
    "settles_at",
    "shifted",
    "timeline",
]
