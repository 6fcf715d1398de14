"""The weekly report: run folder, execution of the notebooks, pages, publication."""

from promolab.report.run import run_report

__all__ = ["run_report"]
