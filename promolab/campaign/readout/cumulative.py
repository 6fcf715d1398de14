"""Assigned against held out while it still grows: a difference of sums, with a band for every look.

Who is in the standing holdout is there by chance, whatever is planned for whom; so those for whom
no promotion was ever planned count too, in both groups. A promotion that still counts is watched by
its own holdout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import confidence_sequence
from promolab.campaign.past.assignment import (
    ASSIGNED,
    FEWEST_UNITS,
    NONE,
    clusters_of,
    groups_of,
    obstacle,
    read_decisions,
)
from promolab.contract import read_operations
from promolab.errors import DataError
from promolab.features import order_lines, with_margin
from promolab.promotions import moment_of
from promolab.results import Estimate, Result, plain, words_of
from promolab.stats import compare_means
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from promolab.contract import Shop


EARLIER = timedelta(days=84)
"""How long before a customer's first decision the sales are that are allowed for."""
HORIZON = timedelta(days=28)
"""Days after a promotion's window in which it still counts."""
DAY, WEEK = timedelta(days=1), timedelta(days=7)
TUNED_WEEKS = 26
"""Weeks after which the band is narrowest against an interval that may be looked at but once."""
FEWEST_BUYERS = 20
"""Customers of each group that must have bought before a promotion's first look."""
LEVEL = 0.95
"""How likely a band holds the truth at all looks at once."""
STANDING = "standing"
MEASURES = ("sales", "profit")
LOOKS, GAP = ["difference", "low", "high"], ["gap", "gap_low", "gap_high"]
ROW = ["name", "assigned", "others", "days", "day", *GAP, "decided_on", "why"]


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
    level: float = LEVEL
    currency: str = ""
    why: str = ""
    note: str = ""

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

    def facts(self) -> dict[str, Any]:
        """Return whether it is known, the last week's figures, and what the figure shows."""
        return {
            "case": "unknown" if self.why else "known",
            "gap": self.so_far(),
            "total": self.in_total(),
            "profit": self.in_total("profit"),
            "measure": (measure := "profit" if "profit" in self.frame else "sales"),
            "drawn": lambda: self._drawn(measure),
        }

    def _drawn(self, measure: str) -> pd.DataFrame:
        columns = {measure: "value", f"{measure}_low": "ci_low", f"{measure}_high": "ci_high"}
        return self.frame[["week", *columns]].rename(columns=columns)


def standing_holdout(shop: Shop, as_of: Any) -> StandingReadout:
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
    now, currency = moment_of(as_of), shop.settings.currency
    nothing = pd.DataFrame({"week": [], "until": []})
    told = {"shop": shop.settings.name, "needed": FEWEST_UNITS}
    members, line = pd.DataFrame(), "nobody"
    if not shop.has("decisions", "holdout"):
        line = "undecided"
    elif shop.lacks("orders and sales") is not None:
        line = "no_amounts"
    else:
        members = _members(shop, now)
    if members.empty:
        why = words_of(__name__, "StandingReadout", **told).say(line)
        return StandingReadout(nothing, currency=currency, why=why)
    held = members[STANDING].to_numpy()
    units = min(members.loc[side, "cluster"].nunique() for side in (held, ~held))
    began = members["entered"].min().to_pydatetime()
    weeks = (now - began) // WEEK
    sizes = int(held.sum()), int((~held).sum())
    words = words_of(__name__, "StandingReadout", **told, units=units)
    if units < FEWEST_UNITS or weeks < 1:
        why = words.say("few" if units < FEWEST_UNITS else "young")
        return StandingReadout(nothing, *sizes, began, LEVEL, currency, why)
    sums, margin = _weekly_sums(shop, members, began, began + weeks * WEEK)
    frame = pd.DataFrame({"week": np.arange(1, weeks + 1)})
    frame["until"] = [began + k * WEEK for k in frame["week"].tolist()]
    unit = pd.factorize(members["cluster"])[0]
    for measure in MEASURES if margin else MEASURES[:1]:
        looks = cumulated(sums, measure, ~held, unit, weeks, TUNED_WEEKS)
        frame[[measure, f"{measure}_low", f"{measure}_high"]] = looks[LOOKS]
    note = "" if margin else words.say("no_margin")
    return StandingReadout(frame, *sizes, began, LEVEL, currency, "", note)


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


