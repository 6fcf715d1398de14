"""Promotions that still count, watched day by day: by a band that may be looked at every day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.decided import ASSIGNED, groups_of, obstacle, read_decisions
from promolab.campaign.past.outcomes import moment_of
from promolab.campaign.readout.long_run import EARLIER, band_of
from promolab.checks import level_of
from promolab.display import Html, Ranged, table
from promolab.errors import InputError
from promolab.features import order_lines
from promolab.results import Estimate, Result, plain
from promolab.stats import compare_means
from promolab.wording import count, money, more_or_less, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop


HORIZON = timedelta(days=28)
"""Days after a promotion's window in which it still counts."""
DAY = timedelta(days=1)
FEWEST_BUYERS = 20
"""Customers of each group that must have bought before the first look."""


@dataclass(frozen=True)
class WatchedPromotion(Result):
    """One promotion that still counts: what those assigned spent more, day by day.

    Parameters
    ----------
    name : str
        What readers call it.
    frame : DataFrame
        day (since its start), difference (spent per customer so far, less those held back), low,
        high: the band holds on all days at once.
    assigned, others : int
        Customers in the two groups.
    days : int
        From its start until it no longer counts.
    level : float
    currency : str
    why : str
        Why there is nothing to see; empty where there is.
    """

    name: str
    frame: pd.DataFrame = field(repr=False)
    assigned: int = 0
    others: int = 0
    days: int = 0
    level: float = 0.95
    currency: str = ""
    why: str = ""

    ALT = "What those assigned spent more than those held back, day by day, with its band."

    def __bool__(self) -> bool:
        return not self.why

    @property
    def now(self) -> Estimate:
        """The difference on the last day; nan where there is none."""
        if self.why:
            return Estimate(float("nan"))
        ends = self.frame[["difference", "low", "high"]].iloc[-1]
        return Estimate.of(ends, self.assigned + self.others)

    @property
    def decided_on(self) -> int | None:
        """The first day on which the band left zero."""
        out = (self.frame["low"] > 0) | (self.frame["high"] < 0)
        return int(self.frame["day"][out].iloc[0]) if out.any() else None

    def to_dict(self) -> dict[str, Any]:
        """Return the difference so far and when it was decided."""
        told = {"difference": self.now.to_dict(), "day": plain(self.frame["day"].max())}
        return told | {"decided_on": self.decided_on, "why": self.why}

    def summary(self) -> str:
        """Say what it brought so far, and whether that is decided."""
        if self.why:
            return f"{self.name}: {self.why}."
        gap = more_or_less(*self.now.ends, self.currency)
        day = int(self.frame["day"].iloc[-1])
        who = f"the {count(self.assigned)} assigned"
        others = f"the {count(self.others)} who could have got it and did not"
        told = f"{self.name}, day {day} of {self.days}: {who} spent {gap} each than {others}"
        when = self.decided_on
        if when is None:
            return f"{told}; nothing is decided yet."
        return f"{told}; the band left zero on day {when}."

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the difference day by day with the band that may be looked at every day."""
        from promolab import plots

        if self.why:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        rows = self.frame
        ax = plots.curve(rows["day"], rows["difference"], low=rows["low"], high=rows["high"], ax=ax)
        plots.reference_line(ax, "horizontal", 0.0)
        state = "nothing is decided yet" if self.decided_on is None else "the band left zero"
        return plots.finish(
            ax,
            title=f"{self.name}, day {int(rows['day'].iloc[-1])} of {self.days}: {state}",
            subtitle=f"spent per customer so far, assigned less held back; the band holds on all "
            f"days at once ({percent(self.level, decimals=0)})",
            xlabel="days since its start",
            ylabel=f"difference so far, {self.currency}",
        )


@dataclass(frozen=True)
class WatchedPromotions(Result):
    """All promotions that still count; made by `watch_promotions`.

    Parameters
    ----------
    promotions : tuple of WatchedPromotion
        Those that show something first, the largest first.
    why : str
        Why there is none; empty where there is.
    """

    promotions: tuple[WatchedPromotion, ...]
    why: str = ""

    ALT = WatchedPromotion.ALT

    def __bool__(self) -> bool:
        return any(self.promotions)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per promotion and day."""
        told = [one.frame.assign(promotion=one.name) for one in self.promotions if one]
        columns = ["promotion", "day", "difference", "low", "high"]
        return pd.concat(told)[columns] if told else pd.DataFrame(columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return each promotion's difference so far, by its name."""
        return {one.name: one.to_dict() for one in self.promotions}

    def summary(self) -> str:
        """Say what those brought so far of which it can be told."""
        if not self:
            others = " ".join(one.summary() for one in self.promotions[:2])
            return self.why or f"No promotion that still counts can be watched. {others}"
        decided = [one for one in self.promotions if one and one.decided_on is not None]
        n = plural(sum(map(bool, self.promotions)), "promotion")
        told = ", ".join(one.name for one in decided)
        state = f"decided by now: {told}" if decided else "of none is it decided yet"
        return (
            f"{n} that still {'counts' if n.startswith('1 ') else 'count'} can be watched; {state}."
        )

    def table(self) -> Html:
        """Return a row per promotion: what it brought so far, and whether that is decided."""
        rows = pd.DataFrame(
            [
                {
                    "name": one.name,
                    "day": f"{int(one.frame['day'].iloc[-1])} of {one.days}",
                    "assigned": one.assigned,
                    "others": one.others,
                    **dict(zip(("gap", "gap_low", "gap_high"), one.now.ends, strict=True)),
                    "decided": "not yet" if one.decided_on is None else f"on day {one.decided_on}",
                }
                for one in self.promotions
                if one
            ]
        )
        if rows.empty:
            return Html("")
        currency = self.promotions[0].currency
        heads = {"name": "promotion", "day": "day", "assigned": "assigned", "others": "held back"}
        heads |= {"gap": f"spent more so far, each, {currency}", "decided": "decided"}
        return table(
            rows, heads, {"assigned": count, "others": count, "gap": Ranged(_amount)},
            caption="The intervals hold on all days at once; the largest first.",
        )  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the largest one day by day."""
        if not self:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        return self.promotions[0].plot(ax)


def _amount(value: float, low: float, high: float) -> str:
    return money(value, low, high, currency="").replace("  ", " ").strip()


def watch_promotions(
    shop: Shop, as_of: Any, *, level: float = 0.95, horizon: timedelta = HORIZON
) -> WatchedPromotions:
    r"""Compare, day by day, those assigned a promotion that still counts with those held back.

    Parameters
    ----------
    shop : Shop
        With decisions and amounts; of released weeks `promolab.loop.with_released_decisions` adds
        the decisions.
    as_of : datetime
        Nothing at or after it is read.
    level : float
        How likely a promotion's band holds the truth on all days at once.
    horizon : timedelta
        How long after its window a promotion still counts.

    Returns
    -------
    WatchedPromotions
        By assignment, weighted where chances differ, earlier sales allowed for (CUPED), households
        drawn together. The first look is when 20 customers of each group have bought.

    Notes
    -----
    The same customers are looked at every day, so that it is the variance of their sums that counts
    as time: see `standing_holdout`, whose band this is, tuned for the last day.
    """
    now, level = moment_of(as_of), level_of(level)
    if not shop.has("decisions") or not shop.has("promotions"):
        lacking = f"{shop.settings.name} records no decisions on promotions: none can be watched."
        return WatchedPromotions((), lacking)
    if (lacks := shop.lacks("orders and sales")) is not None:
        return WatchedPromotions((), f"No promotion can be watched: {lacks}.")
    offers = shop.promotions
    offers = offers.filter((offers.starts_at < now) & (offers.ends_at > now - horizon)).execute()
    offers = offers.assign(action=offers["promotion_id"].astype(str)).sort_values("action")
    decided = read_decisions(shop, offers["action"].tolist(), now)
    if offers.empty or decided.empty:
        return WatchedPromotions(
            (), "No promotion that still counts has decisions to be watched by."
        )
    found = [_watched(shop, row, decided, now, level, horizon) for row in offers.to_dict("records")]
    found.sort(key=lambda one: (not one, -min(one.assigned, one.others), one.name))
    return WatchedPromotions(tuple(found))


def _watched(
    shop: Shop,
    offer: dict[Any, Any],
    decided: pd.DataFrame,
    now: datetime,
    level: float,
    horizon: timedelta,
) -> WatchedPromotion:
    name = shop.promotion_name(str(offer["kind"]), offer["promotion_id"])
    nothing = pd.DataFrame({"day": [], "difference": [], "low": [], "high": []})
    mine = decided[decided["action"] == offer["action"]]
    if why := obstacle(mine):
        return WatchedPromotion(name, nothing, why=why)
    rows, _ = groups_of(mine)
    rows = rows.reset_index(drop=True)
    start = pd.Timestamp(offer["starts_at"]).to_pydatetime()
    last = (pd.Timestamp(offer["ends_at"]).to_pydatetime() + horizon - start) // DAY
    days = min((now - start) // DAY, last)
    treated = (rows["arm"] == ASSIGNED).to_numpy()
    sizes = int(treated.sum()), int((~treated).sum())
    frame = _daily(_sales(shop, rows, start, start + days * DAY), rows, treated, days, last, level)
    if frame.empty:
        few = f"fewer than {FEWEST_BUYERS} customers of a group have bought so far"
        return WatchedPromotion(name, nothing, *sizes, why=few)
    return WatchedPromotion(name, frame, *sizes, last, level, shop.settings.currency)


def _sales(shop: Shop, rows: pd.DataFrame, start: datetime, until: datetime) -> pd.DataFrame:
    """Return what customers spent by place of the row and day since the start; −1 before it."""
    import ibis

    there = ibis.memtable(rows[["customer_id"]].assign(place=np.arange(len(rows))))
    lines = order_lines(shop)
    lines = lines.filter((lines.ts >= start - EARLIER) & (lines.ts < until))
    lines = lines.join(there, "customer_id")
    since = int(pd.Timestamp(start).timestamp())
    day = ((lines.ts.epoch_seconds() - since) / DAY.total_seconds()).floor()
    lines = lines.mutate(day=ibis.ifelse(lines.ts < start, -1, day).cast("int64"))
    found = lines.group_by("place", "day").aggregate(amount=lines.amount.sum().cast("float64"))
    sales: pd.DataFrame = found.order_by("place", "day").execute()
    return sales


def _daily(
    sales: pd.DataFrame,
    rows: pd.DataFrame,
    treated: np.ndarray,
    days: int,
    last: int,
    level: float,
) -> pd.DataFrame:
    """Return the difference of what was spent so far with its band, from the first look on."""
    unit, weight = pd.factorize(rows["cluster"])[0], rows["weight"].to_numpy(dtype=float)
    place, day = (sales[name].to_numpy(dtype=int) for name in ("place", "day"))
    amount, n = sales["amount"].to_numpy(dtype=float), len(rows)
    earlier = np.bincount(place[day < 0], weights=amount[day < 0], minlength=n)
    total, found = np.zeros(n), []
    for k in range(days):
        mine = day == k
        total = total + np.bincount(place[mine], weights=amount[mine], minlength=n)
        bought = total != 0
        if min((bought & treated).sum(), (bought & ~treated).sum()) < FEWEST_BUYERS:
            continue
        arms = compare_means(total, treated, unit, weight=weight, earlier=earlier)
        found.append((k + 1, arms.value, arms.variance))
    if not found:
        return pd.DataFrame({"day": [], "difference": [], "low": [], "high": []})
    when, value, variance = np.array(found).T
    low, high = band_of(value, variance, level, last / when[0])
    return pd.DataFrame({"day": when.astype(int), "difference": value, "low": low, "high": high})
