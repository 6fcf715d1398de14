"""The arithmetic of one promotion: what its value is made of, for each customer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promolab.errors import InputError
from promolab.promotions.spending import OrderValues
from promolab.promotions.stacking import OffOrder, off_an_order
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
    anyway : ndarray
        Part of the discount on orders that come anyway, given that something is taken off.
    handling : ndarray
        What redemptions cost beside the discount.
    """

    bars: dict[str, np.ndarray]
    discount: np.ndarray
    discount_se: np.ndarray
    redeeming: np.ndarray
    anyway: np.ndarray
    handling: np.ndarray


@dataclass(frozen=True)
class InWindow:
    """Orders in a promotion's window as they would be without it, and what it does to each.

    Parameters
    ----------
    base : ndarray of shape (n,)
        Orders expected anyway.
    per_order : ndarray
        Discount of an order in the mean.
    chance : ndarray
        That an order takes something off.
    by_fill : ndarray
        Part of the discount that goes to orders filled up to a threshold.
    filled : ndarray
        Margin of what orders are filled up with, all together and net of returns.
    worth : ndarray
        Margin of an extra order at list price, net of returns and of what is missing later.
    net : ndarray
        ``per_order`` net of returns.
    use : ndarray
        Chance that an order uses the promotion; 1 but for coupons.
    """

    base: np.ndarray
    per_order: np.ndarray
    chance: np.ndarray
    by_fill: np.ndarray
    filled: np.ndarray
    worth: np.ndarray
    net: np.ndarray
    use: np.ndarray

    def rows(self, which: slice) -> InWindow:
        """Return some customers."""
        return InWindow(**{name: values[which] for name, values in vars(self).items()})

    def added(self, effect: np.ndarray) -> np.ndarray:
        """Return how many extra orders an effect on margin is.

        With L orders anyway, A extra ones, c their worth, d the net discount of an order and T the
        margin of what orders are filled up with: effect = A · c + T − (L + A) · d.
        """
        left = np.maximum(self.worth - self.net, LEAST_LEFT * self.worth)
        return np.asarray((effect + self.base * self.net - self.filled) / left)

    def orders(self, added: np.ndarray) -> np.ndarray:
        """Return all orders expected: none below 0, and as many together as noise would leave."""
        found, whole = np.maximum(self.base + added, 0.0), float((self.base + added).sum())
        share = max(whole, 0.0) / found.sum() if found.sum() > 0 else 1.0
        return np.asarray(found * share)

    def effect(self, added: np.ndarray) -> np.ndarray:
        """Return the effect on margin of so many extra orders."""
        return np.asarray(added * (self.worth - self.net) + self.filled - self.base * self.net)


def in_window(promotion: Promotion, orders: OrderValues, later: float = 0.0) -> InWindow:
    """Describe the orders in a promotion's window.

    Parameters
    ----------
    promotion : Promotion
        One that states what it takes off, or of a shop that never took anything off.
    orders : OrderValues
        The customers' orders, which know the promotion.
    later : float
        Share of extra orders that are missing again after the window.
    """
    rate, margin, returned = (
        orders.frame[c].to_numpy(float) for c in ("orders_a_day", "margin_rate", "returned")
    )
    off = _off(promotion, orders)
    use = coupon_use(orders) if isinstance(promotion, Coupon) else np.ones(len(orders))
    fill = orders.top_up.value if np.isfinite(orders.top_up.value) else 0.0
    base = rate * promotion.days
    by_fill = use * fill * off.near * off.per_fill
    per_order = use * off.off + by_fill
    return InWindow(
        base,
        per_order,
        use * (off.reach + fill * off.near),
        np.divide(by_fill, per_order, out=np.zeros_like(base), where=per_order > 0),
        base * use * fill * off.missing * margin * (1 - returned),
        (1 - later) * (1 - returned) * margin * orders.mean_value,
        per_order * (1 - returned),
        use,
    )


