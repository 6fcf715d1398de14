r"""The simulated world: who the customers are, what is sold, which promotions there are.

The structural model, for customer i, promotion j of kind k, week w (``docs/simulated_shop.md`` has
it with the reasons):

- orders: :math:`n_{iw} \sim \mathrm{Poisson}(\lambda_i s_w + \delta_{iw})`, s the season, trend and
  shock of the week, which no feature shows;
- a promotion adds :math:`\Delta_{ij} = f_k \mu (\lambda_i / \bar\lambda)^\gamma
  e^{\sigma z_{ik} - \sigma^2/2} e^{-\varphi c_i}` orders in its window, c the customer's earlier
  contacts,
  :math:`z = \sqrt{\rho}\, o_{ik} + \sqrt{1 - \rho}\, e_{ik}`, o from what can be seen, e from what
  cannot; a share π of them is missing again in the four weeks after it;
- those whom contact puts off buy less instead: :math:`-\kappa \lambda_i` a week;
- an order of a basket b (log-normal) brings b times the margin rate, less the discount.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Customers", "Goods", "Promotion", "World", "draw_customers", "draw_goods"]

BEGIN = datetime(2024, 5, 27)
"""Monday on which every simulated shop begins, local: 618 and 双11 lie within 26 weeks."""
VARIANTS = {"default": (1.0, 0.94), "hard": (0.5, 0.48), "null": (0.0, 0.94)}
"""How large effects are, and how much of the persuadability can be seen."""
CATEGORIES = (
    *("fruit", "dairy", "bakery", "snacks", "drinks", "household", "beauty", "baby"),
    *("electronics", "clothing"),
)
MARGIN_RATES = np.array([0.22, 0.20, 0.38, 0.33, 0.30, 0.28, 0.45, 0.26, 0.16, 0.42])
CHANNELS = ("app", "web", "store")
AGES = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
TIERS = ("basic", "silver", "gold")
KINDS = ("recommendation", "limited_time_discount", "full_reduction", "coupon")


@dataclass(frozen=True)
class World:
    """Everything that is fixed before a customer is drawn.

    Parameters
    ----------
    customers, weeks, seed : int
        Size of the shop and start of every random number.
    variant : {"default", "hard", "null"}
        ``hard``: effects half as large and less of them to be seen; ``null``: none at all.
    exploration : float
        Share of decisions that are drawn evenly among all actions.
    every : int
        Weeks from one round of decisions to the next; window and horizon take five.
    kinds : tuple of str
        The promotions of a round, one of each kind.
    standing : float
        Share of customers who are never contacted.
    """

    customers: int = 5_000
    weeks: int = 26
    seed: int = 0
    variant: str = "default"
    exploration: float = 0.25
    every: int = 5
    kinds: tuple[str, ...] = KINDS
    standing: float = 0.05

    # What the structural model says (its docstring names the letters).
    orders_a_week: float = 0.115
    spread_of_orders: float = 0.9
    basket: float = 180.0
    spread_of_baskets: float = 0.25
    noise_of_baskets: float = 0.7
    added_orders: float = 0.085
    spread_of_effects: float = 0.7
    more_for_regulars: float = 0.2
    pulled_forward: float = 0.3
    fatigue: float = 0.12
    put_off: float = 0.05
    put_off_by: float = 0.07
    shock: float = 0.08

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise InputError(
                f"variant {self.variant!r} is unknown; {nearest(str(self.variant), VARIANTS)}"
            )
        if self.customers < 10 or not 8 <= self.weeks <= 260:
            raise InputError(
                f"customers = {self.customers}, weeks = {self.weeks}; expected at least 10 "
                "customers, and 8 to 260 weeks"
            )
        if not 0 <= self.exploration <= 1 or not 0 <= self.standing < 0.5:
            raise InputError(
                f"exploration = {self.exploration}, standing = {self.standing}; expected shares, "
                "the latter below 0.5"
            )
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise InputError(f"kinds = {self.kinds}; expected some of {', '.join(KINDS)}")
        if self.every < 5:
            raise InputError(f"every = {self.every}; a window and its horizon take five weeks")

    @property
    def effect_scale(self) -> float:
        """By what effects are multiplied."""
        return VARIANTS[self.variant][0]

    @property
    def visible(self) -> float:
        """ρ: share of the variance of the persuadability that can be seen."""
        return VARIANTS[self.variant][1]

    @property
    def rounds(self) -> list[int]:
        """Weeks (from 0) with a decision whose window and horizon are over when the log ends."""
        return list(range(self.weeks - 1, 4, -self.every))[:0:-1]

    @property
    def promotions(self) -> list[Promotion]:
        """Every promotion, those of the last week, which nobody has been assigned yet, included."""
        weeks = [*self.rounds, self.weeks - 1]
        return [
            Promotion(f"W{week + 1:02d}-{kind}", kind, week, (3 * number + place) % len(CATEGORIES))
            for number, week in enumerate(weeks)
            for place, kind in enumerate(self.kinds)
        ]

    def starts(self, week: int) -> datetime:
        """Return when a week begins, local time."""
        return BEGIN + timedelta(weeks=week)

    def week_factors(self) -> np.ndarray:
        """Return season, trend, sale days and shock of every week and of the horizon after them."""
        rng = np.random.default_rng([self.seed, 0])
        weeks = np.arange(self.weeks + 4)
        season = 1 + 0.08 * np.sin(2 * np.pi * weeks / 52)
        sale = np.where(np.isin(weeks % 52, (3, 23)), 1.25, 1.0)  # 618 and 双11
        shock = np.exp(rng.normal(0, self.shock, len(weeks)) - self.shock**2 / 2)
        return season * (1 + 0.001 * weeks) * sale * shock


@dataclass(frozen=True)
class Promotion:
    """One promotion: its id, kind, week (from 0) and the category whose products it is for."""

    id: str
    kind: str
    week: int
    category: int


@dataclass(frozen=True)
class Goods:
    """Products: category of each, price and popularity (summing to 1 within its category)."""

    category: np.ndarray
    price: np.ndarray
    popularity: np.ndarray


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
    visible, hidden : ndarray, shape (n, kinds)
        o and e of the persuadability.
    averse : ndarray of bool
        Whom contact puts off (hidden).
    age, tier, channel, offers : ndarray
        Attributes in the table customers.
    hour, weekday : ndarray
        Habits: the usual hour, and how much the weekend is preferred.
    household : ndarray of int
        Some share one.
    standing : ndarray of bool
        Whether never contacted.
    """

    number: np.ndarray
    rate: np.ndarray
    basket: np.ndarray
    interest: np.ndarray
    sensitivity: np.ndarray
    visible: np.ndarray
    hidden: np.ndarray
    averse: np.ndarray
    age: np.ndarray
    tier: np.ndarray
    channel: np.ndarray
    offers: np.ndarray
    hour: np.ndarray
    weekend: np.ndarray
    household: np.ndarray
    standing: np.ndarray

    @property
    def margin_rate(self) -> np.ndarray:
        """Expected margin as a share of the basket."""
        return self.interest @ MARGIN_RATES


