from .dependence import Dependence, partial_dependence
from .epochs import LearningByEpoch, learning_by_epoch
from .explanation import Explanation, explain_row
from .importance import Importance, permutation_importance
from .rules import TreeRules, tree_rules
from .rules import plot_coefficients as plot_coefficients

__all__ = [
    "Dependence",
    "Explanation",
    "Importance",
    "LearningByEpoch",
    "TreeRules",
    "explain_row",
    "learning_by_epoch",
    "partial_dependence",
    "permutation_importance",
    "tree_rules",
]
