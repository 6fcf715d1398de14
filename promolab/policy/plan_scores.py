"""What policies are worth on logged decisions, and whether it pays to spend at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import real_number, share, whole_number
from promolab.effects import mean_of
from promolab.policy.frontier import hull_path
from promolab.policy.options import at_choice
from promolab.results import Estimate, Result
from promolab.stats import t_quantile, two_sided
from promolab.wording import decimals_for, number

if TYPE_CHECKING:
    from promolab.policy.frontier import HullPath
    from promolab.policy.rows import PolicyRows

FOLDS_SHARE = 1.15
"""How many times as large a standard error is for folds' sharing the data that decide them.

Each fold's policy learned from the others, so that a customer who by chance did well is chosen more
often in all folds but the own. In simulations (`benchmarks/money.py`) means of scores vary 1.16 to
1.18 times as much as plain standard errors say where nothing or little is there to be told, 1.07 to
1.14 times with middling effects, and as they say where effects are strong enough to settle nearly
every choice: the plain interval of 90 % covers 81–91 %, one that is 1.15 times as wide 88–94 %
(86 % where averages alone choose the best of four arms that do nothing at all).
"""
LEAST_SPREAD_GAP = -2.33
"""Baskets that promotions make less unequal by so many errors are not told by their logs: of those
that they leave as they are, one log in a hundred."""
NOTHING_SHARES = 1.3
"""The same where it is asked whether there is anything at all (`promolab.policy.spending_test`).

