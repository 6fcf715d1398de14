from .allocation_result import WeekPolicy as WeekPolicy
from .budget_decision import known_of as known_of
from .budget_decision import known_terms as known_terms
from .budget_decision import spend_budget as spend_budget
from .budget_decision import week_policy

__all__ = ["week_policy"]
