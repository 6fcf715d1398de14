"""What is sold: products, their prices and how popular they are, and who buys which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.sources.simulated.people import Customers
from promolab.sources.simulated.world import CATEGORIES, World

__all__ = ["Goods", "draw_goods", "products_of"]

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


def products_of(
    rng: np.random.Generator, customers: Customers, owner: np.ndarray, goods: Goods
) -> np.ndarray:
    """Draw a product for each row: its category by the owner's interests, then a product of it.

    The product is the owner's favourite of the category with the chance `Customers.loyalty`, else
    one by popularity. Favourites are spread over customers by popularity too, and the category is
    drawn first: loyalty moves no margin.
    """
    u = rng.uniform(size=(len(owner), 3))
    category = (u[:, :1] > np.cumsum(customers.interest, axis=1)[owner]).sum(axis=1)
    category = np.minimum(category, len(CATEGORIES) - 1)
    favourite = (customers.number[owner] * GOLDEN + category * PLASTIC) % 1
    place = np.where(u[:, 2] < customers.loyalty[owner], favourite, u[:, 1])
    ends = np.cumsum(goods.popularity)  # each category's popularity sums to 1
    return np.minimum(np.searchsorted(ends, category + place * (1 - 1e-9)), len(ends) - 1)
