from ._base import (
    KINDS,
    Learner,
    State,
    Training,
    check_number,
    fitted_learners,
    learner_class,
    log_odds,
    make_learner,
)
from ._skops import OF_EFFECTS, from_bytes, node_tables_fit, to_bytes
from .linear import Logistic
from .neural import Mlp
from .trees import Forest, Tree

__all__ = [
    "KINDS",
    "OF_EFFECTS",
    "Forest",
    "Learner",
    "Logistic",
    "Mlp",
    "State",
    "Training",
    "Tree",
    "check_number",
    "fitted_learners",
    "from_bytes",
    "learner_class",
    "log_odds",
    "make_learner",
    "node_tables_fit",
    "to_bytes",
]
