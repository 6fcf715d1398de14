from .allocation import Allocation as Allocation
from .allocation import allocate
from .constraints import read_constraints
from .frontier import Limits as Limits
from .frontier import Solution as Solution
from .frontier import solve as solve
from .options import options_of as options_of
from .plan_scores import PlanScores as PlanScores
from .plan_scores import SpendingTest as SpendingTest
from .plan_scores import spending_test
from .plan_values import DIFFERENCE as DIFFERENCE
from .plan_values import EVERYBODY as EVERYBODY
from .plan_values import PlanValue as PlanValue
from .plan_values import plan_value
from .randomization import Drawn as Drawn
from .randomization import Holdouts
from .rows import PolicyRows as PolicyRows

__all__ = ["Holdouts", "allocate", "plan_value", "read_constraints", "spending_test"]
