"""The shop's weeks, against last week and last year, and what span the events cover."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import read_operations
from promolab.display import Html, Tile, join, picture, say
from promolab.errors import DataError
from promolab.features import fixed, order_lines, with_margin
from promolab.language import day_words
from promolab.results import Estimate, Result
from promolab.stats import wilson
from promolab.wording import count, in_currency, listed, money, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop


YEAR = 52
"""Weeks after which the same days of the week and season come again."""
QUARTER = 13
"""Weeks of the figure on the first page."""
_FIGURES = ("sales", "margin", "orders", "customers", "repeat_customers")


@dataclass(frozen=True)
class WeeklySales(Result):
    """What the shop sold week by week; made by `weekly_sales`.

    Parameters
    ----------
    weeks : DataFrame
        A row per whole week, the latest first: ago (0 is the last one), first_day, last_day
        (local), sales (net of what came back in it), margin (of list prices, less discounts),
        orders, customers (who ordered), repeat_customers (those of them who had ordered before it).
    basket : Estimate
        Sales per order of the last week, with its 95 % interval (customers independent); n orders.
    repeat_rate : Estimate
        Share of the last week's customers who had ordered before it, with Wilson's interval.
    currency : str
        Of the amounts.
    assumed_rate : float or None
        The margin rate, where it is assumed.
    events : tuple of (name, first day, last day)
        Of the shop's calendar, by first day.
    """

    weeks: pd.DataFrame = field(repr=False)
    basket: Estimate
    repeat_rate: Estimate
    currency: str
    assumed_rate: float | None = None
    events: tuple[tuple[str, date, date], ...] = ()

    def at(self, name: str, ago: int = 0) -> float:
        """Return a figure of the week so many weeks ago; nan where that week is not known."""
        week = self.weeks.set_index("ago").reindex([ago]).iloc[0]
        if name == "basket":
            return float(week["sales"] / week["orders"]) if week["orders"] else 0.0
        if name == "repeat_rate":
            n = week["customers"]
            return float(week["repeat_customers"] / n) if n else float("nan")
        return float(week[name])

    def change(self, name: str, ago: int) -> float:
        """Return by what share a figure of the last week lies above that of an earlier one.

        Parameters
        ----------
        name : str
            sales, orders, customers, basket or repeat_rate.
        ago : int
            How many weeks before the last one: 1, or `YEAR`.
        """
        now, then = self.at(name), self.at(name, ago)
        return now / then - 1 if then > 0 else float("nan")

    def _changes(self, name: str) -> list[dict[str, Any]]:
        """Return how a figure of the last week lies against the week and the year before."""
        found = ((when, self.change(name, ago)) for when, ago in (("week", 1), ("year", YEAR)))
        return [_compared(when, share) for when, share in found if math.isfinite(share)]

    @property
    def days(self) -> str:
        """The last week's days, in words."""
        if self.weeks.empty:
            return ""
        first, last = self.weeks[["first_day", "last_day"]].iloc[0]
        return f"{day_words(first)} – {day_words(last)}"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per week."""
        return self.weeks

    def facts(self) -> dict[str, Any]:
        """Return the last week's figures, those before, and the calendar's events."""
        sells = not self.weeks.empty and bool(self.at("orders"))
        ago = {"that": 0, "week": 1}
        events = [{"when": when, "events": self.events_of(k)} for when, k in ago.items()]
        shown = self.weeks[self.weeks["ago"] < QUARTER]
        return {
            "case": "none" if self.weeks.empty else "sold" if sells else "nothing",
            "sells": sells,
            **{"sold": self.at("sales"), "ordered": self.at("orders"), "who": self.at("customers")},
            "compared": lambda: self._changes("sales"),
            "calendar": [each for each in events if each["events"]],
            "trend": self._trend,
            "shown": shown,
            "taken": lambda: shown["sales"].sum(),
            "earned": lambda: shown["margin"].sum(),
            **{"unit": in_currency(self.currency), "before": self.before},
        }

    def sales_sentence(self) -> str:
        """Say what was sold last week, against the week and the year before."""
        return self._facts.say("told")

    def events_of(self, ago: int) -> list[str]:
        """Return what the calendar names in the week so many weeks ago."""
        rows = self.weeks.loc[self.weeks["ago"] == ago, ["first_day", "last_day"]]
        return [
            name
            for begin, end in rows.to_numpy().tolist()
            for name, first, last in self.events
            if first <= end and last >= begin
        ]

    def _trend(self) -> list[dict[str, Any]]:
        """Return how the last four weeks compare with the four before, and a year ago."""
        means = {when: self._mean(ago) for when, ago in (("four", 4), ("four_year", YEAR))}
        return [
            _compared(when, self._mean(0) / mean - 1) for when, mean in means.items() if mean > 0
        ]

    def trend_sentence(self) -> str:
        """Say how the last four weeks compare with those before, and with those of a year ago."""
        return self._facts.say("trend") or self._facts.say("no_trend")

    def _mean(self, ago: int) -> float:
        """Return the mean weekly sales of four weeks; nan where one of them is not known."""
        return sum(self.at("sales", ago + k) for k in range(4)) / 4

    def tiles(self) -> list[Tile]:
        """Return the headline numbers: sales, orders, basket and repeat customers of last week."""
        sales, orders = self.at("sales"), self.at("orders")
        figures = {
            "sales": (sales, money(sales, currency=self.currency)),
            "orders": (orders, count(orders)),
            "basket": (self.basket.value, money(*self.basket.ends, currency=self.currency)),
            "repeat": (self.repeat_rate.value, percent(*self.repeat_rate.ends)),
        }
        moved = [{"compared": self._changes(n.replace("repeat", "repeat_rate"))} for n in figures]
        return [
            Tile(
                said.say(name), text, value if math.isfinite(value) else None,
                said.say(f"{name}_note"),
            )
            for (name, (value, text)), said in zip(
                figures.items(), self._facts.rows(moved), strict=True
            )
        ]  # fmt: skip

    def quarter_sentence(self) -> str:
        """Say what 13 weeks sold and earned; from which week on, where the data hold fewer."""
        return self._facts.say("quarter")

    @property
    def before(self) -> list[float]:
        """Sales of the weeks a year before the last 13, the earliest first, where any is known."""
        found = [self.at("sales", ago + YEAR) for ago in self._quarter["ago"]]
        return found if np.isfinite(found).any() else []

    @property
    def _quarter(self) -> pd.DataFrame:
        return self.weeks[self.weeks["ago"] < QUARTER].iloc[::-1]

    def block(self) -> Html:
        """Return sales and margin of 13 weeks as a page has them, in words and drawn."""
        title = say(self._facts.say("title"), kind="h2")
        if len(self.weeks) < 2:
            return title + say(self.trend_sentence())
        told = f"{self.quarter_sentence()} {self.trend_sentence()}"
        return join([title, say(told), picture(self.plot(), told)])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw sales (columns; a year before: dashes) and margin (dots) of 13 weeks.

        Weeks with a day of the calendar are named.
        """
        from matplotlib.figure import Figure

        from promolab import plots

        shown = self._quarter
        named = [listed(self.events_of(int(ago))) for ago in shown["ago"]]
        shades = [plots.COLOURS[1] if name else plots.COLOURS[0] for name in named]
        days = [day_words(day) for day in shown["first_day"]]
        alone, ax = ax is None, plots.columns(days, shown["sales"], colours=shades, ax=ax)
        if alone and isinstance(ax.figure, Figure):
            ax.figure.set_size_inches(6.1, 2.7)
        ax.plot(range(len(shown)), shown["margin"], "o-", color="#222222", markersize=4)
        ax.plot(range(len(self.before)), self.before, "--", color="#222222", linewidth=1)
        with plots.style():  # names in any script
            for place, name, sales in zip(range(len(shown)), named, shown["sales"], strict=True):
                text = plots.wrapped(name, 90, 8, most=1)
                ax.annotate(text, (place, max(sales, 0)), ha="center", va="bottom", fontsize=8)
        ax.margins(y=0.2 if any(named) else 0.05)
        (said,) = self._facts.rows([{"named": any(named)}])
        told, week, unit = (said.say(line) for line in ("columns", "from", "in_money"))
        return plots.finish(ax, title="", subtitle=told, xlabel=week, ylabel=unit)


