from .champions import KeptModels as KeptModels
from .champions import kept_models, last_method
from .champions import models_of as models_of
from .drift import FeatureDrift as FeatureDrift
from .drift import feature_drift
from .since import drift_since

__all__ = [
    "drift_since",
    "feature_drift",
    "kept_models",
    "last_method",
]
