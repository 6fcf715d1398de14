from .experiment import ExperimentReadout as ExperimentReadout
from .experiment import analyze_experiment as analyze_experiment

__all__: list[str] = []
