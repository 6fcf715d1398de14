from .arms import ArmDifference, compare_arms
from .before import DOUBTFUL, UNLIKELY
from .best_arm import BestArmValue
from .calibrated import CalibratedEffects, place_within, pooled_arms
from .checks import check_experiment
from .checks_result import Check, Identification, Refused, UpliftChecks, figure, p_words, spoken
from .comparison import (
    FEWEST_COMPARED,
    RANDOMISED,
    Difference,
    adjusted_difference,
    design_matrix,
    not_identified,
)
from .contrasts import mean_of
from .effect_importance import EffectImportance
from .effects import AverageEffects, GroupEffects, group_tables
from .model import UpliftModel
from .sensitivity import Sensitivity, e_value

__all__ = [
    "DOUBTFUL",
    "FEWEST_COMPARED",
    "RANDOMISED",
    "UNLIKELY",
    "ArmDifference",
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
    "figure",
    "group_tables",
    "mean_of",
    "not_identified",
    "p_words",
    "place_within",
    "pooled_arms",
    "spoken",
]
