r"""The simulated world: who the customers are, what is sold, which promotions there are.

The structural model, for customer i, promotion j of kind k, week w (``docs/simulated_shop.md`` has
it with the reasons):

- orders: :math:`n_{iw} \sim \mathrm{Poisson}(\lambda_i s_w + \delta_{iw})`, s the season, trend and
  shock of the week, which no feature shows;
- a promotion adds :math:`\Delta_{ij} = f_k \mu (\lambda_i / \bar\lambda)^{\gamma_k}
  e^{\sigma z_{ik} - \sigma^2/2} e^{-\varphi c_i}` orders in its window, c the customer's earlier
  contacts,
  :math:`z = \sqrt{\rho}\, o_{ik} + \sqrt{1 - \rho}\, e_{ik}`, o from what can be seen, e from what
  cannot; a share π of them is missing again in the four weeks after it;
- sure buyers are added nothing, and those whom contact puts off buy less instead:
  :math:`-\kappa \lambda_i` a week;
- an order of a basket b (log-normal) brings b times the margin rate, less the discount.

Only the variant ``weekly`` draws terms. There a promotion adds, against one of its kind with the
terms of the other variants,

.. math:: g(d) h(T) u_j,\quad g(d) = a + (1 - a) \frac{1 - e^{-d / s}}{1 - e^{-d_0 / s}},\quad
          h(T) = \frac{1 + r}{1 + r (T / T_0)^4}

d its depth, T its threshold, u its own luck.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from promolab.checks import real_number, whole_number
from promolab.errors import InputError, nearest

BEGIN = datetime(2024, 5, 27)
"""Monday on which every simulated shop begins, local: 618 and 双11 lie within 26 weeks."""
VARIANTS = {
    "default": (1.0, 0.96),
    "hard": (0.5, 0.48),
    "null": (0.0, 0.96),
    "weekly": (1.0, 0.96),
    "weekly_null": (0.0, 0.96),
    "media": (1.0, 0.96),
    "media_null": (1.0, 0.96),
}
"""How large effects are, and how much of the persuadability can be seen."""
AFTER = 4
"""Weeks of the horizon after a window."""
NONE = -1
"""Place of no promotion."""
CATEGORIES = (
    *("fruit", "dairy", "bakery", "snacks", "drinks", "household", "beauty", "baby"),
    *("electronics", "clothing"),
)
MARGIN_RATES = np.array([0.22, 0.20, 0.38, 0.33, 0.30, 0.28, 0.45, 0.26, 0.16, 0.42])
CHANNELS = ("app", "web", "store")
AGES = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
TIERS = ("basic", "silver", "gold")
KINDS = ("recommendation", "limited_time_discount", "full_reduction", "coupon")
SALE_DAYS = {"618": (6, 18), "双11": (11, 11)}
"""Month and day of the sale days of the calendar."""
SALE = 1.2
"""By what a week with a sale day is busier."""


LEVELS = 3
"""Promotions of a kind in a round of the variant ``weekly``, each of another depth."""
DEPTHS = {
    "limited_time_discount": (0.08, 0.16, 0.30),
    "full_reduction": (0.025, 0.05, 0.09),
    "coupon": (0.03, 0.06, 0.10),
}
"""Depths drawn: discount rates, and of a full reduction what is saved per CNY of its threshold."""
THRESHOLDS = {"full_reduction": (180.0, 230.0, 300.0), "coupon": (50.0, 100.0, 150.0)}
"""Thresholds drawn: each depth meets each threshold every third round."""
USUAL = {"limited_time_discount": 0.1, "full_reduction": 0.04, "coupon": 0.045}
"""d₀: at these depths a promotion adds what it adds in the other variants."""
SATURATION = {"limited_time_discount": 0.1, "full_reduction": 0.04, "coupon": 0.05}
"""s: the scale of depth on which more of it adds less and less."""
OF_CONTACT = 0.2
"""a: the part of what a promotion adds at d₀ that the contact alone would."""
REACH = 0.1
"""r: how soon a threshold above the middle one puts customers off."""


@dataclass(frozen=True)
class Terms:
    """What a promotion takes off: contract columns threshold, reduction, discount_rate."""

    threshold: float = 0.0
    reduction: float = 0.0
    discount_rate: float = 0.0

    @property
    def depth(self) -> float:
        """Share taken off: the discount rate, or what is saved per unit of the threshold."""
        return self.reduction / self.threshold if self.reduction else self.discount_rate


def usual_terms(world: World, kind: str) -> Terms:
    """Return the terms of a kind in the variants of one depth: what adds less is given less for."""
    size = world.effect_scale
    if kind == "limited_time_discount":
        return Terms(discount_rate=0.1 * size)
    if kind == "full_reduction":
        return Terms(round(1.3 * world.basket, -1), round(0.05 * world.basket * size, 2))
    if kind == "coupon":
        return Terms(discount_rate=0.045 * size)
    return Terms()


def drawn_terms(kind: str, number: int, level: int) -> Terms:
    """Return the terms of a promotion of the variant ``weekly``.

    Parameters
    ----------
    kind : str
        Its kind.
    number, level : int
        Which round it is in (from 0), and which of the round's three of its kind it is.
    """
    if kind not in DEPTHS:
        return Terms()
    depth = DEPTHS[kind][level]
    threshold = THRESHOLDS[kind][(level + number) % LEVELS] if kind in THRESHOLDS else 0.0
    if kind == "full_reduction":
        return Terms(threshold, round(depth * threshold, 2))
    return Terms(threshold, discount_rate=depth)


def strength(kind: str, terms: Terms) -> float:
    """Return g(d) h(T): how many orders such terms add, against the usual ones of the kind."""
    if kind not in DEPTHS:
        return 1.0
    scale = SATURATION[kind]
    grown = math.expm1(-terms.depth / scale) / math.expm1(-USUAL[kind] / scale)
    least = THRESHOLDS[kind][1] if kind in THRESHOLDS else 1.0
    reach = (1 + REACH) / (1 + REACH * (terms.threshold / least) ** 4)
    return (OF_CONTACT + (1 - OF_CONTACT) * grown) * (reach if kind in THRESHOLDS else 1.0)


@dataclass(frozen=True)
class World:
    """Everything that is fixed before a customer is drawn.

    Parameters
    ----------
    customers, weeks, seed : int
        Size of the shop and start of every random number.
    variant : {"default", "hard", "null", "weekly", "weekly_null", "media", "media_null"}
        ``hard``: effects half as large and less of them to be seen; ``null``: none at all;
        ``weekly``: a round every week, windows of two, three promotions of a kind in a round, each
        of another depth; ``weekly_null``: the same rhythm, and no effect of anything;
        ``media``: products have titles and pictures, some are new, and customers a taste that
        nothing else tells, and a voice; ``media_null``: the same, and neither tells anything.
    exploration : float
        Share of decisions that are drawn evenly among all actions.
    every : int
        Weeks from one round of decisions to the next; window and horizon take five. 0, the default,
        is five of them, and of the variant ``weekly`` one.
    kinds : tuple of str
        The promotions of a round, one of each kind; of the variant ``weekly`` three.
    standing : float
        Share of customers who are never contacted.

    Notes
    -----
    Every other field is a constant of the structural model; ``docs/simulated_shop.md`` says which
    and why. They can be changed, and then the world keeps none of the promises made there.

    Examples
    --------
    >>> World(weeks=26).rounds
    [5, 10, 15, 20]
    >>> World(weeks=12, kinds="coupon").promotions[0]
    Promotion(id='W07-coupon', kind='coupon', week=6, category=0)
    >>> World(variant="weekly", kinds="coupon").promotions[0].terms
    Terms(threshold=50.0, reduction=0.0, discount_rate=0.03)
    """

    customers: int = 5_000
    weeks: int = 26
    seed: int = 0
    variant: str = "default"
    exploration: float = 0.25
    every: int = 0
    kinds: tuple[str, ...] = KINDS
    standing: float = 0.05

    # What the structural model says (its docstring names the letters).
    orders_a_week: float = 0.105
    spread_of_orders: float = 0.9
    basket: float = 180.0
    spread_of_baskets: float = 0.25
    noise_of_baskets: float = 0.7
    added_orders: float = 0.09
    spread_of_effects: float = 0.7
    more_for_regulars: float = 0.17
    pulled_forward: float = 0.3
    fatigue: float = 0.12
    settled: float = 0.03
    put_off: float = 0.055
    put_off_by: float = 0.07
    shock: float = 0.08

    def __post_init__(self) -> None:
        # On a command line they stand as "coupon+recommendation".
        kinds = self.kinds.split("+") if isinstance(self.kinds, str) else self.kinds
        kinds = tuple(kinds) if isinstance(kinds, Iterable) else (kinds,)
        object.__setattr__(self, "kinds", kinds)
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        if self.variant not in VARIANTS:
            raise InputError(
                f"variant {self.variant!r} is unknown; {nearest(str(self.variant), VARIANTS)}; "
                "'dynamic' is no shop but a process: promolab.simulated.CustomerProcess"
            )
        if self.customers < 10 or not 11 <= self.weeks <= 260:
            raise InputError(
                f"customers = {self.customers}, weeks = {self.weeks}; expected at least 10 "
                "customers, and 11 to 260 weeks"
            )
        if self.exploration > 1 or self.standing >= 0.5:
            raise InputError(
                f"exploration = {self.exploration}, standing = {self.standing}; expected shares, "
                "the latter below 0.5"
            )
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise InputError(f"kinds = {self.kinds}; expected some of {', '.join(KINDS)}")
        if self.every == 0:
            object.__setattr__(self, "every", 1 if self.overlaps else 5)
        least = 1 if self.overlaps else 5
        if not least <= self.every <= self.weeks - 6:
            raise InputError(
                f"every = {self.every}; a window and its horizon take five weeks, and one round "
                f"must fit into {self.weeks} weeks: expected {least} to {self.weeks - 6}"
            )

    @property
    def overlaps(self) -> bool:
        """Whether a round begins before the windows of the last are over."""
        return self.variant in ("weekly", "weekly_null")

    @property
    def window(self) -> int:
        """Weeks for which a promotion runs."""
        return 2 if self.overlaps else 1

    @property
    def levels(self) -> int:
        """Promotions of a kind in a round."""
        return LEVELS if self.overlaps else 1

    @property
    def per_round(self) -> int:
        """Promotions in a round: kind by kind, a kind's from the shallowest to the deepest."""
        return len(self.kinds) * self.levels

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
        """Weeks (from 0) with a decision; their windows and horizons are over when the log ends.

        Not so those of the last weeks of the variant ``weekly``.
        """
        return list(range(self.weeks - 1, 4, -self.every))[:0:-1]

    @property
    def promotions(self) -> list[Promotion]:
        """Every promotion, those of the last week, which nobody has been assigned yet, included."""
        weeks = [*self.rounds, self.weeks - 1]
        return [
            self._promotion(number, week, place, level)
            for number, week in enumerate(weeks)
            for place in range(len(self.kinds))
            for level in range(self.levels)
        ]

    def _promotion(self, number: int, week: int, place: int, level: int) -> Promotion:
        kind, name = self.kinds[place], f"W{week + 1:02d}-{self.kinds[place]}"
        category = (3 * number + place) % len(CATEGORIES)
        if self.overlaps:
            # Without effects nothing is taken off either, and no threshold stands for nothing.
            terms = drawn_terms(kind, number, level) if self.effect_scale else Terms()
            return Promotion(f"{name}-{level + 1}", kind, week, category, terms)
        return Promotion(name, kind, week, category, usual_terms(self, kind))

    def starts(self, week: int) -> datetime:
        """Return when a week begins, local time."""
        return BEGIN + timedelta(weeks=week)

    @property
    def sale_days(self) -> dict[int, int]:
        """Weeks (from 0) with a day of `SALE_DAYS` in them, and which day it is from Monday on."""
        last = self.starts(self.lasts)
        days = [
            (datetime(year, month, day) - BEGIN).days
            for year in range(BEGIN.year, last.year + 1)
            for month, day in SALE_DAYS.values()
        ]
        return {day // 7: day % 7 for day in days if 0 <= day < 7 * self.lasts}

    @property
    def lasts(self) -> int:
        """Weeks until the horizon of the last week's promotions is over."""
        return self.weeks + self.window - 1 + AFTER

    def week_factors(self) -> np.ndarray:
        """Return season, trend, sale days and shock of every week and of the horizon after them."""
        rng = np.random.default_rng([self.seed, 0])
        weeks = np.arange(self.lasts)
        season = 1 + 0.08 * np.sin(2 * np.pi * weeks / 52)
        sale = np.where(np.isin(weeks, list(self.sale_days)), SALE, 1.0)
        shock = np.exp(rng.normal(0, self.shock, len(weeks)) - self.shock**2 / 2)
        return season * (1 + 0.001 * weeks) * sale * shock


@dataclass(frozen=True)
class Promotion:
    """One promotion: its id, kind, first week (from 0), the category it is for, and its terms."""

    id: str
    kind: str
    week: int
    category: int
    terms: Terms = dataclasses.field(default=Terms(), repr=False)


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a number as one of the field's type; raise an InputError where it is none, or below 0.

    A world is hashed and written down: 1 and 1.0, or numpy's, must not be different worlds.
    """
    if field.type not in ("int", "float"):
        return value
    if field.type == "int":
        return whole_number(field.name, value, 0)
    return real_number(field.name, value, least=0)
