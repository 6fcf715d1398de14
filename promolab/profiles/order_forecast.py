"""What each customer ordered, orders forecast from it, and past forecasts beside what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.features import outcomes_between, placed_lines, whole_margin_rate
from promolab.profiles.bg_nbd import OrderModel, fit_orders

if TYPE_CHECKING:
    from promolab.contract import Shop

LEAST = 1e-6
"""Orders: what is foretold of one who has surely left."""
YEAR = 52
DRIFT = 0.1
"""By what share of themselves totals miss for other reasons than chance and season."""
DAY = 86_400
RECENT_DAYS = 84
"""Twelve weeks: the orders of so many days say how often somebody orders now."""


@dataclass(frozen=True)
class History:
    """What customers ordered before a moment.

    Parameters
    ----------
    as_of : datetime
    customers : ndarray of shape (n,)
        Those with an order.
    orders, recent, margin : ndarray of shape (n,)
        Orders in all and in the last `RECENT_DAYS`; what all of them brought, nan where margins
        are not known.
    recency, age : ndarray of shape (n,)
        Days from the first to the last order, and since the first.
    """

    as_of: datetime
    customers: np.ndarray = field(repr=False)
    orders: np.ndarray = field(repr=False)
    recent: np.ndarray = field(repr=False)
    margin: np.ndarray = field(repr=False)
    recency: np.ndarray = field(repr=False)
    age: np.ndarray = field(repr=False)

    @property
    def days(self) -> float:
        """How far the shop's orders reach back."""
        return float(self.age.max(initial=0.0))

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What BG/NBD knows of each: orders after the first, recency and age."""
        return self.orders - 1, self.recency, self.age


def histories(shop: Shop, moments: Sequence[datetime]) -> list[History]:
    """Read what customers ordered before each of some moments.

    Parameters
    ----------
    shop : Shop
        With purchases.
    moments : sequence of datetime
        UTC without a zone; of each, nothing at or after it is read.
    """
    begin = shop.settings.life()[0] or shop.span()[0]
    spans = [(2 * i + j, low, now) for i, now in enumerate(moments)
             for j, low in enumerate((begin, now - timedelta(days=RECENT_DAYS)))]  # fmt: skip
    counted = ordered_between(shop, spans)
    times = _times(shop, begin, moments)
    return [
        _history(
            now,
            times[times["moment"] == i].set_index("customer_id").sort_index(),
            *(counted[counted["span"] == 2 * i + j].set_index("customer_id") for j in (0, 1)),
        )
        for i, now in enumerate(moments)
    ]


def _times(shop: Shop, begin: datetime, moments: Sequence[datetime]) -> pd.DataFrame:
    """Return moment (its number), customer_id, and the first and last order before it."""
    import ibis

    told = pd.DataFrame({"moment": range(len(moments)), "now": list(moments)})
    table = ibis.memtable(told.astype({"now": "datetime64[us]"}))
    lines = placed_lines(shop)
    lines = lines.filter(lines.bought & (lines.ts >= begin)).select("customer_id", "ts")
    rows = lines.join(table, lines.ts < table.now)
    found = rows.group_by("moment", "customer_id").aggregate(
        first=rows.ts.min(), last=rows.ts.max()
    )
    return pd.DataFrame(found.execute())


def _history(
    now: datetime, times: pd.DataFrame, whole: pd.DataFrame, late: pd.DataFrame
) -> History:
    every = whole["orders_placed"].reindex(times.index).fillna(0).to_numpy(float)
    times, orders = times[every > 0], every[every > 0]
    recency = (times["last"] - times["first"]).dt.total_seconds().to_numpy() / DAY
    return History(
        now,
        times.index.to_numpy(),
        orders,
        late["orders_placed"].reindex(times.index).fillna(0).to_numpy(float),
        whole["margin"].reindex(times.index).to_numpy(float),
        np.where(orders > 1, recency, 0.0),
        (pd.Timestamp(now) - times["first"]).dt.total_seconds().to_numpy() / DAY,
    )


def ordered_between(shop: Shop, spans: Sequence[tuple[int, datetime, datetime]]) -> pd.DataFrame:
    """Return span, customer_id, orders_placed and margin (nan where not known) of some spans.

    Parameters
    ----------
    shop : Shop
    spans : sequence of (number, low, high)
    """
    told = pd.DataFrame(list(spans), columns=["span", "low", "high"])
    told = told.astype({"low": "datetime64[us]", "high": "datetime64[us]"})
    known = shop.has("products", "margin_rate") or whole_margin_rate(shop) is not None
    rows: pd.DataFrame = outcomes_between(shop, told, margin=known).execute()
    return rows if known else rows.assign(margin=np.nan)


def foretold(
    past: History, model: OrderModel, weeks: Sequence[float], power: float = 1.0
) -> np.ndarray:
    """Return the orders to expect in each number of weeks, shape (n, weeks).

    Parameters
    ----------
    past : History
    model : OrderModel
        Fitted on it.
    weeks : sequence of float
    power : float
        Of `calibration`.
    """
    told = np.column_stack([model.orders(*past.seen, 7.0 * w) for w in weeks])
    if past.days < RECENT_DAYS:
        return told
    twelve = np.maximum(model.orders(*past.seen, RECENT_DAYS), LEAST)
    both = np.maximum((twelve + past.recent) / 2, LEAST)
    sharper = both**power
    return np.asarray(told * (sharper * both.sum() / sharper.sum() / twelve)[:, None])


@dataclass(frozen=True)
class Check:
    """A past forecast of twelve weeks beside what came.

    Parameters
    ----------
    past : History
    plain, told, came : ndarray of shape (n,)
        Orders: foretold before any power, foretold, and that came.
    """

    past: History
    plain: np.ndarray = field(repr=False)
    told: np.ndarray = field(repr=False)
    came: np.ndarray = field(repr=False)

    def row(self, spread: float, level: float) -> dict[str, Any]:
        """Return how good it was.

        Parameters
        ----------
        spread, level : float
            As for `ends_of`.
        """
        low, high = ends_of(self.told, spread, level)
        own = self.past.orders / np.maximum(self.past.age, 7.0) * RECENT_DAYS
        return {
            "as_of": self.past.as_of,
            "customers": len(self.told),
            "foretold": float(self.told.sum()),
            "came": float(self.came.sum()),
            "slope": self._slope(),
            "error": float(np.abs(self.told - self.came).mean()),
            "own_error": float(np.abs(own - self.came).mean()),
            "recent_error": float(np.abs(self.past.recent - self.came).mean()),
            "inside": float(((self.came >= low) & (self.came <= high)).mean()),
        }

    def _slope(self) -> float:
        """Return the slope of what came on what was foretold; nan where all was foretold alike."""
        off = self.told - self.told.mean()
        size = float(off @ off)
        return float(off @ self.came) / size if size > LEAST else math.nan


def checked(shop: Shop, past: Sequence[History]) -> list[Check]:
    """Foretell at past moments, each from what was known then alone, and read what came.

    Parameters
    ----------
    shop : Shop
    past : sequence of History
        Newest first, twelve weeks apart or more.
    """
    step = timedelta(days=RECENT_DAYS)
    came = ordered_between(shop, [(i, old.as_of, old.as_of + step) for i, old in enumerate(past)])
    found: list[Check] = []
    for i, old in reversed(list(enumerate(past))):
        rows = came[came["span"] == i].set_index("customer_id")["orders_placed"]
        model, ahead = fit_orders(*old.seen), (RECENT_DAYS / 7,)
        plain = foretold(old, model, ahead)[:, 0]
        told = foretold(old, model, ahead, calibration(found))[:, 0]
        there = rows.reindex(old.customers).fillna(0).to_numpy(float)
        found.insert(0, Check(old, plain, told, there))
    return found


def calibration(checks: Sequence[Check]) -> float:
    """Return the power of what was foretold that best tells what came; 1 without checks.

    Below 1, those who seem to order most often do so partly by chance. Poisson regression of what
    came on the logarithm of what the estimate says before any power.

    Parameters
    ----------
    checks : sequence of Check
    """
    if not checks:
        return 1.0
    from sklearn.linear_model import PoissonRegressor

    said = np.concatenate([np.maximum(check.plain, LEAST) for check in checks])
    came = np.concatenate([check.came for check in checks])
    if not came.any() or np.ptp(said) < LEAST:
        return 1.0
    fit = PoissonRegressor(alpha=0.0, max_iter=1_000).fit(np.log(said)[:, None], came)
    return float(np.clip(fit.coef_[0], 0.5, 1.0))


def season(
    shop: Shop,
    past: History,
    ago: History,
    weeks: Sequence[float],
    told: np.ndarray,
    checks: Sequence[Check],
) -> np.ndarray:
    """Return how many times the orders foretold come at this time of the year, by number of weeks.

    A year ago customers ordered so many times what they had in the twelve weeks before; that times
    the orders of the last twelve weeks, against what is foretold of the same, who are known for
    longer. The logarithm is drawn towards 0
    by s² ÷ (s² + 1 ÷ orders of each of the three + `DRIFT`²), with s² by how far the checks missed
    beyond chance and drift. 1 where no whole year, and twelve weeks before it, are known. (Against
    what would have been foretold a year ago it is off by 26 % where this is by 6: a quiet season is
    taken for customers leaving, more so the longer they are known.)

    Parameters
    ----------
    shop : Shop
    past, ago : History
        Of now and of 52 weeks earlier.
    weeks : sequence of float
        How far ahead; from 52 on as of a whole year.
    told : ndarray of shape (n, weeks)
        Foretold of each customer without a season.
    checks : sequence of Check
        Of the year since.
    """
    known = [(c.came.sum(), c.told.sum()) for c in checks if c.came.any() and c.told.any()]
    # Whoever came within the twelve weeks had not all of them to order in.
    old, there = (one.age >= RECENT_DAYS for one in (past, ago))
    recent = past.recent[old].sum(), ago.recent[there].sum()
    if not known or ago.days < RECENT_DAYS or not all(recent):
        return np.ones(len(weeks))
    spans = [(j, ago.as_of, ago.as_of + timedelta(weeks=min(w, YEAR))) for j, w in enumerate(weeks)]
    rows = ordered_between(shop, spans)
    rows = rows[rows["customer_id"].isin(ago.customers[there])]
    came = rows.groupby("span")["orders_placed"].sum().reindex(range(len(weeks)), fill_value=0)
    orders = np.maximum(came.to_numpy(float), 1.0)
    longer = np.maximum(np.asarray(weeks) / YEAR, 1.0)
    times = recent[0] / recent[1] * orders * longer / np.maximum(told[old].sum(axis=0), LEAST)
    moved = np.mean([math.log(c / t) ** 2 - 1 / c for c, t in known]) - DRIFT**2
    chance = 1 / orders + 1 / recent[0] + 1 / recent[1] + DRIFT**2
    return np.asarray(times ** (max(moved, 0.0) / (max(moved, 0.0) + chance)))


def spread_of(checks: Sequence[Check]) -> float:
    """Return by what share of itself a customer's orders differ beyond chance; nan without checks.

    By moments, as of a negative binomial: the variance is m + (spread · m)².

    Parameters
    ----------
    checks : sequence of Check
    """
    if not checks:
        return math.nan
    m = np.concatenate([check.told for check in checks])
    y = np.concatenate([check.came for check in checks])
    return math.sqrt(max(float(((y - m) ** 2 - m).sum() / (m @ m)), 0.0))


def ends_of(told: np.ndarray, spread: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of orders that will be counted, of negative binomials.

    Parameters
    ----------
    told : ndarray of shape (n,)
        Means.
    spread : float
        Of `spread_of`.
    level : float
    """
    from scipy.stats import nbinom

    size = 1 / max(spread, 1e-4) ** 2
    chance = size / (size + np.maximum(told, LEAST))
    tail = (1 - level) / 2
    return nbinom.ppf(tail, size, chance), nbinom.ppf(1 - tail, size, chance)
