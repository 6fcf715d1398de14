from .cumulative import StandingReadout as StandingReadout
from .cumulative import standing_holdout, watch_promotions
from .ended_promotions import read_out
from .experiment_choice import check_no_columns as check_no_columns
from .experiment_choice import choose_experiment
from .named_experiments import NamedExperiments as NamedExperiments
from .named_experiments import read_experiments
from .promotion_readout import Readout as Readout
from .running_promotions import Running as Running
from .running_promotions import follow_running

__all__ = [
    "choose_experiment",
    "follow_running",
    "read_experiments",
    "read_out",
    "standing_holdout",
    "watch_promotions",
]
