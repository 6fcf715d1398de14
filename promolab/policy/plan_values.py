"""The money answer: what a plan will add, how sure that is, and what the next of budget would."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import share_to_see
from promolab.checks import level_of, real_number, share, whole_number
from promolab.errors import InputError
from promolab.metrics import OneFigure
from promolab.policy.allocation import round_amount
from promolab.policy.options import by_label
from promolab.policy.plan_scores import Gain, PlanScores, part_of_budget, posterior_of
from promolab.results import Estimate, Result, plain
from promolab.wording import count, number

if TYPE_CHECKING:
    from promolab.abtest import HoldoutShare
    from promolab.policy.allocation import Allocation
    from promolab.policy.rows import PolicyRows


POINTS = 12
"""Budgets looked at, beside the one chosen."""
MORE = 0.2
"""By which share more and less than the budget is told of."""


@dataclass(frozen=True)
class Budgets(Result):
    """What each budget would add, with its interval; of a `PlanValue`.

    Parameters
    ----------
    frame : DataFrame
        ``budget, profit, ci_low, ci_high, marginal_return, chosen``: marginal_return is what a unit
        more would add, up to the next row.
    spend : float
        What is spent at the budget chosen.
    more, less : Estimate
        What a fifth more than the budget would add, and a fifth less would lose.
    enough : bool
        Whether there is nothing to spend more on.
    level : float
        Of the intervals.
    decisions : int
    currency : str
    """

    frame: pd.DataFrame = field(repr=False)
    spend: float
    more: Estimate
    less: Estimate
    enough: bool
    level: float
    decisions: int
    currency: str = ""

    def facts(self) -> dict[str, Any]:
        """Return what more and less would do, as the words have it."""
        state = "none" if not self.spend else "enough" if self.enough else "more"
        finding = "sure" if self.more.ci_low > 0 else "unsure"
        return {
            "state": state,
            "part": MORE,
            "extra": MORE * self.spend,
            "bring_less": self.less * -1,
            "finding": "enough" if self.enough else finding,
            "chosen": self.frame[self.frame["chosen"]],
        }


def budgets_of(
    there: PlanScores,
    budget: float,
    customers: float,
    level: float,
    currency: str = "",
    explore: float = 0.0,
    of_cost: float = 1.0,
) -> Budgets:
    """Value a range of budgets, and somewhat more and less than the one chosen.

    Parameters
    ----------
    there : PlanScores
    budget : float
        Per decision, for those who get what is foretold to be best; may be infinite.
    customers : float
        For how many.
    level : float
        Of the intervals.
    currency : str
    explore : float
        Share of the customers who get what chance draws (0–1), at every budget.
    of_cost : float
        How many times as much as in past decisions is paid this week for the same.
    """

    def at(amount: float) -> tuple[np.ndarray, float]:
        scores, cost = there.explored(there.choose(amount), explore)
        return scores, float(cost[there.decided].mean())

    def best(total: float) -> float:
        """Return what of a budget is left for those whom chance does not draw, per decision."""
        return max(total - least, 0.0) / max(1 - explore, 1e-9)

    least, most = (at(amount)[1] for amount in (0.0, math.inf))
    own, spent = at(budget)
    reach = max(min(most, 3 * spent), spent) if spent > least else most
    tried = np.unique(np.append(np.linspace(least, reach, POINTS), spent))
    gains = [there.gain(at(best(amount))[0]) for amount in tried]
    rows = [gain.interval(level, customers).ends for gain in gains]
    frame = pd.DataFrame(rows, columns=["profit", "ci_low", "ci_high"])
    frame.insert(0, "budget", tried * customers * of_cost)
    rise = np.diff(frame["profit"]) / np.maximum(np.diff(frame["budget"]), 1e-300)
    frame["marginal_return"] = np.append(rise, 0.0 if reach >= most else np.nan)
    frame["chosen"] = tried == spent

    def apart(share: float) -> tuple[Gain, float]:
        scores, cost = at(best(spent * (1 + share)))
        return there.gain((scores - own) * np.sign(share)), cost

    (more, paid), (less, _) = apart(MORE), apart(-MORE)
    return Budgets(
        frame,
        spent * customers * of_cost,
        more.interval(level, customers),
        less.interval(level, customers),
        paid <= spent * (1 + MORE / 10),
        level,
        int(there.decided.sum()),
        currency,
    )


PLAN, NOBODY, EVERYBODY = "the plan", "nobody", "everybody, in random order"
RANDOM, RESPONSE = "at random", "likeliest to respond first"
DIFFERENCE = ("difference", "difference_low", "difference_high")
AROUND = 0.2
"""How far below and above the budget its marginal return is looked for, as a share of it."""


@dataclass(frozen=True)
class PlanValue(OneFigure):
    """What a plan adds and costs, how sure that is, and what else could be done; by `plan_value`.

    Parameters
    ----------
    contacts, customers : int
        Whom the plan contacts, of how many; only those whom past decisions can tell of.
    spend : float
        What that charges to the budget, in money.
    profit : Estimate
        What it adds to profit, expected.
    readout : Estimate
        What the readout will show of it: the interval holds the chance of the holdout as well. nan
        where outcomes of past decisions are not known, or nobody is held back.
    loss : float
        Chance that it loses money (0–1), the chance that promotions do nothing at all included
        (`promolab.policy.spending_test`).
    step : float
        So much more of budget …
    next : Estimate
        … would add so much.
    same : object
        The arm that adds most on average: what the same offer for all would be.
    policies : DataFrame
        ``policy, spend, value, ci_low, ci_high, difference, difference_low, difference_high``: what
        other ways to spend the same would add, and what the plan adds beyond each.
    budgets : Budgets
        What each budget would add.
    holdout : HoldoutShare or None
        How many to hold back so that the readout confirms the profit in 4 of 5 cases; None where it
        is not above 0, or outcomes are not known.
    held : float
        Share of the planned held back.
    unsupported : int
        Customers left out since past decisions cannot tell of them.
    decisions, learned_from : int
        Past decisions, and customers, behind the figures.
    level : float
        Of the intervals.
    currency : str
    """

    contacts: int
    customers: int
    spend: float
    profit: Estimate
    readout: Estimate
    loss: float
    step: float
    next: Estimate
    same: Any
    policies: pd.DataFrame = field(repr=False)
    budgets: Budgets = field(repr=False)
    holdout: HoldoutShare | None
    held: float
    unsupported: int
    decisions: int
    learned_from: int
    level: float
    currency: str = ""

    @property
    def estimate(self) -> Estimate:
        """`profit`, under the name that all figures share."""
        return self.profit

    def to_frame(self) -> pd.DataFrame:
        """Return `policies`."""
        return self.policies

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        told = super().to_dict()
        told["holdout"] = None if self.holdout is None else self.holdout.to_dict()
        told["policies"] = plain(self.policies.set_index("policy").to_dict("index"))
        return told

    def facts(self) -> dict[str, Any]:
        """Return whether it adds, how it stands beside other ways, and what is left out."""
        losing = number(-self.value, -self.ci_high, -self.ci_low)
        others = self.policies[~self.policies["policy"].isin([PLAN, NOBODY])]
        rows = [
            {"policy": name, "beyond": Estimate.of(found), "unsure": found[1] <= 0 <= found[2]}
            for name, *found in others[["policy", *DIFFERENCE]].itertuples(index=False)
        ]
        ahead = self.contacts and (others["difference_low"] > 0).all()
        behind = (others["difference_high"] < 0).any()
        state = "adds" if self.contacts else "nothing"
        if not self.contacts and not self.budgets.frame["budget"].any():
            state = "worthless"
        elif self.contacts and self.value < 0 and not losing.startswith("0 "):
            state = "loses"
        return {
            "state": state,
            "losing": losing,
            "risk": "little" if self.loss < 0.005 else "some",
            "loss_most": min(self.loss, 0.99),
            "more": self.next.value > 0,
            "step_told": number(self.step, decimals=0 if self.step >= 1 else None),
            "read": math.isfinite(self.readout.ci_low),
            "sized": "" if self.holdout is None else self.holdout.summary(),
            "others": rows if self.contacts else [],
            "ways": self.policies[self.policies["policy"] != NOBODY],
            "finding": "ahead" if ahead else "behind" if behind else "unsure",
        }


def plan_value(
    rows: PolicyRows,
    *,
    plan: Allocation | None = None,
    customers: int | None = None,
    budget: float | None = None,
    supported: Any = None,
    held: float = 0.1,
    between: Any = 0.0,
    level: float = 0.9,
    currency: str = "",
) -> PlanValue:
    """Say what a plan will add, by what came of past decisions.

    Each fold of the logged customers is given what other folds foretell to be best at the plan's
    cost per customer; what the scores say of it, per decision, times the plan's customers, is the
    answer. The predictions that choose the plan are not in it: of what looks best by chance they
    promise too much (`promolab.policy.plan_scores`).

    Parameters
    ----------
    rows : PolicyRows
        The logged decisions.
    plan : Allocation, optional
        What is planned; without one, what ``budget`` would buy for so many ``customers``.
    customers : int, optional
        Without a plan: for how many; by default as many as decisions.
    budget : float, optional
        Without a plan: most that may be spent on them; by default until nothing adds anything more.
    supported : array-like of bool of shape (customers,) or (customers, P), optional
        Of a plan's customers, those of whom past decisions can tell, by promotion where it
        matters; by default all.
    held : float
        Share of the planned who are held back, in the readout (0–1).
    between : float or array-like of shape (P,)
        What promotions of a kind differ by: standard deviation of this plan's profit about that of
        its kinds, in money; or for each of the plan's promotions, as a share of its effect
        (`promolab.promotions.PromotionValues.spread`).
    level : float
        Of the intervals.
    currency : str

    Returns
    -------
    PlanValue

    Raises
    ------
    InputError
        Numbers out of their range; ``supported`` of another length than the plan.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> effect = rng.normal(size=(4000, 1))
    >>> gamma = effect + 3 * rng.normal(size=(4000, 1))
    >>> from promolab.policy import PolicyRows
    >>> cost, fold = np.ones((4000, 1)), np.arange(4000) % 5
    >>> rows = PolicyRows(gamma, effect, cost, fold, np.arange(4000), ["mail"])
    >>> found = plan_value(rows, customers=10_000, budget=2_000, currency="CNY")
    >>> print(found.summary())
    Contact 2,000 of 10,000; 2,000 CNY of discounts and contacts; adds 2,790 [2,350, 3,240] of \
