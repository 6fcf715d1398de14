from .coverage import TrackRecord as TrackRecord
from .coverage import past_forecasts
from .economics import LaunchEconomics as LaunchEconomics
from .economics import charged as charged
from .economics import launch_economics as launch_economics
from .expected import kinds_of as kinds_of
from .expected import type_of as type_of
from .launch import DEFAULT_L2 as DEFAULT_L2
from .launch import Launch as Launch
from .launch import launch_week, past_pairs
from .promotion_economics import PromotionEconomics as PromotionEconomics
from .sizes import ListSteps as ListSteps
from .sizes import list_steps as list_steps
from .week_plan import WeekPlan as WeekPlan
from .week_plan import plan_economics

__all__ = ["launch_week", "past_forecasts", "past_pairs", "plan_economics"]
