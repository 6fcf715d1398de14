"""What is left to chance in an allocation: customers drawn to learn from, holdouts, and overspend.

A share of the customers gets an action drawn evenly from those open to each, none among them; all
others get what adds most. What those drawn cost is taken off the budget before. Every customer's
chance of every action is written down: from such a log the next week can learn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from promolab.checks import share
from promolab.errors import InputError
from promolab.policy.options import NONE, at_choice
from promolab.results import Result
from promolab.wording import count, number

CLOSE = 1e-4
"""Which share of a budget may be left over when what fits is looked for."""
LOOKS = 40
"""How often, at most, another budget is tried until what is drawn and at risk fits."""


@dataclass(frozen=True)
class Holdouts:
    """Who is held out by chance, drawn before (`promolab.assign`), and by which chance.

    Parameters
    ----------
    standing : ndarray of bool of shape (n,), optional
        Who is never contacted.
    standing_share : float
        The chance to be among them (0–1).
    held : ndarray of bool of shape (n, P), optional
        Who is held back from which promotion, if planned for it.
    held_share : float or sequence of P
        The chance of that, for all promotions or for each (0–1).
    """

    standing: Any = None
    standing_share: float = 0.0
    held: Any = None
    held_share: Any = 0.0

    def in_order(self, order: np.ndarray | None) -> Holdouts:
        """Return them with customers in another order."""
        if order is None:
            return self
        standing, held = (
            None if who is None else np.asarray(who)[order] for who in (self.standing, self.held)
        )
        return replace(self, standing=standing, held=held)

    def sent(self, promotions: int) -> np.ndarray:
        """Return the chance that a planned contact is sent, by promotion.

        Examples
        --------
        >>> Holdouts(standing_share=0.05, held_share=0.1).sent(2).round(3).tolist()
        [0.855, 0.855]
        """
        share("standing_share", self.standing_share, one=False)
        shares = np.broadcast_to(np.asarray(self.held_share, dtype=float), (promotions,))
        for each in shares:
            share("held_share", float(each), one=False)
        return np.asarray((1 - self.standing_share) * (1 - shares))

    def out(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return whom chance bars from which promotion, shape (n, P).

        Raises
        ------
        InputError
            Who is held out is given in another shape, or without the chance, or a chance alone.
        """
        out = np.zeros(shape, dtype=bool)
        given = (
            ("standing", self.standing, shape[:1], self.standing_share),
            ("held", self.held, shape, np.max(self.held_share)),
        )
        for name, who, expected, chance in given:
            if who is None and not chance:
                continue
            mask = np.asarray(who)
            if mask.shape != expected or mask.dtype != bool or not chance:
                raise InputError(
                    f"holdouts: {name} has the shape {mask.shape} and the chance {chance:g}; "
                    f"expected truth values of shape {expected}, and the chance above 0 by which "
                    "they were drawn"
                )
            out |= mask if mask.ndim == 2 else mask[:, None]
        return out


