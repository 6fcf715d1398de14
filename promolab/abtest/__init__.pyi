from .analysis import Metric
from .analysis import compare_rows as compare_rows
from .assignment import Assignment as Assignment
from .assignment import Layer, StandingHoldout, assign, assign_table
from .assignment import arm_of as arm_of
from .design import ExperimentPlan as ExperimentPlan
from .design import HoldoutShare as HoldoutShare
from .design import Learning as Learning
from .design import SmallestEffect as SmallestEffect
from .design import Stakes, customer_history, plan_experiment, share_to_see, smallest_effect
from .readout import ExperimentMonitor as ExperimentMonitor
from .readout import ExperimentReadout as ExperimentReadout
from .readout import analyze_experiment, monitor_experiment
from .sequential import confidence_sequence

__all__ = [
    "Layer",
    "Metric",
    "Stakes",
    "StandingHoldout",
    "analyze_experiment",
    "assign",
    "assign_table",
    "confidence_sequence",
    "customer_history",
    "monitor_experiment",
    "plan_experiment",
    "share_to_see",
    "smallest_effect",
]
