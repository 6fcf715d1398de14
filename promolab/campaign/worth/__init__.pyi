from .kept import keep_effects as keep_effects
from .kept import kept_worth as kept_worth
from .log import scored_log as scored_log
from .log import undiscounted as undiscounted
from .terms import moved_terms as moved_terms
from .valuing import Worth as Worth
from .valuing import policy_rows as policy_rows
from .valuing import week_worth

__all__ = ["week_worth"]
