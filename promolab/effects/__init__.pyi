from .averages import AverageEffects, GroupEffects, group_tables
from .balance import DOUBTFUL, UNLIKELY
from .best_arm import BestArmValue
from .calibrated import CalibratedEffects, place_within, pooled_arms
from .checks import check_experiment
from .differences import (
    FEWEST_COMPARED,
    RANDOMISED,
    Difference,
    adjusted_difference,
    compare_arms,
    design_matrix,
    not_identified,
)
from .identification import Check, Identification, Refused, UpliftChecks, figure, p_words, spoken
from .importance import EffectImportance
from .means import mean_of
from .model import UpliftModel
from .sensitivity import Sensitivity, e_value

__all__ = [
    "DOUBTFUL",
    "FEWEST_COMPARED",
    "RANDOMISED",
    "UNLIKELY",
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
