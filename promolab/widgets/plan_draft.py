"""A week's draft, sorted and cumulated once, and what it becomes with what is changed by hand.

The counts are those of `promolab.campaign.plan.override_plan`, without the tables that it rewrites.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics
from promolab.campaign.plan import LEFT, STEPS, Overrides, Plan, best_first
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
    steps : mapping of str to int
        How many customers leave the draft's funnel where.
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
    steps: Mapping[str, int] = field(repr=False)
    economics: PromotionEconomics | None = field(repr=False)

    @cached_property
    def kinds(self) -> np.ndarray:
        """The draw of each as its place in `_KINDS`."""
        return np.asarray(pd.Index(list(_KINDS)).get_indexer(pd.Index(self.held)))

    @cached_property
    def whole(self) -> float:
        """The chances of all who are to be contacted, added up."""
        return float(self.chance[self.kinds == 0].sum())

    @cached_property
    def by_size(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sizes of the list, the answers expected of each, and its break-even per contact.

        Some 200 of them, as the draft's figures say.
        """
        sent, told = self.kinds == 0, self.economics
        chance = np.append(0.0, np.cumsum(np.where(sent, self.chance, 0.0)))
        contacts = np.append(0, np.cumsum(sent))
        sizes = np.arange(len(chance), dtype=float)
        if told is None or not self.whole:
            return sizes[:1], np.zeros(1), np.zeros(1)
        answers = told.redemptions.value * chance / self.whole
        fixed = told.contact_cost.value * contacts
        moving = (told.cost.value - fixed[-1]) * chance / self.whole
        margin = told.margin_rate.value * np.maximum(contacts, 1)
        sizes, answers, each = thin(sizes, answers, (moving + fixed) / margin)
        return sizes, answers, each

    def places_without(self, forced: Sequence[Any]) -> np.ndarray:
        """Return the places of the list that are left without some customers."""
        if not forced:
            return self._places
        gone = self.customers.get_indexer(pd.Index(forced))
        return np.asarray(np.delete(self._places, gone[gone >= 0]))

    @cached_property
    def _places(self) -> np.ndarray:
        return np.arange(len(self.customers))

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
    answers, discount, cost, each : Estimate
        Expected of the contacts; ``each`` is the extra sales that must come of one.
    adds : float
        What the contacts are predicted to add, in money; nan where that is not known.
    steps : dict of str to int
        How many leave the funnel where.
    off : int
        Planned customers who left the list.
    """

    planned: int
    contacts: int
    held: int
    answers: Estimate
    discount: Estimate
    cost: Estimate
    each: Estimate
    adds: float
    steps: dict[str, int]
    off: int


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
    lists : tuple of PlannedList
        In the order of the plan's promotions.
    ids : ndarray of n ids
        All active customers, sorted.
    codes : ndarray of n texts
        Their pseudonyms.
    where : ndarray of int8 of shape (n, promotions)
        The step at which each leaves each funnel, as a place in `STEPS`.
    control : DataFrame
        The control sums of the send files.
    sentences : tuple of str
        On money, holdouts and what was not checked.
    money : str
        What the draft costs and adds, where that is known.
    """

    run: RunFolder
    state: str
    plan: Plan = field(repr=False)
    lists: tuple[PlannedList, ...] = field(repr=False)
    ids: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    where: np.ndarray = field(repr=False)
    control: pd.DataFrame = field(repr=False)
    sentences: tuple[str, ...] = field(repr=False)
    money: str = ""

    @cached_property
    def drafted(self) -> list[Changed]:
        """The lists as they were drafted."""
        return self.changed(Overrides())

    @property
    def currency(self) -> str:
        """Of all amounts."""
        return next((one.economics.currency for one in self.lists if one.economics), "")

    def place(self, text: str) -> int:
        """Return the place of a customer, given as an id or as a pseudonym, among all active."""
        return place_of(self.ids, self.codes, text)

    def changed(self, by_hand: Overrides) -> list[Changed]:
        """Return what becomes of each list with some overrides.

        Parameters
        ----------
        by_hand : Overrides
            Customers by their ids.
        """
        forced = list(by_hand.forced_out)
        out = {one.action for one in self.lists if one.promotion in by_hand.without}
        caps: dict[str, int] = {}
        for one in self.lists:
            if one.promotion in by_hand.caps:
                most = by_hand.caps[one.promotion]
                caps[one.action] = min(most, caps.get(one.action, most))
        return [
            self._changed(place, one, forced, one.action in out, caps.get(one.action))
            for place, one in enumerate(self.lists)
        ]

    def _changed(
        self, place: int, one: PlannedList, forced: list[Any], out: bool, most: int | None
    ) -> Changed:
        steps = dict(one.steps)
        for customer in forced:
            code = list(STEPS)[self.where[np.searchsorted(self.ids, customer), place]]
            if code not in LEFT:
                steps[code] -= 1
                steps["by_hand"] += 1
        whole = one.places_without(forced)
        left = whole[:0] if out else whole[:most] if most is not None else whole
        gone = "by_hand" if out else "not_planned"
        counts = [np.bincount(one.kinds[rows], minlength=len(_KINDS)) for rows in (whole, left)]
        for step, lost in zip(_KINDS.values(), counts[0] - counts[1], strict=True):
            steps[step] -= int(lost)
            steps[gone] += int(lost)
        sent = left[one.kinds[left] == 0]
        answers, discount = one.expected(one.chance[sent])
        cost, each = one.cost(len(sent), answers, discount)
        return Changed(
            len(left), len(sent), len(left) - len(sent), answers, discount, cost, each,
            float(one.adds[sent].sum()), steps, len(one.customers) - len(left),
        )  # fmt: skip


_KINDS = {NONE: "to_contact", "standing": "held_out_standing", "promotion": "held_out_promotion"}


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
    lists, where = [], np.zeros((len(ids), len(plan.funnel)), dtype=np.int8)
    code = {step: place for place, step in enumerate(STEPS)}
    for place, row in enumerate(plan.funnel.to_dict("records")):
        mine = plan.planned[plan.planned["promotion_id"] == row["promotion_id"]]
        lists.append(_list_of(plan, row, mine, economics.of(row["promotion_id"]), values))
        own = plan.steps[plan.steps["promotion_id"] == row["promotion_id"]]
        at = np.searchsorted(ids, own["customer_id"].to_numpy())
        where[at, place] = own["step"].astype(str).map(code).to_numpy()
    file = run.path / "send" / "control.csv"
    said = run.metrics.get("plan", {})
    policy = run.metrics.get("policy", {})
    opening = f"{policy['opening']}." if plan.by_effect and policy.get("opening") else ""
    return Draft(
        run, state_of(run.manifest), plan, tuple(lists), ids, run.pseudonym(ids), where,
        pd.read_csv(file) if file.is_file() else pd.DataFrame(),
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
        {step: int(row[step]) for step in STEPS}, economics,
    )  # fmt: skip


def funnel_of(draft: Draft, place: int, changed: Changed) -> Plan:
    """Return a plan that holds one promotion's funnel as it is with what was changed."""
    row = draft.plan.funnel.iloc[[place]].assign(planned=changed.planned, **changed.steps)
    return dataclasses.replace(draft.plan, funnel=row)
