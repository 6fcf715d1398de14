"""How often each customer orders and for how much: the distribution that promotions act on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import choices_of
from promolab.errors import DataError, InputError, nearest
from promolab.features import fixed
from promolab.promotions.empirical_bayes import (
    chance_from,
    log_values,
    more_inside,
    pooled,
    posterior_rates,
    weight_of_others,
)
from promolab.promotions.past_orders import (
    LOOK_BACK,
    RECENT,
    customers_seen,
    days_away,
    days_held,
    moment_of,
    only_one,
    orders_until,
    own_windows,
    spent_on,
    with_windows,
)
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop


FEW = 2.0
"""As how many mean orders the others' margin rate counts."""
BACK = 20.0
"""As how many mean orders the others' share of returns counts."""
FEW_DAYS = 14.0
"""As how many days in windows the others' overlap of windows counts."""
NEAR = 0.75
"""From which share of a threshold on an order may be filled up to it."""
LEAST_SPREAD = 0.05
"""Weeks are never taken to differ by less: a small shop's own cannot be told from chance."""
WEEK = 7.0
"""Days."""
ENOUGH = 100
"""Orders in windows, and outside, from which on it is told how many more come there."""


@dataclass(frozen=True)
class OrderValues(Result):
    """What each customer orders without a promotion; made by `order_values`.

    Parameters
    ----------
    as_of : datetime
        Nothing at or after it was read (UTC).
    frame : DataFrame
        A row per customer: customer_id; orders_a_day and its relative error orders_error; lift, by
        how many times the usual orders a day one promotion adds in its window; log_mean
        and log_sd of an order's value at list price (its own uncertainty is in the latter) and
        log_error, the standard error of log_mean; margin_rate; returned (share of what was bought
        that came back); coupon_use (chance that an order uses a coupon held).
    promotions : tuple of str
        Ids of `shares`.
    shares : ndarray of shape (n, P)
        Share of each customer's spending that goes to a promotion's products.
    touching : ndarray of shape (n, P)
        Chance that an order holds any of them.
    top_up : Estimate
        Chance that an order just below a threshold is filled up to it (90 % interval): measured
        where orders in the windows of past full reductions lie; nan where there were none.
    week_spread : float
        How much the orders of a whole week differ from the next one's by more than chance, as a
        share.
    lift : float
        By how many times their usual orders a day past promotions added in their windows, all
        kinds together; nan where fewer than `ENOUGH` orders inside or outside tell it.
    discounted : bool
        Whether anything was ever taken off an order.
    currency : str
        Of all amounts.
    """

    as_of: datetime
    frame: pd.DataFrame = field(repr=False)
    promotions: tuple[str, ...] = ()
    shares: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    touching: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    top_up: Estimate = field(default_factory=lambda: Estimate(math.nan))
    week_spread: float = 0.0
    lift: float = math.nan
    discounted: bool = True
    currency: str = "USD"

    def __len__(self) -> int:
        return len(self.frame)

    def place(self, promotion_id: Any) -> int:
        """Return the column of a promotion in `shares`.

        Raises
        ------
        InputError
            If it is none of them.
        """
        if str(promotion_id) not in self.promotions:
            raise InputError(
                f"the order values know no promotion {str(promotion_id)!r}; "
                f"{nearest(str(promotion_id), self.promotions)}: name it in "
                "order_values(…, promotions=)"
            )
        return self.promotions.index(str(promotion_id))

    @property
    def mean_value(self) -> np.ndarray:
        """Mean value of an order at list price, shape (n,), in the currency."""
        log_sd = self.frame["log_sd"].to_numpy(float)
        return np.asarray(np.exp(self.frame["log_mean"].to_numpy(float) + log_sd**2 / 2))


