from .allocation import Allocation as Allocation
from .allocation import allocate
from .chances import Drawn as Drawn
from .chances import Holdouts
from .constraints import read_constraints
from .money import DIFFERENCE as DIFFERENCE
from .money import EVERYBODY as EVERYBODY
from .money import MoneyAnswer as MoneyAnswer
from .money import money_answer
from .options import options_of as options_of
from .paying import Pays as Pays
from .paying import pays_to_spend
from .rows import PolicyRows as PolicyRows
from .solving import Limits as Limits
from .solving import Solution as Solution
from .solving import solve as solve
from .valuing import Valuing as Valuing

__all__ = ["Holdouts", "allocate", "money_answer", "pays_to_spend", "read_constraints"]
