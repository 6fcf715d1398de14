from .allocating import Asked as Asked
from .allocating import known_of as known_of
from .allocating import known_terms as known_terms
from .allocating import spend_budget as spend_budget
from .choosing import WeekPolicy as WeekPolicy
from .choosing import week_policy
from .experiment import TellingTrial as TellingTrial
from .experiment import telling_trial as telling_trial

__all__ = ["week_policy"]
