"""What an analyst finds first: the notebooks with their questions, and the weeks that are there."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pandas as pd

from promolab.display import Html, absent, table
from promolab.folder import ReportsFolder
from promolab.report.running.index import headlines, status_of
from promolab.report.running.notebook_format import load_nbformat
from promolab.report.running.parameters import START

NUMBERED = "[0-9][0-9]_*"
"""The names of the notebooks that belong to the report, and of the one that lists them."""


def list_notebooks(pattern: str = NUMBERED, folder: str | Path = ".") -> Html:
    """List notebooks in the order of their names, each with the question it answers.

    Parameters
    ----------
    pattern : str
        Which of them, such as ``"explore_*"``; by default those of the report.
    folder : str or Path
        Where they lie; links are as seen from there.

    Returns
    -------
    Html
        A table of links, or a sentence where there is none.

    Examples
    --------
    >>> list_notebooks("explore_*", "nowhere").text
    '<p class="absent">No notebook here is called explore_*.ipynb.</p>'
    """
    nbformat = load_nbformat()

    rows = []
    for path in sorted(Path(folder).glob(f"{pattern}.ipynb")):
        if path.name != START:
            opening = nbformat.read(path, as_version=4).cells[0].source
            title, _, question = opening.removeprefix("# ").partition("\n\n")
            question = " ".join(question.partition("\n\n")[0].split())
            rows.append((_linked(path.name, path.stem), question or title))
    return table(
        pd.DataFrame(rows, columns=["notebook", "question"]),
        {"notebook": "notebook", "question": "the question it answers"},
        most=len(rows),
        otherwise=f"No notebook here is called {pattern}.ipynb.",
    )


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
