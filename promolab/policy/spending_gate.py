"""Whether it pays to spend at all, by what came of past decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import real_number, share, whole_number
from promolab.policy.plan_scores import NOTHING_SHARES, Gain, PlanScores
from promolab.results import Estimate, Result
from promolab.wording import decimals_for, number

if TYPE_CHECKING:
    from promolab.policy.rows import PolicyRows

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


def posterior_of(
    there: PlanScores, choice: np.ndarray, gain: Gain, past: Sequence[float] = ()
) -> Posterior:
    """Return what past decisions say of a choice of arms.

    Parameters
    ----------
    there : PlanScores
    choice : ndarray of int of shape (n,)
        The place of each row's arm, −1 for none.
    gain : Gain
        Of the plan by its scores: what tells where decisions do not fall into buying and baskets.
    past : sequence of float
        As `spending_test`.
    """
    rows, some, prior = there.rows, choice >= 0, prior_of(past)
    paid = there.paid(choice)
    cost, told = float(paid[there.decided].mean()), [gain]
    if there.evidence is not None and rows.known is not None:
        if some.any():
            adds = float((rows.modelled[some, choice[some]] - paid[some]).sum()) / gain.n
            error = there.evidence.error(rows.known, choice) / gain.n
            gain = Gain(adds, error, math.inf, gain.n)
        return Posterior(there.evidence.nothing(prior), gain, cost)
    if some.any():
        soon = there.soon_of_choice(choice)
        scores = [there.of_choice(choice)[0], *([] if soon is None else [soon])]
        told = [there.gain(each, NOTHING_SHARES) for each in scores]
    nothing = min(nothing_by(each.chance_of_loss(), prior) for each in told)
    return Posterior(nothing, gain, cost)


def prior_of(past: Sequence[float]) -> float:
    """Return the chance that promotions do nothing, by what past rounds said of it.

    Examples
    --------
    >>> prior_of([]), prior_of([0.1, 0.3, 0.1])
    (0.5, 0.3)
    """
    return (1 + math.fsum(past)) / (2 + len(past))


def nothing_by(p: float, prior: float = 0.5) -> float:
    """Return the least chance that promotions do nothing, by a one-sided p value.

    Whatever effects there may be otherwise, the odds are at least −e·p·log p times those before
    (Sellke, Bayarri & Berger 2001, The American Statistician 55).

    Examples
    --------
    >>> round(nothing_by(0.05), 2), round(nothing_by(0.5), 2)
    (0.29, 0.5)
    """
    odds = prior / (1 - prior) * (-math.e * p * math.log(p) if 0 < p < 1 / math.e else p > 0)
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
    past: Sequence[float] = (),
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
    past : sequence of float
        The chance that promotions do nothing (`SpendingTest.nothing`) of each of the shop's past
        rounds that are settled and not among these decisions, which would count twice; without
        any, 0.5 is expected.
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
    for chance in past:
        share("past", chance)
    number_of = len(rows) if customers is None else whole_number("customers", customers, 1)
    most = math.inf if budget is None else real_number("budget", budget, least=0)
    there = PlanScores(rows)
    choice = there.choose(most / number_of)
    gain = there.gain(there.of_choice(choice)[0], NOTHING_SHARES)
    if there.evidence is not None:
        nothing = there.evidence.nothing(prior_of(past))
        choice = there.choose_modelled(most / number_of, nothing)
        gain = there.gain(there.of_choice(choice)[0], NOTHING_SHARES)
    told, window = posterior_of(there, choice, gain, past), there.soon_of_choice(choice)
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
