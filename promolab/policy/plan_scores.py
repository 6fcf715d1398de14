"""What policies are worth on logged decisions: chosen by other customers, valued by their own.

A policy is decided fold by fold, by effects that other folds foretold, and valued by the scores of
the fold: what chose never values. The estimand is the mean value of the policies so evaluated,
which learned from a fold less than the policy in use, and so lies a little below its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects import mean_of
from promolab.policy.frontier import hull_path
from promolab.results import Estimate
from promolab.stats import t_quantile, two_sided

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
(86 % where averages alone choose the best of four arms that do nothing at all). Decided by earlier
folds alone the plain one is right, and as wide.
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

    def _taken(self, array: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Return what a table (n, K) holds for what is chosen, 0 for none, shape (n,)."""
        place = np.maximum(choice, 0)[:, None]
        return np.where(choice >= 0, np.take_along_axis(array, place, axis=1)[:, 0], 0.0)

    def paid(self, choice: np.ndarray) -> np.ndarray:
        """Return what the chosen arms cost beside the outcome, or to the budget, shape (n,)."""
        cost = self.rows.cost if self.rows.contact is None else self.rows.contact
        return self._taken(cost, choice)

    def of_choice(self, choice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and costs of what is chosen, each of shape (n,)."""
        return self._taken(self.rows.gamma, choice), self._taken(self.rows.cost, choice)

    def soon_of_choice(self, choice: np.ndarray) -> np.ndarray | None:
        """Return what the chosen arms add in the window, shape (n,); None where it is not known."""
        return None if self.rows.soon is None else self._taken(self.rows.soon, choice)

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
        wider = 1.0 if self.rows.forward else share
        return Gain(mean.estimate.value, wider * mean.std_error, mean.degrees, int(mine.sum()))


def part_of_budget(budget: float, cost: np.ndarray) -> np.ndarray:
    """Return which share of all can be given what costs so much each on average.

    Examples
    --------
    >>> part_of_budget(0.5, np.array([0.0, 0.25, 2.0])).tolist()
    [1.0, 1.0, 0.25]
    """
    return np.asarray(np.minimum(budget / np.maximum(cost, 1e-300), 1.0))