def _compared(when: str, share: float) -> dict[str, Any]:
    side = "same" if abs(share) < 0.005 else "more" if share > 0 else "less"
    return {"when": when, "share": share, "side": side}


def weekly_sales(shop: Shop, as_of: datetime, weeks: int = 2 * YEAR + 1) -> WeeklySales:
    """Add up what the shop sold in each of the weeks before a date.

    Parameters
    ----------
    shop : Shop
        Cleaned; without amounts all sales are 0.
    as_of : datetime
        UTC if it has no zone; the weeks end with the local day before it. Nothing at or after it is
        read.
    weeks : int
        How many weeks back at most; a week that the data cover in part is left out.

    Returns
    -------
    WeeklySales

    Examples
    --------
    >>> import ibis
    >>> from promolab.contract import Shop
    >>> rows = [("A", "2017-03-01", 10.0), ("A", "2017-03-08", 30.0), ("B", "2017-03-09", 5.0)]
    >>> events = pd.DataFrame(rows, columns=["customer_id", "ts", "amount"])
    >>> events = events.assign(ts=pd.to_datetime(events["ts"]), kind="purchase")
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> found = weekly_sales(shop, datetime(2017, 3, 15))
    >>> found.weeks[["sales", "orders", "customers", "repeat_customers"]].values.tolist()
    [[35.0, 2.0, 2.0, 1.0], [10.0, 1.0, 1.0, 0.0]]
    """
    import ibis

    moment = pd.Timestamp(as_of)
    moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    today = moment.tz_convert(shop.zone).date()
    lines = order_lines(shop)
    lines = lines.filter(lines.ts < ibis.literal(moment.tz_localize(None).to_pydatetime()))
    day = shop.local(lines.ts).date()
    back = ibis.literal(today).delta(day, unit="day")
    lines = lines.mutate(ago=((back - 1) // 7).cast("int64"))
    lines, assumed = _with_margin(shop, lines)
    orders = lines.group_by("customer_id", "ago", "order_id", "single_ts")
    orders = orders.aggregate(
        amount=lines.amount.sum(), margin=lines.margin.sum(), bought=lines.bought.any()
    )
    people = orders.group_by("customer_id", "ago")
    people = people.aggregate(
        amount=orders.amount.sum(), margin=orders.margin.sum(), orders=orders.bought.sum()
    )
    first = people.filter(people.orders > 0).group_by("customer_id")
    first = first.aggregate(first=lambda t: t.ago.max())
    people = people.left_join(first, "customer_id").drop("customer_id_right")
    ordered = people.orders > 0
    sums = people.filter(people.ago < weeks).group_by("ago")
    sums = sums.aggregate(
        sales=people.amount.sum().cast("float64"),
        margin=people.margin.sum().cast("float64"),
        orders=people.orders.sum(),
        customers=ordered.sum(),
        repeat_customers=(ordered & (people["first"] > people.ago)).sum(),
    )
    since = pd.Timestamp(shop.span()[0], tz="UTC").tz_convert(shop.zone).date()
    table = _whole_weeks(sums.execute(), today, since, weeks)
    last = people.filter(people.ago == 0).order_by("customer_id")
    rows = last.select(people.amount.cast("float64").name("amount"), "orders").execute()
    n = int((rows["orders"] > 0).sum())
    repeat = int(table["repeat_customers"].iloc[0]) if len(table) else 0
    ends = wilson(repeat, n) if n else (np.nan, np.nan)
    rate = Estimate(repeat / n if n else np.nan, float(ends[0]), float(ends[1]), n)
    currency, events = shop.settings.currency, _events(shop, today)
    return WeeklySales(table, _basket(rows), rate, currency, assumed, events)


def _with_margin(shop: Shop, lines: Any) -> tuple[Any, float | None]:
    """Add each line's margin by the rates stated; where one is missing, by the assumed one."""
    try:
        return with_margin(shop, lines), None
    except DataError:
        rate = read_operations(shop.settings).economics.margin_rate.value
        amount, off = lines.amount.cast("float64"), lines.discount.cast("float64")
        return lines.mutate(margin=fixed((amount + off) * rate - off, 6)), rate


def _events(shop: Shop, today: date) -> tuple[tuple[str, date, date], ...]:
    """Return the calendar's events before a day: name, first and last local day."""
    if not shop.has("calendar"):
        return ()
    rows = shop.calendar.select("name", "starts_at", "ends_at").execute()
    rows = rows.sort_values(["starts_at", "name"])
    ends = rows["ends_at"] - pd.Timedelta(seconds=1)
    first, last = (
        t.dt.tz_localize("UTC").dt.tz_convert(shop.zone).dt.date for t in (rows["starts_at"], ends)
    )
    found = zip(rows["name"].astype(str), first, last, strict=True)
    return tuple(event for event in found if event[1] < today)


def _whole_weeks(sums: pd.DataFrame, today: date, since: date, weeks: int) -> pd.DataFrame:
    """Return a row for every whole week of the data, those without a sale included."""
    whole = min(weeks, max(0, (today - since).days // 7))
    table = pd.DataFrame({"ago": np.arange(whole)}).merge(sums, on="ago", how="left").fillna(0.0)
    table["last_day"] = [today - timedelta(days=7 * int(k) + 1) for k in table["ago"]]
    table["first_day"] = [day - timedelta(days=6) for day in table["last_day"]]
    return table[["ago", "first_day", "last_day", *_FIGURES]].astype(
        dict.fromkeys(_FIGURES, "float64")
    )


def _basket(rows: pd.DataFrame) -> Estimate:
    """Return sales per order, its variance linearised over customers (Cochran 1977, ch. 2.11)."""
    amount, orders = (rows[name].to_numpy(dtype=float) for name in ("amount", "orders"))
    n, total = len(rows), float(orders.sum())
    if not total:
        return Estimate(np.nan, np.nan, np.nan, 0)
    ratio = float(amount.sum()) / total
    if n < 2:
        return Estimate(ratio, np.nan, np.nan, int(total))
    half = 1.96 * math.sqrt(n / (n - 1) * float(((amount - ratio * orders) ** 2).sum())) / total
    return Estimate(ratio, ratio - half, ratio + half, int(total))


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
