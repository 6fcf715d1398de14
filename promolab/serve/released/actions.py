"""What a week's policy allows: its promotions, and who beside its plan may get them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.campaign.plan import offers_of
from promolab.campaign.worth import load_worth
from promolab.contract import NONE, Shop, budget_of, read_operations
from promolab.serve.released.plans import Plans

if TYPE_CHECKING:
    import pandas as pd

    from promolab.folder import RunFolder
    from promolab.serve.released.rights import Offer


@dataclass(frozen=True)
class Action:
    """A promotion of the plan, or a bundle.

    Parameters
    ----------
    name : str
    promotions : tuple of str
    least : float
        The lowest chance of a response on its list (the highest of a bundle's promotions); nan
        where nobody is on it, or where an allocation chose by what contacts add.
    cost : float
        What one more contact is expected to cost; nan where that is not known.
    contacts : int
        How many may get it in all, planned or not: as many as the plan has, or as ``[contact]
        most`` of shop.toml says, if that is more.
    adds : dict
        Customer who is not in the plan → what a contact adds (as the allocation counts it), and
        costs: those alone with whom it adds as much for its cost as with somebody whom the plan
        gave something.
    """

    name: str
    promotions: tuple[str, ...]
    least: float
    cost: float
    contacts: int
    adds: dict[Any, tuple[float, float]] = field(default_factory=dict, repr=False)

    def cost_of(self, customer_id: Any) -> float:
        """Return what one contact is expected to cost with a customer."""
        return self.adds[customer_id][1] if customer_id in self.adds else self.cost


def actions_of(
    run: RunFolder, shop: Shop, planned: pd.DataFrame, plans: Plans
) -> dict[str, Action]:
    """Return the plan's actions."""
    by_effect = run.metrics["plan"].get("by_effect") or []
    rules, starting = read_operations(shop.settings).contact, run.read_table("funnel")
    offers = offers_of(shop, starting["promotion_id"].tolist(), rules, [])
    ranked = planned[~planned["action"].isin(by_effect)]
    least = ranked.groupby(["customer_id", "action"])["p_redeemed"].max().groupby("action").min()
    costs = run.read_table("economics").set_index("promotion_id")
    each = (costs["cost"] / costs["contacts"]).rename(index=str)
    beside = _beside(run, shop, starting["promotion_id"].tolist(), plans) if by_effect else {}
    found = {}
    for name, rows in offers.groupby("action", sort=True):
        promotions = tuple(rows["promotion_id"].astype(str))
        cost = sum(float(each.get(promotion, np.nan)) for promotion in promotions)
        contacts = max(len(plans.given(str(name))), rules.most.get(str(name), 0))
        found[str(name)] = Action(
            str(name), promotions, float(least.get(name, np.nan)), cost, contacts,
            beside.get(str(name), {}),
        )  # fmt: skip
    return found


def _beside(
    run: RunFolder, shop: Shop, starting: list[Any], plans: Plans
) -> dict[str, dict[Any, tuple[float, float]]]:
    """Return who is not in the plan, and would be: promotion → customer → what it adds and costs.

    Who was barred then may not be now. They have to add as much for what they cost as somebody to
    whom the allocation gave something (chance apart). Nobody has where it kept to limits beside the
    budget, of which it is not known what is left, or where spending was not shown to pay.
    """
    policy = run.metrics["policy"]
    if policy.get("limited", True) or not policy["pays"]:
        return {}
    rows = run.read_table("allocation")
    rows = rows.loc[rows.groupby("customer_id")["propensity"].idxmax()]
    rows = rows[rows["action"] != NONE]
    worth = load_worth(run, shop, starting)
    if worth is None or rows.empty:
        return {}
    price = float((rows["value"] / rows["cost"]).min()) * (1 - 1e-9)  # as much, but for rounding
    found: dict[str, dict[Any, tuple[float, float]]] = {}
    for j, promotion in enumerate(worth.promotions):
        value, cost = worth.amounts.value[:, j], worth.amounts.cost[:, j]
        pays = worth.headline[:, j] & (value > 0) & (value >= price * cost)
        told = zip(worth.customers[pays].tolist(), value[pays].tolist(), cost[pays].tolist(),
                   strict=True)  # fmt: skip
        found[promotion] = {c: (v, k) for c, v, k in told if plans.of(c) is None}
    return found


def with_actions(known: dict[str, Offer], actions: dict[str, Action]) -> dict[str, Offer]:
    """Return the plan's promotions with the actions that they are part of."""
    found = {}
    for action in actions.values():
        mine = [known[promotion] for promotion in action.promotions]
        for offer in mine:
            messages = sum(other.channel == offer.channel for other in mine)
            found[offer.promotion_id] = replace(offer, action=action.name, messages=messages)
    return found


def left_of(run: RunFolder, shop: Shop) -> float:
    """Return what is left of the stated budget after what the plan's contacts are to cost."""
    stated = budget_of((run.manifest.get("parameters") or {}).get("budget"))
    budget = read_operations(shop.settings).economics.budget if stated is None else stated
    if budget is None:
        return np.inf
    costs = run.read_table("economics")
    return float(budget - costs["cost"].sum()) if len(costs) else float(budget)
