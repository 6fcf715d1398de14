"""What is planned for an experiment, in figures, sentences, a table and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.abtest.analysis.metric import SHARE
from promolab.abtest.design.learning import Learning
from promolab.abtest.sequential import default_burn_in
from promolab.results import Result, plain
from promolab.wording import arm_words, count, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.display import Html


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

    ALT = "Power against the size of the effect, at the planned number of customers."

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

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, shares and sizes, and what the test costs and teaches."""
        return super().to_dict() | {
            "shares": plain(dict(self.shares)),
            "sizes": self.sizes,
            "learning": None if self.learning is None else self.learning.to_dict(),
        }

    @property
    def sizes(self) -> dict[str, int]:
        """Customers of each arm."""
        return dict(zip(self.frame["arm"], map(int, self.frame["customers"]), strict=True))

    @property
    def burn_in(self) -> int | None:
        """Customers before the first look; None where there is one look, at the end."""
        return math.ceil(default_burn_in(self.customers)) if self.sequential else None

    def summary(self) -> str:
        """Return sizes, what they show, how long it takes and what is behind it, in sentences."""
        arms = ", ".join(f"{arm_words(arm)} {count(n)}" for arm, n in self.sizes.items())
        wanted = self.smallest if self.effect is None else self.effect
        if math.isnan(wanted):
            shows = "cannot show any difference"
        else:
            chance = self.power if self.effect is None else self.reached
            often = f"in {percent(chance, decimals=0)} of such tests"
            shows = f"will show a difference of {self.worded(wanted)} {often}"
        words = [f"{plural(self.customers, 'customer')} ({arms}) {shows}."]
        if self.effect is not None and self.reached < self.power - 0.005:
            words.append(
                f"That is less than the {percent(self.power, decimals=0)} asked for: "
                f"{self.worded(self.smallest)} would be found so often."
            )
        if self.days is not None:
            wait = f", the last {count(self.outcome_days)} to wait for outcomes"
            words.append(f"It takes {plural(self.days, 'day')}{wait if self.outcome_days else ''}.")
        words += self._reasons()
        if self.learning is not None:
            words.append(self.learning.summary())
        return " ".join(words)

    def _reasons(self) -> list[str]:
        words = []
        if self.comparisons > 1:
            how = (
                "as if alone"
                if self.multiplicity == "none"
                else f"at a level divided by {count(self.comparisons)}"
            )
            words.append(f"Each of {count(self.comparisons)} comparisons is planned {how}.")
        if self.correlation:
            fewer = percent(self.correlation**2, decimals=0)
            words.append(f"The figure from before saves {fewer} of the customers (CUPED).")
        if abs(self.design_effect - 1) > 1e-9:
            words.append(
                "Because customers were drawn in groups, "
                f"{number(self.design_effect)} times as many are needed."
            )
        if self.sequential:
            words.append(
                f"It may be looked at every day from customer {count(self.burn_in or 0)} on, and "
                "ended when the interval leaves zero; without that fewer would do."
            )
        return words

    def worded(self, effect: float) -> str:
        """Write an effect in points or in the outcome's unit, and against what it was."""
        points = self.kind == SHARE
        size = 100 * effect if points else effect
        decimals = None if abs(size) >= 0.1 else 3
        told = number(size, decimals=decimals, unit="points" if points else "")
        if not self.centre:
            return told
        return (
            f"{told} ({percent(effect / abs(self.centre), decimals=1)} of {self._centre_words()})"
        )

    def _centre_words(self) -> str:
        return percent(self.centre) if self.kind == SHARE else number(self.centre)

    def table(self) -> Html:
        """Return the arms: share, customers, smallest effect, power."""
        from promolab.display import table

        points = self.kind == SHARE
        unit = ", points" if points else ""
        rows = self.frame.assign(
            smallest_effect=self.frame["smallest_effect"] * (100 if points else 1)
        )
        shown = {
            "arm": "arm",
            "share": "share",
            "customers": "customers",
            "smallest_effect": f"smallest difference shown{unit}",
            "smallest_lift": "of what it was",
            "power": "how often the effect is found",
        }
        formats: dict[str, Any] = {
            "arm": arm_words,
            "share": percent,
            "customers": count,
            "smallest_effect": number,
            "smallest_lift": _share_or_dash,
            "power": _share_or_dash,
        }
        return table(rows, shown, formats)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how often effects of each size are found."""
        from promolab import plots

        points = self.kind == SHARE
        scale = 100 if points else 1
        ax = plots.curve(self.curve["effect"] * scale, self.curve["power"], ax=ax)
        plots.reference_line(ax, "horizontal", self.power, percent(self.power, decimals=0))
        wanted = self.smallest if self.effect is None else abs(self.effect)
        if math.isfinite(wanted):
            plots.reference_line(ax, "vertical", wanted * scale)
        title = "No difference would show at this size"
        if math.isfinite(self.smallest):
            title = f"A difference of {self.worded(self.smallest)} shows"
            title += f" in {percent(self.power, decimals=0)} of tests"
        looks = "looked at every day" if self.sequential else "looked at once, at the end"
        return plots.finish(
            ax,
            title=title,
            subtitle=f"{plural(self.customers, 'customer')} in "
            f"{plural(len(self.shares), 'arm')}, level {percent(self.level, decimals=0)}, {looks}",
            xlabel="difference from the control, points"
            if points
            else "difference from the control",
            ylabel="share of tests that find it",
            percent_y=True,
        )


def _share_or_dash(value: float) -> str:
    return "–" if math.isnan(value) else percent(value)
