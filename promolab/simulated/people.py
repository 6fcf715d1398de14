"""Who the customers are: what they are like, and what of it the tables show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.simulated.keyed import Draws
from promolab.simulated.world import AGES, CATEGORIES, CHANNELS, KINDS, MARGIN_RATES, World


@dataclass(frozen=True)
class Customers:
    """Customers as they are; what of it the tables show is said at each field.

    Parameters
    ----------
    number : ndarray of int
        Their ids.
    rate : ndarray
        λ, orders a week (shown by their orders).
    basket : ndarray
        Mean basket before discounts (shown by their orders).
    interest : ndarray, shape (n, categories)
        Chance that a line of theirs is of a category (shown by their orders).
    sensitivity : ndarray
        Price sensitivity, 0 to 1 (shown by the customers' stated interest in offers, with noise).
    loyalty : ndarray
        Chance that a line is of their favourite product of its category (shown by their orders, and
        by how long they have been customers).
    visible, hidden : ndarray, shape (n, kinds)
        o and e of the persuadability.
    settled : ndarray of bool
        Sure buyers: nothing makes them buy more, and they take what is taken off (hidden).
    averse : ndarray of bool
        Whom contact puts off (hidden).
    age, tier, channel, offers : ndarray of int
        Attributes in the table customers.
    since : ndarray of int
        Days since they joined, when the world begins.
    hour, weekend : ndarray
        Habits: the usual hour, and the share of visits at the weekend.
    household : ndarray of int
        The id of its first customer; a tenth of the customers are second ones.
    standing : ndarray of bool
        Whether never contacted.
    """

    number: np.ndarray
    rate: np.ndarray
    basket: np.ndarray
    interest: np.ndarray
    sensitivity: np.ndarray
    loyalty: np.ndarray
    visible: np.ndarray
    hidden: np.ndarray
    settled: np.ndarray
    averse: np.ndarray
    age: np.ndarray
    tier: np.ndarray
    channel: np.ndarray
    offers: np.ndarray
    since: np.ndarray
    hour: np.ndarray
    weekend: np.ndarray
    household: np.ndarray
    standing: np.ndarray

    @property
    def margin_rate(self) -> np.ndarray:
        """Expected margin as a share of the basket."""
        return np.asarray(self.interest @ MARGIN_RATES)


def draw_customers(world: World, first: int, last: int) -> Customers:
    """Draw the customers numbered from ``first`` up to (not including) ``last``."""
    rng = np.random.default_rng([world.seed, 1, first])
    n = last - first
    second = (np.arange(n) % 2 == 1) & (rng.uniform(size=n) < 0.2)
    activity, means = rng.normal(size=n), _shared(rng.normal(size=n), second)
    sigma = world.spread_of_orders
    rate = world.orders_a_week * np.exp(sigma * activity - sigma**2 / 2)
    sigma = world.spread_of_baskets
    basket = world.basket * np.exp(sigma * means - sigma**2 / 2)
    taste = rng.gamma(0.8, size=(n, len(CATEGORIES))) + 0.02
    sensitivity = 1 / (1 + np.exp(-rng.normal(size=n)))
    loyalty = 0.8 / (1 + np.exp(-rng.normal(-0.5, 1, n)))
    age, channel = rng.integers(0, len(AGES), n), rng.integers(0, len(CHANNELS), n)
    tier = np.digitize(activity + loyalty - 0.3 + 0.7 * rng.normal(size=n), [0.3, 1.3])
    offers = np.digitize(sensitivity + rng.normal(0, 0.06, n), np.arange(0.2, 0.85, 0.075)) + 1
    common = rng.normal(size=(n, 1))
    own = rng.normal(size=(n, len(KINDS)))
    number = np.arange(first, last) + 1
    return Customers(
        number=number,
        rate=rate,
        basket=basket,
        interest=taste / taste.sum(axis=1, keepdims=True),
        sensitivity=sensitivity,
        loyalty=loyalty,
        visible=_visible(sensitivity, age, channel),
        hidden=np.sqrt(0.6) * common + np.sqrt(0.4) * own,
        settled=rng.uniform(size=n) < world.settled,
        averse=rng.uniform(size=n) < world.put_off,
        age=age,
        tier=tier,
        channel=channel,
        offers=offers,
        since=30 + np.floor(rng.exponential(800 * (0.5 + loyalty))).astype(np.int64),
        hour=rng.normal(15, 3, n),
        weekend=rng.uniform(0.15, 0.5, n),
        household=number - second,
        standing=rng.uniform(size=n) < world.standing,
    )


def _shared(values: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Let the second customers of a household be like the one before, and as varied as before."""
    mixed = np.sqrt(0.5) * values + np.sqrt(0.5) * np.roll(values, 1)
    return np.where(second, mixed, values)


def _visible(sensitivity: np.ndarray, age: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """o: younger customers, users of the app and bargain hunters are easier to persuade."""
    by_age = np.array([1.1, 0.8, 0.2, -0.4, -0.8, -0.9])[age]
    by_channel = np.array([0.9, 0.0, -0.9])[channel]
    by_price = (sensitivity - 0.5) / 0.21
    # A recommendation needs the app; money off needs somebody who minds the price.
    weights = np.array([[0.7, 0.9, 0.1], [0.6, 0.4, 0.8], [0.7, 0.3, 0.7], [0.5, 0.5, 0.9]])
    raw = np.column_stack([by_age, by_channel, by_price]) @ weights.T
    return np.asarray(raw / np.sqrt((weights**2 * np.array([0.63, 0.54, 1.0])).sum(axis=1)))


PER_CATEGORY = 60
GOLDEN, PLASTIC = 0.6180339887498949, 0.7548776662466927
"""Steps that fill 0 to 1 evenly: which product of a category is whose favourite."""


@dataclass(frozen=True)
class Goods:
    """Products: category of each, price and popularity (summing to 1 within its category)."""

    category: np.ndarray
    price: np.ndarray
    popularity: np.ndarray


def draw_goods(world: World) -> Goods:
    """Draw the products."""
    rng = np.random.default_rng([world.seed, 2])
    category = np.repeat(np.arange(len(CATEGORIES)), PER_CATEGORY)
    n = len(category)
    price = np.round(world.basket / 6 * np.exp(rng.normal(0, 0.5, n)), 2)
    weight = rng.pareto(1.5, n) + 0.1
    popularity = weight / np.bincount(category, weights=weight)[category]
    return Goods(category, price, popularity)


def products_of(rng: Draws, customers: Customers, owner: np.ndarray, goods: Goods) -> np.ndarray:
    """Draw a product for each row: its category by the owner's interests, then a product of it.

    The product is the owner's favourite of the category with the chance `Customers.loyalty`, else
    one by popularity. Favourites are spread over customers by popularity too, and the category is
    drawn first: loyalty moves no margin.
    """
    u = rng.uniform(size=(len(owner), 3))
    category = (u[:, :1] > np.cumsum(customers.interest, axis=1)[owner]).sum(axis=1)
    category = np.minimum(category, len(CATEGORIES) - 1)
    favourite = (customers.number[owner] * GOLDEN + category * PLASTIC) % 1
    place = np.where(u[:, 2] < customers.loyalty[owner], favourite, u[:, 1]) * (1 - 1e-9)
    ends = np.cumsum(goods.popularity)  # each category's popularity sums to 1
    return np.asarray(np.minimum(np.searchsorted(ends, category + place), len(ends) - 1))
