"""Who gets which promotion inside the budget: the allocation, its frontier and its proof."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import real_number, seed_of
from promolab.errors import InputError
from promolab.policy.constraints import limits_of
from promolab.policy.frontier import Limits, Solution, cheapest, check_limits, name_of, solve
from promolab.policy.options import NONE, Options, at_choice, by_label, options_of
from promolab.policy.plan_scores import SpendingTest, spending_test
from promolab.policy.randomization import Drawn, Holdouts, cost_risk, draw, put_back
from promolab.policy.rows import PolicyRows
from promolab.results import Result, words_of
from promolab.wording import number, part_of, percent

if TYPE_CHECKING:
    from promolab.effects import UpliftModel


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
        of it would; from a row to the next, profit rises in a straight line. Where there are
        limits beside the budget, of some budgets, with bounds on the profit.
    currency : str
        What money is in, for the words.
    propensity : ndarray of shape (n,) or None
        With which chance each customer gets what is chosen; None where nothing is left to chance.
    drawn : Drawn or None
        Every action's chance, and what was planned before anybody was held out; likewise.
    why_not : str
        Why nothing is spent but on those drawn by chance, where that is so.
    tested : bool
        Whether anything was said of whether it pays.
    limits : DataFrame or None
        ``scope, unit, min, max, used, price`` of the limits beside the budget; None where there are
        none. The price is what a unit more of what binds would add at most, in money; below 0
        it is a least number's, a unit less of which would add as much.
    """

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
    tested: bool = field(default=True, kw_only=True)
    limits: pd.DataFrame | None = field(default=None, repr=False)

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

    def facts(self) -> dict[str, Any]:
        """Return how good it is, as codes, what limits would earn, and what the next of budget."""
        beyond = (self.upper_bound - self.value) / abs(self.value) if self.value else math.inf
        near = "within" if beyond <= 1 else "at_most"
        best = self.drawn is None and self.gap < 1e-12
        more, adds = self._next()
        free = math.isinf(self.budget)
        after = "limits" if free and self.limits is not None else "adds" if adds > 0 else "nothing"
        return {
            "chosen": part_of(self.contacted, len(self.choice) if self.contacted else 0),
            "of_budget": not free,
            "withheld": bool(self.why_not),
            "near": "chance" if self.drawn is not None else "best" if best else near,
            "within": percent(beyond, decimals=_digits(beyond)) if 0 < beyond < math.inf else "",
            "limited": self.limits is not None,
            "after": after,
            "next_amount": more,
            "next_adds": adds,
            "prices": lambda: " ".join(self.price_sentences()[:3]),
            "untested": not self.tested and self.contacted > 0,
            "customers_in_all": len(self.choice),
            "shown": lambda: _thinned(self.frontier),
            "point": pd.DataFrame({"budget": [self.spend], "profit": [self.value]}),
        }

    def price_sentences(self) -> list[str]:
        """Return of each limit that binds what moving it would add, the dearest first.

        Examples
        --------
        >>> found = allocate([[3.0], [8.0]], [[0.0], [0.0]], capacity=[1], promotions=["mail"])
        >>> found.price_sentences()
        ["1 more of promotion 'mail' would earn up to 3.00 more."]
        """
        if self.limits is None or self.why_not:
            return []
        said, columns = [], ["scope", "unit", "min", "max", "price"]
        for scope, unit, least, most, price in self.limits[columns].itertuples(index=False):
            end = most if price > 0 else least
            if price * end:
                step = max(round_amount(end), 1.0)
                given = {"scope": scope, "unit": unit, "named": bool(unit), "step": step}
                given |= {"way": "more" if price > 0 else "fewer", "earns": step * abs(price)}
                words = words_of(__name__, "Allocation", currency=self.currency, **given)
                said.append((-step * abs(price), words.say("priced")))
        return [sentence for _, sentence in sorted(said)]

    def _next(self) -> tuple[float, float]:
        """Return a round amount more of budget, and what it would add."""
        if math.isinf(self.budget):
            return 0.0, 0.0
        more = round_amount(self.budget or float(self.frontier["budget"].iloc[-1]))
        return more, self.profit_at(self.spend + more) - self.profit_at(self.spend)


