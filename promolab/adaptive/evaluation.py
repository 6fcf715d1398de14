"""What a plan would have earned, from a log that did something else: fitted Q evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import splu

from promolab.adaptive.plan_log import GONE, Bins, PlanLog, discount_of, policy_chances, read_log
from promolab.checks import choice, level_of, whole_number
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.stats import estimate_of

BINS = 6
"""Bins of a state's column that has many values."""
CUSTOMERS = 400
"""Effective customers below which intervals hold too seldom, and nothing is said."""
ROWS, THIN = 30, 0.025
"""Pairs of bin and action with fewer rows are thin; a plan may spend so much of its weeks there."""
PLAN, LOGGED, ALWAYS = "plan", "logged", "always"
DIFFERENCE = ("difference", "difference_low", "difference_high")
COLUMNS = ["policy", "action", "value", "ci_low", "ci_high", *DIFFERENCE, "contacts"]
COLUMNS += ["effective_customers", "unsupported", "refused"]


@dataclass(frozen=True)
class PlanEvaluation(Result):
    """What a plan is worth by a log, beside other plans; by `evaluate_plan`.

    Parameters
    ----------
    value : Estimate
        Discounted reward per customer, from the states of their first rows on; nan where refused.
    refused : str
        Empty, or why the log cannot tell: ``few`` effective customers, or ``thin`` support.
    effective_customers : float
        Customers who followed the plan that the weighted ones are worth (Kish 1965).
    unsupported : float
        Share of the plan's weeks in bins where the log took the action in fewer than 30 rows.
    frame : DataFrame
        ``policy, action, value, ci_low, ci_high``; ``difference, difference_low, difference_high``,
        what the plan is worth beyond that policy; ``contacts`` per discounted week;
        ``effective_customers, unsupported, refused``. What the log cannot tell of is nan.
    apart : float
        Share of the rows in which the plan does not do what the log mostly did in that bin (0–1).
    customers, decisions : int
    discount, level : float
    """

    value: Estimate
    refused: str
    effective_customers: float
    unsupported: float
    frame: pd.DataFrame = field(repr=False)
    apart: float
    customers: int
    decisions: int
    discount: float
    level: float

    def facts(self) -> dict[str, Any]:
        """Return whether the log can tell, and which policies the plan beats or loses to."""
        others = self.frame[self.frame["policy"] != PLAN]
        above, below = others["difference_low"] > 0, others["difference_high"] < 0
        even = others["difference"].notna() & ~above & ~below
        return {
            "state": self.refused or "told",
            "beaten": others[above],
            "beaten_by": others[below],
            "even": others[even],
            "shown": self.frame[self.frame["refused"] == ""],
            "least": CUSTOMERS,
            "thin": THIN,
            "few_rows": ROWS,
            "finding": "behind" if below.any() else "unsure" if even.any() else "ahead",
        }


def evaluate_plan(
    log: pd.DataFrame,
    plan: Any,
    *,
    states: Sequence[str],
    discount: float = 0.97,
    against: Mapping[str, Any] | None = None,
    actions: Sequence[Any] | None = None,
    allowed: Any = None,
    bins: int = BINS,
    level: float = 0.9,
) -> PlanEvaluation:
    r"""Say what a plan over weeks would have earned, from what another one did.

    Fitted Q evaluation (Le et al. 2019) on binned states: q(s, a) is the mean of
    :math:`r + \gamma \sum_{a'} \pi(a' | s') q(s', a')` over the rows of the bin and action, which
    weigh 1 ÷ propensity. The interval is that of its influence function,
    :math:`w(s, a) (r + \gamma v(s') - q(s, a))`, each residual from a mean without its own row,
    summed by customer; w are discounted visits of the plan over those of the log (Kallus & Uehara
    2020). The same w say how many customers the log is worth for this plan. A log whose paths all
    leave the plan somewhere can tell, as long as it tried the plan's action in each of its states.
    What lies in a bin counts as one state: where bins join unlike ones the figures err, and no
    interval holds that; see whether more bins move them.

    Parameters
    ----------
    log : DataFrame
        A row per customer and week: customer_id, week (whole numbers), action, propensity (of that
        action, above 0), reward, the columns of ``states``, and perhaps gone (whether the customer
        left for good in that week). Customers that the plan did not learn from.
    plan : PlanLearner, action, or array-like of shape (n,) or (n, K)
        A learned plan; an action for all; or an action or the chance of each per row of the log.
    states : sequence of str
        Columns of numbers, known before the decision.
    discount : float
        γ a week (0–1, below 1).
    against : dict, optional
        Other plans by name, beside each action for everybody (``always``) and what the log did
        (``logged``).
    actions : sequence, optional
        In the order of the columns of chances; by default ``none`` and the others sorted.
    allowed : array-like of bool of shape (n, K), optional
        What rights and limits allowed in each row.
    bins : int
        Of a column that has more than eight values.
    level : float
        Of the intervals.

    Returns
    -------
    PlanEvaluation
        Without figures, and with the reason, where fewer than 400 effective customers or more than
        2.5 % of the plan's weeks without support say that the log cannot tell.

    Raises
    ------
    InputError
        A discount of 1 or more; a plan that names an action which the log never took, does what was
        not allowed, or learned from customers of this log.
    DataError
        A log without propensities, with chances of 0, or with a customer and week twice.

    Examples
    --------
    >>> from promolab.simulated import CustomerProcess
    >>> log = CustomerProcess(levels=2).log(customers=2_000, weeks=12, seed=1)
    >>> found = evaluate_plan(log, "discount 15 %", states=["stock", "fatigue", "reference"])
    >>> found.refused, bool(found.value.ci_low < found.value.value < found.value.ci_high)
    ('', True)
    """
    data = read_log(log, states, actions, allowed)
    if hasattr(plan, "learned_from") and (same := plan.learned_from(data.names)):
        raise InputError(
            f"the plan learned from {same:,} of these customers, so it would look better than it "
            "is; give rows of others, or read what fit found: .found"
        )
    others = {name: [_chances_of(other, data)] for name, other in (against or {}).items()}
    policies = {PLAN: [_chances_of(plan, data)], **others}
    binned = Bins(data.states, whole_number("bins", bins, 2))
    return compare_plans(data, policies, discount_of(discount), level_of(level), binned)


