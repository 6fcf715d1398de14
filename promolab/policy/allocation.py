"""Who gets which promotion inside the budget: the allocation, its frontier and its proof."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import choice as choice_of
from promolab.checks import real_number, seed_of
from promolab.display import Html, table
from promolab.policy.amounts import round_amount
from promolab.policy.chances import (
    Drawn,
    Holdouts,
    cost_of,
    cost_risk,
    draw,
    lower_bounds,
    put_back,
)
from promolab.policy.hulls import HullPath
from promolab.policy.options import NONE, options_of
from promolab.policy.paying import Pays
from promolab.policy.solving import Limits, solve
from promolab.results import Result
from promolab.wording import count, number, part_of, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Allocation(Result):
    """Who gets which promotion, what that adds and costs, and every other budget; by `allocate`.

    Parameters
    ----------
    customers : ndarray of shape (n,)
        Ids, in the order given.
    promotions : tuple of str
        Ids, in the order of the columns.
    choice : ndarray of int of shape (n,)
        The place of each customer's promotion; −1 for none.
    expected_value, expected_cost : ndarray of shape (n,)
        Of what each customer gets, in money; 0 for none.
    value, spend : float
        Their sums.
    budget : float
        Most that could be spent; infinite where everything was taken that adds something.
    upper_bound : float
        What no allocation inside the limits can add more than (the linear program's optimum).
    frontier : DataFrame
        ``budget, profit, marginal_return``: what each budget adds at most, and what the next unit
        of it would; from a row to the next, profit rises in a straight line.
    currency : str
        What money is in, for the words.
    propensity : ndarray of shape (n,) or None
        With which chance each customer gets what is chosen; None where nothing is left to chance.
    drawn : Drawn or None
        Every action's chance, and what was planned before anybody was held out; likewise.
    why_not : str
        Why nothing is spent but on those drawn by chance, where that is so.
    """

    ALT = "What the promotions add, by budget, with the chosen budget marked."

    customers: np.ndarray = field(repr=False)
    promotions: tuple[str, ...]
    choice: np.ndarray = field(repr=False)
    expected_value: np.ndarray = field(repr=False)
    expected_cost: np.ndarray = field(repr=False)
    value: float
    spend: float
    budget: float
    upper_bound: float
    frontier: pd.DataFrame = field(repr=False)
    currency: str = ""
    propensity: np.ndarray | None = field(default=None, repr=False)
    drawn: Drawn | None = field(default=None, repr=False)
    why_not: str = ""

    @property
    def gap(self) -> float:
        """How far the value can lie below the best one, as a share of the bound; 0 is the best."""
        short = max(self.upper_bound - self.value, 0.0)
        return short / abs(self.upper_bound) if short > 0 and self.upper_bound else 0.0

    @property
    def contacted(self) -> int:
        """Customers who get a promotion."""
        return int((self.choice >= 0).sum())

    @cached_property
    def assignment(self) -> pd.DataFrame:
        """``customer, promotion, propensity, value, cost``, a row per customer as given.

        Whoever gets no promotion has ``none``.
        """
        offered = pd.Categorical.from_codes(self.choice + 1, pd.Index([NONE, *self.promotions]))
        chance = np.ones(len(self.choice)) if self.propensity is None else self.propensity
        return pd.DataFrame(
            {
                "customer": self.customers,
                "promotion": offered,
                "propensity": chance,
                "value": self.expected_value,
                "cost": self.expected_cost,
            }
        )

    def chances(self) -> pd.DataFrame:
        """``customer_id, action, propensity, chosen``: every action that may be drawn for whom.

        Before anybody is held out, as a week's plan takes it (`promolab.campaign.plan.plan_week`).

        Examples
        --------
        >>> found = allocate([[3.0], [8.0]], [[1.0], [1.0]], budget=1, promotions=["mail"])
        >>> found.chances().values.tolist()
        [[0, 'none', 1.0, True], [1, 'mail', 1.0, True]]
        """
        k = len(self.promotions)
        planned = self.choice if self.drawn is None else self.drawn.planned
        chance = np.eye(k + 1)[planned] if self.drawn is None else self.drawn.before
        customer, action = np.nonzero(chance > 0)
        names = np.array([*self.promotions, NONE], dtype=object)
        place = np.where(planned < 0, k, planned)
        return pd.DataFrame(
            {
                "customer_id": self.customers[customer],
                "action": names[action],
                "propensity": chance[customer, action],
                "chosen": action == place[customer],
            }
        )

    def profit_at(self, budget: float) -> float:
        """Return what a budget adds at most: how high the frontier lies there.

        Raises
        ------
        InputError
            A budget that is negative or no number.

        Examples
        --------
        >>> found = allocate([[3.0], [8.0]], [[1.0], [2.0]], budget=2)
        >>> found.profit_at(2), found.profit_at(2.5), found.profit_at(9)
        (8.0, 9.5, 11.0)
        """
        at = real_number("budget", budget, least=0)
        frontier = self.frontier
        return float(np.interp(at, frontier["budget"], frontier["profit"]))

    def next_adds(self, amount: float) -> float:
        """Return what so much more than was spent would add, in money."""
        return self.profit_at(self.spend + amount) - self.profit_at(self.spend)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per promotion, and one for none: customers, cost and value."""
        code = self.choice.astype(int) + 1
        k = len(self.promotions) + 1
        sums = (
            np.bincount(code, a, minlength=k) for a in (self.expected_cost, self.expected_value)
        )
        cost, value = sums
        return pd.DataFrame(
            {
                "promotion": [*self.promotions, NONE],
                "customers": np.roll(np.bincount(code, minlength=k), -1),
                "cost": np.roll(cost, -1),
                "value": np.roll(value, -1),
            }
        )

    def table(self) -> Html:
        """Return `to_frame` as a page shows it."""
        unit = f", {self.currency}" if self.currency else ""
        heads = {
            "promotion": "promotion",
            "customers": "customers",
            "cost": f"expected cost{unit}",
            "value": f"expected extra profit{unit}",
        }
        return table(self.to_frame(), heads, {"cost": number, "value": number})

    def summary(self) -> str:
        """Say whom to contact, what that costs and adds, how good it is, and what more would."""
        spent = self._money(self.spend)
        of = "" if math.isinf(self.budget) else f" of {self._money(self.budget)}"
        near = (
            "no other choice adds more"
            if self.gap < 1e-12
            else f"no other choice adds more than {percent(self.gap, decimals=_digits(self.gap))} "
            "beyond that"
        )
        whom = part_of(self.contacted, len(self.choice) if self.contacted else 0)
        if self.why_not:
            return f"Contact {whom}: costs {spent}{of}. {self.why_not}"
        return (
            f"Contact {whom}: costs {spent}{of}, "
            f"expected to add {self._money(self.value)} of profit; {near}.{self._next()}"
        )

    def _next(self) -> str:
        if math.isinf(self.budget):
            return " What else there is would add nothing."
        more = round_amount(self.budget or float(self.frontier["budget"].iloc[-1]))
        adds = self.next_adds(more) if more else 0.0
        if adds <= 0:
            return " More budget would add nothing."
        return f" The next {number(more)} would add {number(adds)}."

    def _money(self, amount: float) -> str:
        return number(amount, unit=self.currency)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what each budget adds, with the chosen one marked."""
        from promolab import plots

        shown = _thinned(self.frontier)
        ax = plots.curve(shown["budget"], shown["profit"], ax=ax)
        plots.points([self.spend], [self.value], label="chosen", ax=ax)
        unit = f", {self.currency}" if self.currency else ""
        return plots.finish(
            ax,
            title=f"{self._money(self.spend)} of cost adds {self._money(self.value)} of profit",
            subtitle="expected extra profit by budget, promotions given where they return most · "
            f"{count(len(self.choice))} customers",
            xlabel=f"budget{unit}",
            ylabel=f"expected extra profit{unit}",
        )


def allocate(
    value: Any,
    cost: Any = None,
    *,
    budget: float | None = None,
    customers: Any = None,
    promotions: Sequence[Any] | None = None,
    eligible: Any = None,
    value_se: Any = None,
    risk: str = "expected",
    cost_se: Any = None,
    cost_spread: Any = None,
    budget_risk: float | None = None,
    explore: float | None = None,
    p_min: float = 0.02,
    holdouts: Holdouts | None = None,
    pays: Pays | bool = True,
    seed: int = 0,
    currency: str = "",
) -> Allocation:
    """Give each customer the promotion, or none, so that all together add most inside the budget.

    Of each customer's options only those on the upper convex hull of cost and value are worth their
    money; all hull steps, sorted by their return, are the optimum at every budget at once. What
    adds nothing or less is never given, what is free and adds something comes first.

    Parameters
    ----------
    value, cost : array-like of shape (n, P)
        Net incremental profit of each customer and promotion, and what it charges to the budget (at
        least 0), in money. Or one long table with the columns ``customer, promotion, value, cost``:
        pairs without a row are not allowed.
    budget : float, optional
        Most that may be spent; by default until nothing adds anything more.
    customers, promotions : array-like, optional
        Ids; by default their places.
    eligible : array-like of bool of shape (n, P), optional
        Who may get what; by default everybody everything.
    value_se : array-like of shape (n, P), optional
        Standard errors of the values, for ``risk="lower"``.
    risk : {"expected", "lower"}
        Whether to go by expected values, or by their one-sided 90 % lower bounds: value, bound and
        frontier are then of these.
    cost_se : array-like of shape (n, P), optional
        Standard deviation of each customer's own cost, for ``budget_risk``.
    cost_spread : float or array-like of shape (P,) or (P, P), optional
        What all customers' costs have in common to differ by, as a share of the expected cost: of
        all promotions together, of each by itself, or their covariance.
    budget_risk : float, optional
        Most that overspending may be likely (0–1); by default costs are taken as expected.
    explore : float, optional
        Share of the customers who get an action drawn evenly, none among them, paid from the budget
        (0–1); raised to ``p_min`` × actions where that is more. By default nothing is drawn.
    p_min : float
        Least chance of every action that is open to a customer, where some are drawn.
    holdouts : Holdouts, optional
        Who is held out by chance, and by which: they cost nothing, and their chances enter.
    pays : Pays or bool
        Whether it pays to spend on more than those drawn by chance
        (`promolab.policy.pays_to_spend`); if not, the others get nothing.
    seed : int
        Of the draw; the order of the rows does not matter.
    currency : str
        What money is in, for the words.

    Returns
    -------
    Allocation

    Raises
    ------
    InputError
        A budget that is negative or no number, values and costs of different shapes, a cost that is
        negative or missing (the row is named), a customer twice.

    Notes
    -----
    At a budget alone at most one customer's step fits in part, so that what is chosen lies below
    ``upper_bound`` by less than one step of one customer. Ties: of equal returns the customer comes
    first whose id does; of a customer's equal promotions, the first column. So rows in another
    order give the same answer.

    References
    ----------
    Sinha & Zoltners (1979), Operations Research 27(3); Sverdrup, Wu, Athey & Wager (2023),
    arXiv 2306.11979.

    Examples
    --------
    >>> value = [[3.0, 4.0], [1.0, 5.0], [-1.0, 2.0]]
    >>> cost = [[1.0, 2.0], [1.0, 2.0], [0.0, 4.0]]
    >>> found = allocate(value, cost, budget=4, promotions=["mail", "coupon"])
    >>> found.assignment["promotion"].tolist(), found.value, found.spend, found.gap
    (['coupon', 'coupon', 'none'], 9.0, 4.0, 0.0)
    >>> print(found.summary())
    Contact 2 of 3: costs 4.00 of 4.00, expected to add 9.00 of profit; no other choice adds more. \
The next 0.10 would add 0.05.
    """
    most = math.inf if budget is None else real_number("budget", budget, least=0)
    given = options_of(value, cost, customers, promotions, eligible)
    if choice_of("risk", risk, ("expected", "lower")) == "lower":
        given = replace(given, value=lower_bounds(given.value, value_se))
    options, order = given.ordered()
    found = solve(options.value, options.cost, Limits(most), options.eligible)
    choose = found.path.choose if pays else lambda amount: np.full(len(found.choice), -1)
    choice, drawn = found.choice if pays else choose(0.0), None
    if explore is not None or holdouts is not None or budget_risk is not None:
        choice, drawn = draw(
            choose, options.cost, options.eligible, given.promotions, most,
            explore=explore, p_min=p_min,
            holdouts=None if holdouts is None else holdouts.in_order(order),
            risk=cost_risk(budget_risk, cost_se, cost_spread, given.cost, order),
            seed=seed_of(seed),
        )  # fmt: skip
    if order is not None:
        choice, drawn = put_back(choice, order), drawn and drawn.put_back(order)
    gained, paid = (cost_of(array, choice) for array in (given.value, given.cost))
    # Summed in the order of ids, so that the order of rows does not show in the last digit.
    total, spend = (float((a if order is None else a[order]).sum()) for a in (gained, paid))
    return Allocation(
        given.customers,
        given.promotions,
        choice,
        gained,
        paid,
        total,
        spend,
        most,
        found.upper_bound,
        _frontier_of(found.path),
        currency,
        None if drawn is None else drawn.propensities[np.arange(len(choice)), choice],
        drawn,
        "" if pays or isinstance(pays, bool) else pays.summary(),
    )


def _frontier_of(path: HullPath) -> pd.DataFrame:
    free = int(np.searchsorted(path.spend, 0.0, side="right"))
    start = path.profit[free - 1] if free else 0.0
    return pd.DataFrame(
        {
            "budget": np.insert(path.spend[free:], 0, 0.0),
            "profit": np.insert(path.profit[free:], 0, start),
            "marginal_return": np.append(path.value[free:] / path.cost[free:], 0.0),
        },
        copy=False,
    )


def _digits(share: float) -> int:
    """Return the decimals of a percentage that leave it two digits."""
    return max(0, min(6, 1 - math.floor(math.log10(100 * share))))


def _thinned(frame: pd.DataFrame, most: int = 2_000) -> pd.DataFrame:
    """Return so many rows, evenly spread, the first and the last one among them."""
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, most).astype(int))]
