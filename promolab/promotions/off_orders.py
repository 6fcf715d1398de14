"""What a promotion is expected to take off an order, from the distribution of the order's value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promolab.promotions.combined import GIVEN_IN
from promolab.promotions.shrinking import chance_from, money_from
from promolab.promotions.spending import NEAR
from promolab.promotions.terms import Coupon, FullReduction, LimitedTimeDiscount, Promotion

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
    >>> window = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 8)}
    >>> fixed = np.array([math.log(120.0)]), np.array([1e-9])
    >>> every = FullReduction(promotion_id=1, threshold=50, reduction=5, steps=0, **window)
    >>> float(off_an_order(every, *fixed).off[0])
    10.0
    """
    none = np.zeros_like(log_mean)
    if isinstance(promotion, LimitedTimeDiscount):
        money = np.exp(log_mean + log_sd**2 / 2)
        return OffOrder(promotion.rate * share * money, none + touching, none, none)
    # Of an order that holds any of the products, their part is like the whole, but smaller.
    part = log_mean + np.log(np.maximum(share, 1e-9) / np.maximum(touching, 1e-9))
    if isinstance(promotion, FullReduction):
        at, least = promotion.threshold, promotion.reduction
        steps = range(1, (promotion.steps or MOST_STEPS) + 1)
        reached = [chance_from(part, log_sd, step * at) for step in steps]
        near, missing = _just_below(part, log_sd, at, reached)
        off = least * np.sum(reached, axis=0)
        return _touching(touching, off, reached[0], near, missing, least)
    if isinstance(promotion, Coupon):
        return _off_by_coupon(promotion, part, log_sd, touching)
    return OffOrder(none, none, none, none)


def _touching(
    touching: np.ndarray | float,
    off: np.ndarray,
    reach: np.ndarray,
    near: np.ndarray,
    missing: np.ndarray,
    per_fill: float,
) -> OffOrder:
    """Of orders that hold a product of the promotion to all orders."""
    return OffOrder(touching * off, touching * reach, touching * near, touching * missing, per_fill)


def _just_below(
    part: np.ndarray, log_sd: np.ndarray, at: float, reached: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the chance to lie just below any of the steps, and the money missing to it."""
    near, missing = np.zeros_like(part), np.zeros_like(part)
    for step, above in enumerate(reached, 1):
        low, high = (step - 1 + NEAR) * at, step * at
        chance = chance_from(part, log_sd, low) - above
        money = money_from(part, log_sd, low) - money_from(part, log_sd, high)
        near, missing = near + chance, missing + high * chance - money
    return near, missing


def _off_by_coupon(
    coupon: Coupon, part: np.ndarray, log_sd: np.ndarray, touching: np.ndarray | float
) -> OffOrder:
    least = coupon.minimum
    reach = chance_from(part, log_sd, least) if least > 0 else np.ones_like(part)
    near, missing = np.zeros_like(part), np.zeros_like(part)
    if least > 0:
        near, missing = _just_below(part, log_sd, least, [reach])
    if not math.isnan(coupon.rate):
        off, fill = coupon.rate * money_from(part, log_sd, max(least, 0.0)), coupon.rate * least
    else:
        # It takes off no more than the order is worth.
        full = max(least, coupon.value)
        whole = chance_from(part, log_sd, full) if full > 0 else np.ones_like(part)
        off = (
            coupon.value * whole + money_from(part, log_sd, least) - money_from(part, log_sd, full)
        )
        fill = min(coupon.value, least)
    return _touching(touching, off, reach, near, missing, fill)


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

    As `promolab.promotions.combined.taken_off` does line by line.
    """
    total = np.zeros_like(value)
    for promotion, who, share in rows:
        if not promotion.stacking:
            off = np.where(who[:, None], _off_values(promotion, value * share, use), 0.0)
            total = np.maximum(total, off)
    after = [row for row in rows if row[0].stacking]
    after.sort(
        key=lambda row: (GIVEN_IN.index(row[0].kind), row[0].starts_at, str(row[0].promotion_id))
    )
    for promotion, who, share in after:
        off = _off_values(promotion, (value - total) * share, use)
        total = total + np.where(who[:, None], off, 0.0)
    return total


def _off_values(promotion: Promotion, left: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Return what comes off orders in which so much of its products is left to pay."""
    if isinstance(promotion, LimitedTimeDiscount):
        return np.asarray(promotion.rate * left)
    if isinstance(promotion, FullReduction):
        times = np.minimum(np.floor(left / promotion.threshold), promotion.steps or MOST_STEPS)
        return np.asarray(promotion.reduction * times)
    if isinstance(promotion, Coupon):
        off = promotion.rate * left if math.isnan(promotion.value) else promotion.value
        reached = left >= promotion.minimum
        return np.asarray(use[:, None] * np.where(reached, np.minimum(off, left), 0.0))
    return np.zeros_like(left)
