from .pages.campaign_report import (
    coming,
    segments,
    since_last_week,
    together,
    track_record,
    what_was_left_out,
)
from .pages.first_screen import FirstScreen
from .pages.launches import launching
from .pages.offers import week_offers
from .pages.segment_reuse import reuse_segments
from .pages.start_page import list_weeks
from .running.beginning import begin_run
from .running.many_weeks import backfill as backfill
from .running.run import run_report

__all__ = [
    "FirstScreen",
    "begin_run",
    "coming",
    "launching",
    "list_weeks",
    "reuse_segments",
    "run_report",
    "segments",
    "since_last_week",
    "together",
    "track_record",
    "week_offers",
    "what_was_left_out",
]