def _constant(log: PlanLog, action: Any) -> np.ndarray:
    """Return the chances of an action for all who may get it; others get the first they may."""
    number = log.actions.index(choice("plan", action, log.actions))
    code = np.where(log.allowed[:, number], number, log.allowed.argmax(axis=1))
    return np.asarray(np.eye(len(log.actions))[code])


def _chances_of(plan: Any, log: PlanLog) -> np.ndarray:
    """Return the chances of a plan's actions in each row of a log, shape (n, K)."""
    if isinstance(plan, (str, int)):
        return _constant(log, plan)
    learned = hasattr(plan, "learned_from")
    given = plan.choose(log.states, log.allowed) if learned else np.asarray(plan)
    if not learned and len(given) == len(log.order):
        given = given[log.order]
    chances = policy_chances(given, log.actions, len(log.order))
    if ((chances > 0) & ~log.allowed).any():
        raise InputError("the plan does in some rows what allowed does not allow there")
    return chances


def compare_plans(
    log: PlanLog,
    policies: Mapping[str, Sequence[np.ndarray]],
    discount: float,
    level: float,
    bins: Bins,
    fold: np.ndarray | None = None,
) -> PlanEvaluation:
    """Evaluate policies on the same rows, the first one as the plan that the others stand beside.

    Parameters
    ----------
    log : PlanLog
    policies : dict of sequence of ndarray of shape (n, K)
        Chances by name; each action for all and what the log itself did are added. One table, or
        one per fold: of the plan that did not learn from it.
    discount, level : float
    bins : Bins
        Of the log's states.
    fold : ndarray of int of shape (n,), optional
        Of each row. Then q and the weights of a fold come of the other folds' rows, and the mean of
        its own residuals corrects them (Chernozhukov et al. 2018).
    """
    code, k, plan = bins.of_log, len(log.actions), next(iter(policies))
    taken = np.bincount(code * k + log.action, minlength=bins.count * k).reshape(-1, k)
    shares = (taken / np.maximum(taken.sum(axis=1, keepdims=True), 1))[code]
    judge = _Judge(log, code, fold, discount)
    valued = {(name, ""): judge.value(tables) for name, tables in policies.items()}
    valued |= {(ALWAYS, each): judge.value([_constant(log, each)]) for each in log.actions}
    valued[LOGGED, ""] = judge.value([shares])
    own, rows = valued[plan, ""], []

    def estimate(value: float, added: np.ndarray, told: bool) -> Estimate:
        return estimate_of(value, added, log.customer, level) if told else Estimate(np.nan)

    for name, found in valued.items():
        value = estimate(found.value, found.added, not found.refused)
        beside = not (found.refused or own.refused or found is own)
        gap = estimate(own.value - found.value, own.added - found.added, beside)
        support = (found.contacts, found.effective_customers, found.unsupported, found.refused)
        rows.append((*name, *value.ends, *gap.ends, *support))
    mostly = np.arange(len(code)), shares.argmax(axis=1)
    return PlanEvaluation(
        value=estimate(own.value, own.added, not own.refused),
        refused=own.refused,
        effective_customers=own.effective_customers,
        unsupported=own.unsupported,
        frame=pd.DataFrame(rows, columns=COLUMNS),
        apart=1 - float(np.mean([table[mostly] for table in policies[plan]])),
        customers=len(log.names),
        decisions=len(code),
        discount=discount,
        level=level,
    )


