"""What nobody but the simulation knows: outcomes with a promotion and without, per customer."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import Shop
from promolab.errors import InputError, nearest
from promolab.simulated.decisions import decide, recent_contacts
from promolab.simulated.effects import expected
from promolab.simulated.people import draw_customers
from promolab.simulated.tables import CHUNK
from promolab.simulated.world import World

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTCOMES", "SimulatedShop", "Truth"]

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
        """Return what a promotion changes for each customer, given earlier contacts.

        Parameters
        ----------
        promotion_id : str
            Of the table promotions; those of the last week, which nobody has been assigned yet,
            included.

        Returns
        -------
        DataFrame of one row per customer
            customer_id; purchase (the chance of at least one), orders, sales and margin (expected,
            from the window's start to the end of the horizon) ``_without`` and ``_with``, and
            ``_effect``, their difference. Money in the shop's currency; the cost of the contact is
            not in.

        Raises
        ------
        InputError
            There is no such promotion.
        """
        return _effects(self.world, str(promotion_id)).copy()

    @property
    def promotions(self) -> list[str]:
        """Ids of all promotions, in the order of their start."""
        return [p.id for p in self.world.promotions]

    def types(self, promotion_id: str) -> pd.Series[str]:
        """Return each customer's type, for teaching: the truth behind it is never known in a shop.

        ``put off``: fewer orders come. ``sure buyer``: no more orders come than without, or they
        do not pay for what is taken off. ``persuadable``: the margin rises by at least half of the
        mean rise. ``lost cause``: else.

        Parameters
        ----------
        promotion_id : str
            Of the table promotions.
        """
        import pandas as pd

        table = self.effects(promotion_id)
        margin, orders = table["margin_effect"], table["orders_effect"]
        rise = margin[margin > 0].mean() if (margin > 0).any() else np.inf
        names = np.select(
            [orders < 0, (margin <= 0) & (margin.abs().max() > 0), margin >= rise / 2],
            ["put off", "sure buyer", "persuadable"],
            "lost cause",
        )
        return pd.Series(names, index=pd.Index(table["customer_id"], name="customer_id"))


@functools.lru_cache(maxsize=8)
def _effects(world: World, promotion_id: str) -> pd.DataFrame:
    import pandas as pd

    places = {p.id: place for place, p in enumerate(world.promotions)}
    if promotion_id not in places:
        raise InputError(f"there is no promotion {promotion_id!r}; {nearest(promotion_id, places)}")
    place, factors = places[promotion_id], world.week_factors()
    parts = []
    for first in range(0, world.customers, CHUNK):
        customers = draw_customers(world, first, min(first + CHUNK, world.customers))
        action = decide(world, customers).action
        contacts = recent_contacts(world, action, place // len(world.kinds))
        found = expected(world, customers, world.promotions[place], contacts, factors)
        parts.append(pd.DataFrame({"customer_id": customers.number, **found}))
    table = pd.concat(parts, ignore_index=True)
    for name in OUTCOMES:
        table[f"{name}_effect"] = table[f"{name}_with"] - table[f"{name}_without"]
    return table


@dataclass(frozen=True, repr=False)
class SimulatedShop(Shop):
    """A shop that knows its truth.

    Parameters
    ----------
    truth : Truth
        Its true effects; `promolab.clean` and step 01 leave it behind.
    soiled : DataFrame or None
        With ``dirt``: table, row (from 0, in the order of the files), column, what was done to it,
        and the rule or flag of `promolab.clean` that finds it; empty where none does.
    of_world : callable, optional
        Makes the shop of another world, as this one was made.
    """

    truth: Truth = None  # type: ignore[assignment]
    soiled: pd.DataFrame | None = None
    of_world: Callable[[World], SimulatedShop] | None = None

    def with_tables(self, tables: Mapping[str, Any], **changes: Any) -> Shop:
        """Return a shop with other tables, which knows no truth."""
        plain = Shop(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Shop)})
        return plain.with_tables(tables, **changes)
