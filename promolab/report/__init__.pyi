from .pages.first_screen import CampaignReport
from .pages.offers import week_offers
from .pages.segment_reuse import reuse_segments
from .running.many_weeks import backfill as backfill
from .running.run import run_report
from .running.run_start import begin_run

__all__ = [
    "CampaignReport",
    "begin_run",
    "reuse_segments",
    "run_report",
    "week_offers",
]
