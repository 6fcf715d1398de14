from .economics import LaunchEconomics as LaunchEconomics
from .economics import PromotionEconomics as PromotionEconomics
from .economics import charged as charged
from .economics import launch_economics as launch_economics
from .forecasts import OutlookCoverage as OutlookCoverage
from .forecasts import type_of as type_of
from .launch import Launch as Launch
from .launch import launch_week, past_pairs
from .lists import ListSteps as ListSteps
from .week_plan import WeekPlan as WeekPlan
from .week_plan import plan_economics

__all__ = ["launch_week", "past_pairs", "plan_economics"]
