from .daily_readout import ExperimentMonitor as ExperimentMonitor
from .daily_readout import monitor_experiment as monitor_experiment
from .experiment import ExperimentReadout as ExperimentReadout
from .experiment import analyze_experiment as analyze_experiment

__all__: list[str] = []
