"""Rows that came after a week was closed: its figures do not change, and it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from promolab.contract import arriving, by_week, changed_since

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import ReportsFolder


@dataclass(frozen=True)
class _Closed:
    week: str
    since: date
    until: date
    recorded: Mapping[str, Any]


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

    def late_rows(self, shop: Shop) -> tuple[str, ...]:
        """Say, for each closed week whose data changed, what changed in the time that it counted.

        Parameters
        ----------
        shop : Shop
            The shop as it is now.
        """
        if not self.weeks:
            return ()
        days = arriving(shop, min(w.since for w in self.weeks), max(w.until for w in self.weeks))
        said = []
        for week in self.weeks:
            changed = changed_since(week.recorded, by_week(days, week.since, week.until))
            if changed:
                more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
                said.append(
                    f"{week.week} is closed, and its data changed since: {'; '.join(changed[:3])}"
                    f"{more}. Its figures stay as they were closed"
                )
        return tuple(said)
