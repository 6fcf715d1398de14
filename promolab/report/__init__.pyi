from .running.run import run_report

__all__ = ["run_report"]