Where averages alone choose, the best of four arms for everybody or none, all the folds' choices
hang on the same few figures: means vary 1.22 to 1.32 times as much as plain standard errors say. A
one-sided test of 5 % would call 5.5 to 8.3 % of shops without effects at 1.15, at 1.3 3.4 to 5.1 %.
"""


@dataclass(frozen=True)
class Gain:
    """A mean gain per decision, with its standard error.

    Parameters
    ----------
    value, std_error, degrees : float
        In money per decision; Student's degrees of freedom.
    n : int
        Decisions.
    """

    value: float
    std_error: float
    degrees: float
    n: int

    def interval(self, level: float, number: float = 1.0, more: float = 0.0) -> Estimate:
        """Return the gain of a number of decisions with its interval.

        Parameters
        ----------
        level : float
        number : float
            Of decisions.
        more : float
            Standard deviation of what else it may differ by, in money.
        """
        value = self.value * number
        half = float(t_quantile(level, self.degrees)) * self.error(number, more)
        return Estimate(value, value - half, value + half, self.n)

    def error(self, number: float = 1.0, more: float = 0.0) -> float:
        """Return the standard error of the gain of a number of decisions, as `interval` has it."""
        return float(np.hypot(self.std_error * number, more))

    def chance_of_loss(self, number: float = 1.0, more: float = 0.0) -> float:
        """Return how likely a gain below 0 is, by what the data tell.

        Examples
        --------
        >>> round(Gain(2.0, 1.0, 100.0, 400).chance_of_loss(), 3)
        0.024
        """
        value, error = self.value * number, self.error(number, more)
        if not error > 0:
            return float(value < 0)
        tail = float(two_sided(value, error, self.degrees)) / 2
        return tail if value >= 0 else 1 - tail


class PlanScores:
    """Policies on logged decisions.

    Parameters
    ----------
    rows : PolicyRows
    """

    def __init__(self, rows: PolicyRows) -> None:
        self.rows = rows
        self.decided: np.ndarray = np.asarray(rows.eligible.any(axis=1))
        sound = rows.evidence is not None and rows.evidence.spread_gap > LEAST_SPREAD_GAP
        self.evidence = rows.evidence if sound and rows.known is not None else None

    @cached_property
    def _paths(self) -> list[tuple[np.ndarray, HullPath]]:
        rows = self.rows
        paths = []
        for fold in rows.folds:
            there = np.flatnonzero((rows.fold == fold) & self.decided)
            part = (array[there] for array in (rows.effect, rows.cost, rows.eligible))
            paths.append((there, hull_path(*part)))
        return paths

    @cached_property
    def _customers(self) -> np.ndarray:
        return np.unique(self.rows.cluster[self.decided], return_inverse=True)[1]

    def choose(self, budget: float) -> np.ndarray:
        """Return the place of each row's arm, −1 for none, of the best allocation foretold.

        Parameters
        ----------
        budget : float
            Per decision, the same in each fold; may be infinite.
        """
        choice = np.full(len(self.rows), -1, dtype=np.int64)
        for there, path in self._paths:
            choice[there] = path.choose(budget * len(there))
        return choice

    def choose_modelled(self, budget: float, nothing: float) -> np.ndarray:
        """Return as `choose` what buying and baskets foretell, worth 1 − ``nothing`` times as much.

        Of all rows at once: the chance of nothing is in it, not folds.
        """
        rows, mine = self.rows, self.decided
        paid = 0.0 if rows.contact is None else rows.contact
        value = (1 - nothing) * rows.modelled - paid
        path = hull_path(value[mine], rows.cost[mine], rows.eligible[mine])
        choice = np.full(len(rows), -1, dtype=np.int64)
        choice[mine] = path.choose(budget * int(mine.sum()))
        return choice

    def paid(self, choice: np.ndarray) -> np.ndarray:
        """Return what the chosen arms cost beside the outcome, or to the budget, shape (n,)."""
        cost = self.rows.cost if self.rows.contact is None else self.rows.contact
        return at_choice(cost, choice)

    def of_choice(self, choice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and costs of what is chosen, each of shape (n,)."""
        return at_choice(self.rows.gamma, choice), at_choice(self.rows.cost, choice)

    def soon_of_choice(self, choice: np.ndarray) -> np.ndarray | None:
        """Return what the chosen arms add in the window, shape (n,); None where it is not known."""
        return None if self.rows.soon is None else at_choice(self.rows.soon, choice)

    def at_random(self) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and costs of an arm drawn evenly from those each could get."""
        known, some = self.rows.eligible, np.maximum(self.rows.eligible.sum(axis=1), 1)
        gamma, cost = (
            np.where(known, array, 0.0).sum(axis=1) / some
            for array in (self.rows.gamma, self.rows.cost)
        )
        return gamma, cost

    def explored(self, choice: np.ndarray, explore: float) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and costs where a share gets an action drawn evenly, none among them."""
        number = self.rows.eligible.sum(axis=1)
        drawn = explore * number / (number + 1)
        mixed = [
            (1 - explore) * own + drawn * other
            for own, other in zip(self.of_choice(choice), self.at_random(), strict=True)
        ]
        return mixed[0], mixed[1]

    def everybody(self, budget: float) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and costs of one arm for all, in random order until the budget is spent.

        Which arm, the other folds say: the one of which their customers' scores add most.
        """
        gamma, cost, reach, sums = self._of_all(budget)
        best = (reach * (sums.sum(axis=0) - sums)).argmax(axis=1)
        place = best[np.searchsorted(self.rows.folds, self.rows.fold)]
        rows = np.arange(len(place))
        return reach[place] * gamma[rows, place], reach[place] * cost[rows, place]

    def best_for_all(self, budget: float) -> int:
        """Return the arm that adds most where all get the same until the budget is spent."""
        reach, sums = self._of_all(budget)[2:]
        return int((reach * sums.sum(axis=0)).argmax())

    def _of_all(self, budget: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return scores and costs of arms, the share whom each can reach, and sums by fold."""
        known, fold = self.rows.eligible, self.rows.fold
        gamma, cost = (np.where(known, a, 0.0) for a in (self.rows.gamma, self.rows.cost))
        reach = part_of_budget(budget, cost[self.decided].mean(axis=0))
        sums = np.stack([gamma[fold == each].sum(axis=0) for each in self.rows.folds])
        return gamma, cost, reach, sums

    def by_response(self, budget: float) -> np.ndarray | None:
        """Return the choice where those likeliest to respond come first until the budget is spent.

        Each fold by itself; None where responses were not foretold.
        """
        rows = self.rows
        if rows.response is None:
            return None
        likely = np.where(rows.eligible, rows.response, -np.inf)
        arm = likely.argmax(axis=1)
        cost = rows.cost[np.arange(len(rows)), arm]
        choice = np.full(len(rows), -1, dtype=np.int64)
        for there, _ in self._paths:
            order = there[np.argsort(-likely[there, arm[there]], kind="stable")]
            paid = np.cumsum(cost[order]) <= budget * len(there) * (1 + 1e-12)
            choice[order[paid]] = arm[order[paid]]
        return choice

    def gain(self, scores: np.ndarray, share: float = FOLDS_SHARE) -> Gain:
        """Return the mean of scores, with an error that knows of shared folds and customers.

        Parameters
        ----------
        scores : ndarray of shape (n,)
        share : float
            How many times as large the error is for folds' sharing data.
        """
        mine = self.decided
        mean = mean_of(scores[mine], self._customers, 0.9)
        return Gain(mean.estimate.value, share * mean.std_error, mean.degrees, int(mine.sum()))


