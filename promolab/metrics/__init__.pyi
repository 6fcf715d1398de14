from ._inputs import OneFigure as OneFigure
from .cumulative_gain import Lift as Lift
from .cumulative_gain import lift
from .leakage import ALARM_AUC as ALARM_AUC
from .leakage import FEWEST_ROWS as FEWEST_ROWS
from .leakage import auc_alone as auc_alone
from .leakage import columns_too_good as columns_too_good
from .leakage import leakage_advice as leakage_advice
from .leakage import r_squared_alone as r_squared_alone
from .leakage import told_too_good as told_too_good
from .leakage import warn_of_leakage as warn_of_leakage
from .off_policy import PolicyValue as PolicyValue
from .off_policy import policy_value
from .pooling import PastRatios as PastRatios
from .pooling import Spread as Spread
from .pooling import past_ratios as past_ratios
from .pooling import random_effects as random_effects
from .ranking import AucWithin as AucWithin
from .ranking import PrecisionRecall as PrecisionRecall
from .ranking import Roc as Roc
from .ranking import Variance as Variance
from .ranking import auc_interval as auc_interval
from .ranking import auc_within, precision_recall, roc
from .ranking import placements as placements
from .ranking import variance_of as variance_of
from .ranking_at_k import AMONG as AMONG
from .ranking_at_k import RecommendationQuality as RecommendationQuality
from .ranking_at_k import recommendation as recommendation
from .registry import METRICS as METRICS
from .registry import AucComparison as AucComparison
from .registry import ByGroup as ByGroup
from .registry import Comparison as Comparison
from .registry import by_group, compare, compare_auc, measure
from .registry import named_metric as named_metric
from .reliability import Calibration as Calibration
from .reliability import calibration
from .reliability import row_losses as row_losses
from .uplift import qini, rate
from .uplift._inputs import aipw_scores as aipw_scores
from .uplift.gain_curve import compare_qini
from .uplift.subgroup_effects import effect_calibration

__all__ = [
    "auc_within",
    "by_group",
    "calibration",
    "compare",
    "compare_auc",
    "compare_qini",
    "effect_calibration",
    "lift",
    "measure",
    "policy_value",
    "precision_recall",
    "qini",
    "rate",
    "roc",
]
