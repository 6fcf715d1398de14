from .beginning import begin_run as begin_run
from .demonstrating import demonstrate as demonstrate
from .many_weeks import Backfilled as Backfilled
from .many_weeks import backfill as backfill
from .parameters import START as START
from .parameters import find_notebooks as find_notebooks
from .printing import find_browser as find_browser
from .printing import print_pages as print_pages
from .redraw import PAGES as PAGES
from .run import run_report as run_report

__all__: list[str] = []
