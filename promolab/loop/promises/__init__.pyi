from .agreement import PlannerCalibration as PlannerCalibration
from .agreement import planner_calibration as planner_calibration
from .alarm import PromiseAlarm as PromiseAlarm
from .alarm import promise_alarm as promise_alarm
from .happening import happened_week as happened_week
from .matching import matched as matched
from .promising import promise_week as promise_week
from .rows import OUTCOME_COLUMNS as OUTCOME_COLUMNS
from .rows import PREDICTION_COLUMNS as PREDICTION_COLUMNS
from .rows import PROMISED_MEASURES as PROMISED_MEASURES
from .said import SaidAndHappened as SaidAndHappened
from .said import said_and_happened
from .telling import happened as happened
from .telling import promised as promised

__all__ = ["said_and_happened"]
