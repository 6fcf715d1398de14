"""The best allocation inside limits, and the proof how good it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.policy.frontier.convex_hull import SLACK, HullPath, hull_path
from promolab.policy.frontier.lagrangian import Answer, Customers, Priced, refine
from promolab.policy.frontier.limits import Limits, over_budget, program, relax, whole

SMALL, MIDDLE = 1_000, 30_000
"""Customers whose linear program is solved as it is; of the sample on which prices are refined."""
WHOLE = 200
"""Customers, beside those whose share is not whole, who may be settled otherwise at the end."""
LARGEST_CORE = 30_000
FEW = 5_000
SHARES_BELOW, SHARES_ABOVE = (0.9, 0.75, 0.5, 0.25, 0.0), (1.05, 1.25, 1.5)
"""Other budgets, as shares of the one that was asked for, and customers on whom they are priced."""
GAP = 1e-5
"""How far the last customers' best answer may be missed, as a share of the whole value."""
FIRM = 1_000.0
"""What missing a limit by one costs, in units of the largest value: more than it ever gains."""
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Solution:
    """Who gets what, and what no allocation can beat.

    Parameters
    ----------
    choice : ndarray of int of shape (n,)
        Each customer's option; −1 for none.
    upper_bound : float
        The most that any allocation inside the limits can add.
    frontier : DataFrame or None
        ``budget, profit, marginal_return``, as of `promolab.policy.Allocation`; None where it was
        not asked for.
    path : HullPath or None
        The frontier's steps; None where there are limits beside the budget.
    prices : ndarray of shape (1 + rows,)
        What a unit more of the budget, and of each limit, would add at most; below 0 for a floor
        that binds: so much would a unit less of it add.
    """

    choice: np.ndarray
    upper_bound: float
    frontier: pd.DataFrame | None
    path: HullPath | None
    prices: np.ndarray


def solve(
    value: np.ndarray,
    cost: np.ndarray,
    limits: Limits,
    eligible: np.ndarray | None = None,
    *,
    frontier: bool = True,
) -> Solution:
    """Choose one option or none for each customer, so that all together add most inside limits.

    Parameters
    ----------
    value, cost : ndarray of shape (n, P)
        Checked: finite where eligible, and no cost below 0.
    limits : Limits
        Such as can hold together.
    eligible : ndarray of bool of shape (n, P), optional
    frontier : bool
        Whether other budgets are wanted too.

    Raises
    ------
    InputError
        Least numbers cost more than the budget, or whole customers cannot keep to the limits.

    Examples
    --------
    >>> value, cost = np.array([[3.0, 4.0], [1.0, 5.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])
    >>> found = solve(value, cost, Limits(budget=3.0))
    >>> found.choice.tolist(), found.upper_bound, found.prices.tolist()
    ([0, 1], 8.0, [1.0])
    """
    if not limits.names:
        path = hull_path(value, cost, eligible)
        at, prices = limits.budget, np.array([path.price(limits.budget)])
        table = path.frontier() if frontier else None
        return Solution(path.choose(at), path.bound(at), table, path, prices)
    return solve_within(scale(value, cost, eligible), limits, frontier=frontier)


def solve_within(ready: Scaled, limits: Limits, *, frontier: bool = True) -> Solution:
    """Solve for customers who are scaled already, as `solve`, with limits beside the budget.

    Parameters
    ----------
    ready : Scaled
        By `scale`; the same ones for any limits.
    limits : Limits
    frontier : bool
        Whether other budgets are wanted too.
    """
    customers, unit, paid = ready
    customers = customers.under(replace(limits, budget=limits.budget / paid))
    least = _check_budget(customers, paid)
    priced = price_limits(customers)
    choice = _repaired(customers, priced, paid)
    best, table = priced.best, None
    if frontier:
        table = _frontier(customers, best, max(least, 0.0), _spend(customers, choice))
        table *= [paid, unit, unit / paid]
    prices = best.prices * unit / np.insert(np.ones(len(limits.names)), 0, paid)
    return Solution(choice, best.bound * unit, table, None, prices)


def cheapest(
    value: np.ndarray, cost: np.ndarray, limits: Limits, eligible: np.ndarray | None = None
) -> np.ndarray:
    """Return the choice that keeps to all limits but the budget and costs least."""
    free = replace(limits, budget=np.inf)
    return solve(-cost, cost, free, eligible, frontier=False).choice


class Scaled(NamedTuple):
    """Customers whose values and costs are about 1, and by what both were divided; by `scale`."""

    customers: Customers
    unit: float
    paid: float