def part_of_budget(budget: float, cost: np.ndarray) -> np.ndarray:
    """Return which share of all can be given what costs so much each on average.

    Examples
    --------
    >>> part_of_budget(0.5, np.array([0.0, 0.25, 2.0])).tolist()
    [1.0, 1.0, 0.25]
    """
    return np.asarray(np.minimum(budget / np.maximum(cost, 1e-300), 1.0))


TOLERATED = 0.2
"""Chance of a loss up to which spending is taken to pay: what holds back what pays loses, too."""


@dataclass(frozen=True)
class Posterior:
    """What a plan adds per decision: nothing but its cost, or a gain that is told with an error.

    Parameters
    ----------
    nothing : float
        Chance that promotions do nothing (0–1).
    gain : Gain
        What the plan adds net of its cost if they do something.
    paid : float
        What it costs beside the outcome, in money per decision.
    """

    nothing: float
    gain: Gain
    paid: float

    def loss(self, number: float = 1.0, more: float = 0.0) -> float:
        """Return how likely so many decisions lose; ``more`` as `Gain.interval` has it.

        Examples
        --------
        >>> round(Posterior(0.1, Gain(2.0, 1.0, 100.0, 400), 1.0).loss(), 3)
        0.122
        """
        return self.nothing + (1 - self.nothing) * self.gain.chance_of_loss(number, more)

    @property
    def expected(self) -> float:
        """What the plan adds on average, net of its cost."""
        return (1 - self.nothing) * self.gain.value - self.nothing * self.paid


def posterior_of(there: PlanScores, choice: np.ndarray, gain: Gain) -> Posterior:
    """Return what past decisions say of a choice of arms.

    Parameters
    ----------
    there : PlanScores
    choice : ndarray of int of shape (n,)
        The place of each row's arm, −1 for none.
    gain : Gain
        Of the plan by its scores: what tells where decisions do not fall into buying and baskets.
    """
    rows, some = there.rows, choice >= 0
    paid = there.paid(choice)
    cost, told = float(paid[there.decided].mean()), [gain]
    if there.evidence is not None and rows.known is not None:
        if some.any():
            adds = float((rows.modelled[some, choice[some]] - paid[some]).sum()) / gain.n
            error = there.evidence.error(rows.known, choice) / gain.n
            gain = Gain(adds, error, math.inf, gain.n)
        return Posterior(there.evidence.nothing(), gain, cost)
    if some.any():
        soon = there.soon_of_choice(choice)
        scores = [there.of_choice(choice)[0], *([] if soon is None else [soon])]
        told = [there.gain(each, NOTHING_SHARES) for each in scores]
    nothing = min(nothing_by(each.chance_of_loss()) for each in told)
    return Posterior(nothing, gain, cost)


def nothing_by(p: float) -> float:
    """Return the least chance that promotions do nothing, by a one-sided p value; 0.5 before it.

    Whatever effects there may be otherwise, the odds are at least −e·p·log p
    (Sellke, Bayarri & Berger 2001, The American Statistician 55).

    Examples
    --------
    >>> round(nothing_by(0.05), 2), round(nothing_by(0.5), 2)
    (0.29, 0.5)
    """
    odds = -math.e * p * math.log(p) if 0 < p < 1 / math.e else float(p > 0)
    return odds / (1 + odds)


