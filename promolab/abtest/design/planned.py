"""What is planned for an experiment, in figures, sentences, a table and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.abtest.analysis.metric import ALONE, SHARE
from promolab.abtest.design.learning import Learning
from promolab.abtest.sequential import default_burn_in
from promolab.results import Result, words_of
from promolab.wording import arm_words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ExperimentPlan(Result):
    """How many customers an experiment needs, what it can show, and when; by `plan_experiment`.

    Parameters
    ----------
    kind : {"share", "mean", "ratio"}
        Of outcome.
    centre, sd : float
        The outcome without a promotion, and its standard deviation over customers.
    effect : float or None
        The difference to be found; None where the size was given and no effect.
    smallest : float
        The smallest difference that is found with `power` in every arm, at the planned size.
    reached : float
        How often ``effect`` is found at the planned size; the power where none was asked for.
    customers : int
        All that are needed, or were given.
    shares : dict of str to float
        Arm → share.
    control : str
        The arm that the others are compared with.
    power, level : float
        How often the effect is to be found; confidence of the whole experiment.
    comparisons : int
        That share the level.
    multiplicity : {"holm", "benjamini-hochberg", "none"}
        How; one comparison is planned at (1 − level) ÷ comparisons, what the strictest step of
        both asks.
    correlation, design_effect : float
        With the earlier figure, and of clusters: the variance is multiplied by
        (1 − correlation²) · design_effect.
    sequential : bool
        Looked at every day, with the confidence sequence tuned for the planned size.
    days : int or None
        Until all customers have come and their outcomes are known.
    outcome_days : int
        Of these, the days that the last customer's outcome takes.
    frame : DataFrame
        One row per arm: arm, share, customers, smallest_effect, smallest_lift, power.
    curve : DataFrame
        effect, lift, power: of the arm that sees least, at the planned size.
    over_time : DataFrame
        day, customers, smallest_effect: what could be shown if the experiment ended then.
    learning : Learning or None
        Its cost against what it teaches.
    """

    kind: str
    centre: float
    sd: float
    effect: float | None
    smallest: float
    reached: float
    customers: int
    shares: Mapping[str, float]
    control: str
    power: float
    level: float
    comparisons: int
    multiplicity: str
    correlation: float
    design_effect: float
    sequential: bool
    days: int | None
    outcome_days: int
    frame: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(repr=False)
    over_time: pd.DataFrame = field(repr=False)
    learning: Learning | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm."""
        return self.frame.copy()

    @property
    def sizes(self) -> dict[str, int]:
        """Customers of each arm."""
        return dict(zip(self.frame["arm"], map(int, self.frame["customers"]), strict=True))

    @property
    def burn_in(self) -> int | None:
        """Customers before the first look; None where there is one look, at the end."""
        return math.ceil(default_burn_in(self.customers)) if self.sequential else None

    def facts(self) -> dict[str, Any]:
        """Return what is shown and why, as codes, and the rows in the unit that is written."""
        times = 100 if self.kind == SHARE else 1
        wanted = self.smallest if self.effect is None else self.effect
        known, several = not math.isnan(wanted), self.comparisons > 1
        marked = times * abs(wanted) if math.isfinite(wanted) else None
        return {
            "shows": "difference" if known else "nothing",
            "wanted": self.worded(wanted) if known else "",
            "least": self.worded(self.smallest),
            "often": self.power if self.effect is None else self.reached,
            "short": self.effect is not None and self.reached < self.power - 0.005,
            "each_at": several and ("alone" if self.multiplicity == ALONE else "divided"),
            "saved": self.correlation and self.correlation**2,
            "grouped": abs(self.design_effect - 1) > 1e-9,
            "learned": "" if self.learning is None else self.learning.summary(),
            "visible": math.isfinite(self.smallest),
            "marked": marked,
            "arms": self.frame.assign(
                arm=self.frame["arm"].map(arm_words),
                smallest_effect=times * self.frame["smallest_effect"],
            ),
            "scaled": self.curve.assign(effect=times * self.curve["effect"]),
        }

    def worded(self, effect: float) -> str:
        """Write an effect in points or in the outcome's unit, and against what it was."""
        points = self.kind == SHARE
        fine = "" if abs(effect) * (100 if points else 1) >= 0.1 else "_fine"
        basis = ("share" if points else "amount") if self.centre else ""
        lift = effect / abs(self.centre) if self.centre else math.nan
        told = {"size": effect, "unit": ("points" if points else "number") + fine, "basis": basis}
        return words_of(__name__, "ExperimentPlan", lift=lift, centre=self.centre, **told).say(
            "worded"
        )
