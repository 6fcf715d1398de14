"""What promotions take off: lines of orders, and orders whose value is not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from promolab.checks import columns_there
from promolab.errors import InputError
from promolab.promotions.empirical_bayes import chance_from, money_from
from promolab.promotions.spending import NEAR
from promolab.promotions.terms import Coupon, Promotion

GIVEN_IN = ("limited_time_discount", "full_reduction", "coupon", "recommendation")
"""The order in which those that stack come off."""
_HALF_CENT = 0.005


def taken_off(
    lines: pd.DataFrame, live: pd.DataFrame, promotions: Mapping[Any, Promotion]
) -> pd.DataFrame:
    """Work out what promotions take off each line of orders.

    Of the promotions that live for an order, those that do not stack compete: the one that takes
    most off the order counts (of equal ones the earlier, then the first by id). Those that stack
    come after it: limited-time discounts, full reductions, coupons, each on what is left, which
    must reach its threshold. Money is rounded to cents line by line.

    Parameters
    ----------
    lines : DataFrame
        order, product_id and price (money at list price, of all units), a row per order line.
    live : DataFrame
        order and promotion_id: what the order's customer may use in it; a coupon only where it is
        handed in.
    promotions : mapping
        promotion_id → `Promotion` (`promolab.promotions.read_promotions`).

    Returns
    -------
    DataFrame
        line (place in ``lines``, from 0), promotion_id, discount (> 0); by line, then as they come
        off.

    Raises
    ------
    InputError
        A column is missing, or ``live`` names a promotion that is not given.

    Examples
    --------
    >>> from datetime import datetime
    >>> from promolab.promotions import Coupon, FullReduction, LimitedTimeDiscount
    >>> window = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 8)}
    >>> offers = [
    ...     LimitedTimeDiscount(promotion_id="L", rate=0.1, products=frozenset("x"), **window),
    ...     FullReduction(promotion_id="F", threshold=50, reduction=5, steps=0, **window),
    ...     Coupon(promotion_id="C", rate=0.1, **window),
    ... ]
    >>> lines = pd.DataFrame({"order": 1, "product_id": ["x", "y"], "price": [80.0, 40.0]})
    >>> live = pd.DataFrame({"order": 1, "promotion_id": ["L", "F", "C"]})
    >>> taken_off(lines, live, {p.promotion_id: p for p in offers})
       line promotion_id  discount
    0     0            F      6.67
    1     0            C      7.33
    2     1            F      3.33
    3     1            C      3.67
    """
    columns_there(lines, ("order", "product_id", "price"), "lines")
    columns_there(live, ("order", "promotion_id"), "live")
    if unknown := sorted(set(live["promotion_id"]) - set(promotions), key=str):
        raise InputError(f"live names promotion {unknown[0]!r}, whose terms are not given")
    keys = pd.Index(lines["order"].unique())
    order = keys.get_indexer(lines["order"])
    price, product = lines["price"].to_numpy(float), lines["product_id"].to_numpy()
    has = {one: keys.get_indexer(mine) for one, mine in live.groupby("promotion_id")["order"]}

    def rows_of(promotion: Promotion) -> np.ndarray:
        holds = np.zeros(len(keys) + 1, dtype=bool)  # one more: orders without a line
        holds[has[promotion.promotion_id]] = True
        holds[-1] = False
        rows = np.flatnonzero(holds[order])
        if promotion.products:
            rows = rows[pd.Series(product[rows]).isin(promotion.products).to_numpy()]
        return rows

    rivals, after = in_turn(
        [p for one, p in promotions.items() if one in has and p.stated], lambda p: p
    )
    left, found = price.copy(), []
    best, winner = np.zeros(len(keys)), np.full(len(keys), -1)
    tried = []
    for place, promotion in enumerate(rivals):
        rows = rows_of(promotion)
        off = _off(promotion, order[rows], price[rows])
        total = np.round(np.bincount(order[rows], weights=off, minlength=len(keys)), 2)
        winner, best = np.where(total > best, place, winner), np.maximum(total, best)
        tried.append((rows, off))
    for place, (rows, off) in enumerate(tried):
        wins = winner[order[rows]] == place
        left[rows[wins]] -= off[wins]
        found.append((rivals[place], rows[wins], off[wins]))
    for promotion in after:
        rows = rows_of(promotion)
        off = _off(promotion, order[rows], left[rows])
        left[rows] -= off
        found.append((promotion, rows, off))
    return _frame(found)


Row = TypeVar("Row")


def in_turn(
    rows: Iterable[Row], promotion: Callable[[Row], Promotion]
) -> tuple[list[Row], list[Row]]:
    """Return those that compete, by start and id, and those that come after, as they come off."""

    def told(row: Row) -> tuple[datetime, str]:
        return promotion(row).starts_at, str(promotion(row).promotion_id)

    offers = sorted(rows, key=told)
    after = [row for row in offers if promotion(row).stacking]
    after.sort(key=lambda row: GIVEN_IN.index(promotion(row).kind))
    return [row for row in offers if not promotion(row).stacking], after


def _off(promotion: Promotion, order: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return what one promotion takes off lines, by what is left to pay for them.

    A line's price is known to the cent: an order reaches a threshold where its lines may add up to
    it.
    """
    _, order = np.unique(order, return_inverse=True)
    rest = np.bincount(order, weights=left)
    whole = promotion.off(rest, rest + _HALF_CENT * np.bincount(order))
    part = np.divide(left, rest[order], out=np.zeros_like(left), where=rest[order] > 0)
    return _cents(np.minimum(whole, rest)[order] * part)


