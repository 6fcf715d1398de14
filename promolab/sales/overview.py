"""What span the events cover: how many a day of each kind, and days without any."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from promolab.results import Result
from promolab.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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

    def summary(self) -> str:
        """Say what span the events cover and whether days are missing."""
        gaps = (
            f"{plural(self.missing, 'day')} without any" if self.missing else "no day without any"
        )
        total = int(self.days["events"].sum())
        return (
            f"{plural(total, 'event')} from {self.first:%d %b %Y} to {self.last:%d %b %Y}, {gaps}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the events of each whole week, a line per kind."""
        from matplotlib.dates import date2num

        from promolab import plots

        days = self.days
        week = days["day"] - pd.to_timedelta(days["day"].dt.day_of_week, unit="D")
        # A week that the data cover in part would look like a fall in business.
        whole = (week >= self.first) & (week + pd.Timedelta(days=6) <= self.last)
        table = (
            days[whole]
            .assign(week=week[whole])
            .groupby(["kind", "week"], as_index=False)
            .events.sum()
        )
        for i, (kind, rows) in enumerate(table.groupby("kind")):
            ax = plots.curve(
                date2num(rows["week"].to_numpy()),
                rows["events"].to_numpy(),
                label=str(kind),
                colour=plots.COLOURS[i % len(plots.COLOURS)],
                ax=ax,
            )
        ax = ax or plots.curve([], [])
        ax.set_ylim(bottom=0)
        ax = plots.finish(
            plots.date_axis(ax),
            title=self.summary(),
            subtitle="events per week, whole weeks only",
            ylabel="events",
        )
        return plots.legend_below(ax, columns=8)  # there are so many kinds at most


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
