"""How many of those contacted will respond, and how far such forecasts missed before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.campaign.outlook import type_of
from promolab.campaign.past import contacts_before, response_spans
from promolab.contract import read_operations
from promolab.loop.promises.assignment import Assigned, Group
from promolab.loop.promises.windows import windows_of
from promolab.metrics import PastRatios, past_ratios
from promolab.promotions import Promotion, read_promotions, responses_between
from promolab.stats import t_quantile

if TYPE_CHECKING:
    from promolab.contract import Shop

RECENT = 10
"""Rounds of past promotions that tell which share of orders responds: seasons change it."""
FEWEST = 4
"""Rounds that foretell one of the past, and rounds so foretold that tell how far that misses."""


@dataclass(frozen=True)
class Responding:
    """What responses of a week are foretold from.

    Parameters
    ----------
    chance : ndarray of shape (n,)
        Of what each got; 0 of those who got nothing.
    types : mapping of str to str
        Promotion → what it is compared by.
    ratios : PastRatios
        Responders over the sum of chances, of past promotions.
    shared : float
        Standard deviation of the logarithm that all promotions of a week have in common.
    rounds : int, optional
        Whose forecasts told of ``shared`` by how far they missed.
    """

    chance: np.ndarray = field(repr=False)
    types: dict[str, str]
    ratios: PastRatios
    shared: float = 0.0
    rounds: int | None = None

    def of(self, week: Assigned, group: Group, level: float) -> dict[str, float]:
        """Return how many of a group will respond, with both intervals.

        Parameters
        ----------
        week : Assigned
        group : Group
        level : float
        """
        n = float(group.got.sum())
        sizes = np.bincount(
            week.action[group.got], self.chance[group.got], minlength=len(week.promotions)
        )
        if not self.ratios.k:
            return ends_of(float(sizes.sum()), math.nan, math.nan, math.nan, n)
        names = [self.types.get(one, "") for one in week.promotions]
        found = [self.ratios.predict(0.0, name) for name in names]
        means = sizes * np.array([self.ratios.mean(name) for name in names])
        errors = np.array([_relative_error(self.ratios, name) for name in names])
        by_type = np.bincount(pd.factorize(np.array(names, dtype=object))[0], means * errors)
        own = max(self.ratios.sd**2 - self.shared**2, 0.0)
        total = float(means.sum())
        together, levels = total**2 * math.expm1(self.shared**2), float(by_type @ by_type)
        # Forecasts that missed before did so by the levels of their types too.
        variance = max(together, levels) if self.rounds else together + levels
        variance += float(means @ means) * math.expm1(own)
        freedom = min(self.ratios.freedom, self.rounds or self.ratios.freedom)
        known = freedom >= 1 and bool(np.isfinite([e.value for e in found]).all())
        quantile = float(t_quantile(level, freedom)) if known else math.nan
        return ends_of(total, variance, total + 0.5, quantile, n)


def ends_of(
    value: float, variance: float, noise: float, quantile: float, most: float = math.inf
) -> dict[str, float]:
    """Return a figure above 0 with the interval of its mean and that of what will be counted.

    Parameters
    ----------
    value : float
    variance : float
        Of its expected value.
    noise : float
        What chance adds to that.
    quantile : float
        Of the intervals, in standard deviations; nan without any.
    most : float
        It cannot be more.

    Examples
    --------
    >>> found = ends_of(100.0, 100.0, 100.0, 1.645)
    >>> round(found["ci_low"]), round(found["readout_low"]), round(found["readout_high"])
    (84, 79, 125)
    """
    told = {"value": min(value, most)}
    for name, var in (("ci", variance), ("readout", variance + noise)):
        s = math.sqrt(math.log1p(var / value**2)) if value > 0 else math.nan
        for end, sign in (("low", -1), ("high", 1)):
            told[f"{name}_{end}"] = min(value * math.exp(sign * quantile * s - s * s / 2), most)
    return told


def _relative_error(ratios: PastRatios, name: str) -> float:
    name = "" if ratios.types == ("",) else name
    if name in ratios.types:
        return ratios.errors[ratios.types.index(name)]
    return ratios.other_error


def responding_of(
    shop: Shop,
    week: Assigned,
    offers: Sequence[Promotion],
    as_of: datetime,
    *,
    response: pd.DataFrame | None = None,
    ratios: PastRatios | None = None,
    rate: np.ndarray | None = None,
) -> Responding:
    """Tell what responses of a week will be foretold from.

    Parameters
    ----------
    shop : Shop
    week : Assigned
    offers : sequence of Promotion
        Those that somebody got.
    as_of : datetime
        Nothing at or after it is read.
    response : DataFrame, optional
        customer_id, promotion_id, p_redeemed, of a model, with the ``ratios`` of how whole
        promotions missed by it; without them the chance that a customer orders in the window, and
        what share of those past promotions of the same terms brought.
    ratios : PastRatios, optional
    rate : ndarray of shape (n,), optional
        Orders a day of each of the week's customers.
    """
    if response is not None and ratios is not None:
        kinds = shop.promotions.execute()
        kinds = kinds.assign(text=kinds["promotion_id"].astype(str)).to_dict("records")
        types = {str(row["text"]): type_of(row) for row in kinds}
        return Responding(_foretold(week, response), types, ratios)
    currency = shop.settings.currency
    days = {str(o.promotion_id): o.days for o in offers}
    told = np.array([days.get(name, 0.0) for name in week.promotions] or [0.0])
    orders = np.zeros(len(week)) if rate is None else rate
    chance = np.where(week.got, -np.expm1(-orders * told[np.maximum(week.action, 0)]), 0.0)
    types = {str(o.promotion_id): _terms(o, currency) for o in offers}
    known = pd.Series(orders, index=week.customers)
    past = _past(shop, known, as_of)
    if past.empty:
        return Responding(chance, types, PastRatios.of(None))
    found = _told_by(_newest(past))
    shared, rounds = missed_before(past)
    if rounds < FEWEST:
        rounds = 0
        weeks = _newest(past)
        weeks = weeks.assign(size=_expected(weeks, found))
        weeks = weeks.groupby("starts_at")[["came", "size"]].sum()
        shared = min(past_ratios(weeks["came"], weeks["size"]).sd, found.sd)
    return Responding(chance, types, found, shared, rounds or None)


def _newest(past: pd.DataFrame) -> pd.DataFrame:
    latest = np.sort(past["starts_at"].unique())[-RECENT:]
    return past[past["starts_at"].isin(latest)]


def _told_by(past: pd.DataFrame) -> PastRatios:
    return past_ratios(past["came"], past["size"], past["type"].tolist())


def _expected(rows: pd.DataFrame, found: PastRatios) -> np.ndarray:
    return np.asarray(rows["size"] * [found.mean(name) for name in rows["type"]])


def missed_before(past: pd.DataFrame) -> tuple[float, int]:
    """Return how far whole rounds lay from what those over before told, and how many rounds say so.

    Rounds beside one another hardly show how seasons move them; what was foretold across that time
    does. The standard deviation of the logarithm, without what chance adds to a count.
    """
    squares = []
    for start, rows in past.groupby("starts_at"):
        over = past[past["ends_at"] <= start]
        if over["starts_at"].nunique() < FEWEST:
            continue
        expected = float(_expected(rows, _told_by(_newest(over))).sum())
        squares.append(math.log((rows["came"].sum() + 0.5) / (expected + 0.5)) ** 2 - 1 / expected)
    return math.sqrt(max(float(np.mean(squares)), 0.0)) if squares else 0.0, len(squares)


def _foretold(week: Assigned, response: pd.DataFrame) -> np.ndarray:
    """Return the chance of what each got, shape (n,)."""
    place = pd.Index(week.promotions).get_indexer(pd.Index(response["promotion_id"].astype(str)))
    who = pd.Index(week.customers).get_indexer(pd.Index(response["customer_id"]))
    mine = (who >= 0) & (place >= 0)
    mine &= week.action[np.maximum(who, 0)] == place
    chance = np.zeros(len(week))
    chance[who[mine]] = response["p_redeemed"].to_numpy(dtype=float)[mine]
    return chance


def _terms(promotion: Promotion, currency: str) -> str:
    return f"{promotion.kind} {promotion.face_value(currency)}"


_PAST = ("starts_at", "ends_at", "type", "came", "size")


def _past(shop: Shop, rate: pd.Series[float], as_of: datetime) -> pd.DataFrame:
    """Return past promotions: starts_at, ends_at, type, came, size (sum of chances to order).

    Chances follow from how often each customer ordered in all the time before ``as_of``.
    """
    table = shop.promotions
    over = table.filter(table.ends_at <= as_of).select("promotion_id").execute()
    if over.empty or shop.lacks("response models") is not None:
        return pd.DataFrame(columns=list(_PAST))
    offers = list(read_promotions(shop, over["promotion_id"].tolist()).values())
    windows = windows_of(offers)
    rule = read_operations(shop.settings).attribution
    contacts = contacts_before(shop, windows[["promotion_id", "starts_at", "ends_at"]], as_of)
    spans = response_spans(windows, rule, shop.zone, kinds=("redeem",))
    rows = responses_between(shop, spans, as_of)[["promotion_id", "customer_id"]]
    rows = contacts.merge(rows.drop_duplicates().assign(came=1), how="left")
    days = {o.promotion_id: o.days for o in offers}
    orders = rows["customer_id"].map(rate).fillna(float(rate.mean()))
    rows["size"] = -np.expm1(-orders * rows["promotion_id"].map(days).astype(float))
    sums = rows.fillna({"came": 0}).groupby("promotion_id")[["came", "size"]].sum()
    told = windows.assign(type=[_terms(o, shop.settings.currency) for o in offers])
    told = told.set_index("promotion_id").join(sums, how="inner")
    return told.loc[told["size"] > 0, list(_PAST)]
