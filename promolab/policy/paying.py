"""Whether it pays to spend at all, by what came of past decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promolab.checks import real_number, whole_number
from promolab.policy.valuing import NOTHING_SHARES, Valuing
from promolab.results import Estimate, Result
from promolab.wording import decimals_for, number, percent, plural

if TYPE_CHECKING:
    from promolab.policy.rows import PolicyRows

LASTS = 0.8
"""How sure it must be that spending pays where it is sure that promotions add something at all."""


@dataclass(frozen=True)
class Pays(Result):
    """Whether to spend on more than learning; by `pays_to_spend`. True where it pays.

    Parameters
    ----------
    profit : Estimate
        What the best allocation foretold adds, net of its cost, for the customers asked about; the
        lower end is the one-sided bound that decides.
    spend : float
        What it would spend on them, in money.
    decisions : int
        Past decisions behind it.
    level : float
        Of the one-sided bound.
    currency : str
    soon : bool
        Whether they are sure to add more in the window than they cost.
    """

    profit: Estimate
    spend: float
    decisions: int
    level: float
    currency: str = ""
    soon: bool = False

    def __bool__(self) -> bool:
        return self.profit.ci_low > 0

    def summary(self) -> str:
        """Say whether it pays, and why."""
        unit = f" {self.currency}".rstrip()
        if self.profit.value == self.profit.ci_low == self.profit.ci_high == 0:
            return (
                "Nothing is spent beyond what is learned from: past decisions show no promotion "
                "that would earn its cost with anybody."
            )
        value, low, high = self.profit.ends
        adds, least = (number(each, decimals=decimals_for(low, high)) for each in (value, low))
        what = "it adds" if self else "spending more would add"
        shown = (
            f"by {plural(self.decisions, 'past decision')} {what} {adds}{unit} net of its cost, "
            f"and with {percent(self.level, decimals=0)} certainty more than {least}"
        )
        window = "In the window alone promotions are sure to earn their cost. " if self.soon else ""
        if self:
            return f"It pays to spend: {shown}. {window}".rstrip()
        return (
            f"Nothing is spent beyond what is learned from: {shown}, which may be a loss. "
            f"{window}More decisions drawn by chance would tell."
        )


def pays_to_spend(
    rows: PolicyRows,
    *,
    customers: int | None = None,
    budget: float | None = None,
    level: float = 0.95,
    currency: str = "",
) -> Pays:
    """Tell whether the best allocation foretold is sure to add more than it costs.

    An allocation by predictions alone spends all of its budget where no promotion does anything:
    some customers look good by chance. So each fold of logged customers is given what the others
    foretell to be best, and what came of it decides.

    Whether promotions do anything is told with less chance by the window alone. Where what they add
    there is sure, at ``level``, to be more than they cost, the question that is left is whether it
    lasts (what is bought now may be bought less later): for that `LASTS` is sure enough, as holding
    back what pays is a loss, too.

    Parameters
    ----------
    rows : PolicyRows
        The logged decisions.
    customers : int, optional
        For how many; by default as many as decisions.
    budget : float, optional
        Most that may be spent on them; by default until nothing adds anything more.
    level : float
        Above 0.5, of the one-sided lower bound that must lie above 0; where what is added in the
        window is, `LASTS` at most of that of all.
    currency : str

    Returns
    -------
    Pays

    Raises
    ------
    InputError
        A budget or a level that is none.

    Examples
    --------
    >>> import numpy as np
    >>> from promolab.policy import PolicyRows
    >>> rng = np.random.default_rng(0)
    >>> noise, cost = 3 * rng.normal(size=(4000, 1)), np.ones((4000, 1))
    >>> fold, who = np.arange(4000) % 5, np.arange(4000)
    >>> found = pays_to_spend(PolicyRows(noise + 1, cost, cost, fold, who, ["mail"]), budget=400)
    >>> bool(found)
    True
    >>> bool(pays_to_spend(PolicyRows(noise, cost, cost, fold, who, ["mail"]), budget=400))
    False
    """
    real_number("level", level, above=0.5, below=1)
    number_of = len(rows) if customers is None else whole_number("customers", customers, 1)
    most = math.inf if budget is None else real_number("budget", budget, least=0)
    there = Valuing(rows)
    choice = there.choose(most / number_of)
    gamma, cost = there.of_choice(choice)
    gain, window = there.gain(gamma, NOTHING_SHARES), there.soon_of_choice(choice)
    soon = False
    if window is not None:
        soon = there.gain(window, NOTHING_SHARES).interval(2 * level - 1).ci_low > 0
    sure = min(level, LASTS) if soon else level
    profit = gain.interval(2 * sure - 1, number_of)
    spend = float(cost[there.decided].mean()) * number_of
    return Pays(profit, spend, gain.n, sure, currency, soon)
