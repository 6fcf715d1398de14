"""What customers bring in a span of time, and what promotions take off for them in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import NONE
from promolab.features import known_until, outcomes_between
from promolab.promotions import (
    Promotion,
    coupon_use,
    in_window,
    kept_beside,
    own_windows,
    read_promotions,
)

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.promotions import PromotionValues

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
    what = f"brought in {spans.to_numpy().tolist()}"
    rows = shop.once(what, ("events", "products"), lambda: outcomes_between(shop, spans).execute())

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


Held = tuple[Promotion, np.ndarray]
"""A promotion that runs already, and who of some customers has it."""


def held_by(
    shop: Shop, customers: np.ndarray, as_of: datetime, offers: Sequence[Promotion]
) -> list[Held]:
    """Return the promotions that run on into the windows of some to come, and who has them.

    Parameters
    ----------
    shop : Shop
        With promotions.
    customers : ndarray of shape (n,)
    as_of : datetime
        Nothing at or after it is read.
    offers : sequence of Promotion
        To come.
    """
    windows = own_windows(shop, as_of)
    starts = min(one.starts_at for one in offers)
    later = shop.promotions.ends_at > starts
    running = set(shop.promotions.filter(later).promotion_id.cast("string").execute())
    running -= {str(one.promotion_id) for one in offers}
    if windows is None or not running:
        return []
    rows = windows.select("customer_id", "promotion_id").distinct()
    rows = rows.filter(rows.promotion_id.isin(sorted(running - {NONE}))).execute()
    texts = {str(one): one for one in shop.promotions.promotion_id.execute()}
    names = sorted(rows["promotion_id"].unique())
    who = dict(iter(rows.groupby("promotion_id")["customer_id"]))
    known = read_promotions(shop, [texts[name] for name in names]) if names else {}
    return [(one, np.isin(customers, who[str(one.promotion_id)])) for one in known.values()]


def taken_off_each(
    amounts: PromotionValues,
    place: np.ndarray,
    columns: np.ndarray,
    beside: np.ndarray,
    held: Sequence[Held] = (),
    *,
    added: np.ndarray | None = None,
    after: bool = True,
) -> np.ndarray:
    """Return what the shop is expected to take off for each customer because of a promotion.

    It is taken off the orders that come anyway, those that it adds, and those that promotions
    beside it add; what else runs takes its part off the orders that it adds. How many a promotion
    adds follows from the orders in past windows: of effects on margin chance makes a large part of
    so few customers. What begins after it runs beside it as long as what began before; what that
    takes off may be left to its own week.

    Parameters
    ----------
    amounts : PromotionValues
        Of the promotions.
    place, columns : ndarray of int of shape (m,)
        Of each customer the row, and the column, of ``amounts``.
    beside : ndarray of shape (m,)
        What other promotions take off for the customer without it.
    held : sequence of (Promotion, ndarray of bool of shape (m,))
        Promotions that run on into the window.
    added : ndarray of shape (m,), optional
        How many orders the promotion adds in its window; by default as many times the customer's
        usual ones as past promotions did.
    after : bool
        Whether promotions that begin later count. Where every week is charged what it takes off
        given the weeks before, all weeks add up to what all promotions take off.
    """
    beside = beside if after else beside / 2
    orders, off = amounts.orders, np.zeros(len(place))
    log_mean, log_sd, lift = (
        orders.frame[name].to_numpy(float) for name in ("log_mean", "log_sd", "lift")
    )
    lift, use = np.maximum(lift, 0.0), coupon_use(orders)
    kinds = [one.kind for one in amounts.promotions]
    for j in np.unique(columns):
        mine, one = columns == j, amounts.promotions[j]
        rows = place[mine]
        here = in_window(one, orders)
        alike = {kind: orders.shares[rows][:, [k == kind for k in kinds]].mean(axis=1)
                 for kind in set(kinds)}  # fmt: skip
        shares = [orders.shares[rows, j], *(alike.get(p.kind, 1.0) for p, _ in held)]
        others = [(p, who[mine]) for p, who in held]
        kept, met = kept_beside(one, others, log_mean[rows], log_sd[rows], use[rows], shares)
        if after:
            kept, met = np.maximum(2 * kept - 1, 0.0), np.minimum(2 * met, 1.0)
        base = here.base[rows]
        more = lift[rows] * base if added is None else added[mine]
        own = (base + more + met * more) * here.net[rows] * kept
        off[mine] = (1 - one.funder_share) * (own + more / base * beside[mine])
    return off
