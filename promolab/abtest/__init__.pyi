from .analysis import Metric
from .analysis import compare_rows as compare_rows
from .assignment import Assignment as Assignment
from .assignment import Layer, StandingHoldout, assign, assign_table
from .assignment import arm_of as arm_of
from .daily import ExperimentMonitor as ExperimentMonitor
from .daily import monitor_experiment
from .history import customer_history
from .learning import Learning as Learning
from .learning import Stakes
from .planned import ExperimentPlan as ExperimentPlan
from .planning import plan_experiment
from .power import HoldoutShare as HoldoutShare
from .power import SmallestEffect as SmallestEffect
from .power import share_to_see, smallest_effect
from .readout import ExperimentReadout as ExperimentReadout
from .readout import analyze_experiment
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
