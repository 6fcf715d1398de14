"""What each budget would add, by what came of past decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.results import Estimate, Result
from promolab.wording import money, more_or_less, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.policy.plan_scores import Gain, PlanScores

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

    ALT = "What each budget would add, with its interval, and the budget chosen."

    frame: pd.DataFrame = field(repr=False)
    spend: float
    more: Estimate
    less: Estimate
    enough: bool
    level: float
    decisions: int
    currency: str = ""

    def summary(self) -> str:
        """Say what a fifth more and less of budget would do."""
        if not self.spend:
            return "Nothing is spent, and so no budget is told of."
        extra = money(MORE * self.spend, currency=self.currency)
        less = f"{extra} less would bring {more_or_less(*(self.less * -1).ends)}"
        if self.enough:
            return f"More budget would add nothing; {less}."
        more = more_or_less(*self.more.ends)
        return f"{percent(MORE, decimals=0)} more budget ({extra}) would bring {more}; {less}."

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what each budget would add, with its interval, and the one chosen."""
        from promolab import plots

        rows, chosen = self.frame, self.frame[self.frame["chosen"]]
        unit = f", {self.currency}" if self.currency else ""
        ax = plots.curve(
            rows["budget"], rows["profit"], low=rows["ci_low"], high=rows["ci_high"],
            label="by past decisions", ax=ax,
        )  # fmt: skip
        ax = plots.points(chosen["budget"], chosen["profit"], label="the budget", ax=ax)
        plots.reference_line(ax, "horizontal", 0.0)
        return plots.finish(
            ax,
            title=self._title(),
            subtitle=f"extra profit by budget, spent where it returns most; "
            f"{percent(self.level, decimals=0)} band, {plural(self.decisions, 'past decision')}",
            xlabel=f"budget{unit}",
            ylabel=f"extra profit{unit}",
        )

    def _title(self) -> str:
        if self.enough:
            return "There is nothing to spend more on"
        if self.more.ci_low > 0:
            return f"{percent(MORE, decimals=0)} more budget would pay"
        return f"Whether {percent(MORE, decimals=0)} more budget would pay is not certain"


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
