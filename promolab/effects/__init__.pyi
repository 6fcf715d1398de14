from .average_effects import AverageEffects as AverageEffects
from .average_effects import GroupEffects as GroupEffects
from .average_effects import costs_of as costs_of
from .checks import DOUBTFUL as DOUBTFUL
from .checks import UNLIKELY as UNLIKELY
from .checks import check_experiment
from .checks import ratio_check as ratio_check
from .differences import FEWEST_COMPARED as FEWEST_COMPARED
from .differences import RANDOMISED as RANDOMISED
from .differences import Difference as Difference
from .differences import adjusted_difference, compare_arms
from .differences import arm_name as arm_name
from .differences import design_matrix as design_matrix
from .differences import not_identified as not_identified
from .dose import DoseResponse as DoseResponse
from .dose import dose_response
from .identification import Check as Check
from .identification import Refused as Refused
from .identification import UpliftChecks as UpliftChecks
from .identification import Withheld as Withheld
from .identification import spoken as spoken
from .learners.two_part import EffectEvidence as EffectEvidence
from .learners.two_part import effect_evidence as effect_evidence
from .means import mean_of as mean_of
from .model import UpliftModel
from .shrinkage import place_within as place_within
from .targeting import group_rows as group_rows

__all__ = [
    "UpliftModel",
    "adjusted_difference",
    "check_experiment",
    "compare_arms",
    "dose_response",
]
