"""What a released plan decided for whom, whom chance holds out, and what anybody gets now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import is_drawn_out, offers_of
from promolab.contract import NONE, Shop, budget_of, read_operations
from promolab.serve.events import microseconds
from promolab.serve.formulas import moment_of

if TYPE_CHECKING:
    from promolab.folder import RunFolder
    from promolab.serve.rights import Offer
    from promolab.serve.week import ReleasedWeek

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


@dataclass(frozen=True)
class Holdouts:
    """Who is held out by chance, in the plan's own draws; those who are new, too.

    Parameters
    ----------
    share, standing_share : float
        Of each promotion's planned, and of all, 0–1.
    seed, standing_seed : int
    groups : dict
        Customer → the cluster that is drawn together.
    """

    share: float
    standing_share: float
    seed: int
    standing_seed: int
    groups: dict[Any, Any] = field(repr=False)
    _held: dict[tuple[Any, str | None], bool] = field(default_factory=dict, repr=False)

    def held(self, customer_id: Any, action: str | None) -> bool:
        """Tell whether a customer is held out of an action, or for the long run (None)."""
        share, seed = self.share, self.seed
        if action is None:
            share, seed = self.standing_share, self.standing_seed
        key, group = (customer_id, action), self.groups.get(customer_id)
        if share and key not in self._held:
            self._held[key] = is_drawn_out(customer_id, action, share, seed, group)
        return share > 0 and self._held[key]


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
    """

    name: str
    promotions: tuple[str, ...]
    least: float
    cost: float
    contacts: int


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
    found = {}
    for name, rows in offers.groupby("action", sort=True):
        promotions = tuple(rows["promotion_id"].astype(str))
        cost = sum(float(each.get(promotion, np.nan)) for promotion in promotions)
        contacts = max(len(plans.given(str(name))), rules.most.get(str(name), 0))
        found[str(name)] = Action(
            str(name), promotions, float(least.get(name, np.nan)), cost, contacts
        )  # fmt: skip
    return found


def with_actions(known: dict[str, Offer], actions: dict[str, Action]) -> dict[str, Offer]:
    """Return the plan's promotions with how many messages their actions bring."""
    found = {}
    for action in actions.values():
        mine = [known[promotion] for promotion in action.promotions]
        for offer in mine:
            messages = sum(other.channel == offer.channel for other in mine)
            found[offer.promotion_id] = replace(offer, messages=messages)
    return found


def left_of(run: RunFolder, shop: Shop) -> float:
    """Return what is left of the stated budget after what the plan's contacts are to cost."""
    stated = budget_of((run.manifest.get("parameters") or {}).get("budget"))
    budget = read_operations(shop.settings).economics.budget if stated is None else stated
    if budget is None:
        return np.inf
    costs = run.read_table("economics")
    return float(budget - costs["cost"].sum()) if len(costs) else float(budget)


Bars = Callable[[str], list[str]]
"""Promotion (as text) → why it may not be offered now."""


