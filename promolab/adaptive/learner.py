"""A plan over weeks, learned from a log, beside what counting says and what is simpler still."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from promolab.adaptive.counting import CAUTION, Model, counted_values, model_of, price_for
from promolab.adaptive.evaluation import (
    BINS,
    DIFFERENCE,
    PLAN,
    PlanEvaluation,
    compare_plans,
    constants,
)
from promolab.adaptive.plan_log import Bins, PlanLog, discount_of, read_log, state_columns
from promolab.checks import choice, real_number, seed_of, whole_number
from promolab.errors import DataError, InputError
from promolab.results import Estimate, Result, drawn_by
from promolab.stats import dealt

if TYPE_CHECKING:
    from promolab.adaptive.q_network import FittedNetwork

KINDS = ("counting", "fqi", "cql")
COUNTING = "counting"
ALPHA = 0.1
"""Of ``cql``."""
MOVED, DRIFT = 0.02, 0.1
"""Most that a converged fit may still move in its last sweeps (`fit_network`)."""
FOLDS = 3
"""Parts of the customers, each of which judges a plan that learned from the others."""
AHEAD = (1, 3, 8)
"""Weeks that the plans it is held against look ahead."""


@dataclass(frozen=True)
class LearnedPlan(Result):
    """What a `PlanLearner` found.

    Parameters
    ----------
    kind : str
    evaluation : PlanEvaluation
        The plan beside counting, the myopic plan, those that look 3 and 8 weeks ahead, each action
        for everybody, and what the log did. Customers judge plans that others taught: a third of
        them each time, so that nothing is praised for what chance brought it.
    curves : DataFrame
        ``sweep, loss, drift, moved``; empty where nothing was fitted in sweeps.
    price : float
        Of a contact, in the reward's unit: the one given, or what keeps the plan to its budget.
    bins : int
    """

    kind: str
    evaluation: PlanEvaluation
    curves: pd.DataFrame = field(repr=False)
    price: float
    bins: int

    plot_curves = drawn_by("plot_curves", "Draw how the fit came to rest.")

    def to_frame(self) -> pd.DataFrame:
        """Return the plans side by side."""
        return self.evaluation.frame

    def to_table(self, which: str = "table") -> Any:
        """Return the plans side by side, as a page shows them."""
        return self.evaluation.to_table(which)

    def plot(self, ax: Any = None) -> Any:
        """Draw what each plan is worth."""
        return self.evaluation.plot(ax)

    def facts(self) -> dict[str, Any]:
        """Return whether the learner is worth its weight, and its distance from the log."""
        rows = self.evaluation.frame.set_index("policy")
        verdict = "counted"
        if self.kind != COUNTING:
            verdict = Estimate.of(float(rows.loc[COUNTING, end]) for end in DIFFERENCE).side
        return {
            "verdict": verdict,
            "told": self.evaluation.summary(),
            "apart": self.evaluation.apart,
            "sweeps": len(self.curves),
        }


class PlanLearner:
    """Learn from a log what to do with each customer each week, later weeks counted in.

    Parameters
    ----------
    kind : {"counting", "fqi", "cql"}
        ``counting``: the tabular plan of binned states, what followed each action counted, less
        ``caution`` standard errors of what few rows say. ``fqi``: fitted Q iteration with a dueling
        double network (offline DQN). ``cql``: the same, held down where the log seldom went.
    discount : float
        γ a week (0–1, below 1).
    price : float
        Of a contact, in the reward's unit, beside what rewards hold already.
    budget : float, optional
        Contacts per customer and week, at most: the price is raised until the counted plan keeps to
        it. Plans go by jumps, so part of it may stay unspent.
    caution : float
        Of counting.
    alpha : float
        Of ``cql``: how hard it is held down.
    bins : int
        Of a column that has more than a dozen values.
    sweeps : int
        Of ``fqi`` and ``cql``.
    seed : int

    Attributes
    ----------
    found : LearnedPlan
        After `fit`: what the plan is worth beside others, by customers it did not learn from.

    Raises
    ------
    InputError
        An unknown kind, a discount of 1 or more, a budget or a price below 0.

    Examples
    --------
    >>> from promolab.simulated import CustomerProcess
    >>> process = CustomerProcess(levels=2)
    >>> log = process.log(customers=3_000, weeks=12, seed=1)
    >>> learner = PlanLearner("counting").fit(log, states=["stock", "fatigue", "reference"])
    >>> print(learner.choose(process.states.head(2)))
    ['recommendation' 'discount 15 %']
    """

    found: LearnedPlan

    def __init__(
        self,
        kind: str = COUNTING,
        *,
        discount: float = 0.97,
        price: float = 0.0,
        budget: float | None = None,
        caution: float = CAUTION,
        alpha: float = ALPHA,
        bins: int = BINS,
        sweeps: int = 100,
        seed: int = 0,
    ) -> None:
        self.kind = choice("kind", kind, KINDS)
        self.discount = discount_of(discount)
        self.price = real_number("price", price, least=0)
        self.budget = None if budget is None else real_number("budget", budget, least=0)
        self.caution = real_number("caution", caution, least=0)
        self.alpha = real_number("alpha", alpha, least=0) if kind == "cql" else 0.0
        self.bins, self.sweeps = whole_number("bins", bins, 2), whole_number("sweeps", sweeps, 1)
        self.seed = seed_of(seed)

    def fit(
        self,
        log: pd.DataFrame,
        states: Sequence[str],
        *,
        actions: Sequence[Any] | None = None,
        allowed: Any = None,
    ) -> Self:
        """Learn the plan from all, and judge plans that learned from some by the others.

        An action that the log never took in a bin of states is not planned there.

        Parameters
        ----------
        log : DataFrame
            As `evaluate_plan` takes it.
        states : sequence of str
            Columns of numbers, known before the decision.
        actions : sequence, optional
            What there is to do; by default what the log did.
        allowed : array-like of bool of shape (n, K), optional
            What rights and limits allowed in each row, in the order of ``actions``.

        Returns
        -------
        PlanLearner
            Itself.

        Raises
        ------
        InputError
            The fit has not converged; a budget that cannot be kept.
        DataError
            As `evaluate_plan`; the log cannot tell what the plan is worth (fewer than 400 effective
            customers, or too much of it where the log has few rows).
        """
        data = read_log(log, states, actions, allowed)
        self._states, self._actions = list(data.states.columns), data.actions
        self._bins, self._names = Bins(data.states, self.bins), set(data.names)
        code, k = self._bins.of_log, len(data.actions)
        taken = np.bincount(code * k + data.action, minlength=self._bins.count * k)
        self._seen = taken.reshape(-1, k) > 0
        data = dataclasses.replace(data, allowed=data.allowed & self._seen[code])
        counted = model_of(data, code, self._bins.count)
        price = self.price
        if self.budget is not None:
            price = price_for(counted, self.discount, self.budget, self.caution, price)
        fold = dealt(data.names, FOLDS, self.seed)[0][data.customer]
        rivals = [self._rivals(data, fold != number, price) for number in range(FOLDS)]
        policies = {name: [each[name] for each in rivals] for name in rivals[0]}
        evaluation = compare_plans(data, policies, self.discount, 0.9, self._bins, fold)
        if evaluation.refused:
            raise DataError(evaluation.say("why"))
        self._q = self._learned(data, price)
        curves = pd.DataFrame() if isinstance(self._q, np.ndarray) else self._q.curves
        self.found = LearnedPlan(self.kind, evaluation, curves, price, self._bins.count)
        return self

    def _rivals(self, log: PlanLog, learned: np.ndarray, price: float) -> dict[Any, np.ndarray]:
        """Return what plans that learned from some customers do in all rows."""
        twin = log.part(learned)
        model = model_of(twin, self._bins.of(twin.states), self._bins.count)
        found = {PLAN: self._learned(twin, price)}
        if self.kind != COUNTING:
            found[COUNTING] = self._counted(model, price)
        for weeks in AHEAD:
            found[f"{weeks} ahead"] = counted_values(
                model, self.discount, caution=0, price=price, weeks=weeks
            )
        chosen: dict[Any, np.ndarray]
        chosen = {name: self._chosen(q, log) for name, q in found.items()}
        return chosen | constants(log)

    def _counted(self, model: Model, price: float) -> np.ndarray:
        return counted_values(model, self.discount, caution=self.caution, price=price)

    def _learned(self, log: PlanLog, price: float) -> np.ndarray | FittedNetwork:
        """Return a table of values per bin, or a network of them."""
        if self.kind == COUNTING:
            model = model_of(log, self._bins.of(log.states), self._bins.count)
            return self._counted(model, price)
        from promolab.adaptive.q_network import WINDOW, fit_network

        unique, code = np.unique(log.states.to_numpy(), axis=0, return_inverse=True)
        model = model_of(log, code.ravel(), len(unique))
        fitted = fit_network(
            model, unique, self.discount, self.alpha, price, self.sweeps, self.seed
        )
        last = fitted.curves.iloc[-1]
        if len(fitted.curves) <= WINDOW or last["moved"] > MOVED or last["drift"] > DRIFT:
            raise InputError(
                f"the fit has not converged: in the last {WINDOW} of {self.sweeps} sweeps the best "
                f"action changed in {last['moved']:.0%} of the rows, and its lead by "
                f"{last['drift']:.2f} standard deviations of the reward; give more sweeps, or "
                "kind='counting'"
            )
        return fitted

    def _values(self, q: np.ndarray | FittedNetwork, states: pd.DataFrame) -> np.ndarray:
        return (
            q[self._bins.of(states)] if isinstance(q, np.ndarray) else q.values(states.to_numpy())
        )

    def _chosen(self, q: np.ndarray | FittedNetwork, log: PlanLog) -> np.ndarray:
        """Return chances of 0 and 1 in the rows of a log, shape (n, K)."""
        values = np.where(log.allowed, self._values(q, log.states), -np.inf)
        return np.asarray(np.eye(values.shape[1])[values.argmax(axis=1)])

    def choose(
        self, states: pd.DataFrame, allowed: Any = None, otherwise: Any = None
    ) -> np.ndarray:
        """Return what to do with each customer this week.

        Parameters
        ----------
        states : DataFrame
            The columns that the plan learned from, a row per customer.
        allowed : array-like of bool of shape (n, K), optional
            What rights and limits allow, in the order of the log's actions.
        otherwise : optional
            What those get whose state no row of the log has, or who may get only what the log never
            did in such a state; without it they are refused.

        Returns
        -------
        ndarray of shape (n,)
            Actions.

        Raises
        ------
        InputError
            States that no row of the log has; ``allowed`` of another shape; nothing was fitted.
        """
        if not hasattr(self, "found"):
            raise InputError("nothing was learned yet; call fit(log, states) first")
        rows = state_columns(states, self._states, "states")
        bins = self._bins.of(rows)
        may = np.where((bins >= 0)[:, None], self._seen[bins], False)
        if allowed is not None:
            given = np.asarray(allowed)
            if given.shape != may.shape or given.dtype != bool:
                raise InputError(
                    f"allowed has shape {given.shape}; expected True or False in shape {may.shape}"
                )
            may = may & given
        lost = np.asarray(~may.any(axis=1))
        if lost.any() and otherwise is None:
            first = rows.iloc[int(lost.argmax())]
            such = ", ".join(f"{name} = {first[name]:g}" for name in self._states)
            raise InputError(
                f"{int(lost.sum()):,} of {len(rows):,} states are in no row of the log, or with no "
                f"action that is allowed (such as {such}); say what they get instead: "
                "otherwise='none'"
            )
        values = np.where(may, self._values(self._q, rows), -np.inf)
        chosen = np.array(self._actions, dtype=object)[values.argmax(axis=1)]
        return np.where(lost, otherwise, chosen)

    def learned_from(self, customers: np.ndarray) -> int:
        """Return how many of these customers the plan learned from."""
        return len(self._names.intersection(customers))

    def summary(self) -> str:
        """Return what was found, in sentences."""
        return self.found.summary()
