from .depth import UpliftAt, uplift_at
from .effect_bins import EffectCalibration, effect_calibration
from .gain_curve import Qini, QiniComparison, compare_qini, qini
from .scores import aipw_scores
from .spending import CostCurve, cost_curve
from .targeting import Rate, rate

__all__ = [
    "CostCurve",
    "EffectCalibration",
    "Qini",
    "QiniComparison",
    "Rate",
    "UpliftAt",
    "aipw_scores",
    "compare_qini",
    "cost_curve",
    "effect_calibration",
    "qini",
    "rate",
    "uplift_at",
]
