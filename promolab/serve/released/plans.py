"""What a released plan decided for whom, whom chance holds out, and what it allows others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import drawn_out, is_drawn_out, offers_of
from promolab.campaign.worth import load_worth
from promolab.contract import NONE, Shop, budget_of, read_operations

if TYPE_CHECKING:
    from promolab.folder import RunFolder
    from promolab.serve.released.rights import Offer

STANDING, PROMOTION = "standing", "promotion"


@dataclass(frozen=True)
class Planned:
    """What the released plan decided for one customer.

    Parameters
    ----------
    decision_id, action, planned_action, holdout : str
        As in the contract's ``decisions``.
    chances : dict of str to float
        Every action that was possible, ``none`` included.
    """

    decision_id: str
    action: str
    planned_action: str
    holdout: str
    chances: dict[str, float]


class Plans:
    """The plan's decisions, by customer.

    Parameters
    ----------
    decisions, propensities : DataFrame
        The contract's.
    """

    def __init__(self, decisions: pd.DataFrame, propensities: pd.DataFrame) -> None:
        self._place = {c: k for k, c in enumerate(decisions["customer_id"].tolist())}
        names = ("decision_id", "action", "planned_action", "holdout")
        self._told = {name: decisions[name].astype(object).to_numpy() for name in names}
        self.actions = sorted(set(propensities["action"].astype(str)) | {NONE})
        rows = pd.Index(decisions["decision_id"]).get_indexer(pd.Index(propensities["decision_id"]))
        columns = pd.Index(self.actions).get_indexer(pd.Index(propensities["action"].astype(str)))
        self._chances = np.zeros((len(decisions), len(self.actions)))
        self._chances[rows, columns] = propensities["propensity"].to_numpy(dtype=float)

    def given(self, action: str) -> set[Any]:
        """Return the customers to whom the plan gives an action."""
        told = self._told["action"]
        return {customer for customer, k in self._place.items() if told[k] == action}

    def of(self, customer_id: Any) -> Planned | None:
        """Return what was decided for a customer; None for one who was not eligible, or is new."""
        k = self._place.get(customer_id)
        if k is None:
            return None
        chances = zip(self.actions, self._chances[k].tolist(), strict=True)
        told = {name: str(values[k]) for name, values in self._told.items()}
        return Planned(chances={a: p for a, p in chances if p > 0}, **told)


@dataclass
class Holdouts:
    """Who is held out by chance, in the plan's own draws; of a new customer when first asked.

    Parameters
    ----------
    share, standing_share : float
        Of each promotion's planned, and of all, 0–1.
    seed, standing_seed : int
    customers : Index
        Those whose draws are made at once.
    groups : Series, optional
        Their clusters.
    actions : list of str
    """

    share: float
    standing_share: float
    seed: int
    standing_seed: int
    customers: pd.Index
    groups: pd.Series[Any] | None
    actions: list[str]
    _held: dict[tuple[Any, str | None], bool] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._place = {c: k for k, c in enumerate(self.customers.tolist())}
        self._drawn = {action: self._draw(action) for action in (None, *self.actions)}

    def __contains__(self, customer_id: object) -> bool:
        return customer_id in self._place

    def _draw(self, action: str | None) -> np.ndarray:
        share, seed = self._of(action)
        if not share or not len(self.customers):
            return np.zeros(len(self.customers), dtype=bool)
        return drawn_out(self.customers, action, share, seed, self.groups)

    def _of(self, action: str | None) -> tuple[float, int]:
        standing = self.standing_share, self.standing_seed
        return standing if action is None else (self.share, self.seed)

    def held(self, customer_id: Any, action: str | None) -> bool:
        """Tell whether a customer is held out of an action, or for the long run (None)."""
        place = self._place.get(customer_id)
        if place is not None and action in self._drawn:
            return bool(self._drawn[action][place])
        share, seed = self._of(action)
        key = (customer_id, action)
        if share and key not in self._held:
            self._held[key] = is_drawn_out(customer_id, action, share, seed)
        return bool(share) and self._held[key]


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