def order_values(
    shop: Shop,
    as_of: Any,
    *,
    customers: Iterable[Any] | None = None,
    promotions: Sequence[Any] = (),
) -> OrderValues:
    """Learn from the time before a moment how often each customer orders and for how much.

    Parameters
    ----------
    shop : Shop
        With purchases and their amounts.
    as_of : datetime
        UTC if it has no zone; nothing at or after it is read.
    customers : iterable, optional
        Ids, in the order of the rows; by default everybody known before ``as_of``, by id.
    promotions : sequence
        Ids of promotions on whose products the share of spending is asked for; one without products
        of its own is on everything.

    Returns
    -------
    OrderValues

    Raises
    ------
    DataError
        The shop has no purchases with amounts before ``as_of``.
    InputError
        A customer or a promotion stands twice, or the shop does not have the promotion.

    Notes
    -----
    Orders in the window of a customer's own promotion are in part that promotion's: a day inside
    counts as as many days as orders come faster there, by customers seen both inside and outside.
    Orders per day are the posterior mean of a Poisson rate whose gamma prior is fitted to all
    customers by moments, times how much the shop sold in the last `RECENT` days against that. Log
    values, but for those in windows of full reductions, are shrunk towards the mean of all by a
    normal model; the values are scaled so that in total they are what was sold.

    Examples
    --------
    >>> from promolab import load_shop
    >>> shop = load_shop("simulated", customers=500, weeks=12)
    >>> found = order_values(shop, "2024-07-07 16:00", promotions=["W07-coupon"])
    >>> len(found), bool(found.frame["orders_a_day"].between(0, 1).all()), found.shares.shape
    (500, True, (500, 1))
    """
    now = moment_of(as_of)
    if not shop.has("events", "amount"):
        raise DataError(
            f"order values need the amounts of purchases, which {shop.settings.name} lacks"
        )
    ids = tuple(choices_of("promotions", [str(one) for one in promotions])) if promotions else ()
    known = sorted(shop.promotions.promotion_id.cast("string").execute()) if ids else []
    for one in ids:
        if one not in known:
            raise InputError(f"there is no promotion {one!r}; {nearest(one, known)}")
    counted = _counted(shop, now)
    rows = counted.rows
    if not rows["orders"].sum():
        raise DataError(f"{shop.settings.name} has no orders before {now:%Y-%m-%d %H:%M}")
    frame = _described(rows)
    top_up = _top_up(frame, counted.thresholds)
    chosen = frame if customers is None else _rows_of(frame, customers)
    shares, touching = _shares(shop, now, ids, rows, chosen)
    return OrderValues(
        now,
        chosen.reset_index(drop=True),
        ids,
        shares,
        touching,
        top_up,
        counted.week_spread,
        _lift(rows),
        bool(rows["discount"].any()),
        shop.settings.currency,
    )


@dataclass(frozen=True)
class _Counted:
    """What the engine counted: a row per customer, and what became of offers in orders."""

    rows: pd.DataFrame
    thresholds: pd.DataFrame
    week_spread: float


def _counted(shop: Shop, now: datetime) -> _Counted:
    import pandas as pd

    windows = own_windows(shop, now)
    windows = windows if windows is None else windows.cache()  # several questions are asked of them
    orders, within = with_windows(shop, orders_until(shop, now), windows)
    recent = orders.ts.epoch_seconds() >= int((now - _EPOCH).total_seconds()) - RECENT * 86_400
    log, plain = fixed(orders.listed.cast("float64").ln(), 9), ~orders.reduced
    sums = orders.group_by("customer_id").aggregate(
        orders=orders.count(),
        inside=orders.inside.cast("int64").sum(),
        recent=recent.cast("int64").sum(),
        first=orders.ts.min(),
        plain=plain.cast("int64").sum(),
        log=log.sum(where=plain).cast("float64"),
        squares=fixed(orders.listed.cast("float64").ln() ** 2, 9).sum(where=plain).cast("float64"),
        plain_listed=orders.listed.sum(where=plain).cast("float64"),
        **{
            name: orders[name].sum().cast("float64")
            for name in ("listed", "discount", "returned", "margin", "lines")
        },
    )
    parts = [sums]
    thresholds = pd.DataFrame(columns=["customer_id", "least", "orders", "reached"])
    if windows is not None:
        parts += [
            days_away(windows, now, days).rename({name: "days"})
            for name, days in (("away", LOOK_BACK), ("away_recent", RECENT))
        ]
        reached = within.mutate(reached=within.listed.cast("float64") * 100 >= within.least - 0.5)
        coupons = only_one(reached, "coupon")
        coupons = coupons.filter(coupons.reached)
        parts.append(
            coupons.group_by("customer_id").aggregate(
                coupon_orders=coupons.count(), coupons_used=coupons.coupon.cast("int64").sum()
            )
        )
        full = only_one(reached, "full_reduction")
        full = full.filter(full.least > 0).group_by("customer_id", "least")
        full = full.aggregate(
            orders=lambda t: t.count(), reached=lambda t: t.reached.cast("int64").sum()
        )
        thresholds = full.order_by("customer_id", "least").execute()
        parts.append(days_held(windows, now, LOOK_BACK).rename(held="days"))
    table = customers_seen(shop, now)
    for part in parts:
        table = table.left_join(part, "customer_id").drop("customer_id_right")
    rows = table.order_by("customer_id").execute()
    absent = {"away", "away_recent", "held", "coupon_orders", "coupons_used"} - set(rows)
    rows = rows.assign(**dict.fromkeys(sorted(absent), 0.0))
    for name in rows.columns.difference(["customer_id", "joined", "first"]):
        rows[name] = rows[name].astype(float).fillna(0.0)
    outside = orders.filter(~orders.inside)
    return _Counted(rows, thresholds, _week_spread(outside, windows, len(rows), now))


