from .history import customer_history as customer_history
from .learning import Learning as Learning
from .learning import Stakes as Stakes
from .planning import ExperimentPlan as ExperimentPlan
from .planning import plan_experiment as plan_experiment
from .power import HoldoutShare as HoldoutShare
from .power import SmallestEffect as SmallestEffect
from .power import share_to_see as share_to_see
from .power import smallest_effect as smallest_effect

__all__: list[str] = []
