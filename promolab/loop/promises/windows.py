"""What customers brought in a span, and what was known of each before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.features import known_until, outcomes_between
from promolab.promotions import Promotion

if TYPE_CHECKING:
    from promolab.contract import Shop

HORIZON = timedelta(days=28)
"""After the window's end: effects count until then."""
_LATER, _WINDOW, _BEFORE, _LONG = range(4)
LEAST = 0.05
"""Nobody's outcome varies by less than this share of the mean variance."""


@dataclass(frozen=True)
class Span:
    """When a week's outcomes count.

    Parameters
    ----------
    ts, low, ends, high : datetime
        Decision, window's start and end, and end of the horizon (UTC).
    """

    ts: datetime
    low: datetime
    ends: datetime
    high: datetime

    @property
    def length(self) -> timedelta:
        """From the decision to the horizon's end."""
        return self.high - self.ts

    def moved(self, by: timedelta) -> Span:
        """Return the same span at another time."""
        return Span(self.ts + by, self.low + by, self.ends + by, self.high + by)


@dataclass(frozen=True)
class Brought:
    """What n customers brought.

    Parameters
    ----------
    margin : ndarray of shape (n,)
        From the window's start to the horizon's end, net of discounts, before contacts.
    discount : ndarray of shape (n,)
        In the window.
    before : ndarray of shape (n, k)
        What was known at the decision, with a column of ones.
    taken_off : ndarray of shape (n,)
        Discounts a day in as long a time before the decision.
    """

    margin: np.ndarray = field(repr=False)
    discount: np.ndarray = field(repr=False)
    before: np.ndarray = field(repr=False)
    taken_off: np.ndarray = field(repr=False)


def brought_in(shop: Shop, customers: np.ndarray, span: Span, until: datetime) -> Brought:
    """Read what customers brought in a span, and in the time before it.

    Parameters
    ----------
    shop : Shop
        With purchases and margins.
    customers : ndarray of shape (n,)
    span : Span
    until : datetime
        Nothing at or after it is read.
    """
    begin = shop.settings.life()[0] or shop.span()[0]
    known = min(span.ts, until)
    times = {
        _LATER: (span.low, min(span.high, until)),
        _WINDOW: (span.low, min(span.ends, until)),
        _BEFORE: (known - span.length, known),
        _LONG: (min(begin, known - span.length), known),
    }
    spans = pd.DataFrame(
        [(number, low, high) for number, (low, high) in times.items() if low < high],
        columns=["span", "low", "high"],
    ).astype({"low": "datetime64[us]", "high": "datetime64[us]"})
    rows = outcomes_between(shop, spans).execute()

    def of(number: int, name: str) -> np.ndarray:
        mine = rows[rows["span"] == number].set_index("customer_id")[name]
        return np.asarray(mine.reindex(customers).fillna(0.0), dtype=float)

    days = max((known - times[_LONG][0]).total_seconds() / 86_400, 1.0)
    long = of(_LONG, "margin") / days
    columns = [
        np.ones(len(customers)),
        of(_BEFORE, "margin"),
        long,
        of(_LONG, "orders_placed") / days,
        np.sqrt(np.maximum(long, 0.0)),
    ]
    taken_off = of(_BEFORE, "discount") / (span.length.total_seconds() / 86_400)
    later = of(_LATER, "margin"), of(_WINDOW, "discount")
    return Brought(*later, np.column_stack(columns), taken_off)


def orders_a_day(shop: Shop, customers: np.ndarray, as_of: datetime) -> np.ndarray:
    """Return how often each customer ordered a day in all the time before, shape (n,).

    Drawn towards the mean of all, which counts as one order: of one who has none yet, some are to
    come.
    """
    end = min(as_of, known_until(shop))
    begin = shop.settings.life()[0] or shop.span()[0]
    events = shop.events
    bought = events.filter((events.kind == "purchase") & (events.ts < end))
    if "order_id" in events.columns:
        bought = bought.select("customer_id", "order_id").distinct()
    counts = bought.group_by("customer_id").aggregate(n=bought.count()).execute()
    found = counts.set_index("customer_id")["n"].reindex(customers).fillna(0.0).to_numpy(float)
    days = max((end - begin).total_seconds() / 86_400, 1.0)
    mean = max(float(found.mean()), 1e-9)
    return np.asarray((found + 1) / (days * (1 + 1 / mean)))


