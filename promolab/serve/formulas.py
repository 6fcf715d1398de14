"""The features of `promolab.build_features`, from rows that are kept per customer, at any moment.

Each function takes rows of one or many customers, ``code`` (whose row it is, 0 … n−1), n and the
moment in microseconds, and returns columns of n values; what is not known is nan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from promolab.serve.events import EPOCH, NEVER

SECOND = 1_000_000
DAY = 86_400 * SECOND
"""Microseconds."""
MONEY, UNITS = 10_000, 1_000
"""How many whole numbers make one of money, and one of units."""
QUARTER = 900 * SECOND  # clocks are put forward and back at whole quarters of an hour
Columns = dict[str, Any]

ORDER_ROWS = {
    "bought": "first", "any": "first", "amount": "sum", "gross": "sum", "discount": "sum",
    "coupon": "sum", "quantity": "sum", "usable": "sum",
}  # fmt: skip
"""What is kept of an order: when it was first bought, and touched; money and units in `MONEY` and
`UNITS`."""


@dataclass
class Clock:
    """Wall-clock time of a zone, and when its evening begins.

    Parameters
    ----------
    zone : str
        IANA zone.
    evening_from : int
        Hour.
    """

    zone: str
    evening_from: int
    _ahead: dict[int, int] = field(default_factory=dict, repr=False)

    def local(self, ts: np.ndarray) -> np.ndarray:
        """Return times as the zone's clocks show them, in microseconds."""
        if self.zone == "UTC":
            return ts
        quarters, place = np.unique(ts // QUARTER, return_inverse=True)
        ahead = [self._ahead.get(q) or self._look(q) for q in quarters.tolist()]
        return np.asarray(ts + np.array(ahead, dtype=np.int64)[place])

    def _look(self, quarter: int) -> int:
        moment = EPOCH + timedelta(microseconds=quarter * QUARTER)
        offset = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).utcoffset()
        self._ahead[quarter] = found = int((offset or timedelta()).total_seconds()) * SECOND
        return found


def summed(code: np.ndarray, n: int, values: np.ndarray) -> np.ndarray:
    """Return sums of whole numbers, exact below 2⁵³."""
    return np.asarray(np.bincount(code, weights=values, minlength=n))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return a quotient, nan where nothing is above 0 below."""
    found = np.full(len(above), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found


def _most(code: np.ndarray, n: int, values: np.ndarray) -> np.ndarray:
    found = np.full(n, -np.inf)
    np.maximum.at(found, code, values)
    return np.where(np.isinf(found), np.nan, found)


def _times(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return when orders were made, and which were kept: not wholly returned or cancelled."""
    bought, touched, amount, gross = rows[:, :4].T
    kept = (bought < NEVER) & ~((gross > amount) & (amount <= 0))
    return np.where(bought < NEVER, bought, touched), kept


def of_orders(rows: np.ndarray, code: np.ndarray, n: int, moment: int) -> Columns:
    """Return what orders tell; ``rows`` as `ORDER_ROWS`."""
    _, _, amount, _, discount, coupon, quantity, usable = rows.T
    ts, kept = _times(rows)
    age = (moment - ts) / SECOND
    recent = {days: (moment - ts) <= days * DAY for days in (28, 84)}
    mine = code[kept]
    last, first = -_most(mine, n, -age[kept]), _most(mine, n, age[kept])
    orders = summed(code, n, kept)
    several = np.where(orders > 1, orders - 1, 0)
    money = {
        "amount": summed(code, n, amount) / MONEY,
        "discount": summed(code, n, discount) / MONEY,
        **{f"amount_{d}d": summed(code, n, amount * near) / MONEY for d, near in recent.items()},
    }
    items = summed(code, n, quantity) / UNITS
    coupons = summed(code, n, kept & (coupon > 0))
    return {
        "recency_days": last / 86_400,
        "orders": orders,
        **money,
        "discount_share": ratio(money["discount"], money["amount"] + money["discount"]),
        "items": items,
        "days_between_orders": ratio((first - last) / 86_400, several),
        **{f"orders_{d}d": summed(code, n, kept & near) for d, near in recent.items()},
        "amount_trend": ratio(money["amount_28d"], money["amount_84d"] / 3) - 1,
        "average_order_amount": ratio(money["amount"], orders),
        "largest_order": _most(mine, n, amount[kept]) / MONEY,
        "average_item_price": ratio(summed(code, n, usable) / MONEY, items),
        "coupon_orders": coupons,
        "coupon_order_share": ratio(coupons, orders),
    }


