from .log import scored_log as scored_log
from .week_worth import Worth as Worth
from .week_worth import week_worth

__all__ = ["week_worth"]
