from .choosing import WeekPolicy as WeekPolicy
from .choosing import week_policy
from .experiment import TellingTrial as TellingTrial
from .experiment import telling_trial as telling_trial

__all__ = ["week_policy"]
