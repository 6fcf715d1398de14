"""What nobody but the simulation knows: outcomes with a promotion and without."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import Shop
from promolab.errors import InputError, nearest
from promolab.simulated.effects import Course, course, outcomes_of
from promolab.simulated.orders import decide, draw_orders, reviews
from promolab.simulated.people import Customers, draw_customers, draw_goods
from promolab.simulated.phrases import TOPICS, review_words
from promolab.simulated.tables import CHUNK, times
from promolab.simulated.world import Promotion, World

if TYPE_CHECKING:
    import pandas as pd


OUTCOMES = ("purchase", "orders", "sales", "margin")


@dataclass(frozen=True)
class Truth:
    """The true effects of a simulated shop; worked out when asked for, written nowhere.

    Parameters
    ----------
    world : World
        What the shop was made from.

    Examples
    --------
    >>> truth = Truth(World(customers=1_000, weeks=12))
    >>> found = truth.effects("W07-full_reduction")
    >>> bool(found["margin_effect"].mean() > 0)
    True
    >>> nothing = Truth(World(customers=1_000, weeks=12, variant="null"))
    >>> float(nothing.effects("W07-coupon")["margin_effect"].abs().max())
    0.0
    """

    world: World

    def effects(self, promotion_id: str) -> pd.DataFrame:
        """Return what a promotion changes for each customer, given all else that the log assigned.

        That is: the contacts before, and where rounds overlap the promotions that still run and the
        rounds after, as the log drew them. What is assigned now moves them through fatigue.

        Parameters
        ----------
        promotion_id : str
            Of the table promotions; those of the last week, which nobody has been assigned yet,
            included.

        Returns
        -------
        DataFrame of one row per customer
            customer_id; purchase (the chance of at least one), orders, sales and margin (expected,
            from the window's start to the end of the horizon) and discount (expected, taken off in
            the window by all that runs then) ``_without`` and ``_with``, and ``_effect``, their
            difference. Money in the shop's currency; the cost of the contact is not in.

        Raises
        ------
        InputError
            There is no such promotion.
        """
        return _effects(self.world, _found(self.world, str(promotion_id))).copy()

    def reviews(self) -> pd.DataFrame:
        """Return what the reviews of the log truly say, in the rows' order of `write_shop`.

        Returns
        -------
        DataFrame
            A row per review, those that come after the last week included: customer_id, product_id,
            ts, rating (the stars that the customer means, whether or not they are given), text, and
            whether it speaks of delivery, size, quality, price (one that was not as promised).
        """
        import pandas as pd

        world, parts = self.world, []
        goods, factors = draw_goods(world), world.week_factors()
        for first in range(0, world.customers, CHUNK):
            customers = draw_customers(world, first, min(first + CHUNK, world.customers))
            orders = draw_orders(world, customers, goods, decide(world, customers), factors)
            found = reviews(customers, orders, np.random.default_rng([world.seed, 7, first + 1]))
            text, on, _ = review_words(world, customers, found)
            rows = {"customer_id": customers.number[found["owner"]], "ts": times(found["second"])}
            rows |= {"product_id": found["product"] + 1, "rating": found["rating"], "text": text}
            parts.append(pd.DataFrame(rows | dict(zip(TOPICS, on.T, strict=True))))
        return pd.concat(parts, ignore_index=True)

    @property
    def promotions(self) -> list[str]:
        """Ids of all promotions, in the order of their start."""
        return [p.id for p in self.world.promotions]


def _found(world: World, promotion_id: str) -> Promotion:
    found = {p.id: p for p in world.promotions}
    if promotion_id not in found:
        raise InputError(f"there is no promotion {promotion_id!r}; {nearest(promotion_id, found)}")
    return found[promotion_id]


@functools.lru_cache(maxsize=4)
def _others(world: World, first: int, number: int) -> tuple[Customers, np.ndarray, Course]:
    """Customers, log and course without a round: the same for all of its promotions."""
    customers = draw_customers(world, first, min(first + CHUNK, world.customers))
    action = decide(world, customers).action
    return customers, action, course(world, customers, action, number, promotions=world.promotions)


@functools.lru_cache(maxsize=8)
def _effects(world: World, promotion: Promotion) -> pd.DataFrame:
    import pandas as pd

    promotions = world.promotions
    place = next(n for n, p in enumerate(promotions) if p.id == promotion.id)
    promotions[place] = promotion
    number, own = divmod(place, world.per_round)
    parts = []
    for first in range(0, world.customers, CHUNK):
        customers, action, without = _others(world, first, number)
        found = outcomes_of(
            world, customers, action, number, own, promotions=promotions, without=without
        )
        parts.append(pd.DataFrame({"customer_id": customers.number, **found}))
    table = pd.concat(parts, ignore_index=True)
    for name in (*OUTCOMES, "discount"):
        table[f"{name}_effect"] = table[f"{name}_with"] - table[f"{name}_without"]
    return table


@dataclass(frozen=True, repr=False)
class SimulatedShop(Shop):
    """A shop that knows its truth.

    Parameters
    ----------
    truth : Truth
        Its true effects; `promolab.clean` and step 01 leave it behind.
    """

    truth: Truth = None  # type: ignore[assignment]

    def with_tables(self, tables: Mapping[str, Any], **changes: Any) -> Shop:
        """Return a shop with other tables, which knows no truth."""
        plain = Shop(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Shop)})
        return plain.with_tables(tables, **changes)