def _weekly_sums(
    shop: Shop, members: pd.DataFrame, began: datetime, until: datetime
) -> tuple[pd.DataFrame, bool]:
    """Return what came in by place of the member and week, and whether margins are known."""
    lines = _placed(order_lines(shop).filter(lambda t: t.ts < until), members, began, WEEK)
    try:
        lines, columns = with_margin(shop, lines), {"sales": "amount", "margin": "margin"}
    except DataError:
        columns = {"sales": "amount"}
    sums = _summed(lines, columns)
    if "margin" in columns:
        sums = pd.concat([sums, _contact_costs(shop, members, began, until)], ignore_index=True)
        sums = sums.fillna(0.0)
        sums["profit"] = sums["margin"] - sums["cost"]
    return sums, "margin" in columns


def _contact_costs(
    shop: Shop, members: pd.DataFrame, began: datetime, until: datetime
) -> pd.DataFrame:
    """Return place, step, cost: what contacts cost, at each promotion's own rate or the shop's."""
    if not shop.has("exposures"):
        return pd.DataFrame({"place": [], "step": [], "cost": []})
    made = shop.exposures.filter(shop.exposures.ts < until)
    made = _placed(made.select("customer_id", "promotion_id", "ts"), members, began, WEEK)
    made = made.group_by("place", "step", "promotion_id").aggregate(n=lambda t: t.count())
    rows: pd.DataFrame = made.filter(made.step >= 0).order_by(made.columns).execute()
    rate = read_operations(shop.settings).economics.contact_cost.value
    own = pd.Series(dtype=float)
    if shop.has("promotions", "contact_cost"):
        stated = shop.promotions.select("promotion_id", "contact_cost").execute().dropna()
        own = stated.drop_duplicates("promotion_id").set_index("promotion_id")["contact_cost"]
    rows["cost"] = rows["n"] * rows["promotion_id"].map(own).astype(float).fillna(rate)
    return rows[["place", "step", "cost"]]


@dataclass(frozen=True)
class WatchedPromotions(Result):
    """Promotions that still count, what those assigned spent more; made by `watch_promotions`.

    Parameters
    ----------
    rows : DataFrame
        A row per promotion, those that show something first, the largest first: name, assigned,
        others (customers in the two groups), day, days (from its start until it no longer counts),
        gap (spent per customer so far, less those held back) with gap_low and gap_high, decided_on
        (the first day on which the band left zero; missing before), why (there is nothing to see;
        empty where there is).
    frame : DataFrame
        A row per promotion and day: promotion, day (since its start), difference, low, high: the
        band holds on all days at once.
    level : float
    currency : str
    why : str
        Why there is none; empty where there is.
    """

    rows: pd.DataFrame
    frame: pd.DataFrame = field(repr=False)
    level: float = LEVEL
    currency: str = ""
    why: str = ""

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    def to_dict(self) -> dict[str, Any]:
        """Return each promotion's difference so far, by its name."""
        told = {}
        for row in self.rows.to_dict("records"):
            gap = Estimate.of((row[name] for name in GAP), int(row["assigned"] + row["others"]))
            gap = Estimate(math.nan) if row["why"] else gap
            days = {name: row[name] for name in ("day", "decided_on")}
            when = {name: None if pd.isna(day) else int(day) for name, day in days.items()}
            told[row["name"]] = {"difference": gap.to_dict(), **when, "why": row["why"]}
        return told

    def facts(self) -> dict[str, Any]:
        """Return those that can be watched, those that are decided, and why others cannot be."""
        seen = self.rows[self.rows["why"] == ""]
        decided = seen["decided_on"].notna()
        first = seen.iloc[0].to_dict() if len(seen) else {"name": ""}
        return {
            "case": "none" if self.why else "seen" if len(seen) else "unseen",
            "state": "decided" if decided.any() else "open",
            "seen": seen.assign(case=decided.map({True: "decided", False: "open"})),
            "any": len(seen) > 0,
            "decided": seen.loc[decided, "name"].tolist(),
            "unseen_rows": self.rows.head(2),
            "first": first,
            "first_case": "decided" if decided.iloc[:1].any() else "open",
            "drawn": self.frame[self.frame["promotion"] == first["name"]],
        }


