from .experiment import TellingTrial as TellingTrial
from .experiment import telling_trial as telling_trial
from .week_policy import WeekPolicy as WeekPolicy
from .week_policy import week_policy

__all__ = ["week_policy"]
