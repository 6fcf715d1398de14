"""The step beneath the week's policy: a budget spent on what is known to add, chance included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.policy import Allocation, SpendingTest, allocate, spending_test

if TYPE_CHECKING:
    from promolab.campaign.worth import Worth
    from promolab.contract import ContactRules
    from promolab.policy import Holdouts

LEAST = 0.02
"""Least chance of every action that is open to a customer, held out or not."""


@dataclass(frozen=True)
class Asked:
    """What the week's caller stated.

    Parameters
    ----------
    budget : float or None
        Most that may be spent, in money; None spends until a further unit adds nothing.
    limits : DataFrame or None
        As `promolab.policy.read_constraints` returns them.
    risk : float
        Most that overspending may be likely; 0 takes costs as expected.
    explore, held, sent : float
        Shares (0–1): of the customers, drawn by chance; of the planned, held back; of the planned,
        sent after all holdouts.
    seed : int
    least : float
        Least chance of every action that is open to a customer, held out or not (0–1).
    """

    budget: float | None
    limits: pd.DataFrame | None
    risk: float
    explore: float
    held: float
    sent: float
    seed: int
    least: float = LEAST


@dataclass(frozen=True)
class Spent:
    """A budget spent; made by `spend_budget`.

    Parameters
    ----------
    allocation : Allocation
        Of the n customers to whom anything is open.
    pays : SpendingTest
        Whether spending more than exploration takes is shown to pay.
    some : ndarray of int of shape (n,)
        Their places among the customers given.
    place : ndarray of int of shape (n,)
        Their rows in the worth.
    columns : ndarray of int of shape (P,)
        The promotions' columns in the worth.
    open_to, held : ndarray of bool of shape (n, P)
        Who may get what, and who is held out of what if planned for it.
    """

    allocation: Allocation
    pays: SpendingTest
    some: np.ndarray
    place: np.ndarray
    columns: np.ndarray
    open_to: np.ndarray
    held: np.ndarray


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
    asked: Asked,
    segment: pd.Series[Any] | None = None,
    holdouts: Holdouts | None = None,
) -> Spent:
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
    asked : Asked
    segment : Series of n texts, optional
        In the order of the customers.
    holdouts : Holdouts, optional
        Whom the plan will hold out: what is allocated is then what is sent. Without, so much more
        is planned than the budget pays for as holdouts take off in the mean.
    """
    amounts, place = worth.amounts, worth.places(customers)
    columns = np.array([amounts.place(one) for one in measured])
    some = np.flatnonzero(open_to.any(axis=1))
    open_to, place = open_to[some], place[some]
    value, cost = (
        np.where(open_to, array[np.ix_(place, columns)], 0.0)
        for array in (amounts.value, amounts.cost)
    )
    currency = amounts.orders.currency
    # What is planned is sent but for the holdouts: so much more can be planned than is spent.
    budget = None if asked.budget is None else asked.budget / asked.sent
    held = np.zeros(open_to.shape, dtype=bool)
    if holdouts is not None:
        holdouts = holdouts.in_order(some)
        held = holdouts.out(open_to.shape)
    assert worth.rows is not None
    pays = spending_test(worth.rows, customers=len(some), budget=budget, currency=currency)
    # A week's own luck is shared: all promotions cost more together; each customer's comes to it.
    spread = np.outer(amounts.cost_spread[columns], amounts.cost_spread[columns])
    own = amounts.cost_luck()[np.ix_(place, columns)] if asked.risk else None
    allocation = allocate(
        value,
        cost,
        budget=budget if holdouts is None else asked.budget,
        customers=customers[some],
        promotions=measured,
        eligible=open_to,
        groups=None if segment is None else segment.iloc[some],
        constraints=asked.limits,
        budget_risk=asked.risk or None if budget is not None else None,
        cost_se=own,
        cost_spread=spread,
        explore=asked.explore if asked.explore and asked.budget != 0 else None,
        p_min=asked.least / (asked.sent if holdouts is None else 1.0),
        holdouts=holdouts,
        pays=pays,
        seed=asked.seed,
        currency=currency,
    )
    return Spent(allocation, pays, some, place, columns, open_to, held)
