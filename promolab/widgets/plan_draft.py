"""A week's draft, sorted and cumulated once, and what it becomes with what is changed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics
from promolab.campaign.plan import Overrides, Plan, best_first, override_plan
from promolab.contract import NONE
from promolab.display import thin
from promolab.errors import InputError
from promolab.folder import RunFolder, state_of
from promolab.promotions import Costs, break_even
from promolab.results import Estimate


@dataclass(frozen=True)
class PlannedList:
    """The planned customers of one promotion, the best first.

    Parameters
    ----------
    promotion : str
        Its id as text.
    action : str
        Its own, or its bundle's.
    name : str
        What readers call it.
    customers : Index of n ids
    chance : ndarray of shape (n,)
        Of an answer.
    held : ndarray of text, shape (n,)
        ``none``, ``standing`` or ``promotion``.
    adds : ndarray of shape (n,)
        What a contact is predicted to add, in money; nan where that is not known.
    economics : PromotionEconomics or None
        As drafted.
    """

    promotion: str
    action: str
    name: str
    customers: pd.Index = field(repr=False)
    chance: np.ndarray = field(repr=False)
    held: np.ndarray = field(repr=False)
    adds: np.ndarray = field(repr=False)
    economics: PromotionEconomics | None = field(repr=False)

    @cached_property
    def whole(self) -> float:
        """The chances of all who are to be contacted, added up."""
        return float(self.chance[self.held == NONE].sum())

    @cached_property
    def by_size(self) -> tuple[np.ndarray, ...]:
        """Some 200 sizes of the list, and the answers expected of each, scaled as drafted."""
        chance = np.append(0.0, np.cumsum(np.where(self.held == NONE, self.chance, 0.0)))
        drafted = self.economics.redemptions.value if self.economics else 0.0
        return thin(np.arange(len(chance)), drafted * chance / (self.whole or 1.0))

    def expected(self, chances: np.ndarray) -> tuple[Estimate, Estimate]:
        """Return answers and discounts expected of some of the contacts, scaled as drafted."""
        drawn = self.economics
        if drawn is None or not self.whole:
            return Estimate(0.0, 0.0, 0.0), Estimate(0.0, 0.0, 0.0)
        part = float(chances.sum()) / self.whole
        return drawn.redemptions * part, drawn.discount * part

    def cost(self, contacts: int, answers: Estimate, discount: Estimate) -> tuple[Estimate, ...]:
        """Return what contacts cost, and the extra sales of each that pay for it."""
        told = self.economics
        if told is None:
            return Estimate(float("nan")), Estimate(float("nan"))
        rates = told.margin_rate, told.contact_cost, told.coupon_cost, told.funder_share
        return break_even(contacts, answers, discount, Costs(*rates))


@dataclass(frozen=True)
class Changed:
    """What becomes of a promotion's list.

    Parameters
    ----------
    planned, contacts, held : int
        Customers planned, to contact and held out, for the long run included.
    answers, cost, each : Estimate
        Expected of the contacts; ``each`` is the extra sales that must come of one.
    adds : float
        What the contacts are predicted to add, in money; nan where that is not known.
    left : ndarray of bool, shape (n,)
        Who of the list is left on it.
    """

    planned: int
    contacts: int
    held: int
    answers: Estimate
    cost: Estimate
    each: Estimate
    adds: float
    left: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Draft:
    """A week's draft; made by `read_draft`.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    state : str
        ``draft``, ``released``, …
    plan : Plan
    values : DataFrame or None
        What contacts are predicted to add, where the plan goes by that.
    lists : tuple of PlannedList
        In the order of the plan's promotions.
    ids : ndarray of n ids
        All active customers, sorted.
    codes : ndarray of n texts
        Their pseudonyms.
    sentences : tuple of str
        On money, holdouts and what was not checked.
    money : str
        What the draft costs and adds, where that is known.
    """

    run: RunFolder
    state: str
    plan: Plan = field(repr=False)
    values: pd.DataFrame | None = field(repr=False)
    lists: tuple[PlannedList, ...] = field(repr=False)
    ids: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    sentences: tuple[str, ...] = field(repr=False)
    money: str = ""

    @cached_property
    def drafted(self) -> list[Changed]:
        """The lists as they were drafted."""
        return self.changed(self.plan)

    @property
    def currency(self) -> str:
        """Of all amounts."""
        return next((one.economics.currency for one in self.lists if one.economics), "")

    def place(self, text: str) -> int:
        """Return the place of a customer, given as an id or as a pseudonym, among all active."""
        return place_of(self.ids, self.codes, text)

    def with_overrides(self, by_hand: Overrides) -> Plan:
        """Return the plan as the release would write it, with some overrides."""
        return override_plan(self.plan, by_hand, self.values).plan if by_hand else self.plan

    def changed(self, plan: Plan) -> list[Changed]:
        """Return what becomes of each list with a plan of `with_overrides`."""
        rows = {str(name): mine for name, mine in plan.planned.groupby("promotion_id")}
        nobody = plan.planned.iloc[:0]
        return [_changed(one, rows.get(one.promotion, nobody)) for one in self.lists]


def _changed(one: PlannedList, planned: pd.DataFrame) -> Changed:
    left = one.customers.isin(planned["customer_id"])
    sent = left & (one.held == NONE)
    n = int(sent.sum())
    answers, discount = one.expected(one.chance[sent])
    cost, each = one.cost(n, answers, discount)
    return Changed(
        int(left.sum()), n, int(left.sum()) - n, answers, cost, each,
        float(one.adds[sent].sum()), left,
    )  # fmt: skip


def place_of(ids: np.ndarray, codes: np.ndarray, text: str) -> int:
    """Return the place of a customer, given as an id or as a pseudonym.

    Parameters
    ----------
    ids : ndarray of n ids, sorted
    codes : ndarray of n texts
        Their pseudonyms.
    text : str

    Raises
    ------
    InputError
        Nobody is called so.
    """
    wanted: Any = text.strip()
    found = np.flatnonzero(codes == wanted.upper())
    if len(found):
        return int(found[0])
    if ids.dtype.kind in "iu":
        wanted = int(wanted) if wanted.isdecimal() else -1
    at = int(np.searchsorted(ids, wanted)) if len(ids) else 0
    if at == len(ids) or ids[at] != wanted:
        raise InputError(
            f"no active customer is called {text.strip()!r}; give an id as the send files have it, "
            "or a pseudonym as pages show it"
        )
    return at


def read_draft(run: RunFolder) -> Draft:
    """Read a week's plan, and sort its lists.

    Parameters
    ----------
    run : RunFolder
        A whole week, with a plan.
    """
    from promolab.sources import load_shop

    shop = load_shop(run.path / "shop")
    plan = Plan.read(run, shop)
    economics = LaunchEconomics.from_frame(run.read_table("economics"), shop.promotion_name)
    values = run.read_table("allocation") if plan.by_effect else None
    ids = np.sort(plan.steps["customer_id"].unique())
    lists = []
    for row in plan.funnel.to_dict("records"):
        mine = plan.planned[plan.planned["promotion_id"] == row["promotion_id"]]
        lists.append(_list_of(plan, row, mine, economics.of(row["promotion_id"]), values))
    said, policy = (run.spoken.get(section, {}) for section in ("plan", "policy"))
    opening = f"{policy['opening']}." if plan.by_effect and policy.get("opening") else ""
    return Draft(
        run, state_of(run.manifest), plan, values, tuple(lists), ids, run.pseudonym(ids),
        tuple(filter(None, [policy.get("summary"), *said.get("what_shows", ()), *plan.notes])),
        opening,
    )  # fmt: skip


def _list_of(
    plan: Plan,
    row: Mapping[Any, Any],
    mine: pd.DataFrame,
    economics: PromotionEconomics | None,
    values: pd.DataFrame | None,
) -> PlannedList:
    action = str(row["action"])
    order = best_first(plan, action, mine["customer_id"], values)
    rows = mine.set_index("customer_id").loc[order]
    adds = np.full(len(rows), np.nan)
    if action in plan.by_effect and values is not None:
        told = values[values["action"].astype(str) == action].set_index("customer_id")["value"]
        adds = told.reindex(order).to_numpy(dtype=float)
    match = plan.promotions["promotion_id"] == row["promotion_id"]
    return PlannedList(
        str(row["promotion_id"]), action, str(plan.promotions.loc[match, "name"].iloc[0]), order,
        rows["p_redeemed"].to_numpy(dtype=float), rows["holdout"].to_numpy(dtype=object), adds,
        economics,
    )  # fmt: skip