def watch_promotions(shop: Shop, as_of: Any) -> WatchedPromotions:
    r"""Compare, day by day, those assigned a promotion that still counts with those held back.

    Parameters
    ----------
    shop : Shop
        With decisions and amounts; of released weeks `promolab.loop.with_released_decisions` adds
        the decisions.
    as_of : datetime
        Nothing at or after it is read.

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
    now = moment_of(as_of)
    lacks = shop.lacks("orders and sales")
    words = words_of(__name__, "WatchedPromotions", shop=shop.settings.name, lacks=lacks)
    nothing = pd.DataFrame(columns=ROW), pd.DataFrame(columns=["promotion", "day", *LOOKS])
    if not shop.has("decisions") or not shop.has("promotions"):
        return WatchedPromotions(*nothing, why=words.say("undecided"))
    if lacks is not None:
        return WatchedPromotions(*nothing, why=words.say("no_amounts"))
    offers = shop.promotions
    offers = offers.filter((offers.starts_at < now) & (offers.ends_at > now - HORIZON)).execute()
    offers = offers.assign(action=offers["promotion_id"].astype(str)).sort_values("action")
    decided = read_decisions(shop, offers["action"].tolist(), now)
    if offers.empty or decided.empty:
        return WatchedPromotions(*nothing, why=words.say("none_counts"))
    of = zip(offers["kind"], offers["promotion_id"], strict=True)
    called = pd.Series([shop.promotion_name(*one) for one in of], index=offers.index)
    # Several of one title are told apart by their ids.
    own = (" (" + offers["action"] + ")").where(called.duplicated(keep=False), "")
    offers = offers.assign(called=called + own)
    rows, frames = [], [nothing[1]]
    for offer in offers.to_dict("records"):
        mine = decided[decided["action"] == offer["action"]]
        row, looks = _watched(shop, offer, mine, now)
        rows.append({"name": offer["called"], **row})
        frames += [] if looks is None else [looks.assign(promotion=offer["called"])]
    table = pd.DataFrame(rows, columns=ROW)
    table["smaller"] = -table[["assigned", "others"]].min(axis=1)
    table = table.assign(unseen=table["why"] != "").sort_values(["unseen", "smaller", "name"])
    frame = pd.concat(frames[1:] or frames, ignore_index=True)[list(nothing[1])]
    rows_shown = table[ROW].reset_index(drop=True)
    return WatchedPromotions(rows_shown, frame, LEVEL, shop.settings.currency)


def _watched(
    shop: Shop, offer: dict[Any, Any], decided: pd.DataFrame, now: datetime
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """Return what is known of one promotion, and its days; none where there is nothing to see."""
    if why := obstacle(decided):
        return {"assigned": 0, "others": 0, "days": 0, "why": why}, None
    start = pd.Timestamp(offer["starts_at"]).to_pydatetime()
    last = (pd.Timestamp(offer["ends_at"]).to_pydatetime() + HORIZON - start) // DAY
    days = min((now - start) // DAY, last)
    rows = groups_of(decided)[0].reset_index(drop=True)
    rows["entered"] = pd.Series(start, index=rows.index, dtype="datetime64[us]")
    lines = order_lines(shop).filter(lambda t: t.ts < start + days * DAY)
    sums = _summed(_placed(lines, rows, start, DAY), {"sales": "amount"})
    treated = (rows["arm"] == ASSIGNED).to_numpy()
    row = {"assigned": int(treated.sum()), "others": int((~treated).sum()), "days": last}
    unit, weight = pd.factorize(rows["cluster"])[0], rows["weight"].to_numpy(dtype=float)
    looks = cumulated(sums, "sales", treated, unit, days, last, weight=weight, fewest=FEWEST_BUYERS)
    if looks.empty:
        few = words_of(__name__, "WatchedPromotions", fewest=FEWEST_BUYERS).say("few")
        return row | {"why": few}, None
    looks = looks.rename(columns={"step": "day"})
    gap = dict(zip(GAP, looks[LOOKS].iloc[-1], strict=True))
    row |= gap | {"day": int(looks["day"].iloc[-1]), "decided_on": decided_on(looks), "why": ""}
    return row, looks


def decided_on(looks: pd.DataFrame) -> int | None:
    """Return the first day on which a band (day, low, high) left zero."""
    out = looks.loc[(looks["low"] > 0) | (looks["high"] < 0), "day"]
    return int(out.iloc[0]) if len(out) else None


def _placed(rows: Any, members: pd.DataFrame, began: datetime, step: timedelta) -> Any:
    """Return the members' rows with their place and the step since it began; −1 before entering."""
    import ibis

    who = members[["customer_id", "entered"]].assign(place=np.arange(len(members)))
    rows = rows.join(ibis.memtable(who), "customer_id")
    rows = rows.filter(rows.ts >= rows.entered - ibis.interval(days=EARLIER.days))
    since = rows.ts.epoch_seconds() - int(pd.Timestamp(began).timestamp())
    steps = (since / step.total_seconds()).floor()
    return rows.mutate(step=ibis.ifelse(rows.ts < rows.entered, -1, steps).cast("int64"))


