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
from promolab.checks import level_of, whole_number
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.stats import estimate_of

BINS = 8
"""Bins of a state's column that has many values."""
CUSTOMERS = 400
"""Effective customers below which intervals hold too seldom, and nothing is said."""
ROWS, THIN = 30, 0.025
"""Pairs of bin and action with fewer rows are thin; a plan may spend so much of its weeks there."""
PLAN, LOGGED, ALWAYS = "plan", "logged", "always"
DIFFERENCE = ("difference", "difference_low", "difference_high")


@dataclass(frozen=True)
class PlanEvaluation(Result):
    """What a plan is worth by a log, beside other plans; by `evaluate_plan`.

    Parameters
    ----------
    value : Estimate
        Discounted reward per customer, from the states of their first rows on; nan where refused.
    refused : str
        Empty, or why the log cannot tell: ``few`` effective customers, or ``thin`` support.
    effective_customers, effective_n : float
        Customers and decisions that followed the plan that the weighted ones are worth (Kish 1965).
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
    effective_n: float
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
            "silent": others[others["refused"] != ""],
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

    Fitted Q evaluation (Le et al. 2019) on binned states: q(s, a)
    is the mean of :math:`r + \gamma \sum_{a'} \pi(a' | s') q(s', a')` over the rows of the bin and
    action, which weigh 1 ÷ propensity. The interval is that of its influence function,
    :math:`w(s, a) (r + \gamma v(s') - q(s, a))`, each residual from a mean without its own row,
    summed by customer; w are discounted visits of the plan over those of the log (Kallus & Uehara
    2020). The same w say how many customers the log is worth for this plan. A log whose paths all
    leave the plan somewhere can tell, as long as it tried the plan's action in each of its states.

    Parameters
    ----------
    log : DataFrame
        A row per customer and week: customer_id, week (whole numbers), action, propensity (of that
        action, above 0), reward, the columns of ``states``, and perhaps gone (whether the customer
        left for good in that week). Customers that the plan did not learn from.
    plan : PlanLearner, action, array-like of shape (n,) or (n, K), or callable
        A learned plan; an action for all; an action or the chance of each per row of the log; or
        what returns one of these from the states.
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
        Of a column that has more than a dozen values.
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
    factor = discount_of(discount)
    data = read_log(log, states, actions, allowed)
    if hasattr(plan, "learned_from") and (same := plan.learned_from(data.names)):
        raise InputError(
            f"the plan learned from {same:,} of these customers, so it would look better than it "
            "is; give rows of others, or read what fit found of those it had set aside: .found"
        )
    policies: dict[Any, np.ndarray] = {PLAN: _chances_of(plan, data), **constants(data)}
    policies |= {name: _chances_of(other, data) for name, other in (against or {}).items()}
    single = {name: [chances] for name, chances in policies.items()}
    binned = Bins(data.states, whole_number("bins", bins, 2))
    return compare_plans(data, single, factor, level_of(level), binned)


def constants(log: PlanLog) -> dict[Any, np.ndarray]:
    """Return the chances of each action for all who may get it; others get the first they may."""
    found = {}
    for number, action in enumerate(log.actions):
        code = np.where(log.allowed[:, number], number, log.allowed.argmax(axis=1))
        found[ALWAYS, action] = np.eye(len(log.actions))[code]
    return found


def _chances_of(plan: Any, log: PlanLog) -> np.ndarray:
    """Return the chances of a plan's actions in each row of a log, shape (n, K)."""
    if isinstance(plan, (str, int, np.integer)):
        if plan not in log.actions:
            raise InputError(
                f"the log never took {plan!r}, so it cannot tell what comes of it; it took "
                f"{', '.join(map(str, log.actions))}"
            )
        return constants(log)[ALWAYS, plan]
    if hasattr(plan, "learned_from"):
        plan = plan.choose(log.states, log.allowed)
    elif callable(plan):
        plan = plan(log.states)
    else:
        plan = np.asarray(plan)
        plan = plan[log.order] if len(plan) == len(log.order) else plan
    chances = policy_chances(plan, log.actions, len(log.order))
    if ((chances > 0) & ~log.allowed).any():
        raise InputError("the plan does in some rows what allowed does not allow there")
    return chances


@dataclass(frozen=True)
class _Valued:
    """A policy's value, what each row adds to its error, its weights, and what it does unseen."""

    value: float
    added: np.ndarray
    weight: np.ndarray
    unsupported: float
    contacts: float