def scale(value: np.ndarray, cost: np.ndarray, eligible: np.ndarray | None = None) -> Scaled:
    """Divide values and costs so that they are about 1; what is not eligible is out of the way.

    By powers of two, which leave every digit as it is. Solvers take what is smaller than some
    absolute number for nothing.

    Parameters
    ----------
    value, cost, eligible : ndarray of shape (n, P)
        As `solve` takes them.
    """
    if eligible is not None:
        value, cost = np.where(eligible, value, -np.inf), np.where(eligible, cost, 0.0)
    unit, paid = _power(value), _power(cost)
    return Scaled(Customers(value / unit, cost / paid, Limits()), unit, paid)


def _power(array: np.ndarray) -> float:
    some = np.abs(array[np.isfinite(array) & (array != 0)])
    return float(2.0 ** np.round(np.log2(some.mean()))) if some.size else 1.0


def price_limits(customers: Customers) -> Priced:
    """Find the best prices: of few customers exactly, of many on a sample, then on all.

    Parameters
    ----------
    customers : Customers
    """
    n = len(customers)
    share, prices, _ = _of_few(_sample(customers, SMALL))
    if n <= SMALL:
        answer = customers.answer(prices)
        return Priced(answer, [replace(answer, choice=_most_of(share))], np.ones(1))
    # In the sample a rare limit may be out of reach; its price is not to be believed.
    ceiling = np.full(len(prices), _largest(customers))
    starts = [np.clip(prices, -ceiling, ceiling)]
    rounds = 60
    if n > MIDDLE:
        rounds = 25
        rough = refine(
            _sample(customers, MIDDLE), starts, 0.03 * ceiling, rounds=60, tolerance=1e-6
        )
        mixed = np.flatnonzero(rough.weights > 1e-6)
        starts = [rough.best.prices, *(rough.answers[k].prices for k in mixed)]
    return refine(customers, starts, 0.01 * ceiling, rounds=rounds, tolerance=1e-6)


def _sample(customers: Customers, most: int) -> Customers:
    """Return so many of them at most, drawn by chance, the same in every run."""
    n = len(customers)
    if n <= most:
        return customers
    return customers.sample(np.sort(np.random.default_rng(0).permutation(n)[:most]))