def _summed(lines: Any, columns: dict[str, str]) -> pd.DataFrame:
    """Return sums of some columns by place and step."""
    sums = {name: lines[column].sum().cast("float64") for name, column in columns.items()}
    found = lines.group_by("place", "step").aggregate(**sums).order_by("place", "step")
    rows: pd.DataFrame = found.execute()
    return rows


def cumulated(
    sums: pd.DataFrame,
    measure: str,
    treated: np.ndarray,
    unit: np.ndarray,
    steps: int,
    tuned: int,
    *,
    weight: np.ndarray | None = None,
    fewest: int = 0,
) -> pd.DataFrame:
    """Compare the sums of two groups after each step, earlier ones allowed for, with their band.

    Parameters
    ----------
    sums : DataFrame
        place (of the customer), step (0, 1, …; −1 before the start) and the measure.
    measure : str
        Which column.
    treated : ndarray of bool of shape (n,)
        By place.
    unit : ndarray of int of shape (n,)
        Who was drawn together.
    steps : int
        How many there have been.
    tuned : int
        After how many steps the band is narrowest.
    weight : ndarray of shape (n,), optional
    fewest : int
        Customers of each group with a sum before the first look.

    Returns
    -------
    DataFrame
        step (1, 2, …), difference, low, high, from the first look on.
    """
    place, step = (sums[name].to_numpy(dtype=int) for name in ("place", "step"))
    amount, n = sums[measure].to_numpy(dtype=float), len(treated)
    earlier = np.bincount(place[step < 0], weights=amount[step < 0], minlength=n)
    total, found = np.zeros(n), []
    # Sums of floats split over threads differ in their last digits.
    with single_threaded("blas"):
        for k in range(steps):
            mine = step == k
            total = total + np.bincount(place[mine], weights=amount[mine], minlength=n)
            there = total != 0
            if min((there & treated).sum(), (there & ~treated).sum()) < fewest:
                continue
            arms = compare_means(total, treated, unit, weight=weight, earlier=earlier)
            found.append((k + 1, arms.value, arms.variance))
    if not found:
        return pd.DataFrame(columns=["step", *LOOKS])
    when, value, variance = np.array(found).T
    low, high = band_of(value, variance, tuned / when[0])
    ends = {"difference": value, "low": low, "high": high}
    return pd.DataFrame({"step": when.astype(int), **ends})


def band_of(value: np.ndarray, variance: np.ndarray, tuned: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the band of a difference of growing sums that may be looked at whenever it grows.

    Parameters
    ----------
    value, variance : ndarray of shape (k,)
        The difference at each look, and its variance.
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
            time,
            value[known] / time,
            np.full(len(time), unit),
            level=LEVEL,
            tuned_for=tuned**1.25,
            burn_in=0,
        )
        low[known], high[known] = (end * time for end in ends)
    return low, high