_EPOCH = datetime(1970, 1, 1)


def _described(rows: pd.DataFrame) -> pd.DataFrame:
    """Shrink what was counted towards what all customers do."""
    days, away = (rows[c].to_numpy(float) for c in ("days", "away"))
    away = np.minimum(away, days)
    orders, inside = rows["orders"].to_numpy(), rows["inside"].to_numpy()
    more = more_inside(orders, inside, days - away, away)
    # Who is known from the first order on is not known by that order.
    began = ~rows["joined"].to_numpy(bool) & (days < LOOK_BACK)
    counted = np.maximum(orders - (began & (orders > 0)), 0.0)
    rate, error = posterior_rates(counted, days - away + more * away)
    late = np.minimum(days, RECENT)
    late_away = np.minimum(rows["away_recent"].to_numpy(float), late)
    expected = float((rate * (late - late_away + more * late_away)).sum())
    # With few recent orders the level is the past's: as if a hundred orders had been as expected.
    level = (rows["recent"].sum() + 100) / (expected + 100)
    log_mean, log_error, spread = log_values(rows)
    log_sd = np.sqrt(spread + log_error**2)
    mean = np.exp(log_mean + log_sd**2 / 2)
    scale = float(rows["plain_listed"].sum() / (rows["plain"].to_numpy() * mean).sum())
    usual = rows["listed"].sum() / max(orders.sum(), 1.0)
    margin, returned = (
        pooled(rows[name].to_numpy(), rows["listed"].to_numpy(), weight * usual)
        for name, weight in (("margin", FEW), ("returned", BACK))
    )
    used, of = (rows[c].to_numpy(float) for c in ("coupons_used", "coupon_orders"))
    use = pooled(used, of, weight_of_others(used, of))
    return rows[["customer_id"]].assign(
        orders_a_day=rate * level,
        orders_error=error,
        lift=(more - 1) * pooled(away, rows["held"].to_numpy(float), FEW_DAYS),
        log_mean=log_mean + math.log(scale),
        log_sd=log_sd,
        log_error=log_error,
        margin_rate=margin,
        returned=np.clip(returned, 0.0, 0.95),
        coupon_use=use if used.any() else np.nan,
    )


def _lift(rows: pd.DataFrame) -> float:
    """Return by how many times their usual orders a day promotions add in their windows.

    Of a customer's orders so many lie outside all windows as days do, each day in a window counting
    1 + lift, in two windows 1 + 2 · lift.
    """
    whole, away, held, n, inside = (
        rows[c].to_numpy(float) for c in ("days", "away", "held", "orders", "inside")
    )
    free = np.maximum(whole - away, 0.0)
    if inside.sum() < ENOUGH or (n - inside)[held > 0].sum() < ENOUGH:
        return math.nan
    some = (n > 0) & (held > 0)
    n, free, whole, held, outside = (v[some] for v in (n, free, whole, held, n - inside))
    low, high = 0.0, 10.0
    for _ in range(40):
        lift = (low + high) / 2
        expected = (n * free / (whole + lift * held)).sum()
        low, high = (lift, high) if expected > outside.sum() else (low, lift)
    return low


def _top_up(frame: pd.DataFrame, thresholds: pd.DataFrame) -> Estimate:
    """Measure how many orders just below a threshold are filled up to it.

    More orders reach the threshold of a full reduction than the customers' own order values say:
    that excess, of those expected just below it.
    """
    rows = thresholds.merge(frame[["customer_id", "log_mean", "log_sd"]], on="customer_id")
    at, n = rows["least"].to_numpy(float) / 100, rows["orders"].to_numpy(float)
    log_mean, log_sd = rows["log_mean"].to_numpy(float), rows["log_sd"].to_numpy(float)
    above = chance_from(log_mean, log_sd, at)
    near = float((n * (chance_from(log_mean, log_sd, NEAR * at) - above)).sum())
    if near <= 0:
        return Estimate(math.nan)
    value = float(rows["reached"].sum() - (n * above).sum()) / near
    half = normal_quantile(0.9) * math.sqrt(float((n * above * (1 - above)).sum())) / near
    return Estimate.of(np.clip([value, value - half, value + half], 0.0, 1.0), int(n.sum()))


