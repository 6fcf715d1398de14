from .best_arm import BestArmValue
from .calibrated import CalibratedEffects
from .checks import check_experiment
from .checks_result import Check, Refused, UpliftChecks
from .effect_importance import EffectImportance
from .effects_result import AverageEffects, GroupEffects
from .identification import Identification
from .model import UpliftModel
from .sensitivity import Sensitivity, e_value

__all__ = [
    "AverageEffects",
    "BestArmValue",
    "CalibratedEffects",
    "Check",
    "EffectImportance",
    "GroupEffects",
    "Identification",
    "Refused",
    "Sensitivity",
    "UpliftChecks",
    "UpliftModel",
    "check_experiment",
    "e_value",
]
