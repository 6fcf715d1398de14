from .many_weeks import Backfilled as Backfilled
from .many_weeks import backfill as backfill
from .parameters import find_notebooks as find_notebooks
from .releases import close_week as close_week
from .releases import reconcile_week as reconcile_week
from .releases import release_week as release_week
from .run import run_report

__all__ = ["run_report"]