def draw_customers(world: World, first: int, last: int) -> Customers:
    """Draw the customers numbered from ``first`` up to (not including) ``last``."""
    rng = np.random.default_rng([world.seed, 1, first])
    n = last - first
    activity, size = rng.normal(size=n), rng.normal(size=n)
    sigma = world.spread_of_orders
    rate = world.orders_a_week * np.exp(sigma * activity - sigma**2 / 2)
    sigma = world.spread_of_baskets
    basket = world.basket * np.exp(sigma * size - sigma**2 / 2)
    taste = rng.gamma(0.8, size=(n, len(CATEGORIES))) + 0.02
    interest = taste / taste.sum(axis=1, keepdims=True)
    sensitivity = 1 / (1 + np.exp(-rng.normal(size=n)))
    age, channel = rng.integers(0, len(AGES), n), rng.integers(0, len(CHANNELS), n)
    tier = np.digitize(activity + 0.7 * rng.normal(size=n), [0.3, 1.3])
    offers = np.digitize(sensitivity + rng.normal(0, 0.08, n), [0.3, 0.45, 0.55, 0.7]) + 1
    common = rng.normal(size=(n, 1))
    own = rng.normal(size=(n, len(KINDS)))
    return Customers(
        number=np.arange(first, last) + 1,
        rate=rate,
        basket=basket,
        interest=interest,
        sensitivity=sensitivity,
        visible=_visible(sensitivity, age, channel),
        hidden=np.sqrt(0.6) * common + np.sqrt(0.4) * own,
        averse=rng.uniform(size=n) < world.put_off,
        age=age,
        tier=tier,
        channel=channel,
        offers=offers,
        hour=rng.normal(15, 3, n),
        weekend=rng.uniform(0.15, 0.5, n),
        household=_households(rng, first, n),
        standing=rng.uniform(size=n) < world.standing,
    )


def _visible(sensitivity: np.ndarray, age: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """o: younger customers, users of the app and bargain hunters are easier to persuade."""
    by_age = np.array([1.1, 0.8, 0.2, -0.4, -0.8, -0.9])[age]
    by_channel = np.array([0.9, 0.0, -0.9])[channel]
    by_price = (sensitivity - 0.5) / 0.21
    # A recommendation needs the app; money off needs somebody who minds the price.
    weights = np.array([[0.7, 0.9, 0.1], [0.6, 0.4, 0.8], [0.7, 0.3, 0.7], [0.5, 0.5, 0.9]])
    raw = np.column_stack([by_age, by_channel, by_price]) @ weights.T
    return raw / np.sqrt((weights**2 * np.array([0.63, 0.54, 1.0])).sum(axis=1))


def _households(rng: Generator, first: int, n: int) -> np.ndarray:
    """Every tenth customer lives with the one before."""
    own = np.arange(first, first + n) + 1
    shared = rng.uniform(size=n) < 0.1
    shared[0] = False
    return np.where(shared, own - 1, own)


def draw_goods(world: World, per_category: int = 60) -> Goods:
    """Draw the products."""
    rng = np.random.default_rng([world.seed, 2])
    n = per_category * len(CATEGORIES)
    category = np.repeat(np.arange(len(CATEGORIES)), per_category)
    price = np.round(world.basket / 6 * np.exp(rng.normal(0, 0.5, n)), 2)
    weight = rng.pareto(1.5, n) + 0.1
    popularity = weight / np.bincount(category, weights=weight)[category]
    return Goods(category, price, popularity)
