"""What a released plan decided for whom, and whom chance holds out, then and now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import drawn_out, is_drawn_out
from promolab.contract import NONE

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
