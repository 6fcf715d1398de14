from .analysis import Metric
from .assignment import Assignment as Assignment
from .assignment import assign
from .power import HoldoutShare as HoldoutShare
from .power import SmallestEffect as SmallestEffect
from .power import share_to_see, smallest_effect
from .readout import ExperimentReadout as ExperimentReadout
from .readout import analyze_experiment
from .sequential import confidence_sequence

__all__ = [
    "Metric",
    "analyze_experiment",
    "assign",
    "confidence_sequence",
    "share_to_see",
    "smallest_effect",
]
