"""Effects on average and by group, with intervals and by what right they are called so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError, nearest
from promolab.model.uplift.figures import figure, lines, p_words, spoken
from promolab.model.uplift.identification import Identification
from promolab.results import Result, plain
from promolab.wording import arm_words, capital, count, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.metrics.differences import Dominant

__all__ = ["ALIKE", "AverageEffects", "GroupEffects"]

ALIKE = "all alike"
"""The one group where nobody can be told apart by the predicted effect."""
NOISE = "within noise"
UNTOLD = 2.0
"""Width of the interval of an effect in units of the control from which on it says nothing."""


@dataclass(frozen=True)
class AverageEffects(Result):
    """The average effect of each arm against the control, from cross-fitted AIPW scores.

    Parameters
    ----------
    table : DataFrame
        One row per arm: arm, effect, ci_low, ci_high, std_error, p_value (two-sided), control (mean
        outcome without), lift (effect / control), lift_low, lift_high, n (decisions that count:
        those that could have got the arm and the control, less those trimmed), customers.
    outcome : str
        What is measured, per customer and decision, in its own unit.
    control : object
        The arm that got nothing.
    level : float
        Of the intervals, which are clustered by customer.
    identification : Identification
    dominant : mapping of arm to Dominant
        Where one customer makes up most of the variance.
    """

    table: pd.DataFrame
    outcome: str
    control: Any
    level: float
    identification: Identification
    dominant: dict[Any, Dominant] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm, and by what right it is called an effect."""
        return self.table.assign(identification=str(self.identification))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by arm."""
        rows = self.table.set_index("arm").to_dict("index")
        return {
            "outcome": self.outcome,
            "identification": str(self.identification),
            "level": self.level,
            "arms": plain(rows),
        }

    def summary(self) -> str:
        """Return a sentence per arm, and what has to be said beside them."""
        words = " ".join(self._sentence(row) for row in lines(self.table))
        return self.identification.qualified(words)

    def _sentence(self, row: Any) -> str:
        shown, arm = figure(row.effect, row.ci_low, row.ci_high), capital(arm_words(row.arm))
        if not np.isfinite(row.effect):
            return f"{arm}: no decision could have got it as well as {arm_words(self.control)}."
        if not self.identification.causal:
            return f"{arm} and {arm_words(self.control)} differ by {shown} in {self.outcome}."
        lift = ""
        if row.control > 0 and row.lift_high - row.lift_low < UNTOLD:
            share = percent(row.lift, row.lift_low, row.lift_high)
            lift = f" ({share} of the {figure(row.control)} without)"
        dominant = self.dominant.get(row.arm)
        alone = f" {dominant.words(figure)}" if dominant else ""
        if row.ci_low <= 0 <= row.ci_high:
            return f"{arm}: its effect on {self.outcome}, {shown}, is {NOISE}.{alone}"
        verb = "adds" if row.effect > 0 else "takes away"
        if row.effect < 0:
            shown = figure(-row.effect, -row.ci_high, -row.ci_low)
        side = "to" if row.effect > 0 else "from"
        return f"{arm} {verb} {shown} {side} {self.outcome} per decision{lift}.{alone}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each arm's effect with its interval."""
        from promolab import plots

        table = self.table
        ax = plots.intervals(
            table["arm"].map(spoken).tolist(), table["effect"], table["ci_low"], table["ci_high"],
            reference=0.0, ax=ax,
        )  # fmt: skip
        best = table.iloc[int(table["effect"].argmax())]
        beyond = (table["ci_low"] > 0).sum()
        shown = figure(best["effect"], best["ci_low"], best["ci_high"])
        title = (
            f"{capital(arm_words(best['arm']))} adds most: {shown}"
            if beyond
            else "No arm adds more than noise"
        )
        if not self.identification.causal:
            title = "Differences between arms, which are no effects"
        return plots.finish(
            ax,
            title=title,
            subtitle=f"{_measure(self.identification)} on {self.outcome} per decision against "
            f"{arm_words(self.control)}, {self.level:.0%} intervals; n = {count(table['n'].max())}",
            xlabel=self.outcome,
        )


