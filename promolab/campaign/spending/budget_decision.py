"""Who gets what this week: by what it adds inside the budget, where effects are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.adaptive import BANDITS, GREEDY, allocate_by
from promolab.campaign.outlook import LaunchEconomics
from promolab.campaign.plan import (
    quarantined_customers,
    share_of,
    week_candidates,
    week_holdouts,
    with_suppressions,
)
from promolab.campaign.spending.allocation_result import HORIZON_DAYS, AllocationResult, WeekPolicy
from promolab.campaign.spending.experiment import ExperimentProposal, propose_experiment
from promolab.campaign.worth import load_worth
from promolab.checks import choice, share
from promolab.contract import budget_of, read_operations
from promolab.metrics import PastRatios
from promolab.policy import Allocation, SpendingTest, plan_value, read_constraints, spending_test

if TYPE_CHECKING:
    from promolab.campaign.worth import Worth
    from promolab.contract import ContactRules, Shop
    from promolab.folder import RunFolder
    from promolab.policy import Holdouts

LIMITS = "constraints.csv"
LEAST = 0.02
"""Least chance of every action that is open to a customer, held out or not."""


def known_terms(worth: Worth, rules: ContactRules) -> list[str]:
    """Return the promotions whose effects are known at their own terms, bundles left out."""
    bundled = {one for members in rules.bundles.values() for one in members}
    known = zip(worth.promotions, worth.amounts.extrapolated, strict=True)
    return [one for one, far in known if not far and one not in bundled]


def known_of(worth: Worth, customers: Any, measured: list[str]) -> np.ndarray:
    """Return of whom past decisions tell what which of the promotions adds, shape (n, P)."""
    place = worth.places(customers)
    columns = np.array([worth.amounts.place(one) for one in measured])
    told = worth.headline[np.ix_(np.maximum(place, 0), columns)]
    return np.asarray(told & (place >= 0)[:, None])


def spend_budget(
    worth: Worth,
    customers: pd.Index,
    measured: list[str],
    open_to: np.ndarray,
    *,
    budget: float | None,
    sent: float,
    explore: float,
    seed: int,
    limits: pd.DataFrame | None = None,
    risk: float = 0.0,
    least: float = LEAST,
    segment: pd.Series[Any] | None = None,
    holdouts: Holdouts | None = None,
    policy: str = GREEDY,
) -> tuple[Allocation, SpendingTest]:
    """Allocate a budget among the promotions whose effects are known, if that pays.

    Parameters
    ----------
    worth : Worth
        With past decisions (``rows``).
    customers : Index of n ids
    measured : list of P texts
        The promotions.
    open_to : ndarray of bool of shape (n, P)
        Who may get what, and of whom past decisions tell.
    budget : float or None
        Most that may be spent, in money; None spends until a further unit adds nothing.
    sent, explore : float
        Shares (0–1): of the planned, sent after all holdouts; of the customers, drawn by chance.
    seed : int
    limits : DataFrame, optional
        As `promolab.policy.read_constraints` returns them.
    risk : float
        Most that overspending may be likely; 0 takes costs as expected.
    least : float
        Least chance of every action that is open to a customer, held out or not (0–1).
    segment : Series of n texts, optional
        In the order of the customers.
    holdouts : Holdouts, optional
        Whom the plan will hold out: what is allocated is then what is sent. Without, so much more
        is planned than the budget pays for as holdouts take off in the mean.
    policy : str
        By which the budget goes, as `promolab.adaptive.allocate_by` takes it: ``ts`` not with
        limits beside the budget.

    Returns
    -------
    Allocation
        Of those to whom anything is open.
    SpendingTest
        Whether spending more than exploration takes is shown to pay.
    """
    amounts, some = worth.amounts, np.flatnonzero(open_to.any(axis=1))
    columns = np.array([amounts.place(one) for one in measured])
    place = np.ix_(worth.places(customers[some]), columns)
    value, error, cost = (
        np.where(open_to[some], of[place], 0.0)
        for of in (amounts.value, amounts.value_se, amounts.cost)
    )
    currency = amounts.orders.currency
    # What is planned is sent but for the holdouts: so much more can be planned than is spent.
    more = None if budget is None else budget / sent
    assert worth.rows is not None
    pays = spending_test(worth.rows, customers=len(some), budget=more, currency=currency)
    # A week's own luck is shared: all promotions cost more together; each customer's comes to it.
    spread = amounts.cost_spread[columns]
    allocation = allocate_by(
        policy,
        value,
        error,
        cost,
        budget=more if holdouts is None else budget,
        customers=customers[some],
        promotions=measured,
        eligible=open_to[some],
        groups=None if segment is None else segment.iloc[some],
        constraints=limits,
        budget_risk=risk or None if budget is not None else None,
        cost_se=amounts.cost_luck()[place] if risk else None,
        cost_spread=np.outer(spread, spread),
        explore=explore if explore and budget != 0 else None,
        p_min=least / (sent if holdouts is None else 1.0),
        holdouts=None if holdouts is None else holdouts.in_order(some),
        pays=pays,
        seed=seed,
        currency=currency,
    )
    return allocation, pays


def week_policy(
    run: RunFolder,
    shop: Shop,
    *,
    budget: Any = None,
    constraints: str = "",
    budget_risk: float = 0.0,
    explore: float = 0.05,
    policy: str = GREEDY,
    holdout: float = 0.1,
    standing_holdout: float = 0.05,
    list_size: int = 0,
    lead_days: int = 0,
    seed: int = 0,
    planned: pd.DataFrame | None = None,
) -> WeekPolicy:
    """Choose who gets what this week, as far as past decisions tell what contacts add.

    Parameters
    ----------
    run : RunFolder
        The week's folder, with what the steps before wrote.
    shop : Shop
        Cleaned.
    budget : number, optional
        What the week's discounts, as far as the shop pays them, and contacts may cost; by default
        the shop's own (``[economics] budget``), else until a further unit adds nothing.
    constraints : str
        A file of limits: scope, unit, min, max, where a group is a segment; by default
        ``constraints.csv`` beside the shop's tables, where it lies.
    budget_risk : float
        Most that it may be likely to spend more than a stated budget (0–1); 0 takes costs as
        expected, of which about half of such weeks cost more.
    explore : float
        Share of the customers whose promotion chance draws, paid from the budget (0–1).
    policy : {"greedy", "ucb", "ts"}
        By which the budget goes: what is expected, its upper end, or a draw of what may be true.
    holdout, standing_holdout, list_size, lead_days, planned
        As `promolab.campaign.plan.plan_week`.
    seed : int
        Of what chance draws.

    Raises
    ------
    InputError
        A budget that is negative or no number, or too small for what chance draws; limits that
        cannot all hold.
    """
    choice("policy", policy, BANDITS)
    limits = _limits_at(run, constraints, shop)
    scores = run.read_table("scores")
    starting = run.read_table("outlook")["promotion_id"].unique().tolist()
    told = read_operations(shop.settings)
    stated = budget_of(budget)
    stated = told.economics.budget if stated is None else stated
    worth = load_worth(run, shop, starting)
    measured = [] if worth is None else known_terms(worth, told.contact)
    if worth is None or worth.rows is None or not measured:
        ratios = (run.metrics.get("response") or {}).get("past_ratios")
        return propose_experiment(shop, run.as_of, scores, PastRatios.of(ratios), stated)
    held = share_of("holdout", holdout, none_too=False)
    standing = share_of("standing_holdout", standing_holdout, none_too=True)
    risk = share("budget_risk", budget_risk, one=False)
    found = week_candidates(
        with_suppressions(run, shop),
        scores,
        run.as_of,
        starting,
        measured=measured,
        list_size=list_size,
        lead_days=lead_days,
        planned=planned,
        quarantined=quarantined_customers(shop, run.read_table("quarantine")),
    )
    open_to = found.open_to(measured) & known_of(worth, found.customers, measured)
    some = np.flatnonzero(open_to.any(axis=1))
    if not len(some):  # nobody may be contacted, or nobody is like those of past decisions
        return ExperimentProposal(0, LaunchEconomics(()), stated)
    segments = run.read_table("segments").set_index("customer_id")
    own = "own_segment" if "own_segment" in segments else "segment"  # a limit may name a small one
    segment = segments[own].reindex(found.customers).fillna("No segment")
    out = week_holdouts(shop, found.customers, measured, (held, seed), (standing, 0))
    allocation, pays = spend_budget(
        worth,
        found.customers,
        measured,
        open_to,
        budget=stated,
        sent=(1 - held) * (1 - standing),
        explore=explore,
        seed=seed,
        limits=None if limits is None else _of_these(limits, measured),
        risk=risk,
        segment=segment,
        holdouts=out,
        policy=policy,
    )
    amounts, open_to = worth.amounts, open_to[some]
    answer = plan_value(
        worth.rows,
        plan=allocation,
        held=held,
        between=amounts.spread[[amounts.place(one) for one in measured]],
        currency=amounts.orders.currency,
    )
    names = found.offers.set_index(found.offers["promotion_id"].astype(str))["name"]
    return AllocationResult(
        allocation=allocation,
        answer=answer,
        amounts=amounts,
        place=worth.places(allocation.customers),
        open_to=open_to,
        names={one: str(names[one]) for one in measured},
        budget=stated,
        pays=pays,
        beside=tuple(str(names[one]) for one in names.index if one not in measured),
        risk=risk,
        horizon_days=(run.metrics.get("uplift") or {}).get("horizon_days", HORIZON_DAYS),
        policy=policy,
    )


def _limits_at(run: RunFolder, constraints: str, shop: Shop) -> pd.DataFrame | None:
    """Return the stated limits; None where there are none."""
    beside = Path(run.source) / LIMITS
    if not constraints and not beside.is_file():
        return None
    known = shop.promotions.promotion_id.execute() if shop.has("promotions") else None
    return read_constraints(constraints or beside, known)


def _of_these(limits: pd.DataFrame, promotions: list[str]) -> pd.DataFrame:
    """Leave out limits on promotions that are not allocated this week."""
    elsewhere = (limits["scope"] == "promotion") & ~limits["unit"].isin(promotions)
    return limits[~elsewhere]
