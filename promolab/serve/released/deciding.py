"""What a customer gets, now: the released plan's action, or what its policy allows anybody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from promolab.contract import NONE
from promolab.serve.fresh.events import microseconds
from promolab.serve.fresh.formulas import moment_of
from promolab.serve.released.plans import PROMOTION, STANDING, Action, Planned
from promolab.serve.released.week import ReleasedWeek

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
        self._given: dict[str, set[Any]] = {name: set() for name in week.actions}
        # Whom the plan gives it, and who has not got it yet: they keep a place.
        self._placed = {name: week.plans.given(name) for name in week.actions}

    def take(self, decision: Decision) -> None:
        """Count a decision that was written: it stands, and what it costs is spent, once."""
        self.made[decision.customer_id] = decision
        new = decision.decision_id not in self.decisions
        self.decisions[decision.decision_id] = decision
        if new and not decision.planned and decision.action in self.week.actions:
            cost = self.week.actions[decision.action].cost_of(decision.customer_id)
            self.spent += 0.0 if np.isnan(cost) else cost
        if decision.action in self._given:
            self._given[decision.action].add(decision.customer_id)
        for placed in self._placed.values() if decision.planned else ():
            placed.discard(decision.customer_id)  # it was given, or is barred

    def contacted(self, customer_id: Any, promotion: str) -> None:
        """Count a contact that was made for a promotion."""
        for name, action in self.week.actions.items():
            if promotion in action.promotions:
                self._given[name].add(customer_id)
                self._placed[name].discard(customer_id)

    def free(self, customer_id: Any, bars: Bars) -> None:
        """Give the place of a planned customer free who may not be contacted now."""
        for name, placed in self._placed.items():
            if customer_id in placed and not self._open(name, bars):
                placed.discard(customer_id)

    def _has(self, customer_id: Any, name: str) -> bool:
        return customer_id in self._given[name] or customer_id in self._placed[name]

    def _full(self, name: str) -> bool:
        """Whether nobody else may get an action: so many got it, or keep a place."""
        taken = len(self._given[name]) + len(self._placed[name])
        return taken >= self.week.actions[name].contacts

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
        drawn = planned.action
        if drawn != NONE and self._full(drawn) and not self._has(customer_id, drawn):
            shut.add(drawn)  # barred before, and the place was given to somebody else
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

        What adds most of what an allocation would have given; else the likeliest of the lists
        ranked by response on which the customer would have been. Either inside what is left of the
        budget and of the plan's contacts; chance holds out of it as it does in the plan.
        """
        open_to = [a for a in self.week.actions.values() if self._open(a.name, bars)]
        able = [a for a in open_to if self._affordable(a, customer_id) and not self._full(a.name)]
        adding = [(a.adds[customer_id][0], a.name) for a in able if customer_id in a.adds]
        likely = [(max(chances.get(p, -1.0) for p in a.promotions), a) for a in able]
        found = adding or [(p, a.name) for p, a in likely if p >= a.least]
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

    def _affordable(self, action: Action, customer_id: Any) -> bool:
        """Whether the budget allows it; where one is stated, only what has a known cost."""
        left = self.week.left - self.spent
        return left == np.inf or action.cost_of(customer_id) <= left

    def _nothing(self, customer_id: Any, moment: int, holdout: str = NONE) -> Decision:
        own = _named(customer_id, moment)
        return Decision(
            own, customer_id, moment, NONE, 1.0, NONE, holdout, {NONE: 1.0}, planned=False
        )


def _named(customer_id: Any, moment: int) -> str:
    """Return the id of a decision made here: to the microsecond, the plan's are to the second."""
    return f"{moment_of(moment):%Y%m%dT%H%M%S%f}-{customer_id}"
