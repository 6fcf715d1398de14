"""Customers by the month of their first order: how many of them order again, month by month."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.display import Html, join, picture, say
from promolab.features import order_lines
from promolab.language import month_words
from promolab.results import Estimate, Result, words_of
from promolab.stats import wilson

if TYPE_CHECKING:
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

    def facts(self) -> dict[str, Any]:
        """Return how many of the latest cohort came back in the next month, and of those before."""
        rows = self.months[(self.months["after"] == 1) & (self.months["customers"] >= FEWEST)]
        # The cohorts of new customers alone.
        rows = rows[[day > self.since for day in rows["cohort"]]]
        facts = {"fewest": FEWEST, "grid": self._grid, "case": "none"}
        if rows.empty:
            return facts
        last, before = rows.iloc[-1], rows.iloc[:-1]
        share = Estimate.of((last["share"], last["share_low"], last["share_high"]))
        facts |= {"last": {**last, "share": share}, "before": before, "case": "one"}
        if len(before):
            facts |= {
                "usual": before["active"].sum() / before["customers"].sum(),
                "case": "several",
            }
        return facts

    def _grid(self) -> pd.DataFrame:
        rows = self.months.assign(percent=100 * self.months["share"], month="")
        rows["old"] = [day <= self.since for day in rows["cohort"]]
        rows["month"] = [month_words(day, short=True) for day in rows["cohort"]]
        said = words_of(__name__, "Cohorts")
        return rows.assign(label=[row.say("cohort") for row in said.rows(rows)])

    def block(self) -> Html:
        """Return who comes back as a page has it: in words, and drawn where there is anybody."""
        drawn = [picture(self.plot(), self.alt())] if len(self.months) else []
        return join([say(self._facts.say("title"), kind="h2"), say(self.summary()), *drawn])


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
