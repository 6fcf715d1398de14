"""How well a score finds those whom a promotion changes: uplift curves, Qini, TOC, intervals."""

from promolab.metrics.uplift.depth import UpliftAt, uplift_at
from promolab.metrics.uplift.effect_bins import EffectCalibration, effect_calibration
from promolab.metrics.uplift.gain_curve import Qini, qini
from promolab.metrics.uplift.paired import QiniComparison, compare_qini
from promolab.metrics.uplift.scores import aipw_scores
from promolab.metrics.uplift.spending import CostCurve, cost_curve
from promolab.metrics.uplift.targeting import Rate, rate

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