def _of_few(customers: Customers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    small = program(customers.value.T, customers.cost.T, customers.limits)
    return relax(small, FIRM * _largest(customers))


def _check_budget(customers: Customers, paid: float) -> float:
    """Refuse least numbers that cost more than the budget; return what they cost, or a guess."""
    limits = customers.limits
    if not (limits.least > 0).any() or not np.isfinite(limits.budget):
        return 0.0
    value = np.where(np.isfinite(customers.value), -customers.cost, -np.inf)
    bare = Customers(value.T, customers.cost.T, replace(limits, budget=np.inf))
    few = _sample(bare, SMALL)
    share, _, missed = _of_few(few)
    least = float((share * few.cost.T).sum()) * len(bare) / len(few)
    if len(few) < len(bare) and (least > 0.9 * limits.budget or np.abs(missed).max() > 1e-6):
        least = -price_limits(bare).best.bound
    elif len(few) < len(bare):
        return least
    if least > limits.budget * (1 + 1e-9):
        raise over_budget(least * paid, limits.budget * paid)
    return least


def _frontier(customers: Customers, best: Answer, least: float, spend: float) -> pd.DataFrame:
    """Return a bound at some budgets, each from prices found on a sample for it.

    At each price of the budget the bound is a straight line in the budget; the lowest of all lines
    counts.
    """
    free = not np.isfinite(customers.limits.budget)
    at = spend if free else customers.limits.budget
    some = _sample(customers, FEW)
    ceiling = np.full(len(best.prices), _largest(customers))
    lines = [(at, best.bound, best.prices[0])]
    for shares in (SHARES_BELOW, () if free else SHARES_ABOVE):
        prices = best.prices
        for budget in (share * at for share in shares):
            if budget < least:
                continue
            scaled = some.within(budget * len(some) / len(customers))
            prices = refine(scaled, [prices], 0.05 * ceiling, rounds=20, tolerance=1e-5).best.prices
            lines.append((budget, customers.within(budget).answer(prices).bound, prices[0]))
    budget, bound, slope = np.array(sorted(lines)).T
    profit = (bound + slope * (budget[:, None] - budget)).min(axis=1)
    rise = np.diff(profit) / np.maximum(np.diff(budget), 1e-300)
    marginal = np.minimum(slope, np.append(rise, slope[-1]))
    return pd.DataFrame({"budget": budget, "profit": profit, "marginal_return": marginal})


def _largest(customers: Customers) -> float:
    finite = customers.value[np.isfinite(customers.value)]
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def _most_of(share: np.ndarray) -> np.ndarray:
    """Return of what each customer gets most, −1 for none."""
    with_none = np.column_stack([1 - share.sum(axis=1), share])
    most: np.ndarray = with_none.argmax(axis=1) - 1
    return most.astype(np.int16)


def _mixed(priced: Priced) -> np.ndarray:
    """Give each customer one of the answers, in the shares of their weights, evenly spread."""
    ends = np.cumsum(priced.weights / priced.weights.sum())
    spread = (np.arange(len(priced.best.choice)) + 0.5) * GOLDEN % 1
    choice = priced.answers[-1].choice.copy()
    begin = 0.0
    for answer, end in zip(priced.answers, ends, strict=True):
        if end > begin:
            np.copyto(choice, answer.choice, where=(spread >= begin) & (spread < end))
        begin = end
    return choice


def _repaired(customers: Customers, priced: Priced, paid: float) -> np.ndarray:
    """Make a choice keep to all limits, and add as much as it can, by changing few customers.

    Those are changed whose best option is hardly better than their second.
    """
    limits, choice = customers.limits, _mixed(priced)
    missed = np.abs(_missed(customers, choice))
    bound = priced.best.bound
    if not missed.any() and bound - _total(customers, choice) <= GAP * abs(bound):
        return choice
    margin = priced.best.margin
    n = len(customers)
    order = np.argsort(margin, kind="stable")
    size = min(int(3 * missed.sum()) + WHOLE, LARGEST_CORE)
    while True:
        core = np.sort(order[:size])
        settled = _settled(customers, choice, core, margin[core])
        left = _missed(customers, settled)
        if left[0] <= SLACK * limits.budget and not left[1:].any():
            return settled
        if size >= min(n, LARGEST_CORE):
            raise InputError(_not_whole(limits, left * np.insert(np.ones(len(left) - 1), 0, paid)))
        size = min(10 * size, n, LARGEST_CORE)


def _settled(
    customers: Customers, choice: np.ndarray, core: np.ndarray, margin: np.ndarray
) -> np.ndarray:
    """Choose anew for a core of customers, the others staying as they are."""
    choice = choice.copy()
    if len(core) > WHOLE:
        share, _, _ = relax(program(*_part(customers, choice, core)), FIRM * _largest(customers))
        choice[core] = _most_of(share)
        sure = np.maximum(share.max(axis=1), 1 - share.sum(axis=1)) > 1 - 1e-6
        near = np.argsort(np.where(sure, margin, -1.0), kind="stable")
        core = np.sort(core[near[: (~sure).sum() + WHOLE // 2]])
    value, cost, limits = _part(customers, choice, core)
    mine = float(np.maximum(value.max(axis=1, initial=0.0), 0).sum())
    gap = min(GAP * abs(_total(customers, choice)) / mine, 0.01) if mine else 0.0
    for less in (0.0, 1e-5):
        tight = limits.without(less, np.zeros(len(limits.names)))
        found = whole(program(value, cost, tight), gap)
        if found is None:
            break
        choice[core] = found
        # The solver's sums may exceed a budget by a hair; then it is told a hair less.
        if _missed(customers, choice)[0] <= SLACK * customers.limits.budget:
            break
    return choice


def _part(
    customers: Customers, choice: np.ndarray, core: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Limits]:
    """Return the core's values and costs, and what the choices of the others leave it of limits."""
    rest = choice.copy()
    rest[core] = -1
    limits = customers.limits
    left = limits.without(_spend(customers, rest), limits.used(rest))
    return customers.value[:, core].T, customers.cost[:, core].T, left.of(core)


def _spend(customers: Customers, choice: np.ndarray) -> float:
    gets = np.flatnonzero(choice >= 0)
    return float(customers.cost[choice[gets], gets].sum())


def _total(customers: Customers, choice: np.ndarray) -> float:
    gets = np.flatnonzero(choice >= 0)
    return float(customers.value[choice[gets], gets].sum())


def _missed(customers: Customers, choice: np.ndarray) -> np.ndarray:
    return customers.limits.missed(_spend(customers, choice), customers.limits.used(choice))


def _not_whole(limits: Limits, missed: np.ndarray) -> str:
    names = ["the budget", *(f"{scope} {unit!r}" for scope, unit in limits.names)]
    told = [f"{name} by {abs(by):,.6g}" for name, by in zip(names, missed, strict=True) if by]
    return f"whole customers cannot keep to all limits: missed are {', '.join(told)}; loosen one"