def _cents(money: np.ndarray) -> np.ndarray:
    """Round halves up, as tills do, whatever floats make of them."""
    return np.asarray(np.floor(100 * money + 0.5 + 1e-7) / 100)


def _frame(found: list[tuple[Promotion, np.ndarray, np.ndarray]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"line": rows, "promotion_id": promotion.promotion_id, "discount": off})
        for promotion, rows, off in found
    ]
    if not parts:
        return pd.DataFrame({"line": [], "promotion_id": [], "discount": []})
    table = pd.concat(parts, ignore_index=True)
    table = table[table["discount"] > 0]
    return table.sort_values("line", kind="stable", ignore_index=True)


MOST_STEPS = 30
"""How often "every X" is followed up in one order; what lies beyond is next to nothing."""
NODES = 16
"""Order values at which promotions that meet in one order are compared."""


@dataclass(frozen=True)
class OffOrder:
    """What a promotion takes off one order in the mean, were its coupon always used.

    Parameters
    ----------
    off : ndarray of shape (n,)
        Money, of an order as it would have been.
    reach : ndarray of shape (n,)
        Chance that anything comes off.
    near : ndarray of shape (n,)
        Chance that an order lies just below a threshold.
    missing : ndarray of shape (n,)
        Money that fills it up, times that chance.
    per_fill : float
        What comes off for an order that is filled up.
    """

    off: np.ndarray
    reach: np.ndarray
    near: np.ndarray
    missing: np.ndarray
    per_fill: float = 0.0


def off_an_order(
    promotion: Promotion,
    log_mean: np.ndarray,
    log_sd: np.ndarray,
    share: np.ndarray | float = 1.0,
    touching: np.ndarray | float = 1.0,
) -> OffOrder:
    """Return what a promotion takes off an order of log-normal value.

    Parameters
    ----------
    promotion : Promotion
        One that says what it takes off.
    log_mean, log_sd : ndarray of shape (n,)
        Of an order's value at list price.
    share, touching : ndarray of shape (n,) or float
        Share of the money that goes to the promotion's products, and chance that an order holds any
        of them.

    Returns
    -------
    OffOrder

    Examples
    --------
    >>> from datetime import datetime
    >>> from promolab.promotions import FullReduction
    >>> window = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 8)}
    >>> fixed = np.log([120.0]), np.array([1e-9])
    >>> every = FullReduction(promotion_id=1, threshold=50, reduction=5, steps=0, **window)
    >>> float(off_an_order(every, *fixed).off[0])
    10.0
    """
    none = np.zeros_like(log_mean)
    if not promotion.reductions:
        return OffOrder(none, none, none, none)
    # Of an order that holds any of the products, their part is like the whole, but smaller.
    part = log_mean + np.log(np.maximum(share, 1e-9) / np.maximum(touching, 1e-9))
    off, near, missing = none, none, none
    for one in promotion.reductions:
        for step in range(1, (one.times or MOST_STEPS) + 1):
            off = off + one.amount * chance_from(part, log_sd, step * one.start)
        off = off + one.rate * money_from(part, log_sd, one.start)
    first = promotion.reductions[0]
    for step in range(1, (first.times or MOST_STEPS) + 1) if first.start > 0 else ():
        low, high = (step - 1 + NEAR) * first.start, step * first.start
        chance = chance_from(part, log_sd, low) - chance_from(part, log_sd, high)
        money = money_from(part, log_sd, low) - money_from(part, log_sd, high)
        near, missing = near + chance, missing + high * chance - money
    reach = chance_from(part, log_sd, first.start)
    filled = float(promotion.off(np.array(first.start)))
    # Of orders that hold a product of the promotion to all orders.
    return OffOrder(touching * off, touching * reach, touching * near, touching * missing, filled)


