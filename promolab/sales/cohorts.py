"""Customers by the month of their first order: how many of them order again, month by month."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.display import Html, join, picture, say
from promolab.features import order_lines
from promolab.language import _, _n, month_words
from promolab.results import Result
from promolab.stats import wilson
from promolab.wording import count, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop


FEWEST = 30
"""Customers of a cohort from which on it is named in a sentence."""


@dataclass(frozen=True)
class Cohorts(Result):
    """Customers by the month of their first order; made by `monthly_cohorts`.

    Parameters
    ----------
    months : DataFrame
        A row per cohort and month after it: cohort (first day of its month), after (1 is the next
        month), customers (of the cohort), active (those who ordered in that month), share with
        share_low, share_high (Wilson, 95 %). Months that are not over are left out.
    since : date
        First local day of the data: the first cohort holds older customers too.
    """

    months: pd.DataFrame = field(repr=False)
    since: date

    def to_frame(self) -> pd.DataFrame:
        """Return one row per cohort and month after it."""
        return self.months

    def _next_month(self) -> pd.DataFrame:
        """Return the first month after of the cohorts of new customers that are large enough."""
        rows = self.months[(self.months["after"] == 1) & (self.months["customers"] >= FEWEST)]
        return rows[[day > self.since for day in rows["cohort"]]]

    def summary(self) -> str:
        """Say how many of the latest cohort came back in the next month, and of those before."""
        rows = self._next_month()
        if rows.empty:
            return _(
                "No month that lies a month back has brought {n} new customers: how many come "
                "back cannot be told yet.",
                n=FEWEST,
            )
        last = rows.iloc[-1]
        text = _n(
            "Of {n} new customer of {month}, {share} ordered again in the month after",
            "Of {n} new customers of {month}, {share} ordered again in the month after",
            last["customers"],
            month=month_words(last["cohort"]),
            share=percent(last["share"], last["share_low"], last["share_high"]),
        )
        before = rows.iloc[:-1]
        if before.empty:
            return _("{text}.", text=text)
        usual = before["active"].sum() / before["customers"].sum()
        return _n(
            "{text}; of those of the {n} month before, {share}.",
            "{text}; of those of the {n} months before, {share}.",
            len(before),
            text=text,
            share=percent(usual, decimals=0),
        )

    def block(self) -> Html:
        """Return who comes back as a page has it: in words, and drawn where there is anybody."""
        words = self.summary()
        alt = f"{_('Customers by month of first order.')} {words}"
        drawn = [picture(self.plot(), alt)] if len(self.months) else []
        return join([say(_("Who comes back"), kind="h2"), say(words), *drawn])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw cohorts × months after as a heat map of the share who ordered."""
        from promolab import plots

        wide = self.months.pivot_table(index="cohort", columns="after", values="share")
        sizes = self.months.groupby("cohort")["customers"].first()
        old = _(" (and before)")
        labels = [
            f"{month_words(day, short=True)}{old if day <= self.since else ''}: {count(sizes[day])}"
            for day in wide.index
        ]
        values = 100 * wide.to_numpy(dtype=float)
        text = [[f"{v:.0f}" if np.isfinite(v) else "" for v in row] for row in values]
        if not values.size:
            values, labels, text = np.full((1, 1), np.nan), [""], [[""]]
        ax = plots.heat_map(
            values, labels, [str(c) for c in wide.columns] or [""], text=text, ax=ax
        )
        return plots.finish(
            ax,
            title=_("Who comes back"),
            subtitle=_("% of each month's new customers who ordered so many months later"),
            xlabel=_("months after the first order"),
        )


def monthly_cohorts(shop: Shop, as_of: datetime, months: int = 12) -> Cohorts:
    """Follow the new customers of each month: how many of them order in the months after.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    as_of : datetime
        UTC if it has no zone. Nothing at or after it is read.
    months : int
        Latest cohorts to follow, and how far.

    Returns
    -------
    Cohorts

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> rows = [("A", "2017-01-05"), ("A", "2017-02-08"), ("B", "2017-01-09")]
    >>> events = pd.DataFrame(rows, columns=["customer_id", "ts"]).assign(kind="purchase")
    >>> events = events.assign(ts=pd.to_datetime(events["ts"]))
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> found = monthly_cohorts(shop, datetime(2017, 3, 1))
    >>> found.months[["after", "customers", "active", "share"]].values.tolist()
    [[1.0, 2.0, 1.0, 0.5]]
    """
    import ibis

    moment = pd.Timestamp(as_of)
    moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    lines = order_lines(shop)
    lines = lines.filter(lines.bought)
    lines = lines.filter(lines.ts < ibis.literal(moment.tz_localize(None).to_pydatetime()))
    when = shop.local(lines.ts)
    month = (12 * when.year() + when.month() - 1).cast("int64")
    seen = lines.select("customer_id", month=month).distinct()
    first = seen.group_by("customer_id").aggregate(cohort=seen.month.min())
    rows = seen.join(first, "customer_id")
    by = rows.group_by("cohort", "month").aggregate(active=rows.count())
    counts = by.order_by("cohort", "month").execute()
    today = moment.tz_convert(shop.zone)
    now = 12 * today.year + today.month - 1  # this month is not over
    since = pd.Timestamp(shop.span()[0], tz="UTC").tz_convert(shop.zone).date()
    return Cohorts(_table(counts[counts["month"] < now], now, months), since)


def _table(counts: pd.DataFrame, now: int, months: int) -> pd.DataFrame:
    """Fill in the months in which nobody of a cohort ordered, and put the shares beside."""
    sizes = counts[counts["month"] == counts["cohort"]].set_index("cohort")["active"]
    sizes = sizes[sizes.index >= now - months - 1]
    cells = [(c, m) for c in sizes.index for m in range(int(c) + 1, now)]
    table = pd.DataFrame(cells, columns=["cohort", "month"], dtype="int64")
    table = table.merge(counts, on=["cohort", "month"], how="left").fillna({"active": 0})
    customers = table["cohort"].map(sizes).to_numpy(dtype=float)
    active = table["active"].to_numpy(dtype=float)
    low, high = wilson(active, customers) if len(table) else (customers, customers)
    share = active / customers
    return pd.DataFrame(
        {
            "cohort": [date(int(c) // 12, int(c) % 12 + 1, 1) for c in table["cohort"]],
            "after": (table["month"] - table["cohort"]).to_numpy(),
            "customers": customers.astype(int),
            "active": active.astype(int),
            "share": share,
            "share_low": low,
            "share_high": high,
        }
    )