def _rows_of(frame: pd.DataFrame, customers: Iterable[Any]) -> pd.DataFrame:
    """Return the rows of the customers asked for; who is not known is like a new customer."""
    import pandas as pd

    wanted = pd.Index(list(customers), name="customer_id")
    if wanted.has_duplicates:
        twice = wanted[wanted.duplicated()][0]
        raise InputError(f"customers names {twice!r} twice; give each once")
    found = frame.set_index("customer_id").reindex(wanted)
    new = found["log_mean"].isna().to_numpy()
    if new.any():
        usual = frame.drop(columns="customer_id").mean()
        found = found.fillna(usual)
    return found.reset_index()


def _shares(
    shop: Shop, now: datetime, ids: tuple[str, ...], rows: pd.DataFrame, chosen: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(chosen), len(ids))
    shares, touching = np.ones(shape), np.ones(shape)
    if not ids or not shop.has("promotion_products") or not shop.has("events", "product_id"):
        return shares, touching
    spent = spent_on(shop, now, list(ids))
    offers = shop.promotion_products.promotion_id.cast("string")
    offered = set(shop.promotion_products.select(one=offers).distinct().execute()["one"])
    whole = rows.set_index("customer_id")
    of, listed = whole["lines"].to_numpy(), whole["listed"].to_numpy()
    mean_lines = max(of.sum() / max(whole["orders"].sum(), 1.0), 1.0)
    line = listed.sum() / max(of.sum(), 1.0)
    for place, one in enumerate(ids):
        if one not in offered:
            continue
        mine = spent[spent["promotion_id"] == one].set_index("customer_id").reindex(whole.index)
        hits, part = (mine[c].fillna(0.0).to_numpy(float) for c in ("lines", "listed"))
        weight = weight_of_others(hits, of)
        share = np.clip(pooled(part, listed, weight * line), 0.0, 1.0)
        found = chosen["customer_id"].map(dict(zip(whole.index, share, strict=True)))
        usual = part.sum() / max(listed.sum(), 1e-9)
        shares[:, place] = found.astype(float).fillna(usual)
    # An order has one line and, in the mean, so many more.
    touching = 1 - (1 - shares) * np.exp(-(mean_lines - 1) * shares)
    return shares, touching


def _week_spread(outside: Any, windows: Any, customers: int, now: datetime) -> float:
    """Return how much a week's orders differ from the next one's, chance taken out.

    Of orders outside promotions, per customer and day outside; the median step between weeks, so
    that a sale now and then does not count.
    """
    seconds = int((now - _EPOCH).total_seconds())
    back = (seconds - 1 - outside.ts.epoch_seconds()).cast("int64") // (7 * 86_400)
    weeks = outside.group_by(week=back).aggregate(orders=outside.count()).execute()
    found = weeks.set_index("week")["orders"].sort_index()
    free = np.full(len(found), float(customers))
    if windows is not None:
        spans = windows.group_by("low", "high").aggregate(held=windows.count()).execute()
        low, high = (
            (now - spans[c]).dt.total_seconds().to_numpy(float) / (7 * 86_400)
            for c in ("low", "high")
        )
        at = found.index.to_numpy(float)[:, None]
        covered = np.clip(np.minimum(low, at + 1) - np.maximum(high, at), 0.0, 1.0)
        free = np.maximum(free - covered @ spans["held"].to_numpy(float), 0.1 * customers)
    return spread_of_weeks(found.to_numpy(float), free)


def spread_of_weeks(orders: np.ndarray, free: np.ndarray) -> float:
    """Return how much weeks differ from the next ones, chance taken out, as a share.

    Parameters
    ----------
    orders, free : ndarray of shape (weeks,)
        Orders outside promotions, and customers outside them.
    """
    orders = np.maximum(orders, 1.0)
    steps = np.diff(np.log(orders / free))
    if len(steps) < 4:
        return 0.1
    spread = np.median(np.abs(steps)) / 0.6745 / math.sqrt(2)
    return float(np.sqrt(max(spread**2 - float(np.mean(1 / orders)), LEAST_SPREAD**2)))
