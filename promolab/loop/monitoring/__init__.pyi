from .calibrated import calibration_track
from .champions import KeptModels as KeptModels
from .champions import kept_models, last_method
from .champions import models_of as models_of
from .drift import FeatureDrift as FeatureDrift
from .drift import feature_drift
from .feedback import satisfaction
from .since import drift_since, score_drift
from .since import moved_since as moved_since

__all__ = [
    "calibration_track",
    "drift_since",
    "feature_drift",
    "kept_models",
    "last_method",
    "satisfaction",
    "score_drift",
]
