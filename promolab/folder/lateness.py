"""Rows that came after a week was closed: its figures do not change, and it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.contract import arriving, by_week, changed_since
from promolab.folder.publication import good_weeks, read_json

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["Closed", "closed_weeks", "late_rows", "late_rows_of"]


@dataclass(frozen=True)
class Closed:
    """What a closed week counted.

    Parameters
    ----------
    week : str
        The week.
    since, until : date
        The first local day that it counted, and the first that it did not.
    recorded : mapping
        By `promolab.contract.by_week`, when it was closed.
    """

    week: str
    since: date
    until: date
    recorded: Mapping[str, Any]


def closed_weeks(out: Path) -> list[Closed]:
    """Return what the closed weeks of a reports folder recorded.

    Parameters
    ----------
    out : Path
        The reports folder.
    """
    found = []
    for week in good_weeks(out) if out.is_dir() else ():
        manifest = read_json(out / str(week) / "manifest.json") or {}
        closed = manifest.get("closed")
        if manifest.get("state") == "closed" and isinstance(closed, dict):
            since, until = (date.fromisoformat(closed[key]) for key in ("since", "until"))
            found.append(Closed(str(week), since, until, closed["arrivals"]))
    return found


def late_rows(shop: Shop, closed: Sequence[Closed]) -> tuple[str, ...]:
    """Say what changed in the time that closed weeks counted.

    Parameters
    ----------
    shop : Shop
        The shop as it is now.
    closed : sequence of Closed
        By `closed_weeks`.

    Returns
    -------
    tuple of str
        A sentence for each closed week whose data changed.
    """
    if not closed:
        return ()
    days = arriving(shop, min(w.since for w in closed), max(w.until for w in closed))
    said = []
    for week in closed:
        changed = changed_since(week.recorded, by_week(days, week.since, week.until))
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            said.append(
                f"{week.week} is closed, and its data changed since: {'; '.join(changed[:3])}"
                f"{more}. Its figures stay as they were closed"
            )
    return tuple(said)


def late_rows_of(folder: Path) -> tuple[str, ...]:
    """Return what a week's manifest says of late rows, for its page.

    Parameters
    ----------
    folder : Path
        The week's folder, while it is made too.
    """
    manifest = read_json(folder / "manifest.json")
    said = manifest.get("late_rows", []) if isinstance(manifest, dict) else []
    return tuple(map(str, said))
