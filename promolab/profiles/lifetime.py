"""The value of each customer: still one or not, orders and margin (gamma-gamma) to come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from promolab.errors import DataError, InputError
from promolab.features import read_as_of
from promolab.profiles.bg_nbd import OrderModel, fit_orders
from promolab.profiles.order_forecast import (
    RECENT_DAYS,
    History,
    calibration,
    checked,
    ends_of,
    foretold,
    histories,
    season,
    spread_of,
)
from promolab.results import Estimate, Result
from promolab.stats import t_quantile
from promolab.wording import number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.contract import Shop
    from promolab.profiles.order_forecast import Check


WEEKS = (4, 12, 52)
ORIGINS = 4
"""Past moments, twelve weeks apart, whose forecasts are held against what came."""
LEVEL = 0.9
TWELVE = 12


@dataclass(frozen=True)
class CustomerValue(Result):
    """What customers will order and bring, with 90 % intervals, and how such forecasts did before.

    Parameters
    ----------
    frame : DataFrame
        A row per customer with an order: ``customer_id, orders, alive`` (chance to be a customer
        still), ``usual_days`` (between orders), ``away_days`` (since the last), ``away_times`` (the
        usual), and for each number of weeks ``orders_4w, orders_4w_low, orders_4w_high,
        margin_4w, …`` (money).
    totals : DataFrame
        ``weeks, orders, orders_low, orders_high, margin, margin_low, margin_high`` of all of them;
        ends are nan where no forecast could be held against what came.
    checked : DataFrame
        ``as_of, customers, foretold, came, slope, error, own_error, recent_error, inside`` of past
        moments: orders of the twelve weeks after, the slope of what came on what was foretold, mean
        absolute errors of the forecast, of each customer's own frequency and of the twelve weeks
        before, and the share of customers inside their interval.
    leaving : bool
        Whether customers are seen to leave.
    spread : float
        By what share of itself, in standard deviations, a customer's orders differ from what is
        foretold beyond chance.
    """

    frame: pd.DataFrame = field(repr=False)
    totals: pd.DataFrame = field(repr=False)
    checked: pd.DataFrame = field(repr=False)
    leaving: bool
    spread: float

    def facts(self) -> dict[str, Any]:
        """Return what comes next, who has left, and how far earlier forecasts were off."""
        row, held = self.totals[self.totals["weeks"] == TWELVE].iloc[0], self.checked
        if not held.empty:
            held = held[(held["came"] > 0) & (held["foretold"] >= 0.5)]
        off = held["foretold"] / held["came"] - 1 if len(held) else pd.Series(dtype=float)
        return {
            "weeks": TWELVE,
            "customers": len(self.frame),
            "orders": Estimate.of(row[["orders", "orders_low", "orders_high"]]),
            "gone": float((self.frame["alive"] < 0.5).mean()),
            "held": len(held),
            "least": float(off.min()),
            "most": float(off.max()),
        }


def customer_value(shop: Shop, *, as_of: Any) -> CustomerValue:
    """Foretell what each customer will order and bring in 4, 12 and 52 weeks.

    Parameters
    ----------
    shop : Shop
        With purchases; of margins nothing is said where the shop does not know them.
    as_of : datetime or text
        Nothing at or after it is read.

    Raises
    ------
    DataError
        Nobody has ordered twice.

    Notes
    -----
    Orders: the mean of BG/NBD (`OrderModel`) and of how often each ordered in the last twelve
    weeks, which follows habits that change, and closer than either; raised to a power that made
    earlier forecasts right for those who order often as for those who do not. Further ahead it
    moves as BG/NBD does. Where a year is known, all of it is drawn to what followed on
    such twelve weeks a year ago (`season`). Margin: gamma-gamma (`OrderValue`). Both see customers
    from their first order that is in the data on.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("simulated", customers=300, seed=1)
    >>> value = customer_value(shop, as_of="2024-12-30")
    >>> value.frame[["orders_4w", "orders_12w", "orders_52w"]].mean().is_monotonic_increasing
    True
    """
    now = read_as_of(as_of)
    step = timedelta(days=RECENT_DAYS)
    moments = [now - i * step for i in range(ORIGINS + 1)]
    present, *past, ago = histories(shop, [*moments, now - timedelta(weeks=52)])
    if not (present.orders > 1).any():
        raise DataError(
            f"nobody ordered twice before {now:%Y-%m-%d}; how often customers come back is not "
            "known"
        )
    # A forecast is checked where it could look back as far as it looks ahead.
    past = [old for old in past if old.days >= RECENT_DAYS and (old.orders > 1).any()]
    checks = checked(shop, past)
    model = fit_orders(*present.seen)
    told = foretold(present, model, WEEKS, calibration(checks))
    told = told * season(shop, present, ago, WEEKS, told, checks)
    spread = spread_of(checks)
    frame = _rows(present, told, model, spread)
    rows = pd.DataFrame([check.row(spread, LEVEL) for check in checks])
    return CustomerValue(frame, _totals(frame, checks), rows, model.a > 0, spread)


def _rows(past: History, told: np.ndarray, model: OrderModel, spread: float) -> pd.DataFrame:
    mean = past.margin / past.orders
    each = np.full(len(mean), math.nan)  # what an order of each customer brings
    if np.isfinite(mean).all() and past.margin.sum() > 0:
        each = fit_order_value(past.orders, mean).expected(past.orders, mean)
    usual = (model.alpha + past.recency) / (model.r + past.orders - 1)
    away = past.age - past.recency
    columns: dict[str, Any] = {
        "customer_id": past.customers,
        "orders": past.orders,
        "alive": model.alive(*past.seen),
        "usual_days": usual,
        "away_days": away,
        "away_times": away / usual,
    }
    for j, w in enumerate(WEEKS):
        low, high = ends_of(told[:, j], spread, LEVEL) if spread == spread else (math.nan, math.nan)
        for name, factor in (("orders", 1.0), ("margin", each)):
            for end, value in (("", told[:, j]), ("_low", low), ("_high", high)):
                columns[f"{name}_{w}w{end}"] = value * factor
    return pd.DataFrame(columns)


def _totals(frame: pd.DataFrame, checks: Sequence[Check]) -> pd.DataFrame:
    """Add up all customers; whole forecasts miss as they did before, chance included."""
    known = [(c.came.sum(), c.told.sum()) for c in checks if c.told.sum() >= 0.5]
    missed = np.array([math.log(max(came, 0.5) / told) for came, told in known])
    half = math.nan
    if len(missed) > 1:
        half = float(t_quantile(LEVEL, len(missed))) * math.sqrt(float((missed**2).mean()))
    rows = []
    for w in WEEKS:
        row: dict[str, Any] = {"weeks": w}
        # What moves all customers goes on as it began: a longer time is the less sure.
        wide = half * math.sqrt(max(w * 7 / RECENT_DAYS, 1.0))
        for name in ("orders", "margin"):
            total = float(frame[f"{name}_{w}w"].sum(min_count=1))
            row |= {name: total, f"{name}_low": total * math.exp(-wide)}
            row |= {f"{name}_high": total * math.exp(wide)}
        rows.append(row)
    return pd.DataFrame(rows)


FLATTEST = 12.0
"""Largest logarithm of a parameter: beyond it orders, or customers, are all alike."""
LEAST_ORDER = 0.01
"""Of the mean: what an order counts as at least, for the model knows nothing at or below 0."""


@dataclass(frozen=True)
class OrderValue:
    """Gamma-gamma: orders of one customer differ by chance around a mean of their own.

    Parameters
    ----------
    p, q, v : float
        Shape of orders around a customer's mean; shape and rate of what customers differ by.

    References
    ----------
    Fader & Hardie (2013), The gamma-gamma model of monetary value.
    """

    p: float
    q: float
    v: float

    def expected(self, orders: ArrayLike, value: ArrayLike) -> np.ndarray:
        """Return what a further order of each customer will bring, shape (n,).

        Each customer's own mean, drawn towards that of all: the more orders, the less.

        Parameters
        ----------
        orders : array-like of shape (n,)
        value : array-like of shape (n,)
            Mean of those orders; money.

        Examples
        --------
        >>> few = OrderValue(p=6.0, q=4.0, v=15.0)
        >>> few.expected([1, 20], [60.0, 60.0]).round(1).tolist()
        [50.0, 59.3]
        """
        x, z = np.asarray(orders, dtype=float), np.asarray(value, dtype=float)
        return np.asarray(self.p * (self.v + x * z) / (self.p * x + self.q - 1))


def fit_order_value(orders: ArrayLike, value: ArrayLike) -> OrderValue:
    """Fit the gamma-gamma model by maximum likelihood.

    Parameters
    ----------
    orders : array-like of shape (n,)
        At least one each.
    value : array-like of shape (n,)
        Mean of each customer's orders; what is below a hundredth of the mean counts as that.

    Raises
    ------
    InputError
        Shapes that differ, a customer without orders, or orders that bring nothing in the mean.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.gamma(4, 1 / 15, size=20_000)
    >>> x = rng.integers(1, 9, size=20_000)
    >>> model = fit_order_value(x, rng.gamma(6 * x) / (rate * x))
    >>> round(model.p), round(model.q), round(model.v)
    (6, 4, 15)
    """
    x, z = np.asarray(orders, dtype=float), np.asarray(value, dtype=float)
    if x.shape != z.shape or x.ndim != 1 or not len(x) or not (x >= 1).all():
        raise InputError(
            f"orders and value have the shapes {x.shape} and {z.shape}; expected (n,) both, of at "
            "least one customer, and an order of each"
        )
    mean = float((x @ z) / x.sum())
    if not mean > 0:
        raise InputError(f"orders bring {number(mean)} in the mean; expected more than 0")
    z = np.maximum(z / mean, LEAST_ORDER)
    counts, code = np.unique(x, return_inverse=True)
    many = np.bincount(code) / len(x)
    log_z = float(np.log(z) @ x) / len(x)
    # What does not hang on the parameters is left out.

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, v = np.exp(theta)
        pk = p * counts
        late = np.log(v + x * z)
        told = many @ (gammaln(pk + q) - gammaln(pk)) - gammaln(q) + q * theta[2]
        told += p * (log_z + float(many @ (counts * np.log(counts)))) - float(
            (p * x + q) @ late
        ) / len(x)
        by_p = many @ (counts * (digamma(pk + q) - digamma(pk) + np.log(counts))) + log_z
        by_p -= float(x @ late) / len(x)
        by_q = many @ digamma(pk + q) - digamma(q) + theta[2] - float(late.mean())
        by_v = q / v - float(((p * x + q) / (v + x * z)).mean())
        return -float(told), -np.array([by_p, by_q, by_v]) * np.array([p, q, v])

    best = minimize(
        loss, np.array([0.5, 1.0, 1.0]), jac=True, method="L-BFGS-B",
        bounds=[(-FLATTEST, FLATTEST), (0.01, FLATTEST), (-FLATTEST, FLATTEST)],
        options={"ftol": 1e-12, "gtol": 1e-8},
    )  # fmt: skip
    p, q, v = np.exp(best.x)
    return OrderValue(float(p), float(q), float(v * mean))