def by_clock(rows: np.ndarray, code: np.ndarray, n: int, clock: Clock) -> Columns:
    """Return when in the day and the week orders were made; ``rows`` as `ORDER_ROWS`."""
    ts, kept = _times(rows)
    orders = summed(code, n, kept)
    local = clock.local(ts)
    weekend = (local // DAY + 3) % 7 >= 5  # 1970 began on a Thursday
    in_day = local % DAY
    hour = in_day // (3_600 * SECOND)
    timed = kept & (in_day != 0)
    angle = (hour + (in_day // (60 * SECOND) % 60) / 60) * (math.pi / 12)
    # Rounded as the engine does, for its sums are of fixed-point numbers.
    sine, cosine = (
        summed(code, n, np.where(timed, np.rint(wave(angle) * 1e12), 0.0)) / 1e12
        for wave in (np.sin, np.cos)
    )
    timed_orders = summed(code, n, timed)
    # Where all of a customer's orders are at midnight UTC, that stands for a date alone.
    timed_orders = np.where(summed(code, n, kept & (ts % DAY != 0)) > 0, timed_orders, 0)
    unclear = (timed_orders == 0) | (np.abs(sine) + np.abs(cosine) < 1e-6)
    mean = np.arctan2(sine, cosine) * (12 / math.pi)
    return {
        "weekend_share": ratio(summed(code, n, kept & weekend), orders),
        "evening_share": ratio(summed(code, n, timed & (hour >= clock.evening_from)), timed_orders),
        "hour_of_day": np.where(unclear, np.nan, np.where(mean < 0, mean + 24, mean)),
    }


CATEGORY_ROWS = {"number": "last", "amount": "sum", "private": "sum", "had": "last"}
"""What is kept of a customer's purchases in a category; ``had`` is 1 if a product was bought."""


def of_categories(rows: np.ndarray, code: np.ndarray, n: int) -> Columns:
    """Return how what was spent is spread; ``top_category`` is the category's number."""
    number, amount, private, had = rows.T
    paid = np.where(amount > 0, amount, 0)
    whole = summed(code, n, paid)
    share = paid / np.where(whole > 0, whole, 1)[code]
    some = share > 0
    term = np.zeros(len(share))
    term[some] = np.rint(-share[some] * np.log(share[some]) * 1e12)
    most = _most(code, n, paid)
    best = np.full(n, np.inf)
    first = some & (paid == np.nan_to_num(most)[code])
    np.minimum.at(best, code[first], number[first])
    return {
        "categories": summed(code, n, had > 0),
        "category_entropy": np.where(whole > 0, summed(code, n, term) / 1e12, np.nan),
        "top_category": best,
        "private_label_share": ratio(summed(code, n, np.where(some, private, 0)), whole),
    }


CONTACT_ROWS = {"promotion": "last", "ts": "last", "n": "sum"}
ANSWER_ROWS = {"promotion": "last"}
"""Promotions by their numbers, in the order in which they were first seen."""
BROWSING_ROWS = {"kind": "last", "ts": "last", "n": "sum"}
BROWSED = {"view": "views", "click": "clicks", "cart": "carts"}
CUSTOMER_ROWS = {"first": "first", "views": "sum", "purchases": "sum"}
ANSWERING_ROWS = {"answers": "sum", "last": "last"}


def of_customers(rows: np.ndarray, code: np.ndarray, n: int, moment: int) -> Columns:
    """Return when customers were first seen, how long ago that is, what they viewed and bought."""
    first, viewed, bought = np.full(n, NEVER), np.zeros(n), np.zeros(n)
    first[code], viewed[code], bought[code] = rows.T
    tenure = (moment - first) / DAY
    return {"first": first, "tenure_days": tenure, "viewed": viewed, "bought": bought}


def of_contacts(rows: np.ndarray, code: np.ndarray, n: int, moment: int) -> Columns:
    """Return how often customers were contacted before the moment."""
    _, ts, count = rows.T
    made = np.where(ts < moment, count, 0)
    return {
        "contacts": summed(code, n, made),
        "contacts_28d": summed(code, n, np.where(moment - ts <= 28 * DAY, made, 0)),
    }


def of_answering(rows: np.ndarray, code: np.ndarray, n: int, moment: int) -> Columns:
    """Return how many answers there were, and how long ago the last one was."""
    answers, since = np.zeros(n), np.full(n, np.nan)
    answers[code], since[code] = rows[:, 0], (moment - rows[:, 1]) / DAY
    return {"answers": answers, "days_since_response": since}


def of_browsing(
    rows: np.ndarray, code: np.ndarray, n: int, moment: int, kinds: list[str]
) -> Columns:
    """Return views, clicks and carts of 28 days, of the kinds that the shop records."""
    kind, ts, count = rows.T
    near = moment - ts <= 28 * DAY
    return {
        f"{BROWSED[name]}_28d": summed(code, n, np.where(near & (kind == place), count, 0))
        for place, name in enumerate(BROWSED)
        if name in kinds
    }


def moment_of(us: int) -> datetime:
    """Return microseconds since 1970 as a time, UTC without a zone."""
    return EPOCH + timedelta(microseconds=us)
