from .effect_values import Worth as Worth
from .effect_values import load_worth as load_worth
from .effect_values import moved_terms as moved_terms
from .effect_values import policy_rows as policy_rows
from .effect_values import save_effects as save_effects
from .effect_values import week_worth as week_worth
from .log import scored_log as scored_log
from .log import undiscounted as undiscounted

__all__: list[str] = []
