"""The list of all weeks, newest first, with their headline numbers and how these changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from promolab.display import Html, absent, table
from promolab.folder import ReportsFolder, RunFolder, write_whole
from promolab.language import ENGLISH, _, language, marked, page_language, speaking
from promolab.report.running.page import finished, look, template
from promolab.weeks import Week
from promolab.wording import percent

STATES = (marked("draft"), marked("released"), marked("sent"), marked("closed"))
_MOST_LABELS = 6  # and week and status: eight columns


@dataclass(frozen=True)
class _Cell:
    text: str
    change: str
    direction: str


@dataclass(frozen=True)
class _Row:
    week: str
    dates: str
    good: bool
    status: str
    reason: str
    cells: list[_Cell]


def write_index(reports: ReportsFolder) -> Path:
    """Write ``index.html`` of the reports folder from each week's ``metrics.json``.

    A week whose last run failed is in it, with the reason. It speaks the language of the newest
    week that is good.

    Parameters
    ----------
    reports : ReportsFolder
        The reports folder.

    Returns
    -------
    Path
        The page.
    """
    good = reports.weeks()
    with speaking(reports.run(max(good)).language if good else ENGLISH):
        write_whole(reports.path / "index.html", finished(_page(reports, good)) + "\n")
    return reports.path / "index.html"


def _page(reports: ReportsFolder, good: Sequence[Week]) -> str:
    failed = reports.failures()
    weeks = sorted({*good, *failed}, reverse=True)
    figures = {week: headlines(reports.run(week)) for week in weeks}
    labels = list(dict.fromkeys(label for week in weeks for label in figures[week]))
    labels = labels[:_MOST_LABELS]
    rows = [
        _Row(
            week=str(week),
            dates=week.label(),
            good=week in good,
            status=status_of(reports.run(week)) if week in good else _("failed"),
            reason=_reason(failed.get(week), good=week in good),
            cells=[
                _cell(figures[week].get(label), figures.get(week.previous(), {}).get(label))
                for label in labels
            ],
        )
        for week in weeks
    ]
    shop = reports.shop or next((str(record.get("shop", "")) for record in failed.values()), "")
    told = {"rows": rows, "labels": labels, "shop": shop, "say": _}
    return template("weeks.html.j2").render(**told, look=look(page_language()))


def headlines(run: RunFolder) -> dict[str, Mapping[str, Any]]:
    """Return the tiles of a week's first page by what they are called."""
    metrics = run.spoken if run.language == language() else run.metrics
    tiles = metrics.get("headlines") if isinstance(metrics, dict) else None
    if not isinstance(tiles, list):
        return {}
    return {_(str(t["label"])): t for t in tiles if isinstance(t, dict) and "label" in t}


def status_of(run: RunFolder) -> str:
    """Return the state of a week's plan, and whether its data were stale."""
    manifest = run.manifest
    fresh = manifest.get("freshness")
    stale = isinstance(fresh, dict) and fresh.get("stale") is True
    state = _(str(manifest.get("state", STATES[0])))
    return f"{state} · {_('stale data')}" if stale else state


def _reason(failure: Mapping[str, Any] | None, *, good: bool) -> str:
    if failure is None:
        return ""
    reason = str(failure.get("reason", "")) or _("reason unknown")
    return _("the last run failed: {reason}", reason=reason) if good else reason


def _cell(tile: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> _Cell:
    if tile is None:
        return _Cell("–", "", "same")
    text = str(tile.get("text", ""))
    now, then = tile.get("value"), before.get("value") if before else None
    like = before is not None and before.get("of", "") == tile.get("of", "")
    if not like or not _is_number(now) or not _is_number(then) or then == 0:
        return _Cell(text, "", "same")
    assert now is not None and then is not None
    share = (now - then) / abs(then)
    if abs(share) < 0.005:
        return _Cell(text, _("unchanged"), "same")
    sign = "+" if share > 0 else ""
    return _Cell(text, sign + percent(share, decimals=0), "up" if share > 0 else "down")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


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
    import pandas as pd

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
