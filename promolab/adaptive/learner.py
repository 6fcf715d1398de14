"""A plan over weeks, learned from a log, beside what counting says and what is simpler still."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from promolab.adaptive.counting import CAUTION, Model, counted_values, model_of, price_for
from promolab.adaptive.evaluation import BINS, DIFFERENCE, PLAN, PlanEvaluation, compare_plans
from promolab.adaptive.plan_log import Bins, PlanLog, discount_of, read_log, state_columns
from promolab.checks import choice, real_number, refuse, seed_of, whole_number
from promolab.errors import DataError, InputError
from promolab.results import Estimate, drawn_by
from promolab.stats import dealt

Values = Callable[[pd.DataFrame], np.ndarray]
"""What says of states, a row each, how good each action is: shape (n, K)."""
KINDS = ("counting", "fqi", "cql")
COUNTING = "counting"
ALPHA = 0.2
"""Of ``cql``."""
MOVED, DRIFT = 0.02, 0.1
"""Most that a converged fit may still move in its last sweeps (`fit_network`)."""
FOLDS = 3
"""Parts of the customers, each of which judges a plan that learned from the others."""
AHEAD = (1, 3, 8)
"""Weeks that the plans it is held against look ahead."""


@dataclass(frozen=True)
class LearnedPlan(PlanEvaluation):
    """What a `PlanLearner` found.

    Customers judge plans that others taught, a third of them each time, so that nothing is praised
    for what chance brought it. Beside the plan stand counting, the myopic plan, those that look 3
    and 8 weeks ahead, each action for everybody, and what the log did.

    Parameters
    ----------
    kind : str
    curves : DataFrame
        ``sweep, loss, drift, moved`` of the plan that learned from all; empty where nothing was
        fitted in sweeps.
    price : float
        Of a contact, in the reward's unit: the one given, or what keeps the plan to its budget.
    """

    kind: str
    curves: pd.DataFrame = field(repr=False)
    price: float

    plot_curves = drawn_by("plot_curves", "Draw how the fit came to rest.")

    def facts(self) -> dict[str, Any]:
        """Return whether the learner is worth its weight, and what else an evaluation says."""
        beside = self.frame.loc[self.frame["policy"] == COUNTING, [*DIFFERENCE]]
        verdict = Estimate.of(beside.to_numpy()[0]).side if len(beside) else "counted"
        return {**super().facts(), "verdict": verdict, "sweeps": len(self.curves)}


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
        Of a column that has more than eight values.
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
        self._price = self.price
        if self.budget is not None:
            counts = self._counts(data)
            self._price = price_for(counts, self.discount, self.budget, self.caution, self.price)
        fold = dealt(data.names, FOLDS, self.seed)[0][data.customer]
        rivals = [self._rivals(data, fold != number) for number in range(FOLDS)]
        policies = {name: [each[name] for each in rivals] for name in rivals[0]}
        found = compare_plans(data, policies, self.discount, 0.9, self._bins, fold)
        if found.refused:
            raise DataError(found.say("why"))
        self._values = self._learned(data)
        self.found = LearnedPlan(
            **vars(found), kind=self.kind, curves=self._curves, price=self._price
        )
        return self

    def _rivals(self, log: PlanLog, learned: np.ndarray) -> dict[str, np.ndarray]:
        """Return what plans that learned from some customers do in all rows."""
        twin = log.part(learned)
        model, found = self._counts(twin), {PLAN: self._learned(twin)}
        if self.kind != COUNTING:
            found[COUNTING] = self._table(model, self.caution)
        for weeks in AHEAD:
            found[f"{weeks} ahead"] = self._table(model, 0.0, weeks)
        eye = np.eye(len(log.actions))
        return {
            name: eye[np.where(log.allowed, values(log.states), -np.inf).argmax(axis=1)]
            for name, values in found.items()
        }

    def _counts(self, log: PlanLog) -> Model:
        return model_of(log, self._bins.of(log.states), self._bins.count)

    def _table(self, model: Model, caution: float, weeks: int = 0) -> Values:
        q = counted_values(model, self.discount, caution=caution, price=self._price, weeks=weeks)
        return lambda states: q[self._bins.of(states)]

    def _learned(self, log: PlanLog) -> Values:
        """Return what says of states how good each action is."""
        self._curves = pd.DataFrame()
        if self.kind == COUNTING:
            return self._table(self._counts(log), self.caution)
        from promolab.adaptive.q_network import WINDOW, fit_network

        unique, code = np.unique(log.states.to_numpy(), axis=0, return_inverse=True)
        model = model_of(log, code.ravel(), len(unique))
        fitted = fit_network(
            model, unique, self.discount, self.alpha, self._price, self.sweeps, self.seed
        )
        self._curves, last = fitted.curves, fitted.curves.iloc[-1]
        if self.sweeps <= WINDOW or last["moved"] > MOVED or last["drift"] > DRIFT:
            raise InputError(
                f"the fit has not converged: in the last {WINDOW} of {self.sweeps} sweeps the best "
                f"action changed in {last['moved']:.0%} of the rows, and its lead by "
                f"{last['drift']:.2f} standard deviations of the reward; give more sweeps, or "
                "kind='counting'"
            )
        return lambda states: fitted.values(states.to_numpy())

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
        may = (bins >= 0)[:, None] & self._seen[bins]
        given = may if allowed is None else np.asarray(allowed)
        if given.shape != may.shape or given.dtype != bool:
            raise refuse("allowed", given.shape, f"True or False in shape {may.shape}")
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
        values = np.where(may, self._values(rows), -np.inf)
        chosen = np.array(self._actions, dtype=object)[values.argmax(axis=1)]
        return np.asarray(np.where(lost, otherwise, chosen))

    def learned_from(self, customers: np.ndarray) -> int:
        """Return how many of these customers the plan learned from."""
        return len(self._names.intersection(customers))
