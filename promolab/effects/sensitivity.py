"""What selection did to plain differences, and what hidden causes could explain effects away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.effects.identification import ByArm, arm_code, named
from promolab.results import Estimate
from promolab.stats import difference_of, normal_quantile

if TYPE_CHECKING:
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


DRAWN = ["arm", "value", "value_low", "value_high"]


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

    def facts(self) -> dict[str, Any]:
        """Return what selection did by arm, and what the figure draws: raw and adjusted."""
        rows, right = named(self.rows), self.identification.name
        inside = (rows["ci_low"] <= 0) & (rows["ci_high"] >= 0)
        firm = np.where(right != "adjusted", "none", np.where(inside, "noise", "e_value"))
        left_out = rows["trimmed"] / (rows["n"] + rows["trimmed"])
        rows = rows.assign(firm=firm, left_out=left_out.where(rows["trimmed"] > 0))
        ends = {"raw": ["raw", "raw_low", "raw_high"], "adjusted": ["effect", "ci_low", "ci_high"]}
        parts = [
            rows[["arm", *names]].set_axis(DRAWN, axis=1).assign(what=what)
            for what, names in ends.items()
        ]
        first = rows.iloc[0]
        unsure = first["raw_low"] <= 0 <= first["raw_high"]
        return {
            "control": arm_code(self.control),
            "arms": rows,
            "beside": pd.concat(parts).sort_index(kind="stable"),
            "colours": self._colours,
            "selected": "noise" if unsure else "share",
            "first": first["arm"],
            "first_raw": Estimate.of(first[ends["raw"]]),
            "made_up": first["selection"] / first["raw"],
        }

    def _colours(self) -> list[str]:
        from promolab import plots

        return [plots.COLOURS[1], plots.COLOURS[0]] * len(self.rows)


def sensitivity_of(model: UpliftModel, level: float) -> Sensitivity:
    """Work out the sensitivity of a fitted model's averages.

    Parameters
    ----------
    model : UpliftModel
    level : float
    """
    average: Any = model.average(level).rows
    rows: list[dict[str, float]] = []
    experiment, y = model.experiment_, model.experiment_.y(model.outcome_)
    codes, z = experiment.codes, normal_quantile(level)
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    for k, row in enumerate(average.itertuples()):
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
    adjusted = average[["arm", "effect", "ci_low", "ci_high"]]
    found = pd.concat([adjusted, pd.DataFrame(rows)], axis=1)
    return Sensitivity(
        found, model.outcome_, model.arms_[0], level, model.identification_,
        model.nuisance_.clipped,
    )  # fmt: skip
