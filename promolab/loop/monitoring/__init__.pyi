from .champions import KeptModels as KeptModels
from .champions import last_method
from .champions import models_of as models_of
from .drift import FeatureDrift as FeatureDrift
from .drift import drift_since, feature_drift
from .drift import moved_since as moved_since
from .policies import policy_weeks as policy_weeks
from .policies import weeks_by_policy as weeks_by_policy

__all__ = [
    "drift_since",
    "feature_drift",
    "last_method",
]