def fitted(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the coefficients of weighted least squares, those of columns that vary.

    Parameters
    ----------
    x : ndarray of shape (n, k)
        The first column is of ones.
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional
    """
    root = np.ones(len(y)) if weight is None else np.sqrt(weight)
    scale = np.abs(x).max(axis=0, initial=0.0)
    scale[scale == 0] = 1.0
    found = np.linalg.lstsq(x / scale * root[:, None], y * root, rcond=1e-8)[0]
    return np.asarray(found / scale)


@dataclass(frozen=True)
class Noise:
    """How much outcomes of single customers vary by what nothing foretells.

    Parameters
    ----------
    margin : ndarray of shape (n,)
        Variance of each customer's margin.
    per_discount : float
        Variance of a customer's discount for each unit that is expected of it.
    beside : ndarray of shape (n,)
        What other promotions that run in the window are expected to take off for each customer.
    usual : ndarray of shape (n,)
        As much together, dealt out as customers like them had it: who had much lately was lucky,
        and a plan that chooses by luck would find it gone.
    """

    margin: np.ndarray = field(repr=False)
    per_discount: float
    beside: np.ndarray = field(repr=False)
    usual: np.ndarray = field(repr=False)


def noise_of(shop: Shop, customers: np.ndarray, span: Span, as_of: datetime) -> Noise:
    """Tell how much outcomes will vary, from a span as long that is over.

    Parameters
    ----------
    shop : Shop
        With purchases and margins.
    customers : ndarray of shape (n,)
    span : Span
        To come.
    as_of : datetime
        Nothing at or after it is read.
    """
    end = min(as_of, known_until(shop))
    past = span.moved(end - span.high)
    then = brought_in(shop, customers, past, end)
    now = brought_in(shop, customers, span.moved(end - span.ts), end)

    def spread(y: np.ndarray) -> np.ndarray:
        left = (y - then.before @ fitted(then.before, y)) ** 2
        mean = float(left.mean())
        # Old and new columns are measured alike, so that what was fitted on one serves the other.
        return np.asarray(np.clip(now.before @ fitted(then.before, left), LEAST * mean, None))

    total = float(then.discount.sum())
    per = float((then.discount**2).sum()) / total if total > 0 else 0.0
    days = (span.ends - span.low).total_seconds() / 86_400
    beside = now.taken_off * days * _others(shop, end, span)
    usual = np.maximum(now.before @ fitted(then.before, then.discount), 0.0)
    usual = usual * (beside.sum() / usual.sum() if usual.any() else 0.0)
    return Noise(spread(then.margin), per, beside, usual)


def _others(shop: Shop, end: datetime, span: Span) -> float:
    """Return which share of what ran lately was begun before: what runs beside a promotion."""
    windows = shop.promotions.select("starts_at", "ends_at").distinct().execute()
    since = end - span.length
    lasting = windows["ends_at"].clip(upper=end) - windows["starts_at"].clip(lower=since)
    running = float((lasting.dt.total_seconds().clip(lower=0) / span.length.total_seconds()).sum())
    return max(1 - 1 / running, 0.0) if running > 0 else 0.0


def windows_of(offers: Iterable[Promotion]) -> pd.DataFrame:
    """Return promotion_id, kind, starts_at, ends_at of promotions."""
    names = ("promotion_id", "kind", "starts_at", "ends_at")
    rows: list[dict[str, Any]] = [{name: getattr(o, name) for name in names} for o in offers]
    frame = pd.DataFrame(rows, columns=list(names))
    return frame.astype({"starts_at": "datetime64[us]", "ends_at": "datetime64[us]"})


def margins_known(shop: Shop) -> bool:
    """Whether the shop's margins can be told: its outcomes are money then."""
    from promolab.features import whole_margin_rate

    if shop.lacks("orders and sales") is not None:
        return False
    return bool(shop.has("products", "margin_rate") or whole_margin_rate(shop) is not None)


def clusters_of(shop: Shop) -> pd.Series[Any] | None:
    """Return who was drawn together, by customer_id; None where the shop does not say."""
    if not shop.has("customers", "cluster_id"):
        return None
    known = shop.customers.select("customer_id", "cluster_id").execute()
    known = known.dropna().drop_duplicates("customer_id")
    return pd.Series(known["cluster_id"].to_numpy(), index=known["customer_id"])