def allocate(
    value: Any,
    cost: Any,
    *,
    budget: float | None = None,
    customers: Any = None,
    promotions: Sequence[Any] | None = None,
    eligible: Any = None,
    capacity: Any = None,
    groups: Any = None,
    floors: Mapping[Any, Any] | None = None,
    constraints: Any = None,
    cost_se: Any = None,
    cost_spread: Any = None,
    budget_risk: float | None = None,
    explore: float | None = None,
    p_min: float = 0.02,
    holdouts: Holdouts | None = None,
    pays: SpendingTest | UpliftModel | bool | None = None,
    among: Sequence[Any] = (),
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
        least 0), in money.
    budget : float, optional
        Most that may be spent; by default until nothing adds anything more.
    customers, promotions : array-like, optional
        Ids; by default their places.
    eligible : array-like of bool of shape (n, P), optional
        Who may get what; by default everybody everything.
    capacity : mapping of promotion to number or (least, most), or sequence of P, optional
        How many customers may get each promotion at most; of a pair, at least and at most.
    groups : array-like of shape (n,), optional
        A group of each customer, for ``floors``; missing for none.
    floors : mapping of group to number or (least, most), optional
        How many customers of a group are to get a promotion at least; of a pair, at most too.
    constraints : path or DataFrame, optional
        Such limits as a table, ``scope, unit, min, max``, beside the others
        (`promolab.policy.read_constraints`).
    cost_se : array-like of shape (n, P), optional
        Standard deviation of each customer's own cost, for ``budget_risk``.
    cost_spread : float or array-like of shape (P, P), optional
        What all customers' costs have in common to differ by, as a share of the expected cost: of
        all promotions together, or their covariance.
    budget_risk : float, optional
        Most that overspending may be likely (0–1); by default costs are taken as expected.
    explore : float, optional
        Share of the customers who get an action drawn evenly, none among them, paid from the budget
        (0–1); raised to ``p_min`` × actions where that is more. By default nothing is drawn.
    p_min : float
        Least chance of every action that is open to a customer, where some are drawn.
    holdouts : Holdouts, optional
        Who is held out by chance, and by which: they cost nothing, and their chances enter.
    pays : SpendingTest, UpliftModel or bool, optional
        Whether it pays to spend on more than those drawn by chance, by past decisions
        (`promolab.policy.spending_test`, or the fitted model, which it is then asked of); if not,
        the others get nothing. True and False settle it. By default it is not tested, and the
        summary says so: by chance some customers look good where no promotion does anything.
    among : sequence of array-like of shape (n, P)
        Values as they may be: for each customer one of them, drawn evenly, decides in place of
        ``value``. Limits beside the budget would not hold then, and are refused.
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
        negative or missing (the row is named), a customer twice; limits that cannot all hold: which
        ones, and by how much.

    Notes
    -----
    With limits beside the budget, prices of all of them are found by which each customer chooses
    alone (`promolab.policy.frontier.lagrangian`); at the best prices up to one customer for each
    limit that binds, and one for the budget, is of two minds, and some who hardly lose by it are
    settled as HiGHS does it best. Who is drawn by chance takes a part of a capacity before the
    others.

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
The next 0.10 would add 0.05. Not tested whether it pays (pays=spending_test(…)); predicted values \
promise too much of whom they choose.
    """
    from promolab.effects import UpliftModel

    most = math.inf if budget is None else real_number("budget", budget, least=0)
    given = options_of(value, cost, customers, promotions, eligible)
    cost_se = by_label(value, customers, cost_se, "cost_se")
    groups = by_label(value, customers, groups, "groups")
    if holdouts is not None:
        out = {name: getattr(holdouts, name) for name in ("standing", "held")}
        holdouts = replace(
            holdouts, **{k: by_label(value, customers, v, k) for k, v in out.items()}
        )
    given, limits = limits_of(given, most, capacity, groups, floors, constraints)
    most = limits.budget
    options, order = given.ordered()
    limits = limits if order is None else limits.of(order)
    check_limits(options.eligible, options.value.shape, limits)
    found = solve(options.value, options.cost, limits, options.eligible)
    gate = _asked_of(pays, given, most, currency) if isinstance(pays, UpliftModel) else pays
    spends = gate is None or bool(gate)
    choose = [_chooser(found, options, limits, spends)]
    if len(among):
        among = [by_label(value, customers, each, "among") for each in among]
        several = _choosers(among, given, limits)  # limits are refused whether it pays or not
        choose = several if spends else choose
    choice, drawn = found.choice if spends else np.full_like(found.choice, -1), None
    if any(each is not None for each in (explore, holdouts, budget_risk)) or len(among):
        choice, drawn = draw(
            choose, options.cost, options.eligible, given.promotions, most,
            explore=explore, p_min=p_min,
            holdouts=None if holdouts is None else holdouts.in_order(order),
            risk=cost_risk(budget_risk, cost_se, cost_spread, given.cost, order),
            seed=seed_of(seed),
        )  # fmt: skip
    stated = _limits_frame(limits, limits.used(choice), found.prices)
    if order is not None:
        choice, drawn = put_back(choice, order), drawn and drawn.put_back(order)
    gained, paid = (at_choice(array, choice) for array in (given.value, given.cost))
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
        found.frontier if found.frontier is not None else pd.DataFrame(),
        currency,
        None if drawn is None else drawn.propensities[np.arange(len(choice)), choice],
        drawn,
        gate.summary() if isinstance(gate, SpendingTest) and not spends else "",
        stated,
        tested=gate is not None,
    )


def _asked_of(model: UpliftModel, given: Options, budget: float, currency: str) -> SpendingTest:
    """Ask a fitted model's past decisions, at what the arms cost here on average.

    What values fall short of the model's averages is what contacts cost beside the outcome.
    """
    arms = [str(arm) for arm in model.treatments_]
    if sorted(arms) != sorted(given.promotions):
        raise InputError(
            f"pays is a model of the arms {arms} and the promotions are {list(given.promotions)}; "
            "give promotions=model.treatments_, or pays=spending_test(…)"
        )
    place = [given.promotions.index(arm) for arm in arms]
    open_to = np.ones(given.value.shape, dtype=bool) if given.eligible is None else given.eligible
    value, cost = (
        np.where(open_to, each, 0.0).sum(axis=0)[place] / np.maximum(open_to.sum(axis=0), 1)[place]
        for each in (given.value, given.cost)
    )
    beside = np.maximum(model.calibrated_.rows["effect"].to_numpy() - value, 0.0)
    rows = PolicyRows.of_model(model, cost, beside)
    most = None if math.isinf(budget) else budget
    return spending_test(rows, customers=len(given.customers), budget=most, currency=currency)


def _chooser(
    found: Solution, options: Options, limits: Limits, pays: bool
) -> Callable[[float, np.ndarray], np.ndarray]:
    """Return what chooses at any budget, where some customers are given what chance draws."""
    arrays, path = (options.value, options.cost), found.path

    def choose(amount: float, fixed: np.ndarray) -> np.ndarray:
        left = limits.most - limits.used(fixed)
        if (left < 0).any():
            row = int(left.argmin())
            raise InputError(
                f"those drawn by chance alone use {number(-left[row], decimals=0)} more of "
                f"{name_of(limits, row)} than there may be; raise it, or give a smaller explore "
                "or p_min"
            )
        if not pays:
            return np.full(len(fixed), -1)
        if path is not None:
            return path.choose(amount)
        rest = replace(limits, budget=amount, most=left)
        try:
            return solve(*arrays, rest, options.eligible, frontier=False).choice
        except InputError:  # too little for the least numbers: what keeps to them for least
            return cheapest(*arrays, rest, options.eligible)

    return choose


def _choosers(
    among: Sequence[Any], given: Options, limits: Limits
) -> list[Callable[[float, np.ndarray], np.ndarray]]:
    """Return what chooses by each of some values, of which one decides for each customer."""
    if limits.names:
        raise InputError(
            f"{name_of(limits, 0)} is limited; where another draw of values decides for each "
            "customer, as policy ts has it, limits beside the budget would not hold: take greedy "
            "or ucb, or leave them out"
        )

    def by(value: Any) -> Callable[[float, np.ndarray], np.ndarray]:
        fixed = given.cost, given.customers, given.promotions, given.eligible
        one = options_of(value, *fixed).ordered()[0]
        path = solve(one.value, one.cost, limits, one.eligible).path
        assert path is not None  # nothing but the budget is limited
        return lambda amount, _: path.choose(amount)

    return [by(value) for value in among]


def _limits_frame(limits: Limits, used: np.ndarray, prices: np.ndarray) -> pd.DataFrame | None:
    if not limits.names:
        return None
    scopes, units = zip(*limits.names, strict=True)
    ends = {"min": limits.least, "max": limits.most}
    return pd.DataFrame({"scope": scopes, "unit": units, **ends, "used": used, "price": prices[1:]})


def round_amount(budget: float) -> float:
    """Return a round amount of some hundredths of a budget.

    Examples
    --------
    >>> round_amount(42_000.0), round_amount(0.0)
    (1000.0, 0.0)
    """
    return 10.0 ** math.floor(math.log10(budget / 20)) if budget > 0 else 0.0


def _digits(share: float) -> int:
    """Return the decimals of a percentage that leave it two digits."""
    return max(0, min(6, 1 - math.floor(math.log10(100 * share))))


def _thinned(frame: pd.DataFrame, most: int = 2_000) -> pd.DataFrame:
    """Return so many rows, evenly spread, the first and the last one among them."""
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, most).astype(int))]
