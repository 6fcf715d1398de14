from .beginning import begin_run
from .many_weeks import Backfilled, backfill
from .parameters import find_notebooks as find_notebooks
from .redraw import PAGES as PAGES
from .run import run_report

__all__ = ["Backfilled", "backfill", "begin_run", "run_report"]
