"""How good a prediction, a ranking or a policy is, with intervals that know whose rows repeat."""

from promolab.metrics.comparison import AucComparison, compare_auc
from promolab.metrics.gain import Lift, LiftPoint, lift
from promolab.metrics.intervals import wilson
from promolab.metrics.ranking import Roc, roc
from promolab.metrics.reliability import Calibration, calibration
from promolab.metrics.within import AucWithin, auc_within

__all__ = [
    "AucComparison",
    "AucWithin",
    "Calibration",
    "Lift",
    "LiftPoint",
    "Roc",
    "auc_within",
    "calibration",
    "compare_auc",
    "lift",
    "roc",
    "wilson",
]
