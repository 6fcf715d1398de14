from ._inputs import aipw_scores as aipw_scores
from .gain_curve import Qini as Qini
from .gain_curve import QiniComparison as QiniComparison
from .gain_curve import Rate as Rate
from .gain_curve import compare_qini as compare_qini
from .gain_curve import qini as qini
from .gain_curve import rate as rate
from .subgroup_effects import EffectCalibration as EffectCalibration
from .subgroup_effects import effect_calibration as effect_calibration

__all__: list[str] = []
