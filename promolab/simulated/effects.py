"""What an assignment changes: expected orders, sales and margin with a promotion and without."""

from __future__ import annotations

import numpy as np

from promolab.simulated.people import Customers
from promolab.simulated.world import AFTER, KINDS, Promotion, World

ADDED = {
    "recommendation": 0.7,
    "limited_time_discount": 1.15,
    "full_reduction": 1.0,
    "coupon": 1.25,
}
"""f: how many orders a kind adds, against the average promotion."""
REGULARS = {
    "recommendation": 0.8,
    "limited_time_discount": 1.0,
    "full_reduction": 1.15,
    "coupon": 1.4,
}
"""How much more a kind adds to customers who order often, against World.more_for_regulars."""
NEAR = 0.75
"""From which share of a threshold on a basket may be filled up to it."""


def claims(customers: Customers) -> np.ndarray:
    """Return the chance that an order uses a coupon."""
    return 0.2 + 0.6 * customers.sensitivity


def topped_up(world: World, customers: Customers) -> np.ndarray:
    """Return the chance that a basket just below a threshold is filled up to it."""
    return 0.6 * world.effect_scale * customers.sensitivity


def changed_rates(
    world: World, customers: Customers, promotion: Promotion, contacts: np.ndarray
) -> np.ndarray:
    """Return by how many orders an assignment changes each week, shape (n, 1 + AFTER).

    Parameters
    ----------
    contacts : ndarray of shape (n,)
        Contacts in the two rounds before: fatigue.
    """
    k = KINDS.index(promotion.kind)
    rho, sigma = world.visible, world.spread_of_effects
    z = np.sqrt(rho) * customers.visible[:, k] + np.sqrt(1 - rho) * customers.hidden[:, k]
    gamma = world.more_for_regulars * REGULARS[promotion.kind]
    size = world.effect_scale * world.added_orders * ADDED[promotion.kind]
    of_rate = (customers.rate / world.orders_a_week) ** gamma
    usual = np.where(customers.settled, 0.0, size * of_rate)
    added = usual * np.exp(sigma * z - sigma**2 / 2 - world.fatigue * contacts)
    later = np.broadcast_to(-world.pulled_forward * added[:, None] / AFTER, (len(added), AFTER))
    change = np.column_stack([added, later])
    harmed = -world.effect_scale * world.put_off_by * customers.rate[:, None]
    return np.where(customers.averse[:, None], harmed, change)


def bounded(rates: np.ndarray) -> np.ndarray:
    """Return rates of which none is below 0: nobody can buy less often than never."""
    return np.asarray(np.maximum(rates, 0.0))


def expected(
    world: World,
    customers: Customers,
    promotion: Promotion,
    contacts: np.ndarray,
    factors: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return expected outcomes from the window's start to the end of the horizon.

    Returns
    -------
    dict of ndarray of shape (n,)
        purchase (the chance of an order at all), orders, sales (money taken in) and margin,
        ``_without`` and ``_with``, and the discount in the window. Contact costs are not in: they
        belong to the decision.
    """
    span = slice(promotion.week, promotion.week + 1 + AFTER)
    base = customers.rate[:, None] * factors[span]
    rates = bounded(base + changed_rates(world, customers, promotion, contacts))
    # Nothing changed is the same number to the last bit: the null world has no effect at all.
    without, orders, window = base.sum(axis=1), rates.sum(axis=1), rates[:, 0]
    gross, given = order(world, customers, promotion)
    rate = customers.margin_rate
    filled = gross - customers.basket
    return {
        "purchase_without": -np.expm1(-without),
        "purchase_with": -np.expm1(-orders),
        "orders_without": without,
        "orders_with": orders,
        "sales_without": without * customers.basket,
        "sales_with": orders * customers.basket + window * (filled - given),
        "margin_without": without * customers.basket * rate,
        "margin_with": orders * customers.basket * rate + window * (filled * rate - given),
        "discount_without": np.zeros_like(given),
        "discount_with": window * given,
    }


def order(
    world: World, customers: Customers, promotion: Promotion
) -> tuple[np.ndarray, np.ndarray]:
    """Return an order's expected basket before discounts and its discount, in the window.

    Returns
    -------
    tuple of ndarray of shape (n,)
        Money of the basket, and money taken off it.
    """
    terms, basket = promotion.terms, customers.basket
    none = np.zeros_like(basket)
    if promotion.kind == "limited_time_discount":
        return basket, terms.discount_rate * basket * customers.interest[:, promotion.category]
    if promotion.kind == "coupon":
        return basket, terms.discount_rate * basket * claims(customers)
    if promotion.kind == "full_reduction":
        low, high = NEAR * terms.threshold, terms.threshold
        chance = _share(basket, low, high, world.noise_of_baskets)
        money = _money(basket, low, high, world.noise_of_baskets)
        q = topped_up(world, customers)
        reached = 1 - _share(basket, 0.0, high, world.noise_of_baskets) + q * chance
        return basket + q * (high * chance - money), terms.reduction * reached
    return basket, none


def _share(mean: np.ndarray, low: float, high: float, sigma: float) -> np.ndarray:
    """P(low ≤ b < high) of a log-normal basket."""
    from scipy.special import ndtr

    return np.asarray(ndtr(_z(mean, high, sigma)) - ndtr(_z(mean, low, sigma)))


def _money(mean: np.ndarray, low: float, high: float, sigma: float) -> np.ndarray:
    """E[b; low ≤ b < high] of a log-normal basket."""
    from scipy.special import ndtr

    part = ndtr(_z(mean, high, sigma) - sigma) - ndtr(_z(mean, low, sigma) - sigma)
    return np.asarray(mean * part)


def _z(mean: np.ndarray, at: float, sigma: float) -> np.ndarray:
    if at <= 0:
        return np.full_like(mean, -np.inf)
    return (np.log(at / mean) + sigma**2 / 2) / sigma