@dataclass(frozen=True)
class Drawn(Result):
    """Chances of an allocation's actions, and what they are good for next time.

    Parameters
    ----------
    share : float
        Of the customers who got an action drawn evenly (0–1).
    asked : float
        The share that was asked for.
    p_min : float
        The least chance of every action that is open to a customer.
    planned : ndarray of int of shape (n,)
        The place of what was drawn for each customer, −1 none: before anybody is held out.
    before : ndarray of shape (n, P + 1)
        The chance of each action before anybody is held out; the last one is none.
    propensities : ndarray of shape (n, P + 1)
        The same with holdouts: the chance of what is sent. 0 where an action is not open.
    effective_n : mapping of action to float
        To how many customers, drawn for the action alone, the log will amount when it tells what
        giving it to all would bring (Kish 1965): n² ÷ Σ 1/chance.
    overspend : float or None
        Chance of spending more than the budget, where a spread of costs is given.
    """

    share: float
    asked: float
    p_min: float
    planned: np.ndarray = field(repr=False)
    before: np.ndarray = field(repr=False)
    propensities: np.ndarray = field(repr=False)
    effective_n: dict[str, float]
    overspend: float | None = None

    @property
    def sent(self) -> float:
        """Share of the planned contacts that are sent: those held out are not."""
        planned = float(self.before[:, :-1].sum())
        return float(self.propensities[:, :-1].sum()) / planned if planned else 1.0

    def put_back(self, order: np.ndarray) -> Drawn:
        """Return it with the customers where they stood before they were put in order."""
        planned, before = put_back(self.planned, order), put_back(self.before, order)
        after = put_back(self.propensities, order)
        return replace(self, planned=planned, before=before, propensities=after)

    def facts(self) -> dict[str, Any]:
        """Return whether a share is drawn, and of how much worth that is."""
        least, most = min(self.effective_n.values()), max(self.effective_n.values())
        return {
            "any_drawn": self.share > 0,
            "part": _short(self.share),
            "asked_for": _short(self.asked),
            "least_chance": _short(self.p_min),
            "risk": "" if self.overspend is None else _short(self.overspend),
            "worth": "same" if count(least) == count(most) else "range",
            "least": least,
            "most": most,
            "raised": self.share > self.asked,
            "actions": len(self.effective_n),
        }


@dataclass(frozen=True)
class CostRisk:
    """By how much what is spent may differ from what is expected.

    Parameters
    ----------
    chance : float or None
        The most that overspending may be likely; None where it does not matter.
    cost_se : ndarray of shape (n, P), optional
        Standard deviation of each customer's own cost.
    spread : float or ndarray of shape (P, P), optional
        Standard deviation, as a share of the expected cost, that all customers have in common: a
        number for all promotions together, or their covariance.
    """

    chance: float | None = None
    cost_se: np.ndarray | None = None
    spread: Any = None

    def deviation(self, cost: np.ndarray, choice: np.ndarray) -> float:
        """Return the standard deviation of what an allocation spends, in money.

        Examples
        --------
        >>> cost, choice = np.array([[3.0, 1.0], [1.0, 4.0]]), np.array([0, 1])
        >>> CostRisk(spread=0.5).deviation(cost, choice)
        3.5
        >>> CostRisk(spread=np.diag([0.25, 0.25])).deviation(cost, choice)
        2.5
        """
        got = np.flatnonzero(choice >= 0)
        mine, promotions = choice[got], cost.shape[1]
        own = 0.0 if self.cost_se is None else float((self.cost_se[got, mine] ** 2).sum())
        together = np.asarray(0.0 if self.spread is None else self.spread, dtype=float)
        if together.ndim == 0:
            together = np.full((promotions, promotions), together**2)
        sums = np.bincount(mine, weights=cost[got, mine], minlength=promotions)
        return float(np.sqrt(own + sums @ together @ sums))

    def reserve(self, cost: np.ndarray, choice: np.ndarray) -> float:
        """Return what is kept back so that overspending is as unlikely as asked, in money."""
        if self.chance is None:
            return 0.0
        return NormalDist().inv_cdf(1 - self.chance) * self.deviation(cost, choice)

    def overspend(self, cost: np.ndarray, choice: np.ndarray, budget: float) -> float:
        """Return the chance of spending more than a budget."""
        left = budget - float(at_choice(cost, choice).sum())
        deviation = self.deviation(cost, choice)
        if not deviation:
            return float(left < 0)
        return 1 - NormalDist().cdf(left / deviation)


