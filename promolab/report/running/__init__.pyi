from .many_weeks import Backfilled, backfill
from .parameters import find_notebooks as find_notebooks
from .releases import close_week, reconcile_week, release_week
from .run import run_report

__all__ = ["Backfilled", "backfill", "close_week", "reconcile_week", "release_week", "run_report"]