@dataclass(frozen=True)
class _Valued:
    """A policy's value and what each row adds to its error; whether the log can tell, and why."""

    value: float
    added: np.ndarray
    contacts: float
    effective_customers: float
    unsupported: float

    @property
    def refused(self) -> str:
        few = "few" if self.effective_customers < CUSTOMERS else ""
        return "thin" if self.unsupported > THIN else few


class _Judge:
    """The rows that tell of policies, pair by pair of bin and action."""

    def __init__(
        self, log: PlanLog, code: np.ndarray, fold: np.ndarray | None, discount: float
    ) -> None:
        n, k = log.allowed.shape
        self.log, self.discount, self.crossed = log, discount, fold is not None
        self.fold = np.zeros(n, dtype=np.int64) if fold is None else fold
        self.place = code[:, None] * k + np.arange(k)
        self.pair, self.total = self.place[np.arange(n), log.action], int(self.place.max()) + 1
        self.rows = np.bincount(self.pair[log.known], minlength=self.total)
        self.u = 1 / log.propensity

    def value(self, policies: Sequence[np.ndarray]) -> _Valued:
        """Value a policy; of several tables each is that of one fold, learned from the others."""
        log, pair, u, first = self.log, self.pair, self.u, self.log.first
        value, spent, folds = 0.0, np.zeros(self.total), int(self.fold.max()) + 1
        added, used = np.zeros(len(pair)), np.zeros(len(pair))
        for number in range(folds):
            chances, judged = policies[number % len(policies)], self.fold == number
            learned = ~judged if self.crossed else judged
            q, visits, weight = self._solved(chances, learned)
            spent += visits * np.where(weight > 0, weight, 1.0) / folds
            worth = (chances * q[self.place]).sum(axis=1)
            at, begin = np.flatnonzero(log.known & judged), first & judged
            later = np.where(log.following[at] == GONE, 0.0, worth[log.following[at]])
            residual = log.reward[at] + self.discount * later - q[pair[at]]
            if not self.crossed:  # from a mean without the row itself, as far as there is one
                rest = 1 - u[at] / weight[pair[at]]
                residual = np.where(rest > 1e-9, residual / np.maximum(rest, 1e-9), 0.0)
            scale = (first & learned).sum() / first.sum() * (weight[pair[at]] > 0)
            used[at] = visits[pair[at]] * u[at] * scale
            added[at] = used[at] * residual
            correction = added[at].sum() if self.crossed else 0.0
            value += worth[begin].sum() / first.sum() + correction
            added[begin] += (worth[begin] - worth[begin].mean()) / first.sum()
            added[begin] -= correction / begin.sum()
        each, by_action = (
            np.bincount(log.customer, used),
            spent.reshape(-1, len(log.actions)).sum(0),
        )
        return _Valued(
            float(value),
            added,
            float(by_action @ log.contact / spent.sum()),
            float(each.sum() ** 2 / max(float(each @ each), 1e-300)),
            float(spent[self.rows < ROWS].sum() / spent.sum()),
        )

    def _solved(self, chances: np.ndarray, learned: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return q, the discounted visits per unit of weight, and the weight, by pair."""
        log, k, total = self.log, self.place.shape[1], self.total
        at, first = np.flatnonzero(log.known & learned), log.first & learned
        pair, u, stays = self.pair[at], self.u[at], log.following[at] != GONE
        after, weight = log.following[at][stays], np.bincount(pair, u, total)
        moved = (u[stays, None] * chances[after]).ravel()
        places = np.repeat(pair[stays], k), self.place[after].ravel()
        flow = sparse.csc_array((moved, places), (total, total))
        # A pair without a row ends the path, and its visits are counted as without support.
        diagonal = sparse.diags_array(np.where(weight > 0, weight, 1.0))
        solver = splu((diagonal - self.discount * flow).tocsc())
        q = solver.solve(np.bincount(pair, u * log.reward[at], total))
        start = np.bincount(self.place[first].ravel(), chances[first].ravel(), total)
        return q, solver.solve(start / first.sum(), trans="T"), weight
