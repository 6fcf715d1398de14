from .comparing import AucComparison, Comparison, compare, compare_auc
from .gain import Lift, LiftPoint, lift
from .groups import ByGroup, by_group
from .intervals import ArmGap as ArmGap
from .intervals import Dominant as Dominant
from .intervals import cluster_sums as cluster_sums
from .intervals import compare_means as compare_means
from .intervals import difference_of as difference_of
from .intervals import dominant_of as dominant_of
from .intervals import intervals_of as intervals_of
from .intervals import part_of_total as part_of_total
from .intervals import wilson
from .named import ALARM_AUC as ALARM_AUC
from .named import FEWEST_ROWS as FEWEST_ROWS
from .named import METRICS, measure
from .named import auc_alone as auc_alone
from .named import columns_too_good as columns_too_good
from .named import named_metric as named_metric
from .named import r_squared_alone as r_squared_alone
from .named import told_too_good as told_too_good
from .pooling import PastRatios, Spread, past_ratios, random_effects
from .ranking import Roc, roc
from .ranking import placements as placements
from .ranking import placements_within as placements_within
from .ranking import variance_of as variance_of
from .recall import PrecisionRecall, precision_recall
from .reliability import Brier, Calibration, brier, calibration
from .scoring import CalibrationError, LogLoss, ece, log_loss
from .scoring import row_losses as row_losses
from .threshold import ThresholdChart, threshold_chart
from .within import AucWithin, auc_within
from .within import around as around
from .within import degrees_of as degrees_of
from .within import spread_of as spread_of

__all__ = [
    "METRICS",
    "AucComparison",
    "AucWithin",
    "Brier",
    "ByGroup",
    "Calibration",
    "CalibrationError",
    "Comparison",
    "Lift",
    "LiftPoint",
    "LogLoss",
    "PastRatios",
    "PrecisionRecall",
    "Roc",
    "Spread",
    "ThresholdChart",
    "auc_within",
    "brier",
    "by_group",
    "calibration",
    "compare",
    "compare_auc",
    "ece",
    "lift",
    "log_loss",
    "measure",
    "past_ratios",
    "precision_recall",
    "random_effects",
    "roc",
    "threshold_chart",
    "wilson",
]
