"""What effects hang on: covariates that move them, and causes that could explain them away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.display import Html, table
from promolab.effects.identification import ByArm, figure, lines, of_arms
from promolab.stats import difference_of, normal_quantile
from promolab.wording import arm_words, capital, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.effects.model import UpliftModel


TO_RATIO, TO_RATIO_ERROR = 0.91, 1.78
"""From a standardised difference to the logarithm of a risk ratio, and to half its interval."""


def e_value(ratio: float) -> float:
    r"""Return how strong a hidden cause must be to explain a risk ratio away.

    :math:`R + \sqrt{R (R - 1)}`, R the ratio or its inverse, whichever is above 1: an unmeasured
    cause that is that many times as frequent among those who got the arm, and makes the outcome
    that many times as frequent, can do it; a weaker one cannot.

    Parameters
    ----------
    ratio : float
        Risk ratio, above 0.

    References
    ----------
    VanderWeele & Ding (2017), Annals of Internal Medicine 167(4).

    Examples
    --------
    >>> round(e_value(3.9), 2), e_value(1.0)
    (7.26, 1.0)
    """
    if not ratio > 0:
        return float("nan")
    size = max(ratio, 1 / ratio)
    return float(size + np.sqrt(size * (size - 1)))


@dataclass(frozen=True)
class Sensitivity(ByArm):
    """Adjusted effects beside the raw differences, and what could explain them away.

    Parameters
    ----------
    rows : DataFrame
        One row per arm: arm, effect, ci_low, ci_high, raw (mean of those who got the arm less mean
        of those who got none), raw_low, raw_high, selection (raw − effect), e_value (of the
        effect), e_value_ci (of the end of its interval nearer to 0; 1 where it holds 0), n,
        trimmed (decisions left out for lack of overlap).
    clipped : int
        Decisions of which an estimated chance was raised to the lowest allowed.
    outcome : str
    control : object
    level : float
    identification : Identification
    """

    clipped: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by arm."""
        return super().to_dict() | {"clipped": self.clipped}

    def summary(self) -> str:
        """Return what selection did, arm by arm, and how firm what is left of it is."""
        words = [self._sentence(row) for row in lines(self.rows)]
        if self.clipped:
            words.append(f"{plural(self.clipped, 'decision')} had a chance raised to the lowest.")
        return self.identification.qualified(" ".join(words))

    def _sentence(self, row: Any) -> str:
        raw = figure(row.raw, row.raw_low, row.raw_high)
        left = figure(row.effect, row.ci_low, row.ci_high)
        out = ""
        if row.trimmed:
            share = percent(row.trimmed / (row.n + row.trimmed))
            out = f" ({share} of decisions left out for lack of overlap)"
        words = (
            f"{capital(arm_words(row.arm))} and {arm_words(self.control)} differ by {raw} in "
            f"{self.outcome} as they are; {left} is left once covariates are alike{out}."
        )
        if self.identification.name != "adjusted":
            return words
        if row.ci_low <= 0 <= row.ci_high:
            return words + " That is within noise."
        return words + (
            f" To explain it away a hidden cause would have to be {figure(row.e_value)} times as "
            f"frequent among them and raise the outcome as much ({figure(row.e_value_ci)} times to "
            "make the interval reach 0)."
        )

    def table(self) -> Html:
        """Return how strong a hidden cause would have to be, of effects that are adjusted."""
        if self.identification.name != "adjusted":
            return Html("")
        shown = {
            "arm": "arm",
            "raw": "plain difference [95 %]",
            "effect": "adjusted [95 %]",
            "selection": "made up by selection",
            "e_value": "E-value",
            "e_value_ci": "E-value of the interval",
        }
        formats: dict[str, Any] = {"raw": str, "effect": str, "selection": figure}
        formats |= {"e_value": number, "e_value_ci": number}
        caption = (
            f"In {self.outcome}. E-value: how many times as frequent among the contacted a hidden "
            "cause would have to be, and raise the outcome as much, to explain the effect away; 1 "
            "means that none is needed."
        )
        rows = of_arms(self.rows, "raw", "effect")
        return table(rows, shown, formats, caption=caption, most=20)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw raw differences and effects, one below the other."""
        from promolab import plots

        labels: list[str] = []
        values: list[float] = []
        low: list[float] = []
        high: list[float] = []
        for row in lines(self.rows):
            labels += [f"{arm_words(row.arm)}: {what}" for what in ("raw", "adjusted")]
            values += [row.raw, row.effect]
            low += [row.raw_low, row.ci_low]
            high += [row.raw_high, row.ci_high]
        colours = [plots.COLOURS[1], plots.COLOURS[0]] * len(self.rows)
        ax = plots.intervals(labels, values, low, high, reference=0.0, colour=colours, ax=ax)
        first = self.rows.iloc[0]
        raw = figure(first["raw"], first["raw_low"], first["raw_high"])
        apart = f"by which {arm_words(first['arm'])} and {arm_words(self.control)} differ"
        if first["raw_low"] <= 0 <= first["raw_high"]:
            title = f"The {raw} {apart} are within noise"
        else:
            share = percent(first["selection"] / first["raw"])
            title = f"Selection makes up {share} of the {raw} {apart}"
        return plots.finish(
            ax,
            title=title,
            subtitle=f"Difference in {self.outcome} per decision to {arm_words(self.control)}, "
            f"{self.level:.0%} intervals; {self.identification}",
            xlabel=self.outcome,
        )


def sensitivity_of(model: UpliftModel, level: float) -> Sensitivity:
    """Work out the sensitivity of a fitted model's averages.

    Parameters
    ----------
    model : UpliftModel
    level : float
    """
    import pandas as pd

    average, rows = model.average(level).rows, []
    experiment, y = model.experiment_, model.experiment_.y(model.outcome_)
    codes, z = experiment.codes, normal_quantile(level)
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    for k, row in enumerate(lines(average)):
        pair = np.isin(codes, (0, k + 1))
        cluster = np.unique(model.cluster_[pair], return_inverse=True)[1]
        plainly = difference_of(y[pair], codes[pair] > 0, cluster, level).estimate
        raw = plainly.value
        if binary:
            ratios = [1 + row.lift, 1 + row.lift_low, 1 + row.lift_high]
        else:
            sd = float(y[codes == 0].std()) or np.nan
            d, error = row.effect / sd, row.std_error / sd
            reach = TO_RATIO_ERROR / 1.96 * z * error
            ratios = list(np.exp([TO_RATIO * d, TO_RATIO * d - reach, TO_RATIO * d + reach]))
        near = ratios[1] if ratios[0] > 1 else ratios[2]
        crosses = (ratios[0] > 1) != (near > 1) or not np.isfinite(near)
        possible = int(np.isfinite(model.nuisance_.gamma[:, k]).sum())
        rows.append(
            {
                "arm": row.arm,
                "effect": row.effect,
                "ci_low": row.ci_low,
                "ci_high": row.ci_high,
                "raw": raw,
                "raw_low": plainly.ci_low,
                "raw_high": plainly.ci_high,
                "selection": raw - row.effect,
                "e_value": e_value(ratios[0]),
                "e_value_ci": 1.0 if crosses else e_value(near),
                "n": row.n,
                "trimmed": possible - row.n,
            }
        )
    return Sensitivity(
        pd.DataFrame(rows), model.outcome_, model.arms_[0], level, model.identification_,
        model.nuisance_.clipped,
    )  # fmt: skip
