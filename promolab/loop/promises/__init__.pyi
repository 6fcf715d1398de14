from .forecast_errors import ComparedForecasts as ComparedForecasts
from .forecast_errors import PromiseAlarm as PromiseAlarm
from .forecast_errors import compare_forecasts
from .forecast_errors import join_outcomes as join_outcomes
from .forecast_errors import promise_alarm as promise_alarm
from .forecasts import forecast_week as forecast_week
from .forecasts import run_forecast as run_forecast
from .outcomes import past_outcomes as past_outcomes
from .outcomes import week_outcomes as week_outcomes

__all__ = ["compare_forecasts"]