def compare_plans(
    log: PlanLog,
    policies: Mapping[Any, Sequence[np.ndarray]],
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
        Chances by name, of `constants` by (`ALWAYS`, action); what the log itself did is added. One
        table, or one per fold: of the plan that did not learn from it.
    discount, level : float
    bins : Bins
        Of the log's states.
    fold : ndarray of int of shape (n,), optional
        Of each row. Then q and the weights of a fold come of the other folds' rows, and the mean of
        its own residuals corrects them (Chernozhukov et al. 2018).
    """
    code, k = bins.of_log, len(log.actions)
    taken = np.bincount(code * k + log.action, minlength=bins.count * k).reshape(-1, k)
    shares = taken / np.maximum(taken.sum(axis=1, keepdims=True), 1)
    folds = np.zeros(len(code), dtype=np.int64) if fold is None else fold
    plan, rows = next(iter(policies)), []
    valued = {
        name: _valued(log, code, chances, folds, discount)
        for name, chances in {**policies, LOGGED: [shares[code]]}.items()
    }
    own, refused = valued[plan], {name: _refusal(one, log) for name, one in valued.items()}
    for name, found in valued.items():
        told = not refused[name]
        value = _estimate(found.value, found.added, log, level, told)
        beside = told and not refused[plan] and name != plan
        gap = _estimate(own.value - found.value, own.added - found.added, log, level, beside)
        policy, action = name if isinstance(name, tuple) else (name, "")
        rows.append(
            {
                "policy": policy,
                "action": action,
                **dict(zip(("value", "ci_low", "ci_high"), value.ends, strict=True)),
                **dict(zip(DIFFERENCE, gap.ends, strict=True)),
                "contacts": found.contacts,
                "effective_customers": _customers(found, log),
                "unsupported": found.unsupported,
                "refused": refused[name],
            }
        )
    mostly = shares[code].argmax(axis=1)
    apart = 1 - np.mean([each[np.arange(len(code)), mostly].mean() for each in policies[plan]])
    return PlanEvaluation(
        value=_estimate(own.value, own.added, log, level, not refused[plan]),
        refused=refused[plan],
        effective_customers=_customers(own, log),
        effective_n=_kish(own.weight),
        unsupported=own.unsupported,
        frame=pd.DataFrame(rows),
        apart=float(apart),
        customers=len(log.names),
        decisions=len(code),
        discount=discount,
        level=level,
    )


def _estimate(value: float, added: np.ndarray, log: PlanLog, level: float, told: bool) -> Estimate:
    return estimate_of(value, added, log.customer, level) if told else Estimate(np.nan)


def _kish(weight: np.ndarray) -> float:
    return float(weight.sum() ** 2 / max(float((weight**2).sum()), 1e-300))


def _customers(found: _Valued, log: PlanLog) -> float:
    return _kish(np.bincount(log.customer, found.weight))


def _refusal(found: _Valued, log: PlanLog) -> str:
    if found.unsupported > THIN:
        return "thin"
    return "few" if _customers(found, log) < CUSTOMERS else ""


def _valued(
    log: PlanLog,
    code: np.ndarray,
    policies: Sequence[np.ndarray],
    fold: np.ndarray,
    discount: float,
) -> _Valued:
    """Value a policy; of several tables each is that of one fold, learned from the others."""
    k, known = len(log.actions), log.known
    place = code[:, None] * k + np.arange(k)
    pair, total, begin = place[np.arange(len(code)), log.action], int(place.max()) + 1, log.first
    rows, u = np.bincount(pair[known], minlength=total), 1 / log.propensity
    value, spent = 0.0, np.zeros(total)
    added, used = np.zeros(len(code)), np.zeros(len(code))
    crossed = len(policies) > 1 or fold.any()
    for number in range(int(fold.max()) + 1):
        chances, judged = policies[number % len(policies)], fold == number
        learned = ~judged if crossed else judged
        q, visits, weight = _solved(log, place, pair, chances, learned, discount)
        spent += visits * np.where(weight > 0, weight, 1.0) / (fold.max() + 1)
        worth = (chances * q[place]).sum(axis=1)
        first, at = begin & judged, np.flatnonzero(known & judged)
        later = np.zeros(len(at))
        there = log.following[at] != GONE
        later[there] = discount * worth[log.following[at][there]]
        residual = log.reward[at] + later - q[pair[at]]
        if not crossed:  # from a mean without the row itself, as far as there is one
            rest = 1 - u[at] / weight[pair[at]]
            residual = np.where(rest > 1e-9, residual / np.maximum(rest, 1e-9), 0.0)
        scale = (begin & learned).sum() / begin.sum() * (weight[pair[at]] > 0)
        used[at] = visits[pair[at]] * u[at] * scale
        added[at] = used[at] * residual
        correction = float(added[at].sum()) if crossed else 0.0
        value += float(worth[first].sum()) / begin.sum() + correction
        centred = worth[first] - worth[first].mean()
        added[first] += (centred - correction * begin.sum() / first.sum()) / begin.sum()
    return _Valued(
        value,
        added,
        used,
        float(spent[rows < ROWS].sum() / spent.sum()),
        float(spent.reshape(-1, k).sum(axis=0) @ log.contact / spent.sum()),
    )


def _solved(
    log: PlanLog,
    place: np.ndarray,
    pair: np.ndarray,
    chances: np.ndarray,
    learned: np.ndarray,
    discount: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return q, the discounted visits per unit of weight, and the weight, by pair."""
    k, total = place.shape[1], int(place.max()) + 1
    at = np.flatnonzero(log.known & learned)
    u = 1 / log.propensity[at]
    stays = log.following[at] != GONE
    after = log.following[at][stays]
    weight = np.bincount(pair[at], u, total)
    moved = (u[stays, None] * chances[after]).ravel()
    places = np.repeat(pair[at][stays], k), place[after].ravel()
    flow = sparse.csc_array((moved, places), (total, total))
    # A pair without a row ends the path, and its visits are counted as without support.
    diagonal = np.where(weight > 0, weight, 1.0)
    solver = splu((sparse.diags_array(diagonal) - discount * flow).tocsc())
    q = solver.solve(np.bincount(pair[at], u * log.reward[at], total))
    first = log.first & learned
    start = np.bincount(place[first].ravel(), chances[first].ravel() / first.sum(), total)
    return q, solver.solve(start, trans="T"), weight
