from .running.beginning import begin_run
from .running.run import run_report

__all__ = ["begin_run", "run_report"]
