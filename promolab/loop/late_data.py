"""Rows that came after a week was closed: its figures do not change, and it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from promolab.contract import arriving, by_week, changed_since
from promolab.results import words_of

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import ReportsFolder


MOST = 3
"""Changes that are named; the others are counted."""


@dataclass(frozen=True)
class _Closed:
    week: str
    since: date
    until: date
    recorded: Mapping[str, Any]


@dataclass(frozen=True)
class LateRows:
    """What changed in the data of a closed week since it was closed.

    Parameters
    ----------
    week : str
        The week.
    recorded, now : mapping
        What it counted when it was closed and what the shop holds now
        (`promolab.contract.by_week`).
    """

    week: str
    recorded: Mapping[str, Any]
    now: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(changed_since(self.recorded, self.now))

    def sentence(self) -> str:
        """Say what changed."""
        changed = changed_since(self.recorded, self.now)
        told = {"week": self.week, "changed": changed[:MOST], "more": len(changed[MOST:])}
        return words_of(__name__, "LateRows", **told).say("told")


@dataclass(frozen=True)
class ClosedWeeks:
    """What the closed weeks of a reports folder counted, when they were closed.

    Parameters
    ----------
    weeks : tuple
        Of each its name, the first local day that it counted, the first that it did not, and what
        it counted (`promolab.contract.by_week`).
    """

    weeks: tuple[_Closed, ...] = ()

    @classmethod
    def of(cls, reports: ReportsFolder) -> ClosedWeeks:
        """Read what the closed weeks of a reports folder recorded."""
        found = []
        for week in reports.weeks():
            manifest = reports.run(week).manifest
            closed = manifest.get("closed")
            if manifest.get("state") == "closed" and isinstance(closed, dict):
                since, until = (date.fromisoformat(closed[key]) for key in ("since", "until"))
                found.append(_Closed(str(week), since, until, closed["arrivals"]))
        return cls(tuple(found))

    def late_rows(self, shop: Shop) -> tuple[LateRows, ...]:
        """Return each closed week whose data changed in the time that it counted.

        Parameters
        ----------
        shop : Shop
            The shop as it is now.
        """
        if not self.weeks:
            return ()
        days = arriving(shop, min(w.since for w in self.weeks), max(w.until for w in self.weeks))
        found = (LateRows(w.week, w.recorded, by_week(days, w.since, w.until)) for w in self.weeks)
        return tuple(filter(None, found))
