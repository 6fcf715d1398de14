"""What span the events cover: how many a day of each kind, and days without any."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.results import Result

if TYPE_CHECKING:
    from promolab.contract import Shop


@dataclass(frozen=True)
class DataOverview(Result):
    """Events per day and kind, and days without any.

    Parameters
    ----------
    days : DataFrame
        day (local), kind, events.
    first, last : datetime
        First and last local day.
    missing : int
        Days between them without an event.
    """

    days: pd.DataFrame = field(repr=False)
    first: datetime
    last: datetime
    missing: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per day and kind."""
        return self.days

    def facts(self) -> dict[str, Any]:
        """Return how many events there are, those by whole week, and whether days are missing."""
        facts = {"total": int(self.days["events"].sum()), "weeks": self._weeks}
        return {**facts, "case": "some" if self.missing else "whole", "from_nought": (0, None)}

    def _weeks(self) -> pd.DataFrame:
        days = self.days
        week = days["day"] - pd.to_timedelta(days["day"].dt.day_of_week, unit="D")
        # A week that the data cover in part would look like a fall in business.
        whole = (week >= self.first) & (week + pd.Timedelta(days=6) <= self.last)
        by = days[whole].assign(week=week[whole]).groupby(["kind", "week"], as_index=False)
        rows: pd.DataFrame = by["events"].sum()
        return rows


def data_overview(shop: Shop) -> DataOverview:
    """Count the events per local day and kind.

    Parameters
    ----------
    shop : Shop
        The shop.

    Returns
    -------
    DataOverview

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-01", "2017-03-03"])
    >>> events = pd.DataFrame({"customer_id": list("ABC"), "ts": when, "kind": "view"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> data_overview(shop).summary()
    '3 events from 01 Mar 2017 to 03 Mar 2017, 1 day without any.'
    """
    events = shop.events
    by_day = events.group_by(day=shop.local(events.ts).truncate("D"), kind=events.kind).aggregate(
        events=events.count()
    )
    days = by_day.order_by("day", "kind").execute()
    days["day"] = pd.to_datetime(days["day"])
    first, last = days["day"].min(), days["day"].max()
    return DataOverview(days, first, last, (last - first).days + 1 - days["day"].nunique())
