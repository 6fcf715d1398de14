from .many_weeks import Backfilled as Backfilled
from .many_weeks import backfill as backfill
from .many_weeks import demonstrate as demonstrate
from .run import PAGES as PAGES
from .run import run_report as run_report
from .run_start import begin_run as begin_run
from .steps import START as START
from .steps import find_notebooks as find_notebooks

__all__: list[str] = []
