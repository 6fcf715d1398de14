from .happening import happened_week as happened_week
from .promising import promise_week as promise_week
from .rows import OUTCOME_COLUMNS as OUTCOME_COLUMNS
from .rows import PREDICTION_COLUMNS as PREDICTION_COLUMNS
from .rows import PROMISED_MEASURES as PROMISED_MEASURES
from .telling import happened as happened
from .telling import promised as promised

__all__: list[str] = []
