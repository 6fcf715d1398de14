from .bandit import BanditPlan as BanditPlan
from .bandit import PromotionBandit
from .beliefs import BANDITS as BANDITS
from .beliefs import GREEDY as GREEDY
from .beliefs import TS as TS
from .beliefs import UCB as UCB
from .beliefs import allocate_by as allocate_by
from .evaluation import PlanEvaluation as PlanEvaluation
from .evaluation import evaluate_plan
from .exact import ExactPlan as ExactPlan
from .exact import exact_plan
from .learner import LearnedPlan as LearnedPlan
from .learner import PlanLearner

__all__ = ["PlanLearner", "PromotionBandit", "evaluate_plan", "exact_plan"]
