from .coverage import OutlookCoverage, TrackRecord, track_record
from .economics import LaunchEconomics, weigh_launch
from .economics_result import PromotionEconomics, amount_words
from .expected import (
    PREDICTION_LEVEL,
    expected_of,
    expected_words,
    kinds_of,
    type_of,
)
from .launch import DEFAULT_L2, Launch, ListOutlook, launch_week, list_outlook
from .sizes import ListSteps, list_steps

__all__ = [
    "DEFAULT_L2",
    "PREDICTION_LEVEL",
    "Launch",
    "LaunchEconomics",
    "ListOutlook",
    "ListSteps",
    "OutlookCoverage",
    "PromotionEconomics",
    "TrackRecord",
    "amount_words",
    "expected_of",
    "expected_words",
    "kinds_of",
    "launch_week",
    "list_outlook",
    "list_steps",
    "track_record",
    "type_of",
    "weigh_launch",
]
