"""Terms of promotions: what they take off, how deep that is, and how much more that adds.

Only the variant ``weekly`` draws them. There a promotion adds, against one of its kind with the
terms of the other variants,

.. math:: g(d) h(T) u_j,\\quad g(d) = a + (1 - a) \\frac{1 - e^{-d / s}}{1 - e^{-d_0 / s}},\\quad
          h(T) = \\frac{1 + r}{1 + r (T / T_0)^4}

d its depth, T its threshold, u its own luck (``docs/simulated_shop.md`` has the reasons).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promolab.simulated.world import World

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
