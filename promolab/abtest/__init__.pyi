from .assignment import Assignment as Assignment
from .assignment import Layer, StandingHoldout, assign, assign_table
from .assignment import arm_of as arm_of
from .chances import most_telling as most_telling
from .comparison import Metric
from .experiment import ExperimentReadout as ExperimentReadout
from .experiment import analyze_experiment
from .history import customer_history
from .planning import ExperimentPlan as ExperimentPlan
from .planning import plan_experiment
from .power import HoldoutShare as HoldoutShare
from .power import share_to_see as share_to_see
from .power import smallest_effect as smallest_effect
from .sequential import confidence_sequence

__all__ = [
    "Layer",
    "Metric",
    "StandingHoldout",
    "analyze_experiment",
    "assign",
    "assign_table",
    "confidence_sequence",
    "customer_history",
    "plan_experiment",
]