@dataclass(frozen=True)
class GroupEffects(Result):
    """The average effect of each arm in each group, from cross-fitted AIPW scores.

    Parameters
    ----------
    table : DataFrame
        One row per arm and group: arm, group, effect, ci_low, ci_high, std_error, n, customers.
    tests : DataFrame
        One row per arm: arm, statistic, degrees, p_value of all groups having the same effect.
    outcome : str
    control : object
    level : float
        Of each interval by itself: of twenty groups one may lie outside by chance.
    identification : Identification
    by : str
        What the groups are.
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    outcome: str
    control: Any
    level: float
    identification: Identification
    by: str = "group"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm and group."""
        return self.table.assign(identification=str(self.identification))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by arm and group."""
        arms = {}
        for arm, rows in self.table.groupby("arm", sort=False, observed=True):
            p = self.tests.loc[self.tests["arm"] == arm, "p_value"].iloc[0]
            groups = rows.drop(columns="arm").set_index("group").to_dict("index")
            arms[str(arm)] = {"p_value": p, "groups": groups}
        return {"outcome": self.outcome, "identification": str(self.identification)} | plain(arms)

    def of(self, arm: Any) -> pd.DataFrame:
        """Return the rows of one arm."""
        known = self.tests["arm"].tolist()
        if arm not in known:
            raise InputError(f"there is no arm {arm!r}; {nearest(str(arm), map(str, known))}")
        return self.table[self.table["arm"] == arm].reset_index(drop=True)

    def summary(self) -> str:
        """Return, per arm, whether groups differ, and the two ends if they do."""
        words = [self._sentence(test) for test in lines(self.tests)]
        return self.identification.qualified(" ".join(words))

    def _sentence(self, test: Any) -> str:
        rows, arm = self.of(test.arm).dropna(subset=["effect"]), capital(arm_words(test.arm))
        what = "effect" if self.identification.causal else "difference to the control"
        if rows["group"].tolist() == [ALIKE]:
            return f"{arm}: there is nothing to rank by, everybody has the same predicted {what}."
        if len(rows) < 2:
            return f"{arm}: {plural(len(rows), 'group')} with a figure."
        if not test.p_value < 1 - self.level:
            return (
                f"{arm}: its {what} on {self.outcome} does not differ between "
                f"{plural(len(rows), 'group')} by more than noise ({p_words(test.p_value)})."
            )
        ends = [rows.iloc[int(rows["effect"].argmax())], rows.iloc[int(rows["effect"].argmin())]]
        most, least = (
            f"{end['group']} ({figure(end['effect'], end['ci_low'], end['ci_high'])})"
            for end in ends
        )
        return (
            f"{arm}: its {what} on {self.outcome} is largest in {most} and smallest in "
            f"{least}; groups differ ({p_words(test.p_value)})."
        )

    def plot(self, ax: Axes | None = None, *, arm: Any = None) -> Axes:
        """Draw the effect in each group with its interval, of one arm (the first by default)."""
        from promolab import plots

        arm = self.tests["arm"].iloc[0] if arm is None else arm
        rows = self.of(arm)
        test = self.tests[self.tests["arm"] == arm].iloc[0]
        n = rows["n"].to_numpy()
        overall = float(np.nansum(rows["effect"] * n) / max(n.sum(), 1))
        ax = plots.intervals(
            rows["group"].astype(str).tolist(), rows["effect"], rows["ci_low"], rows["ci_high"],
            reference=overall, ax=ax, text=[f"n = {count(size)}" for size in n],
        )  # fmt: skip
        differ = test["p_value"] < 1 - self.level
        told = "groups differ" if differ else "no difference beyond noise"
        return plots.finish(
            ax,
            title=f"{capital(arm_words(arm))}: {told} ({p_words(test['p_value'])})",
            subtitle=f"{_measure(self.identification)} on {self.outcome} per decision against "
            f"{arm_words(self.control)}, by {self.by}; {self.level:.0%} intervals, dashed: "
            "the average",
            xlabel=self.outcome,
        )


def _measure(identification: Identification) -> str:
    return {
        "randomised": "Effect",
        "adjusted": "Adjusted effect",
        "not identified": "Difference, not an effect,",
    }[identification.name]