def kept_beside(
    promotion: Promotion,
    others: Sequence[tuple[Promotion, np.ndarray]],
    log_mean: np.ndarray,
    log_sd: np.ndarray,
    use: np.ndarray,
    shares: Sequence[np.ndarray | float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return which part of its discount a promotion adds to those that a customer has already.

    Parameters
    ----------
    promotion : Promotion
        The one to come.
    others : sequence of (Promotion, ndarray of bool, shape (n,))
        Promotions that live in its window, and who has each.
    log_mean, log_sd : ndarray of shape (n,)
        Of an order's value.
    use : ndarray of shape (n,)
        Chance that an order uses a coupon.
    shares : sequence of (ndarray of shape (n,) or float)
        Share of the spending on the products of the promotion, then of each of the others.

    Returns
    -------
    kept : ndarray of shape (n,)
        1 where nothing meets it; else 1 less what is lost to the others in the days that they
        share. Promotions without ``stacking`` compete: the one that takes most off an order counts;
        the others come after it, each on what is left.
    shared : ndarray of shape (n,)
        Part of its window in which the customer has another promotion.
    """
    from scipy.special import ndtri

    kept, shared = np.ones_like(log_mean), np.zeros_like(log_mean)
    for p, who in others:
        shared = np.maximum(shared, who * _together(promotion, p))
    live = [
        (p, who, s)
        for (p, who), s in zip(others, shares[1:], strict=True)
        if p.stated and _together(promotion, p) > 0
    ]
    meets = np.any([who for _, who, _ in live], axis=0) if live else np.zeros(len(kept), bool)
    if not meets.any() or not promotion.stated:
        return kept, shared
    z = ndtri((np.arange(NODES) + 0.5) / NODES)
    value = np.exp(log_mean[meets, None] + log_sd[meets, None] * z)
    rows = [(p, who[meets], _part(s, meets)) for p, who, s in live]
    mine = (promotion, np.ones(int(meets.sum()), dtype=bool), _part(shares[0], meets))
    alone = _combined([mine], value, use[meets])
    added = _combined([mine, *rows], value, use[meets]) - _combined(rows, value, use[meets])
    mean = alone.mean(axis=1)
    ratio = np.divide(added.mean(axis=1), mean, where=mean > 0, out=np.ones_like(mean))
    kept[meets] = 1 - shared[meets] * (1 - ratio)
    return kept, shared


def _part(share: np.ndarray | float, rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.broadcast_to(share, rows.shape)[rows][:, None])


def _together(promotion: Promotion, other: Promotion) -> float:
    """Return the share of a promotion's window in which another one lives."""
    low = max(promotion.starts_at, other.starts_at)
    high = min(promotion.ends_at, other.ends_at)
    return max((high - low).total_seconds(), 0.0) / (promotion.days * 86_400)


def _combined(
    rows: Sequence[tuple[Promotion, np.ndarray, np.ndarray]], value: np.ndarray, use: np.ndarray
) -> np.ndarray:
    """Return what promotions take off orders together, shape of ``value``.

    As `promolab.promotions.stacking.taken_off` does line by line.
    """
    rivals, after = in_turn(rows, lambda row: row[0])
    total = np.zeros_like(value)

    def off(row: tuple[Promotion, np.ndarray, np.ndarray], left: np.ndarray) -> np.ndarray:
        promotion, who, share = row
        used = use[:, None] if isinstance(promotion, Coupon) else 1.0
        return np.where(who[:, None], used * promotion.off(left * share), 0.0)

    for row in rivals:
        total = np.maximum(total, off(row, value))
    for row in after:
        total = total + off(row, value - total)
    return total
