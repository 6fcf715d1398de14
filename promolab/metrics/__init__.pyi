from .comparing import AucComparison, Comparison, compare, compare_auc
from .gain import Lift, LiftPoint, lift
from .groups import ByGroup, by_group
from .intervals import (
    ArmGap,
    Dominant,
    cluster_sums,
    compare_means,
    difference_of,
    dominant_of,
    intervals_of,
    part_of_total,
    wilson,
)
from .named import (
    ALARM_AUC,
    FEWEST_ROWS,
    METRICS,
    auc_alone,
    columns_too_good,
    measure,
    named_metric,
    r_squared_alone,
    told_too_good,
)
from .pooling import PastRatios, Spread, past_ratios, random_effects
from .ranking import Roc, placements, placements_within, roc, variance_of
from .recall import PrecisionRecall, precision_recall
from .reliability import Brier, Calibration, brier, calibration
from .scoring import CalibrationError, LogLoss, ece, log_loss, row_losses
from .threshold import ThresholdChart, threshold_chart
from .within import AucWithin, around, auc_within, degrees_of, spread_of

__all__ = [
    "ALARM_AUC",
    "FEWEST_ROWS",
    "METRICS",
    "ArmGap",
    "AucComparison",
    "AucWithin",
    "Brier",
    "ByGroup",
    "Calibration",
    "CalibrationError",
    "Comparison",
    "Dominant",
    "Lift",
    "LiftPoint",
    "LogLoss",
    "PastRatios",
    "PrecisionRecall",
    "Roc",
    "Spread",
    "ThresholdChart",
    "around",
    "auc_alone",
    "auc_within",
    "brier",
    "by_group",
    "calibration",
    "cluster_sums",
    "columns_too_good",
    "compare",
    "compare_auc",
    "compare_means",
    "degrees_of",
    "difference_of",
    "dominant_of",
    "ece",
    "intervals_of",
    "lift",
    "log_loss",
    "measure",
    "named_metric",
    "part_of_total",
    "past_ratios",
    "placements",
    "placements_within",
    "precision_recall",
    "r_squared_alone",
    "random_effects",
    "roc",
    "row_losses",
    "spread_of",
    "threshold_chart",
    "told_too_good",
    "variance_of",
    "wilson",
]
