"""What promotions take off orders whose value is not known yet, one or several in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from promolab.promotions.empirical_bayes import chance_from, money_from
from promolab.promotions.spending import NEAR
from promolab.promotions.terms import Coupon, Promotion

GIVEN_IN = ("limited_time_discount", "full_reduction", "coupon", "recommendation")
"""The order in which those that stack come off."""
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

    Of those that do not stack the one that takes most off counts; the others come after it as in
    `GIVEN_IN`, the earlier first, each on what is left.
    """

    def off(row: tuple[Promotion, np.ndarray, np.ndarray], left: np.ndarray) -> np.ndarray:
        promotion, who, share = row
        used = use[:, None] if isinstance(promotion, Coupon) else 1.0
        return np.where(who[:, None], used * promotion.off(left * share), 0.0)

    def turn(row: tuple[Promotion, np.ndarray, np.ndarray]) -> tuple[int, datetime, str]:
        promotion = row[0]
        return GIVEN_IN.index(promotion.kind), promotion.starts_at, str(promotion.promotion_id)

    total = np.zeros_like(value)
    for row in rows:
        if not row[0].stacking:
            total = np.maximum(total, off(row, value))
    for row in sorted((row for row in rows if row[0].stacking), key=turn):
        total = total + off(row, value - total)
    return total