@dataclass(frozen=True)
class SpendingTest(Result):
    """Whether to spend on more than learning; by `spending_test`. True where it pays.

    Parameters
    ----------
    profit : Estimate
        What the best allocation foretold adds, net of its cost, for the customers asked about, by
        doubly robust scores; the lower end is a one-sided bound.
    spend : float
        What it would spend on them, in money.
    decisions : int
        Past decisions behind it.
    level : float
        Of the one-sided bound.
    currency : str
    soon : bool
        Whether they are sure to add more in the window than they cost.
    loss : float
        Chance that the plan loses money (0–1).
    nothing : float
        Chance that promotions do nothing at all (0–1).
    expected : float
        What the plan adds on average, a chance of nothing included: what withholding it costs.
    tolerated : float
        Chance of a loss up to which it pays to spend.
    modelled : bool
        Whether buying and baskets told, rather than the scores alone.
    """

    profit: Estimate
    spend: float
    decisions: int
    level: float = 0.95
    currency: str = ""
    soon: bool = False
    loss: float = 1.0
    nothing: float = 1.0
    expected: float = 0.0
    tolerated: float = TOLERATED
    modelled: bool = False

    def __bool__(self) -> bool:
        return self.loss <= self.tolerated and self.spend > 0

    def facts(self) -> dict[str, Any]:
        """Return whether it pays, and what is shown beside."""
        value, low, high = self.profit.ends
        adds, least = (number(each, decimals=decimals_for(low, high)) for each in (value, low))
        return {
            "state": "none" if not self.spend else "pays" if self else "withheld",
            "adds": adds,
            "least": least,
            "chance": min(self.loss, 0.99),
            "most": min(self.tolerated, 0.99),
            "gives_up": self.expected > 0,
        }


def spending_test(
    rows: PolicyRows,
    *,
    customers: int | None = None,
    budget: float | None = None,
    tolerated: float = TOLERATED,
    level: float = 0.95,
    currency: str = "",
) -> SpendingTest:
    """Tell whether the best allocation foretold is likely enough to add more than it costs.

    An allocation by predictions alone spends all of its budget where no promotion does anything:
    some customers look good by chance. So promotions may do nothing, with a chance q that past
    decisions tell, and an effect counts 1 − q times. A plan is made of such effects, and loses with
    the chance q + (1 − q)·Φ(−its mean ÷ its standard deviation).

    Where the outcome falls into buying and baskets (`promolab.effects.effect_evidence`), these tell
    q and the plan's mean, as averages of heavy-tailed money would not for years. Elsewhere scores
    tell: each fold of logged customers is given what the others foretell to be best, and what came
    of it has a p value, of which q follows. What is added in the window alone, where it is known,
    may tell q with less chance; whether it lasts, what came later.

    Parameters
    ----------
    rows : PolicyRows
        The logged decisions.
    customers : int, optional
        For how many; by default as many as decisions.
    budget : float, optional
        Most that may be spent on them; by default until nothing adds anything more.
    tolerated : float
        Chance of a loss up to which it pays (0–1).
    level : float
        Above 0.5, of the one-sided lower bound that is shown beside.
    currency : str

    Returns
    -------
    SpendingTest

    Raises
    ------
    InputError
        A budget, a chance or a level that is none.

    Examples
    --------
    >>> import numpy as np
    >>> from promolab.policy import PolicyRows
    >>> rng = np.random.default_rng(0)
    >>> noise, cost = 3 * rng.normal(size=(4000, 1)), np.ones((4000, 1))
    >>> fold, who = np.arange(4000) % 5, np.arange(4000)
    >>> found = spending_test(PolicyRows(noise + 1, cost, cost, fold, who, ["mail"]), budget=400)
    >>> bool(found)
    True
    >>> bool(spending_test(PolicyRows(noise, cost, cost, fold, who, ["mail"]), budget=400))
    False
    """
    real_number("level", level, above=0.5, below=1)
    share("tolerated", tolerated, one=False)
    number_of = len(rows) if customers is None else whole_number("customers", customers, 1)
    most = math.inf if budget is None else real_number("budget", budget, least=0)
    there = PlanScores(rows)
    choice = there.choose(most / number_of)
    gain = there.gain(there.of_choice(choice)[0], NOTHING_SHARES)
    if there.evidence is not None:
        nothing = there.evidence.nothing()
        choice = there.choose_modelled(most / number_of, nothing)
        gain = there.gain(there.of_choice(choice)[0], NOTHING_SHARES)
    told, window = posterior_of(there, choice, gain), there.soon_of_choice(choice)
    early = 1.0 if window is None else there.gain(window, NOTHING_SHARES).chance_of_loss()
    spend = float(there.of_choice(choice)[1][there.decided].mean()) * number_of
    return SpendingTest(
        gain.interval(2 * level - 1, number_of),
        spend,
        gain.n,
        level,
        currency,
        early < 1 - level,
        told.loss(number_of),
        told.nothing,
        told.expected * number_of,
        tolerated,
        there.evidence is not None,
    )
