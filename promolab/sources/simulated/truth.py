"""What nobody but the simulation knows: outcomes with a promotion and without, per customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.contract import Shop
from promolab.errors import InputError, nearest
from promolab.sources.simulated.decisions import decide, recent_contacts
from promolab.sources.simulated.effects import expected
from promolab.sources.simulated.tables import CHUNK
from promolab.sources.simulated.world import World, draw_customers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SimulatedShop", "Truth"]


@dataclass(frozen=True)
class Truth:
    """The true effects of a simulated shop; worked out when asked for, written nowhere.

    Parameters
    ----------
    world : World
        What the shop was made from.
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
            customer_id; orders, sales, margin (expected, from the window's start to the end of the
            horizon) ``_without`` and ``_with``, and ``_effect``, their difference. Money in the
            shop's currency; the cost of the contact is not in.

        Raises
        ------
        InputError
            There is no such promotion.
        """
        import pandas as pd

        places = {p.id: place for place, p in enumerate(self.world.promotions)}
        if promotion_id not in places:
            raise InputError(
                f"there is no promotion {promotion_id!r}; {nearest(str(promotion_id), places)}"
            )
        place, factors = places[promotion_id], self.world.week_factors()
        number = place // len(self.world.kinds)
        parts = []
        for first in range(0, self.world.customers, CHUNK):
            customers = draw_customers(self.world, first, min(first + CHUNK, self.world.customers))
            contacts = recent_contacts(self.world, decide(self.world, customers).action, number)
            promotion = self.world.promotions[place]
            found = expected(self.world, customers, promotion, contacts, factors)
            parts.append(pd.DataFrame({"customer_id": customers.number, **found}))
        table = pd.concat(parts, ignore_index=True)
        for name in ("orders", "sales", "margin"):
            table[f"{name}_effect"] = table[f"{name}_with"] - table[f"{name}_without"]
        return table

    @property
    def promotions(self) -> list[str]:
        """Ids of all promotions, in the order of their start."""
        return [p.id for p in self.world.promotions]

    def types(self, promotion_id: str) -> pd.Series[str]:
        """Return each customer's type, for teaching: the truth behind it is never known in a shop.

        ``put off`` where the expected margin falls because fewer orders come, ``subsidised`` where
        it falls or stays although orders rise, ``persuadable`` where the margin rises by at least
        half of the mean rise, ``lost cause`` else.
        """
        import pandas as pd

        table = self.effects(promotion_id)
        margin, orders = table["margin_effect"], table["orders_effect"]
        rise = margin[margin > 0].mean() if (margin > 0).any() else np.inf
        names = np.select(
            [orders < 0, margin <= 0, margin >= rise / 2],
            ["put off", "subsidised", "persuadable"],
            "lost cause",
        )
        return pd.Series(names, index=pd.Index(table["customer_id"], name="customer_id"))


@dataclass(frozen=True, repr=False)
class SimulatedShop(Shop):
    """A shop that knows its truth.

    Parameters
    ----------
    truth : Truth
        Its true effects; `promolab.clean` and step 01 leave it behind.
    soiled : DataFrame or None
        With ``dirt``: table, row and what was done to it.
    """

    truth: Truth = None  # type: ignore[assignment]
    soiled: pd.DataFrame | None = None
