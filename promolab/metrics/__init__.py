"""How good a prediction, a ranking or a policy is, with intervals that know whose rows repeat."""

from promolab.metrics.comparing import Comparison, compare
from promolab.metrics.comparison import AucComparison, compare_auc
from promolab.metrics.decomposition import Brier, brier
from promolab.metrics.gain import Lift, LiftPoint, lift
from promolab.metrics.groups import ByGroup, by_group
from promolab.metrics.intervals import wilson
from promolab.metrics.named import METRICS, measure
from promolab.metrics.ranking import Roc, roc
from promolab.metrics.recall import PrecisionRecall, precision_recall
from promolab.metrics.reliability import Calibration, calibration
from promolab.metrics.scoring import CalibrationError, LogLoss, ece, log_loss
from promolab.metrics.threshold import ThresholdChart, threshold_chart
from promolab.metrics.uplift import (
    CostCurve,
    EffectCalibration,
    Qini,
    QiniComparison,
    Rate,
    UpliftAt,
    aipw_scores,
    compare_qini,
    cost_curve,
    effect_calibration,
    qini,
    rate,
    uplift_at,
)
from promolab.metrics.within import AucWithin, auc_within

__all__ = [
    "METRICS",
    "AucComparison",
    "AucWithin",
    "Brier",
    "ByGroup",
    "Calibration",
    "CalibrationError",
    "Comparison",
    "CostCurve",
    "EffectCalibration",
    "Lift",
    "LiftPoint",
    "LogLoss",
    "PrecisionRecall",
    "Qini",
    "QiniComparison",
    "Rate",
    "Roc",
    "ThresholdChart",
    "UpliftAt",
    "aipw_scores",
    "auc_within",
    "brier",
    "by_group",
    "calibration",
    "compare",
    "compare_auc",
    "compare_qini",
    "cost_curve",
    "ece",
    "effect_calibration",
    "lift",
    "log_loss",
    "measure",
    "precision_recall",
    "qini",
    "rate",
    "roc",
    "threshold_chart",
    "uplift_at",
    "wilson",
]