margin; less than 1 % chance of a loss; the next 100 would add 100 [66, 135].
    """
    level_of(level)
    share("held", held, one=False)
    week = _week(plan, customers, budget, supported, len(rows))
    explore = plan.drawn.share if plan is not None and plan.drawn is not None else 0.0
    there = PlanScores(rows)
    per_decision = _greedy_budget(there, week.budget / max(week.number, 1e-300), explore)
    only_drawn = plan is not None and plan.why_not  # nobody else gets something
    choice = np.full(len(rows), -1) if only_drawn else there.choose(per_decision)
    gamma, cost = there.explored(choice, explore)
    paid = float(cost[there.decided].mean())
    contacts, spend = week.contacts, week.spend
    if plan is None:
        contacts = round(float((choice[there.decided] >= 0).mean()) * week.number)
        spend = paid * week.number
    # A plan costs what its customers do; at this week's level, what other plans would.
    level_of_cost = spend / (paid * week.number) if plan is not None and paid * spend > 0 else 1.0
    gain = there.gain(gamma)
    apart = _between(between, plan, gain.value * week.number)
    profit = gain.interval(level, week.number, apart)
    wanted = round_amount(spend)
    sd = _spread(rows, choice)
    noise = _readout_error(sd, contacts, held)
    return PlanValue(
        contacts=contacts,
        customers=week.customers,
        spend=spend,
        profit=profit,
        readout=gain.interval(level, week.number, float(np.hypot(apart, noise))),
        loss=posterior_of(there, choice, gain).loss(week.number, apart) if contacts else 0.0,
        step=wanted,
        next=_next(there, per_decision, level) * wanted,
        same=there.rows.arms[there.best_for_all(paid)],
        policies=_policies(there, gamma, paid, week.number, level, profit, level_of_cost),
        budgets=budgets_of(
            there, per_decision, week.number, level, currency, explore, level_of_cost
        ),
        holdout=_confirming(sd, contacts, profit.value, held),
        held=held,
        unsupported=week.unsupported,
        decisions=gain.n,
        learned_from=len(np.unique(rows.cluster[there.decided])),
        level=level,
        currency=currency,
    )


@dataclass(frozen=True)
class _Week:
    """Whom the answer is about: how many, of whom so many count, their budget, what is planned."""

    customers: int
    number: float
    budget: float
    contacts: int
    spend: float
    unsupported: int


def _week(
    plan: Allocation | None,
    customers: int | None,
    budget: float | None,
    supported: Any,
    decisions: int,
) -> _Week:
    if plan is None:
        n = decisions if customers is None else whole_number("customers", customers, 1)
        most = math.inf if budget is None else real_number("budget", budget, least=0)
        return _Week(n, float(n), most, 0, 0.0, 0)
    n = len(plan.choice)
    supported = by_label(None, plan.customers, supported, "supported")
    told = np.ones(n, dtype=bool) if supported is None else np.asarray(supported)
    if told.shape == (n, len(plan.promotions)):  # of what each gets, or of anything
        got = np.take_along_axis(told, np.maximum(plan.choice, 0)[:, None].astype(int), axis=1)
        told = np.where(plan.choice >= 0, got[:, 0], told.any(axis=1))
    if told.shape != (n,) or told.dtype != bool:
        raise InputError(
            f"supported has the shape {told.shape} and holds {told.dtype}; expected a truth value "
            f"for each of the plan's {count(n)} customers"
        )
    mine = told & (plan.choice >= 0)
    spend, contacts = float(plan.expected_cost[mine].sum()), int(mine.sum())
    # A plan that knows its holdouts shows what is sent: its customers count as far as they are.
    reached = 1.0 if plan.drawn is None else plan.drawn.sent
    return _Week(n, reached * int(told.sum()), spend, contacts, spend, int((~told).sum()))


def _between(between: Any, plan: Allocation | None, profit: float) -> float:
    """Return by how much the plan's promotions may differ from their kinds, in money."""
    if np.ndim(between) == 0:
        return real_number("between", between, least=0)
    shares = np.asarray(between, dtype=float)
    if plan is None or shares.shape != (len(plan.promotions),) or not (shares >= 0).all():
        raise InputError(
            f"between has the shape {shares.shape}; expected an amount of money, or with a plan a "
            "share from 0 on for each of its promotions"
        )
    got = plan.choice >= 0
    parts = np.bincount(plan.choice[got], plan.expected_value[got], minlength=len(shares))
    of_all = parts / parts.sum() if parts.sum() > 0 else np.zeros(len(shares))
    return float(abs(profit) * np.sqrt(np.sum((shares * of_all) ** 2)))


