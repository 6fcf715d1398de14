"""What promotions as a whole are worth: the standing holdout against everybody else, week by week.

Who is in the standing holdout is there by chance, whatever is planned for whom; so those for whom
no promotion was ever planned count too, in both groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import confidence_sequence
from promolab.campaign.past.decided import FEWEST_UNITS, NONE, clusters_of
from promolab.campaign.past.outcomes import moment_of
from promolab.checks import level_of
from promolab.contract import read_operations
from promolab.display import Html, Ranged, table
from promolab.errors import DataError
from promolab.features import order_lines, with_margin
from promolab.results import Estimate, Result, plain
from promolab.stats import compare_means
from promolab.threads import single_threaded
from promolab.wording import count, money, more_or_less, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop


EARLIER = timedelta(days=84)
"""How long before a customer's first decision the sales are that are allowed for."""
WEEK = timedelta(days=7)
TUNED_WEEKS = 26
"""Weeks after which the band is narrowest against an interval that may be looked at but once."""
STANDING = "standing"
MEASURES = ("sales", "profit")


@dataclass(frozen=True)
class StandingReadout(Result):
    """Promotions as a whole, by the standing holdout; made by `standing_holdout`.

    Parameters
    ----------
    frame : DataFrame
        A row per whole week since it began: ``week`` (1, 2, …), ``until`` (UTC), and ``sales`` and,
        where margins are known, ``profit``: the mean of the others less that of the holdout since
        the start, with ``_low`` and ``_high``.
    standing, others : int
        Customers in the two groups.
    began : datetime or None
        The first decision that held somebody out.
    level : float
        How likely the band holds the truth in all weeks at once.
    currency : str
        Of the amounts.
    why : str
        Why there is nothing; empty where there is something.
    note : str
        What is left out or assumed.
    """

    frame: pd.DataFrame = field(repr=False)
    standing: int = 0
    others: int = 0
    began: datetime | None = None
    level: float = 0.95
    currency: str = ""
    why: str = ""
    note: str = ""
    ALT = "How much more others spent than the standing holdout, since it began, with its band."

    @property
    def weeks(self) -> int:
        """Whole weeks since it began."""
        return len(self.frame)

    def so_far(self, measure: str = "sales") -> Estimate:
        """Return what promotions brought per customer up to the last week; nan if not known.

        Parameters
        ----------
        measure : {"sales", "profit"}
        """
        if measure not in self.frame or self.frame.empty:
            return Estimate(math.nan)
        last = self.frame[[measure, f"{measure}_low", f"{measure}_high"]].iloc[-1]
        return Estimate.of(last, self.standing + self.others)

    def in_total(self, measure: str = "sales") -> Estimate:
        """Return what promotions brought from all customers who were not held out."""
        return self.so_far(measure) * self.others

    def to_dict(self) -> dict[str, Any]:
        """Return the last week's figures, per customer and in total."""
        told = super().to_dict() | {"weeks": self.weeks, "began": plain(self.began)}
        for measure in MEASURES:
            if measure in self.frame:
                told[measure] = self.so_far(measure).to_dict()
                told[f"total_{measure}"] = self.in_total(measure).to_dict()
        return told

    def summary(self) -> str:
        """Say what promotions as a whole brought, or why that is not known."""
        if self.why:
            return f"What promotions as a whole are worth is not known: {self.why}."
        sales, unit = self.so_far(), self.currency
        words = (
            f"In {plural(self.weeks, 'week')} {plural(self.others, 'customer')} whom promotions "
            f"could reach spent {more_or_less(*sales.ends, unit)} each than "
            f"{count(self.standing)} in the standing holdout, "
            f"{money(*_absolute(self.in_total()).ends, currency=unit)} in total"
            f"{_chance(sales)} (randomised)."
        )
        if "profit" in self.frame:
            profit = self.in_total("profit")
            words += (
                " After discounts and contacts promotions brought a "
                f"{'loss' if profit.value < 0 else 'profit'} of "
                f"{money(*_absolute(profit).ends, currency=unit)}{_chance(profit)}."
            )
        return " ".join(filter(None, [words, self.note]))

    def table(self) -> Html:
        """Return some of the weeks, the last one among them."""
        rows = np.unique(np.linspace(0, max(self.weeks - 1, 0), 10).round().astype(int))
        shown = self.frame.iloc[rows] if self.weeks else self.frame
        columns = {"week": "week"}
        formats: dict[str, Any] = {"week": count}
        written = Ranged(number)
        for measure, words in (("sales", "more sales"), ("profit", "profit")):
            if measure not in self.frame:
                continue
            parts = [measure, f"{measure}_low", f"{measure}_high"]
            total = shown[parts] * self.others
            shown = shown.assign(**{f"total_{name}": total[name] for name in parts})
            columns[measure] = f"{words} per customer ({self.currency})"
            columns[f"total_{measure}"] = f"{words} in total ({self.currency})"
            formats |= {measure: written, f"total_{measure}": written}
        return table(
            shown,
            columns,
            formats,
            caption="What promotions brought since the standing holdout began, week by week; "
            f"{percent(self.level, decimals=0)} intervals that hold in all weeks at once.",
            otherwise=self.summary(),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what promotions brought per customer, week by week, with its band."""
        from promolab import plots

        measure = "profit" if "profit" in self.frame else "sales"
        ends = (self.frame.get(f"{measure}{end}", ()) for end in ("", "_low", "_high"))
        value, low, high = ends
        ax = plots.curve(self.frame["week"], value, low=low, high=high, ax=ax)
        plots.reference_line(ax, "horizontal", 0.0)
        unit = f", {self.currency}" if self.currency else ""
        return plots.finish(
            ax,
            title=f"What promotions brought in {plural(self.weeks, 'week')}",
            subtitle=f"{measure} per customer since the standing holdout of {count(self.standing)} "
            f"began; the band holds in all weeks at once ({percent(self.level, decimals=0)})",
            xlabel="weeks since it began",
            ylabel=f"{measure} per customer{unit}",
        )


def _absolute(e: Estimate) -> Estimate:
    return e * -1 if e.value < 0 else e


def _chance(e: Estimate) -> str:
    return "" if e.ci_low > 0 or e.ci_high < 0 else ", which chance alone could have made"


def standing_holdout(shop: Shop, as_of: Any, *, level: float = 0.95) -> StandingReadout:
    r"""Read out the standing holdout cumulatively: what promotions brought since it began.

    By assignment: who was in it at the customer's first decision against all other eligible
    customers, whether anything was ever planned for them or not. Counted from that decision on, by
    the day the money came in or went back. Earlier sales are allowed for (CUPED), households are
    drawn together.

    Parameters
    ----------
    shop : Shop
        With ``decisions.holdout`` and amounts; of released weeks
        `promolab.loop.with_released_decisions` adds the decisions.
    as_of : datetime
        Nothing at or after it is read.
    level : float
        How likely the band holds the truth in all weeks at once.

    Returns
    -------
    StandingReadout
        Profit is the margin after discounts, less contacts; it is there where the shop states a
        margin. Without a standing holdout the result says so.

    Notes
    -----
    The band may be looked at every week. With :math:`V_k` the variance of the difference
    :math:`D_k` of the sums up to week k it is Robbins' normal mixture in the time
    :math:`V_k / V_1` (`promolab.abtest.confidence_sequence`). Customers who buy much go on to do
    so, so that the later differences repeat the earlier ones more than those of a random walk would
    and its crossing chance is a bound (Slepian's inequality).

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Annals of Statistics 52 (asymptotic
    confidence sequences); Slepian (1962), Bell System Technical Journal 41; Robbins (1970), Annals
    of Mathematical Statistics 41.
    """
    now, level = moment_of(as_of), level_of(level)
    nothing = pd.DataFrame({"week": [], "until": []})
    currency = shop.settings.currency
    why = _lacking(shop)
    members = None if why else _members(shop, now)
    if members is None or members.empty:
        why = why or "nobody is in a standing holdout yet"
        return StandingReadout(nothing, level=level, currency=currency, why=why)
    held = members[STANDING].to_numpy()
    units = [members.loc[side, "cluster"].nunique() for side in (held, ~held)]
    began = members["entered"].min().to_pydatetime()
    weeks = (now - began) // WEEK
    few = f"only {plural(min(units), 'independent customer')} in one of the groups"
    if min(units) < FEWEST_UNITS:
        why = f"{few}; {FEWEST_UNITS} are needed"
    elif weeks < 1:
        why = "the standing holdout is not a week old"
    sizes = int(held.sum()), int((~held).sum())
    if why:
        return StandingReadout(nothing, *sizes, began, level, currency, why)
    rows, note = _flows(shop, members, began, began + weeks * WEEK)
    frame = pd.DataFrame({"week": np.arange(1, weeks + 1)})
    frame["until"] = [began + k * WEEK for k in frame["week"].tolist()]
    # Sums of floats split over threads differ in their last digits.
    with single_threaded("blas"):
        for measure in [name for name in MEASURES if name in rows]:
            frame = frame.join(_cumulated(rows, measure, members, int(weeks), level))
    return StandingReadout(frame, *sizes, began, level, currency, "", note)


def _lacking(shop: Shop) -> str:
    if not shop.has("decisions", "holdout"):
        return f"{shop.settings.name} has no decisions that say who is held out"
    if shop.lacks("orders and sales") is not None:
        return f"the events of {shop.settings.name} have no amounts"
    return ""


def _members(shop: Shop, now: datetime) -> pd.DataFrame:
    """Return each customer's first decision since it began: customer_id, standing, entered."""
    made = shop.decisions.filter(shop.decisions.ts < now)
    if "planned_action" in made.columns:
        # Where only those planned for something are told to be in it, others are no match for them.
        planned = made.planned_action.cast("string").fill_null(NONE) != NONE
        apart = made.filter((made.holdout == STANDING) & ~planned).limit(1).count().execute()
        made = made if apart else made.filter(planned)
    began = made.filter(made.holdout == STANDING).ts.min().execute()
    if pd.isna(began):
        return pd.DataFrame()
    made = made.filter(made.ts >= pd.Timestamp(began).to_pydatetime())
    held = made.holdout.fill_null(NONE) == STANDING
    # Of several decisions at a time the one that holds out comes first.
    order = 2 * made.ts.epoch_seconds() + (~held).cast("int64")
    found = made.group_by("customer_id").aggregate(
        entered=made.ts.min(), **{STANDING: held.argmin(order)}
    )
    rows: pd.DataFrame = found.order_by("customer_id").execute()
    rows["cluster"] = clusters_of(shop, rows["customer_id"])
    rows["entered"] = rows["entered"].astype("datetime64[us]")
    return rows[["customer_id", STANDING, "entered", "cluster"]]


def _flows(
    shop: Shop, members: pd.DataFrame, began: datetime, until: datetime
) -> tuple[pd.DataFrame, str]:
    """Return what came in by place of the member and week (0, 1, …; −1 before), and a note."""
    import ibis

    who = members[["customer_id", "entered"]].assign(place=np.arange(len(members)))
    there = ibis.memtable(who)
    start = pd.Timestamp(began).timestamp()

    def dated(rows: Any) -> Any:
        rows = rows.join(there, "customer_id")
        rows = rows.filter(rows.ts >= rows.entered - ibis.interval(days=EARLIER.days))
        week = ((rows.ts.epoch_seconds() - int(start)) / WEEK.total_seconds()).floor()
        return rows.mutate(week=ibis.ifelse(rows.ts < rows.entered, -1, week).cast("int64"))

    lines = dated(order_lines(shop).filter(lambda t: t.ts < until))
    note, sums = "", ["amount"]
    try:
        lines, sums = with_margin(shop, lines), ["amount", "margin"]
    except DataError:
        note = "What that leaves as profit is not known: the shop states no margin."
    found = lines.group_by("place", "week").aggregate(
        **{name: lines[name].sum().cast("float64") for name in sums}
    )
    rows = found.order_by("place", "week").execute().rename(columns={"amount": "sales"})
    if "margin" in rows:
        rows = pd.concat([rows, _contacts(shop, dated, until)], ignore_index=True).fillna(0.0)
        rows["profit"] = rows["margin"] - rows["cost"]
    return rows, note


def _contacts(shop: Shop, dated: Any, until: datetime) -> pd.DataFrame:
    """Return place, week, cost: what contacts cost, at each promotion's own rate or the shop's."""
    if not shop.has("exposures"):
        return pd.DataFrame({"place": [], "week": [], "cost": []})
    made = shop.exposures.filter(shop.exposures.ts < until)
    made = made.select("customer_id", "promotion_id", "ts")
    rate = read_operations(shop.settings).economics.contact_cost.value
    made = dated(made).group_by("place", "week", "promotion_id").aggregate(n=lambda t: t.count())
    rows: pd.DataFrame = made.filter(made.week >= 0).order_by(made.columns).execute()
    own = pd.Series(dtype=float)
    if shop.has("promotions", "contact_cost"):
        stated = shop.promotions.select("promotion_id", "contact_cost").execute().dropna()
        own = stated.drop_duplicates("promotion_id").set_index("promotion_id")["contact_cost"]
    rows["cost"] = rows["n"] * rows["promotion_id"].map(own).astype(float).fillna(rate)
    return rows[["place", "week", "cost"]]


def _cumulated(
    rows: pd.DataFrame, measure: str, members: pd.DataFrame, weeks: int, level: float
) -> pd.DataFrame:
    """Return the difference of the cumulated means with its band, a row per week."""
    others = ~members[STANDING].to_numpy()
    unit = pd.factorize(members["cluster"])[0]
    place, week = rows["place"].to_numpy(dtype=int), rows["week"].to_numpy(dtype=int)
    amount, n = rows[measure].to_numpy(dtype=float), len(members)
    earlier = np.bincount(place[week < 0], weights=amount[week < 0], minlength=n)
    total, found = np.zeros(n), []
    for k in range(weeks):
        mine = week == k
        total = total + np.bincount(place[mine], weights=amount[mine], minlength=n)
        arms = compare_means(total, others, unit, earlier=earlier)
        found.append((arms.value, arms.variance))
    value, variance = np.array(found).T
    low, high = band_of(value, variance, level, TUNED_WEEKS)
    return pd.DataFrame({measure: value, f"{measure}_low": low, f"{measure}_high": high})


def band_of(
    value: np.ndarray, variance: np.ndarray, level: float, tuned: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the band of a difference of growing sums that may be looked at whenever it grows.

    Parameters
    ----------
    value, variance : ndarray of shape (k,)
        The difference at each look, and its variance.
    level : float
    tuned : float
        How many times as long as until the first look it is when the band is to be narrowest.
    """
    known = variance > 0
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if known.any():
        unit = variance[known][0]
        time = variance[known] / unit
        # Sums of customers who differ grow in variance faster than weeks do, slower than squared.
        ends = confidence_sequence(
            time, value[known] / time, np.full(len(time), unit), level=level,
            tuned_for=tuned**1.25, burn_in=0,
        )  # fmt: skip
        low[known], high[known] = (end * time for end in ends)
    return low, high
