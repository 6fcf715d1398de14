"""A released week, opened once and kept as plain arrays: model, plan, holdouts, effects, costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import (
    clusters,
    drawn_out,
    is_drawn_out,
    offers_of,
    quarantined_customers,
)
from promolab.contract import NONE, Shop, budget_of, read_operations
from promolab.errors import InputError
from promolab.folder import ReportsFolder, RunFolder, sha256_of, state_of
from promolab.loop import released_contacts, released_plans
from promolab.model import ArrayModel, ResponseModel
from promolab.serve.chances import LiveChances
from promolab.serve.live import LiveFeatures
from promolab.serve.rights import LiveRights
from promolab.sources import load_shop
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.serve.rights import Offer

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


@dataclass(frozen=True)
class Action:
    """A promotion of the plan, or a bundle.

    Parameters
    ----------
    name : str
    promotions : tuple of str
    ranked : bool
        Whether its list is the likeliest; else an allocation chose by what contacts add.
    least : float
        The lowest chance of a response on its list (the highest of a bundle's promotions); nan
        where nobody is on it.
    cost : float
        What one more contact is expected to cost; nan where that is not known.
    """

    name: str
    promotions: tuple[str, ...]
    ranked: bool
    least: float
    cost: float


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

    def __len__(self) -> int:
        return len(self._place)

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
class ReleasedWeek:
    """A week that was released, as the service answers from it; `open_week` opens it.

    Parameters
    ----------
    run : RunFolder
    zone : str
        The shop's.
    as_of : datetime
        When its plan was made (UTC).
    live : LiveFeatures
        What the week knew of its customers, to be kept up.
    chances : LiveChances or None
        What the week's model says; None where there is none yet.
    fingerprint : str
        SHA-256 of the model's file; empty where there is none.
    plans : Plans
    actions : dict of str to Action
    holdouts : Holdouts
    rights : LiveRights
    effects : dict
        Promotion (as text) → customer → effect and the ends of its interval.
    identification : str
        Of the effects: ``randomised`` or ``adjusted``; empty where they are not identified.
    left : float
        What of the stated budget the plan leaves; infinite where none is stated.
    """

    run: RunFolder
    zone: str
    as_of: datetime
    live: LiveFeatures
    chances: LiveChances | None
    fingerprint: str
    plans: Plans
    actions: dict[str, Action]
    holdouts: Holdouts
    rights: LiveRights
    effects: dict[str, dict[Any, tuple[float, float, float]]] = field(repr=False)
    identification: str = ""
    left: float = np.inf

    @property
    def week(self) -> Week:
        """The week."""
        return self.run.week

    @property
    def promotions(self) -> list[str]:
        """The promotions of its plan, as text."""
        return [promotion for action in self.actions.values() for promotion in action.promotions]


def open_week(week: str, out: str | Path = "reports") -> ReleasedWeek:
    """Open a released week for answering.

    Parameters
    ----------
    week : str
        ISO week.
    out : str or Path
        The reports folder.

    Raises
    ------
    InputError
        There is no report of the week, it was never released, or a file of its plan is not what was
        released.
    """
    reports = ReportsFolder.there(out)
    run = reports.whole_run(Week.parse(week))
    if state_of(run.manifest) == "draft":
        raise InputError(
            f"{run.week} was never released: its plan is a draft, which nobody may act on yet; "
            f"release it first: promolab release {run.week}"
        )
    released_plans(reports)  # refuses what is not as it was released
    shop = load_shop(run.path / "shop")
    file = run.path / "model.safetensors"
    live = LiveFeatures(shop, run.as_of)
    chances = None
    if there := file.is_file():
        chances = LiveChances(ArrayModel(ResponseModel.load(file)), shop, live)
    told, rules = run.metrics["plan"], read_operations(shop.settings).contact
    decisions, planned = run.read_table("decisions"), run.read_table("planned")
    plans = Plans(decisions, run.read_table("decision_propensities"))
    actions = _actions(run, shop, planned, told.get("by_effect") or [])
    people = _customers(shop)
    holdouts = Holdouts(
        told["holdout"], told["standing_holdout"], told["seed"], told["standing_seed"],
        people, clusters(shop, people), list(actions),
    )  # fmt: skip
    owed = [released_contacts(run), _own_contacts(run, planned)]
    owed = [rows for rows in owed if len(rows)]  # an empty one would make floats of whole ids
    gone = quarantined_customers(shop, run.read_table("quarantine"))
    rights = LiveRights(
        shop, run.as_of, rules, pd.concat(owed, ignore_index=True) if owed else None, gone
    )
    rights.offers |= _offers(rights.offers, actions)
    identification = str((run.metrics.get("uplift") or {}).get("identification") or "")
    known = identification in ("randomised", "adjusted")
    return ReleasedWeek(
        run, shop.zone, run.as_of, live, chances,
        sha256_of(file) if there else "",
        plans, actions, holdouts, rights,
        _effects(run) if known else {},
        identification if known else "",
        _left(run, shop),
    )  # fmt: skip


def _customers(shop: Shop) -> pd.Index:
    """Return everybody whom the shop knows."""
    known = shop.events.select("customer_id")
    if shop.has("customers"):
        known = known.union(shop.customers.select("customer_id"))
    found = known.filter(known.customer_id.notnull()).distinct().execute()
    people: pd.Index = pd.Index(found["customer_id"].sort_values())
    return people


def _own_contacts(run: RunFolder, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the plan's own contacts, those held out for the long run as `released_contacts` has.

    They count against the limits of other promotions from the moment of the sending.
    """
    sends_at = pd.Timestamp(run.manifest["release"]["sends_at"]).as_unit("us")
    rows = planned[planned["holdout"] != PROMOTION]
    return rows[["customer_id", "promotion_id", "channel"]].assign(ts=sends_at)


def _actions(
    run: RunFolder, shop: Shop, planned: pd.DataFrame, by_effect: list[str]
) -> dict[str, Action]:
    """Return the plan's actions."""
    rules, starting = read_operations(shop.settings).contact, run.read_table("funnel")
    offers = offers_of(shop, starting["promotion_id"].tolist(), rules, [])
    likeliest = planned.groupby(["customer_id", "action"])["p_redeemed"].max()
    least = likeliest.groupby("action").min()
    costs = run.read_table("economics").set_index("promotion_id")
    each = (costs["cost"] / costs["contacts"]).rename(index=str)
    found = {}
    for name, rows in offers.groupby("action", sort=True):
        promotions = tuple(rows["promotion_id"].astype(str))
        cost = sum(float(each.get(promotion, np.nan)) for promotion in promotions)
        ranked = str(name) not in by_effect
        found[str(name)] = Action(
            str(name), promotions, ranked, float(least.get(name, np.nan)), cost
        )
    return found


def _offers(known: dict[str, Offer], actions: dict[str, Action]) -> dict[str, Offer]:
    """Return the plan's promotions with the actions that they are part of."""
    found = {}
    for action in actions.values():
        mine = [known[promotion] for promotion in action.promotions]
        for offer in mine:
            messages = sum(other.channel == offer.channel for other in mine)
            found[offer.promotion_id] = replace(offer, action=action.name, messages=messages)
    return found


def _effects(run: RunFolder) -> dict[str, dict[Any, tuple[float, float, float]]]:
    """Return what each promotion that starts adds for whom; past decisions' rows are left out."""
    rows = run.read_table("uplift")
    rows = rows[rows["promotion_id"].notna() & (rows["decision"] < 0)]
    return {
        str(promotion): dict(
            zip(
                mine["customer_id"].tolist(),
                mine[["effect", "ci_low", "ci_high"]].itertuples(index=False, name=None),
                strict=True,
            )
        )
        for promotion, mine in rows.groupby("promotion_id")
    }


def _left(run: RunFolder, shop: Shop) -> float:
    """Return what is left of the stated budget after what the plan's contacts are to cost."""
    stated = budget_of((run.manifest.get("parameters") or {}).get("budget"))
    budget = read_operations(shop.settings).economics.budget if stated is None else stated
    if budget is None:
        return np.inf
    costs = run.read_table("economics")
    return float(budget - costs["cost"].sum()) if len(costs) else float(budget)
