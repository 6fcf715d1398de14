from .pages.campaign_report import (
    coming,
    sales_and_changes,
    segments,
    together,
    what_was_left_out,
)
from .pages.first_screen import FirstScreen
from .pages.launches import launching
from .pages.offers import week_offers
from .pages.segment_reuse import reuse_segments
from .running.index import list_weeks
from .running.many_weeks import backfill as backfill
from .running.run import run_report
from .running.run_start import begin_run

__all__ = [
    "FirstScreen",
    "begin_run",
    "coming",
    "launching",
    "list_weeks",
    "reuse_segments",
    "run_report",
    "sales_and_changes",
    "segments",
    "together",
    "week_offers",
    "what_was_left_out",
]