def put_back(array: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return rows where they stood before they were put in order.

    Examples
    --------
    >>> put_back(np.array([5, 6, 7]), np.array([2, 0, 1])).tolist()
    [6, 7, 5]
    """
    found = np.empty_like(array)
    found[order] = array
    return found


def cost_risk(
    chance: float | None, cost_se: Any, spread: Any, cost: np.ndarray, order: np.ndarray | None
) -> CostRisk:
    """Check by how much costs may differ, and put it in order.

    Raises
    ------
    InputError
        A chance that is none, or one without anything that costs differ by; wrong shapes.

    Examples
    --------
    >>> cost_risk(0.1, None, None, np.ones((2, 1)), None)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: budget_risk = 0.1; costs need something to differ by: give \
cost_spread, cost_se or both
    """
    if chance is not None:
        share("budget_risk", chance, zero=False, one=False)
        if cost_se is None and spread is None:
            raise InputError(
                f"budget_risk = {chance:g}; costs need something to differ by: give cost_spread, "
                "cost_se or both"
            )
    if cost_se is not None:
        cost_se = np.asarray(cost_se, dtype=float)
        if cost_se.shape != cost.shape or not (cost_se >= 0).all():
            raise InputError(
                f"cost_se has the shape {cost_se.shape}; expected a number from 0 on for each "
                f"customer × promotion, {cost.shape}"
            )
        cost_se = cost_se if order is None else cost_se[order]
    if spread is not None:
        spread, k = np.asarray(spread, dtype=float), cost.shape[1]
        wrong = spread.shape not in ((), (k, k)) or not np.isfinite(spread).all()
        if wrong or (spread.ndim == 0 and spread < 0):
            raise InputError(
                f"cost_spread has the shape {spread.shape}; expected a share from 0 on, or the "
                f"covariance of the {k} promotions"
            )
    return CostRisk(chance, cost_se, spread)


def draw(
    choose: Sequence[Callable[[float, np.ndarray], np.ndarray]],
    cost: np.ndarray,
    eligible: np.ndarray | None,
    promotions: tuple[str, ...],
    budget: float,
    *,
    explore: float | None = None,
    p_min: float = 0.02,
    holdouts: Holdouts | None = None,
    risk: CostRisk | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, Drawn]:
    """Draw who gets what, so that what is sent fits the budget.

    Parameters
    ----------
    choose : sequence of callable
        Each takes a budget, and what is sent to those drawn by chance (−1 for all others), returns
        what adds most inside the budget: the place of each customer's promotion, −1 for none. Of
        several, one drawn evenly decides for each customer.
    cost, eligible : ndarray of shape (n, P)
    promotions : tuple of P
    budget : float
        May be infinite.
    explore : float, optional
        Share of the customers who get an action drawn evenly (0–1), raised to p_min × actions.
    p_min : float
        Least chance of every action that is open to a customer (0–1).
    holdouts : Holdouts, optional
    risk : CostRisk, optional
    seed : int
        Of the draw; for other promotions others are drawn.

    Returns
    -------
    choice : ndarray of int of shape (n,)
        What is sent.
    drawn : Drawn

    Raises
    ------
    InputError
        Those drawn alone cost more than the budget, or there are too many actions for p_min.
    """
    n, k = cost.shape
    held, risk = holdouts or Holdouts(), risk or CostRisk()
    open_to = np.ones((n, k), dtype=bool) if eligible is None else eligible
    out, sent = held.out((n, k)), held.sent(k)
    actions = open_to.sum(axis=1) + 1
    part = 0.0 if explore is None else _explored_share(explore, p_min, int(actions.max()), sent)
    own = [seed, zlib.crc32("|".join(promotions).encode())]
    picked, taken = _picked(open_to, actions, part, own)
    which = np.random.default_rng([*own, 1]).integers(len(choose), size=n)
    fixed = np.where(picked & ~_barred(out, taken), taken, -1)

    def planned_at(amount: float) -> tuple[np.ndarray, np.ndarray]:
        best = np.stack([one(amount, fixed) for one in choose]).astype(np.int64)
        planned = np.where(picked, taken, best[which, np.arange(n)])
        return planned, np.where(_barred(out, planned), -1, planned)

    def left_at(amount: float) -> float:
        choice = planned_at(amount)[1]
        return budget - float(at_choice(cost, choice).sum()) - risk.reserve(cost, choice)

    amount = _most_that_fits(left_at, budget)
    planned, choice = planned_at(amount)
    wanted = np.zeros((n, k + 1))
    for one in choose:
        wanted[np.arange(n), one(amount, fixed).astype(np.int64)] += 1  # −1 is the last, none
    before = np.column_stack([open_to, np.ones(n)]) * (part / actions)[:, None]
    before += wanted / len(choose) * (1 - part)
    after = before[:, :k] * sent
    propensities = np.column_stack([after, 1 - after.sum(axis=1)])
    return choice, Drawn(
        share=part,
        asked=0.0 if explore is None else float(explore),
        p_min=p_min,
        planned=planned,
        before=before,
        propensities=propensities,
        effective_n=_effective(propensities, open_to, promotions),
        overspend=None if risk.chance is None else risk.overspend(cost, choice, budget),
    )


def _barred(out: np.ndarray, planned: np.ndarray) -> np.ndarray:
    """Return who is held out from what is planned."""
    return np.take_along_axis(out, np.maximum(planned, 0)[:, None], axis=1)[:, 0]


def _explored_share(explore: float, p_min: float, actions: int, sent: np.ndarray) -> float:
    share("explore", explore, one=False)
    share("p_min", p_min)
    needed = p_min * actions / float(sent.min())
    if needed >= 1:
        raise InputError(
            f"p_min = {p_min:g} for each of {actions} actions, holdouts aside, leaves nothing to "
            f"choose; give one below {1 / actions * float(sent.min()):.2g}"
        )
    return max(float(explore), needed)


def _picked(
    open_to: np.ndarray, actions: np.ndarray, part: float, seed: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return who is drawn, and what for each, −1 none."""
    rng = np.random.default_rng(seed)
    picked = rng.random(len(open_to)) < part
    place = rng.integers(0, actions)  # among the actions open to each; the last one is none
    among = np.cumsum(open_to, axis=1)
    taken = np.where(place < actions - 1, (among > place[:, None]).argmax(axis=1), -1)
    return picked, taken


def _most_that_fits(left_at: Callable[[float], float], budget: float) -> float:
    """Return the largest amount at which nothing is missing from the budget, by bisection."""
    if np.isinf(budget):
        return budget
    if (missing := -left_at(0.0)) > 1e-9 * max(budget, 1.0):
        raise InputError(
            f"budget = {budget:g} is {number(missing)} less than what those drawn by chance cost, "
            "risk included; give more, or a smaller explore or p_min"
        )
    low, high, slack = 0.0, max(budget, 1e-9), CLOSE * budget
    while (left := left_at(high)) > slack and high < 64 * budget:
        low, high = high, 2 * high
    if left >= 0:
        return high
    for _ in range(LOOKS):
        middle = (low + high) / 2
        left = left_at(middle)
        low, high = (middle, high) if left >= 0 else (low, middle)
        if 0 <= left <= slack or high - low < 1e-9 * high:
            break
    return low


def _short(part: float) -> str:
    """Write a share in percent, without decimals that say nothing."""
    return f"{100 * part:.3g} %"


def _effective(
    chance: np.ndarray, open_to: np.ndarray, promotions: tuple[str, ...]
) -> dict[str, float]:
    """Return what a log of these chances is worth for each action, by Kish."""
    mine = np.column_stack([open_to, np.ones(len(open_to), dtype=bool)])
    with np.errstate(divide="ignore"):
        inverse = np.where(mine, 1 / np.where(mine, chance, 1.0), 0.0).sum(axis=0)
    worth = np.divide(
        mine.sum(axis=0) ** 2.0, inverse, where=inverse > 0, out=np.zeros_like(inverse)
    )
    return dict(zip((*promotions, NONE), worth.tolist(), strict=True))
