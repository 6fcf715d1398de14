from .dependence import main_dependences, partial_dependence
from .explanation import Explanation as Explanation
from .explanation import explain_row
from .importance import Importance as Importance
from .importance import permutation_importance
from .rules import weights_or_rules

__all__ = [
    "explain_row",
    "main_dependences",
    "partial_dependence",
    "permutation_importance",
    "weights_or_rules",
]
