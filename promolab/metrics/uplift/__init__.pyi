from .depth import UpliftAt as UpliftAt
from .depth import uplift_at as uplift_at
from .effect_bins import EffectCalibration as EffectCalibration
from .effect_bins import effect_calibration as effect_calibration
from .gain_curve import Qini as Qini
from .gain_curve import QiniComparison as QiniComparison
from .gain_curve import Rate as Rate
from .gain_curve import compare_qini as compare_qini
from .gain_curve import qini as qini
from .gain_curve import rate as rate
from .scores import aipw_scores as aipw_scores
from .spending import CostCurve as CostCurve
from .spending import cost_curve as cost_curve
from .spending import funded as funded

__all__: list[str] = []