@dataclass(frozen=True)
class Decision:
    """What was chosen, and by what chance: a row of the contract's ``decisions``.

    Parameters
    ----------
    decision_id : str
        The plan's own where nothing but the plan decided.
    customer_id : object
    ts : int
        Microseconds since 1970.
    action : str
        A promotion or bundle of the plan, or ``none``.
    propensity : float
        Chance of that action under the policy that served it.
    planned_action, holdout : str
    chances : dict of str to float
        Every action that was possible, ``none`` included.
    planned : bool
        Whether the released plan has a decision for the customer.
    """

    decision_id: str
    customer_id: Any
    ts: int
    action: str
    propensity: float
    planned_action: str
    holdout: str
    chances: dict[str, float] = field(repr=False)
    planned: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, the time written out."""
        return asdict(self) | {"ts": f"{moment_of(self.ts).isoformat()}Z"}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Decision:
        """Return what `to_dict` wrote."""
        return cls(**{**told, "ts": microseconds(told["ts"])})


class Chooser:
    """Chooses by the released week, and remembers what it chose.

    Parameters
    ----------
    week : ReleasedWeek
    """

    def __init__(self, week: ReleasedWeek) -> None:
        self.week = week
        self.made: dict[Any, Decision] = {}
        self.spent = 0.0
        self.decisions: dict[str, Decision] = {}
        # Whom the plan gives it keeps a place, barred or not.
        self._given = {name: week.plans.given(name) for name in week.actions}

    def take(self, decision: Decision) -> None:
        """Count a decision that was written: it stands, and what it costs is spent, once."""
        self.made[decision.customer_id] = decision
        new = decision.decision_id not in self.decisions
        self.decisions[decision.decision_id] = decision
        if new and not decision.planned and decision.action in self.week.actions:
            self.spent += float(np.nan_to_num(self.week.actions[decision.action].cost))
        if decision.action in self._given:
            self._given[decision.action].add(decision.customer_id)

    def contacted(self, customer_id: Any, promotion: str) -> None:
        """Count a contact that was made for a promotion."""
        for name, action in self.week.actions.items():
            if promotion in action.promotions:
                self._given[name].add(customer_id)

    def own(self, customer_id: Any) -> tuple[str, ...]:
        """Return the promotions that the plan, or a decision made here, means for a customer."""
        names = set()
        if (made := self.made.get(customer_id)) is not None:
            names |= {made.action, made.planned_action}
        if (planned := self.week.plans.of(customer_id)) is not None:
            names |= {planned.planned_action}
        actions = [self.week.actions[name] for name in names if name in self.week.actions]
        return tuple(promotion for action in actions for promotion in action.promotions)

    def choose(
        self, customer_id: Any, moment: int, chances: Mapping[str, float], bars: Bars
    ) -> tuple[Decision, bool]:
        """Return what a customer gets, and whether that is new and must be written first.

        What was chosen stands as long as it may be offered; whoever got nothing is looked at again.
        One promotion (or bundle) a customer in the week, as in the plan.

        Parameters
        ----------
        customer_id : object
            As the shop writes it.
        moment : int
            Microseconds since 1970.
        chances : mapping of str to float
            Promotion (as text) → chance of a response, of those that the plan has.
        bars : callable
            Promotion → why it may not be offered.
        """
        made = self.made.get(customer_id)
        if made is not None and made.action != NONE and self._open(made.action, bars):
            return made, False
        planned = self.week.plans.of(customer_id)
        if planned is not None:
            found = self._as_planned(customer_id, moment, planned, bars)
        elif made is not None and made.action != NONE:
            found = self._nothing(customer_id, moment)
        else:
            found = self._within(customer_id, moment, chances, bars)
        if made is not None and (made.action, made.chances) == (found.action, found.chances):
            return made, False
        return found, True

    def _open(self, action: str, bars: Bars) -> bool:
        return not any(bars(promotion) for promotion in self.week.actions[action].promotions)

    def _as_planned(self, customer_id: Any, moment: int, planned: Planned, bars: Bars) -> Decision:
        """Return the plan's draw; what may not be offered any more is nothing, whatever was drawn.

        So the chance of an action that is barred now is added to that of ``none``.
        """
        shut = {a for a in planned.chances if a != NONE and not self._open(a, bars)}
        chances = {a: p for a, p in planned.chances.items() if a not in shut}
        chances[NONE] = 1 - sum(p for a, p in chances.items() if a != NONE)
        action = NONE if planned.action in shut else planned.action
        own = planned.decision_id if not shut else _named(customer_id, moment)
        return Decision(
            own, customer_id, moment, action, chances[action],
            planned.planned_action, planned.holdout, chances, planned=True,
        )  # fmt: skip

    def _within(
        self, customer_id: Any, moment: int, chances: Mapping[str, float], bars: Bars
    ) -> Decision:
        """Return what the week's policy gives whoever is not in its plan.

        The likeliest of the lists ranked by response on which the customer would have been, inside
        what is left of the budget and of `Action.contacts`; chance holds out of it as it does in
        the plan.
        """
        open_to = [a for a in self.week.actions.values() if self._open(a.name, bars)]
        able = [a for a in open_to if self._affordable(a) and not self._full(a)]
        likely = [(max(chances.get(p, -1.0) for p in a.promotions), a) for a in able]
        found = [(p, a.name) for p, a in likely if p >= a.least]
        standing = self.week.holdouts.held(customer_id, None)
        if not found:
            return self._nothing(customer_id, moment, STANDING if standing and open_to else NONE)
        _, best = max(found)
        sent = (1 - self.week.holdouts.share) * (1 - self.week.holdouts.standing_share)
        held = STANDING if standing else NONE
        if not standing and self.week.holdouts.held(customer_id, best):
            held = PROMOTION
        action = best if held == NONE else NONE
        given = {best: sent, NONE: 1 - sent}
        return Decision(
            _named(customer_id, moment), customer_id, moment, action, given[action],
            best, held, given, planned=False,
        )  # fmt: skip

    def _affordable(self, action: Action) -> bool:
        """Whether the budget allows it; where one is stated, only what has a known cost."""
        left = self.week.left - self.spent
        return left == np.inf or action.cost <= left

    def _full(self, action: Action) -> bool:
        """Whether nobody else may get an action."""
        return len(self._given[action.name]) >= action.contacts

    def _nothing(self, customer_id: Any, moment: int, holdout: str = NONE) -> Decision:
        own = _named(customer_id, moment)
        return Decision(
            own, customer_id, moment, NONE, 1.0, NONE, holdout, {NONE: 1.0}, planned=False
        )


def _named(customer_id: Any, moment: int) -> str:
    """Return the id of a decision made here: to the microsecond, the plan's are to the second."""
    return f"{moment_of(moment):%Y%m%dT%H%M%S%f}-{customer_id}"
