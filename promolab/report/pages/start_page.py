"""What an analyst finds first: the weeks that are there."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pandas as pd

from promolab.display import Html, absent, table
from promolab.folder import ReportsFolder
from promolab.report.running.index import headlines, status_of


def list_weeks(reports: str | Path) -> Html:
    """List the weeks whose report is there, newest first, with their first figures.

    Parameters
    ----------
    reports : str or Path
        The folder of all reports, as seen from the notebook.

    Returns
    -------
    Html
        A table of links, or a sentence that says how to make a report.

    Examples
    --------
    >>> "promolab report makes one" in list_weeks("nowhere").text
    True
    """
    there = ReportsFolder(reports)
    rows = []
    for week in reversed(there.weeks()):
        run = there.run(week)
        figures = [f"{name}: {told['text']}" for name, told in headlines(run).items()]
        page = _linked((Path(reports) / str(week) / "index.html").as_posix(), str(week))
        rows.append((page, week.label(), status_of(run), " · ".join(figures[:2])))
    if not rows:
        return absent(f"There is no report in {reports} yet; promolab report makes one.")
    return table(
        pd.DataFrame(rows, columns=["week", "dates", "plan", "figures"]),
        {"week": "week", "dates": "dates", "plan": "plan", "figures": "first figures"},
        caption=f"Reports of {there.shop}, newest first" if there.shop else "Reports, newest first",
        most=len(rows),
    )


def _linked(address: str, text: str) -> Html:
    return Html(f'<a href="{escape(address)}">{escape(text)}</a>')
