"""The arithmetic of one promotion: what its value is made of, for each customer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from promolab.errors import InputError
from promolab.promotions.off_orders import OffOrder, off_an_order
from promolab.promotions.spending import OrderValues
from promolab.promotions.terms import Coupon, Promotion

LEAST_LEFT = 0.25
"""Of the margin of an extra order at least so much is taken to be left when its discount is off."""


@dataclass(frozen=True)
class Parts:
    """What a promotion does with each customer, in money of the shop; arrays of shape (n,).

    Parameters
    ----------
    bars : dict of str to ndarray
        Parts of the net incremental profit; they add up to it. Names as in
        `promolab.promotions.waterfalls.WORDS`.
    discount, discount_se : ndarray
        Expected discount, net of what comes back, and its standard error.
    redeeming : ndarray
        Orders expected to take something off.
    """

    bars: dict[str, np.ndarray]
    discount: np.ndarray
    discount_se: np.ndarray
    redeeming: np.ndarray


def parts_of(promotion: Promotion, orders: OrderValues, given: Mapping[str, np.ndarray]) -> Parts:
    """Work out what a promotion does with each customer.

    Parameters
    ----------
    promotion : Promotion
        The promotion.
    orders : OrderValues
        The customers' orders.
    given : mapping
        moved, response, kept and shared, each of shape (n,), and top_up, pulled_forward and
        per_redemption: one promotion's of what `promotion_values` was given.

    Notes
    -----
    With L orders expected anyway, A extra ones, d the discount of an order, c the margin of an
    extra order less what is missing later, T the margin of what orders are filled up with: effect =
    A · c + T − (L + A) · d, which gives A where the chance to redeem is not known.
    """
    frame = orders.frame
    rate, error, faster, margin, returned = (
        frame[c].to_numpy(float)
        for c in ("orders_a_day", "orders_error", "faster", "margin_rate", "returned")
    )
    off = _off(promotion, orders, given)
    use = coupon_use(orders) if isinstance(promotion, Coupon) else np.ones(len(orders))
    fill = float(given["top_up"]) if np.isfinite(given["top_up"]) else 0.0
    share_later = given["pulled_forward"] if np.isfinite(given["pulled_forward"]) else 0.0
    back, kept, moved = 1 - returned, given["kept"], given["moved"]

    # With another promotion in hand more orders come anyway.
    base = rate * promotion.days * (1 + (faster - 1) * given["shared"])
    per_order = use * (off.off + fill * off.near * off.per_fill)
    chance = use * (off.reach + fill * off.near)
    filled = base * use * fill * off.missing * margin * back
    worth = (1 - share_later) * back * margin * orders.mean_value
    added = (moved + base * per_order * kept * back - filled) / np.maximum(
        worth - per_order * kept * back, LEAST_LEFT * worth
    )
    known = np.isfinite(given["response"])
    # Of orders that come by chance, at least one redeems: the mean number follows.
    told = -np.log1p(-np.clip(np.where(known, given["response"], 0.0), 0.0, 1 - 1e-9))
    redeeming = np.where(known, told, np.maximum(base + added, 0.0) * chance)
    each = np.divide(per_order, chance, out=np.zeros_like(base), where=chance > 0)
    if np.isfinite(given["per_redemption"]):
        each = np.full_like(base, float(given["per_redemption"]))
    raw = redeeming * each
    discount = raw * kept * back

    gained = (moved + discount - filled) / back
    extra = gained / (1 - share_later)
    anyway = base / np.maximum(base + np.maximum(added, 0.0), 1e-12)
    full = raw / np.where(use > 0, use, 1.0)
    by_fill = np.divide(
        use * fill * off.near * off.per_fill,
        per_order,
        out=np.zeros_like(base),
        where=per_order > 0,
    )
    bars = {
        "extra": extra,
        "later": gained - extra,
        "filled": filled / back,
        "anyway": -full * anyway * (1 - by_fill),
        "fill_discount": -full * anyway * by_fill,
        "extra_discount": -full * (1 - anyway),
        "unused": full - raw,
        "beside": raw * (1 - kept),
        "returns": returned * (raw * kept - gained - filled / back),
        "contact": np.full_like(base, -promotion.contact_cost),
        "funded": promotion.funder_share * discount,
    }
    uncertain = np.divide(
        base, base + np.maximum(added, 0.0), where=base > 0, out=np.ones_like(base)
    )
    relative = np.hypot(np.where(known, 0.0, error * uncertain), frame["log_error"].to_numpy(float))
    return Parts(bars, discount, discount * relative, redeeming)


def coupon_use(orders: OrderValues) -> np.ndarray:
    """Return the chance that an order uses a coupon; 1 where none was ever seen."""
    found = orders.frame["coupon_use"].to_numpy(float)
    return np.where(np.isfinite(found), found, 1.0)


def _off(promotion: Promotion, orders: OrderValues, given: Mapping[str, np.ndarray]) -> OffOrder:
    j = orders.place(promotion.promotion_id)
    log_mean, log_sd = (orders.frame[c].to_numpy(float) for c in ("log_mean", "log_sd"))
    share, touching = orders.shares[:, j], orders.touching[:, j]
    if promotion.stated:
        return off_an_order(promotion, log_mean, log_sd, share, touching)
    if math.isnan(given["per_redemption"]):
        raise InputError(
            f"promotion {promotion.promotion_id} does not state what it takes off; give "
            "per_redemption, what one redemption of its kind took off"
        )
    # Every order with a product of it may redeem, and takes off what a redemption took off before.
    none = np.zeros_like(log_mean)
    return OffOrder(float(given["per_redemption"]) * touching, touching, none, none)
