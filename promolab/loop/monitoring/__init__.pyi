from .drift import FeatureDrift as FeatureDrift
from .drift import feature_drift
from .since import drift_since

__all__ = [
    "drift_since",
    "feature_drift",
]
