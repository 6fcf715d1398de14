from .coverage import OutlookCoverage as OutlookCoverage
from .coverage import TrackRecord as TrackRecord
from .coverage import track_record as track_record
from .economics import LaunchEconomics as LaunchEconomics
from .economics import weigh_launch as weigh_launch
from .expected import PREDICTION_LEVEL as PREDICTION_LEVEL
from .expected import expected_of as expected_of
from .expected import kinds_of as kinds_of
from .expected import type_of as type_of
from .launch import DEFAULT_L2 as DEFAULT_L2
from .launch import Launch as Launch
from .launch import launch_week, past_pairs
from .promotion_economics import PromotionEconomics as PromotionEconomics
from .sizes import ListSteps as ListSteps
from .sizes import list_steps as list_steps

__all__ = ["launch_week", "past_pairs"]
