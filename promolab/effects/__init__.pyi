from .averages import AverageEffects, GroupEffects
from .averages import group_tables as group_tables
from .balance import DOUBTFUL as DOUBTFUL
from .balance import UNLIKELY as UNLIKELY
from .best_arm import BestArmValue
from .calibrated import CalibratedEffects
from .calibrated import place_within as place_within
from .calibrated import pooled_arms as pooled_arms
from .checks import check_experiment
from .differences import FEWEST_COMPARED as FEWEST_COMPARED
from .differences import RANDOMISED as RANDOMISED
from .differences import Difference, adjusted_difference, compare_arms, design_matrix
from .differences import not_identified as not_identified
from .identification import Check, Identification, Refused, UpliftChecks
from .identification import figure as figure
from .identification import p_words as p_words
from .identification import spoken as spoken
from .importance import EffectImportance
from .means import mean_of as mean_of
from .model import UpliftModel
from .sensitivity import Sensitivity, e_value

__all__ = [
    "AverageEffects",
    "BestArmValue",
    "CalibratedEffects",
    "Check",
    "Difference",
    "EffectImportance",
    "GroupEffects",
    "Identification",
    "Refused",
    "Sensitivity",
    "UpliftChecks",
    "UpliftModel",
    "adjusted_difference",
    "check_experiment",
    "compare_arms",
    "design_matrix",
    "e_value",
]
