"""Weeks of reports on a shop that goes on: report, release, and the world carries the plan out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promolab.checks import seed_of, whole_number
from promolab.errors import InputError
from promolab.folder import WAIT
from promolab.report.running.run import run_report

CUSTOMERS, WEEKS, LOGGED = 1_500, 8, 18
BUDGET = 1.0
"""Of each week, in the shop's currency, for each customer."""
QUICK = {"models": "", "model": "logistic"}
"""Parameters of the notebooks that spare time: one response model, compared with none."""


def demonstrate(
    out: str | Path = "demo",
    weeks: int = WEEKS,
    customers: int = CUSTOMERS,
    seed: int = 0,
    told: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Make the reports of some weeks of a simulated shop in which each week's plan is carried out.

    Parameters
    ----------
    out : str or Path
        Folder: the shop goes into ``shop``, the reports and their ledger into ``reports``. What is
        there already is not made again.
    weeks, customers, seed : int
    told : callable, optional
        Called with a sentence, weeks done and weeks in all.

    Returns
    -------
    Path
        ``<out>/reports/index.html``.

    Raises
    ------
    InputError
        The folder holds something else, or another demonstration.
    """
    import pandas as pd

    from promolab.loop import release_week
    from promolab.report.running.redraw import PAGES
    from promolab.simulated import GoingShop, World
    from promolab.sources import load_shop

    whole_number("weeks", weeks, 1, 52)
    place = Path(out).expanduser()
    if place.is_file():
        raise InputError(f"{place} is a file; give a folder")
    world = World(
        customers=whole_number("customers", customers, 200),
        weeks=LOGGED,
        seed=seed_of(seed),
        variant="weekly",
    )
    going = GoingShop.begin(world, place / "shop", load_shop)
    reports = place / "reports"
    options = QUICK | {"budget": BUDGET * customers}
    while (done := going.week - going.first) < weeks:
        week, source = going.iso_week, str(going.folder.absolute())
        if told is not None:
            told(f"week {week}", done, weeks)
        run_report(source, week, reports, seed, options, wait=WAIT)
        release_week(week, reports, "demo", pages=PAGES, source=source)
        tables = reports / week / "tables"
        decided, chances = (
            pd.read_parquet(tables / f"{name}.parquet")
            for name in ("decisions", "decision_propensities")
        )
        going.decide(decided, chances)
    return reports / "index.html"