def moved_effect(
    usual: InWindow, own: InWindow, effect: np.ndarray, factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Move an effect from the terms at which it was measured to a promotion's own.

    Parameters
    ----------
    usual, own : InWindow
        At the terms at which the effect was measured, and at the promotion's own.
    effect : ndarray of shape (n,)
        On margin, at the usual terms.
    factor : float
        Along the measured dose-response: so many times as large is the effect on margin, net of the
        discount, in the mean of these customers.

    Returns
    -------
    moved : ndarray of shape (n,)
        The extra orders of each customer grow alike; what is taken off them, and off those that
        come anyway, is the promotion's own.
    slope : ndarray of shape (n,)
        By how much ``moved`` changes with ``effect``.
    """
    added = usual.added(effect)
    left = np.maximum(usual.worth - usual.net, LEAST_LEFT * usual.worth)
    whole = float((added * (own.worth - own.net)).sum())
    wanted = factor * float(effect.sum()) - float((own.filled - own.base * own.net).sum())
    grown = wanted / whole if abs(whole) > 1e-9 else math.inf
    if not 0 <= grown <= MOST_GROWN:
        # Too little is added to tell how it would grow: all of the effect is moved alike.
        return factor * effect, np.full_like(effect, factor)
    return own.effect(grown * added), grown * (own.worth - own.net) / left


def alike(usual: Promotion, own: Promotion) -> Promotion:
    """Return the usual terms in a promotion's own window and for its products."""
    return dataclasses.replace(
        usual, promotion_id=own.promotion_id, starts_at=own.starts_at, ends_at=own.ends_at
    )


MOST_GROWN = 20.0
"""More extra orders than so many times those measured are no measurement any more."""
MOST_LATER = 0.5
"""Of extra orders no larger share is taken to be missing later."""


def missing_later(
    windows: Sequence[InWindow], effects: Sequence[np.ndarray], lift: float, rows: int = 20_000
) -> float:
    """Return which share of the extra orders is missing again after the window.

    The effect on margin holds what is missing, the number of orders in past windows does not: both
    agree at one share.

    Parameters
    ----------
    windows : sequence of InWindow
        One per promotion, with nothing taken to be missing.
    effects : sequence of ndarray of shape (n,)
        On margin, at the same terms.
    lift : float
        By how many times the usual orders promotions add; nan where it is not known.
    rows : int
        Customers that suffice to tell it: the first so many.
    """
    if not lift > 0:
        return 0.0

    def too_few(share: float) -> bool:
        added, wanted = 0.0, 0.0
        for window, effect in zip(windows, effects, strict=True):
            some = window.rows(slice(0, rows))
            left = dataclasses.replace(some, worth=(1 - share) * some.worth)
            added += float(left.added(effect[:rows]).sum())
            wanted += lift * float(some.base.sum())
        return added < wanted

    low, high = 0.0, MOST_LATER
    for _ in range(16):  # the more is missing, the more orders the effect takes
        middle = (low + high) / 2
        low, high = (middle, high) if too_few(middle) else (low, middle)
    return low


def parts_of(promotion: Promotion, orders: OrderValues, given: Mapping[str, np.ndarray]) -> Parts:
    """Work out what a promotion does with each customer.

    Parameters
    ----------
    promotion : Promotion
        The promotion.
    orders : OrderValues
        The customers' orders.
    given : mapping
        moved and response, each of shape (n,), and pulled_forward: one promotion's of what
        `promotion_values` was given.
    """
    later, moved = float(given["pulled_forward"]), given["moved"]
    here = in_window(promotion, orders, later)
    returned, error, log_error = (
        orders.frame[c].to_numpy(float) for c in ("returned", "orders_error", "log_error")
    )
    base, added = here.base, here.added(moved)
    known = np.isfinite(given["response"])
    # Of orders that come by chance, at least one redeems: the mean number follows.
    told = -np.log1p(-np.clip(np.where(known, given["response"], 0.0), 0.0, 1 - 1e-9))
    redeeming = np.where(known, told, here.orders(added) * here.chance)
    each = np.divide(here.per_order, here.chance, out=np.zeros_like(base), where=here.chance > 0)
    raw = redeeming * each
    discount = raw * (1 - returned)

    filled = here.filled / (1 - returned)
    gained = (moved + discount) / (1 - returned) - filled
    extra = gained / (1 - later)
    anyway = base / np.maximum(base + np.maximum(added, 0.0), 1e-12)
    # Of one who redeems, once.
    handling = -promotion.redemption_cost * np.expm1(-redeeming)
    full = raw / np.where(here.use > 0, here.use, 1.0)
    bars = {
        "extra": extra,
        "later": gained - extra,
        "filled": filled,
        "anyway": -full * anyway * (1 - here.by_fill),
        "fill_discount": -full * anyway * here.by_fill,
        "extra_discount": -full * (1 - anyway),
        "unused": full - raw,
        "returns": returned * (raw - gained - filled),
        "contact": -promotion.contact_cost - handling,
        "funded": promotion.funder_share * discount,
    }
    relative = np.hypot(np.where(known, 0.0, error * anyway), log_error)
    of_base = discount * anyway * (1 - here.by_fill)
    return Parts(bars, discount, discount * relative, redeeming, of_base, handling)


def luck_of(discount: np.ndarray, redeeming: np.ndarray, log_sd: np.ndarray) -> np.ndarray:
    """Return how much what comes off varies by chance: how many orders come, and how large.

    Parameters
    ----------
    discount, redeeming : ndarray of shape (n,)
        Expected: money, and orders that take something off.
    log_sd : ndarray of shape (n,)
        Of an order's value.

    Examples
    --------
    >>> luck_of(np.array([20.0]), np.array([4.0]), np.array([0.0]))  # four orders, 5 off each
    array([10.])
    """
    each = np.divide(discount, redeeming, out=np.zeros_like(discount), where=redeeming > 0)
    return np.asarray(np.sqrt(np.maximum(discount * each, 0.0)) * np.exp(log_sd**2 / 2))


def coupon_use(orders: OrderValues) -> np.ndarray:
    """Return the chance that an order uses a coupon; 1 where none was ever seen."""
    found = orders.frame["coupon_use"].to_numpy(float)
    return np.where(np.isfinite(found), found, 1.0)


def _off(promotion: Promotion, orders: OrderValues) -> OffOrder:
    j = orders.place(promotion.promotion_id)
    log_mean, log_sd = (orders.frame[c].to_numpy(float) for c in ("log_mean", "log_sd"))
    if promotion.stated:
        return off_an_order(promotion, log_mean, log_sd, orders.shares[:, j], orders.touching[:, j])
    if orders.discounted:
        raise InputError(
            f"promotion {promotion.promotion_id} does not state what it takes off; fill in "
            "discount_rate, or threshold and reduction, in the table promotions"
        )
    none = np.zeros_like(log_mean)
    return OffOrder(none, none, none, none)  # a shop that never took anything off