def _greedy_budget(there: PlanScores, budget: float, explore: float) -> float:
    """Return what is left per decision for those who get what is foretold to be best."""
    if not explore or math.isinf(budget):
        return budget
    _, drawn = there.explored(np.full(len(there.rows), -1), explore)
    return max(budget - float(drawn[there.decided].mean()), 0.0) / max(1 - explore, 1e-9)


def _next(there: PlanScores, budget: float, level: float) -> Estimate:
    """Return what the next unit of budget would add: from somewhat below the budget to above."""
    nothing = Estimate(0.0)
    if math.isinf(budget):
        return nothing
    ends = [there.of_choice(there.choose(budget * (1 + part))) for part in (-AROUND, AROUND)]
    at = float(there.of_choice(there.choose(budget))[1][there.decided].mean())
    low, high = (float(cost[there.decided].mean()) for _, cost in ends)
    if high <= at * (1 + AROUND / 10) or high <= low:  # there is nothing to spend more on
        return nothing
    return there.gain(ends[1][0] - ends[0][0]).interval(level, 1 / (high - low))


def _policies(
    there: PlanScores,
    plan: np.ndarray,
    paid: float,
    number: float,
    level: float,
    profit: Estimate,
    of_cost: float,
) -> pd.DataFrame:
    """Return what the plan and others at its cost add, and how far the plan is ahead of each."""
    mean_cost = float(there.at_random()[1][there.decided].mean())
    part = part_of_budget(paid, np.array(mean_cost))
    random, random_cost = (part * each for each in there.at_random())
    everybody, everybody_cost = there.everybody(paid)
    zero = np.zeros(len(plan))
    listed = [
        (PLAN, plan, paid),
        (NOBODY, zero, 0.0),
        (EVERYBODY, everybody, float(everybody_cost[there.decided].mean())),
        (RANDOM, random, float(random_cost[there.decided].mean())),
    ]
    likely = there.by_response(paid)
    if likely is not None:
        scores, cost = there.of_choice(likely)
        listed.append((RESPONSE, scores, float(cost[there.decided].mean())))
    rows: list[tuple[Any, ...]] = []
    for name, gained, charged in listed:
        own = profit if name == PLAN else there.gain(gained).interval(level, number)
        more = there.gain(plan - gained).interval(level, number)
        apart = (math.nan,) * 3 if name == PLAN else more.ends
        rows.append((name, charged * number * of_cost, *own.ends, *apart))
    columns = ["policy", "spend", "value", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*columns, *DIFFERENCE])


def _spread(rows: PolicyRows, choice: np.ndarray) -> float:
    """Return the standard deviation of outcomes among those whom the plan would contact."""
    if rows.outcome is None:
        return math.nan
    mine = rows.outcome[(choice >= 0) & np.isfinite(rows.outcome)]
    return float(mine.std(ddof=1)) if len(mine) > 1 else math.nan


def _readout_error(sd: float, contacts: int, held: float) -> float:
    """Return by how much the readout of all contacts misses by chance, in money."""
    control = contacts * held / (1 - held)
    if not control:
        return math.nan
    return contacts * sd * math.sqrt(1 / contacts + 1 / control)


def _confirming(sd: float, contacts: int, profit: float, held: float) -> HoldoutShare | None:
    """Return how many of the planned to hold back so that the profit shows."""
    planned = round(contacts / (1 - held))
    if not (profit > 0 and sd > 0 and planned > 1 and contacts):
        return None
    return share_to_see(planned, profit / contacts, sd=sd)
