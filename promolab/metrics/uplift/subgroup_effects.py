"""Predicted effects against observed ones, by bins of the prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import whole_number
from promolab.errors import InputError
from promolab.metrics._inputs import Drawn
from promolab.metrics.reliability import equal_bins, sums_by_bin
from promolab.metrics.uplift._curves import spread_of
from promolab.metrics.uplift._inputs import OfList, UpliftRows, check_uplift, check_uplift_score
from promolab.results import Estimate
from promolab.stats import around, difference_of, estimate_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class EffectCalibration(Drawn, OfList):
    """Predicted effects against observed ones.

    Parameters
    ----------
    bins : DataFrame
        ``predicted, observed, ci_low, ci_high, n``: mean predicted effect and observed effect per
        bin, the lowest first.
    slope : Estimate
        How much the observed effect rises per unit of the predicted one: 1 is right, 0 says that
        the predictions tell nobody from anybody; below 1 they are too far apart. nan where all
        predictions are equal.
    difference : Estimate
        Mean predicted less mean observed effect; 0 is right.
    n, treated, clusters, level
        As in `OfList`.
    """

    bins: pd.DataFrame = field(repr=False)
    slope: Estimate
    difference: Estimate

    def to_frame(self) -> pd.DataFrame:
        """Return `bins`."""
        return self.bins

    def facts(self) -> dict[str, Any]:
        """Return whether effects differ as predicted, and the line on which they would."""
        import pandas as pd

        slope, predicted = self.slope, self.bins["predicted"]
        low, high = float(predicted.min()), float(predicted.max())
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        ends = [low - margin, high + margin]
        told, steep = slope.side, slope.side_of(1.0)
        case = steep if steep != "unsure" else "right" if told == "above" else "unsure"
        return {
            "case": "unseen" if steep == "below" and told != "above" else case,
            "right": pd.DataFrame({"x": ends, "y": ends}),
            "reach": ends,
        }


def effect_calibration(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    effect: ArrayLike,
    propensity: ArrayLike | None = None,
    *,
    gamma: ArrayLike | None = None,
    bins: int = 10,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> EffectCalibration:
    """Compare predicted effects with observed ones, by bins of the prediction.

    Parameters
    ----------
    y, treated, propensity, gamma, cluster, level
        As `qini`.
    effect : array-like of shape (n,)
        Predicted effect, in outcome per customer, from a model that has not seen these outcomes.
    bins : int
        Bins with about as many rows each (deciles by default); equal predictions stay together,
        so there may be fewer.

    Returns
    -------
    EffectCalibration

    Raises
    ------
    InputError
        As `qini`; or if ``bins`` is below 1, or a bin has rows of one arm only.

    Notes
    -----
    A bin's observed effect is its difference in means, or the mean of its AIPW scores where the
    propensity varies. The slope is the "best linear predictor" of Chernozhukov et al.: the
    least-squares slope of the AIPW scores on the predictions, or of the treated's outcomes less
    that of the control's; robust errors, summed within clusters.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), arXiv 1712.04802.

    Examples
    --------
    >>> import numpy as np
    >>> effect = np.repeat([0.0, 1.0, 2.0], 50)
    >>> result = effect_calibration(None, None, effect, gamma=1.5 * effect, bins=3)
    >>> round(result.slope.value, 2), result.bins["observed"].tolist()
    (1.5, [0.0, 1.5, 3.0])
    """
    whole_number("bins", bins, 1)
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    predicted = check_uplift_score(effect, rows, "effect")
    if not np.isfinite(predicted).all():
        raise InputError("effect has infinite values; give finite effects")
    scores = rows.scores
    gap = predicted - scores

    def told(value: float, added: np.ndarray) -> Estimate:
        return estimate_of(value, added / rows.n, rows.cluster, level)

    return EffectCalibration(
        *rows.told,
        _binned(rows, predicted, bins),
        told(*_slope(rows, predicted)),
        told(float(gap.mean()), gap - gap.mean()),
    )


def _slope(rows: UpliftRows, predicted: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the slope of the effect on its prediction, and what each row adds to it."""
    if rows.gamma is not None:
        return _line(rows.gamma, predicted, np.ones(rows.n, dtype=bool))
    # Of each arm its own line: it takes no share treated for a known propensity.
    assert rows.y is not None and rows.treated is not None
    one, of_one = _line(rows.y, predicted, rows.treated)
    other, of_other = _line(rows.y, predicted, ~rows.treated)
    return one - other, of_one - of_other


def _line(y: np.ndarray, x: np.ndarray, member: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the least-squares slope of y on x among members, and what each row adds to it."""
    away = np.where(member, x - x[member].mean(), 0.0)
    width = float(np.square(away).mean())
    if not width > 0:
        return math.nan, np.full(len(y), math.nan)
    rest = np.where(member, y - y[member].mean(), 0.0)
    rise = float((away * rest).mean()) / width
    return rise, away * (rest - rise * away) / width


def _binned(rows: UpliftRows, predicted: np.ndarray, bins: int) -> pd.DataFrame:
    """Return the bins with their intervals."""
    import pandas as pd

    bin_of = equal_bins(predicted, bins)
    sizes = np.bincount(bin_of)
    found = _of_scores(rows, bin_of, sizes) if rows.y is None else _of_arms(rows, bin_of, sizes)
    observed, low, high = np.array([(e.value, e.ci_low, e.ci_high) for e in found]).T
    return pd.DataFrame(
        {
            "predicted": np.bincount(bin_of, weights=predicted) / sizes,
            "observed": observed,
            "ci_low": low,
            "ci_high": high,
            "n": sizes,
        }
    )


def _of_arms(rows: UpliftRows, bin_of: np.ndarray, sizes: np.ndarray) -> list[Estimate]:
    """Return each bin's plain difference of the arms."""
    assert rows.y is not None and rows.treated is not None
    some = np.bincount(bin_of, weights=rows.treated)
    if ((some == 0) | (some == sizes)).any():
        raise InputError(
            f"one of the {len(sizes)} bins has rows of one arm only; ask for fewer bins"
        )
    found = []
    for each in range(len(sizes)):
        mine = bin_of == each
        customers = rows.cluster
        if customers is not None:
            customers = np.unique(customers[mine], return_inverse=True)[1]
        plain = difference_of(rows.y[mine], rows.treated[mine], customers, rows.level)
        found.append(plain.estimate)
    return found


def _of_scores(rows: UpliftRows, bin_of: np.ndarray, sizes: np.ndarray) -> list[Estimate]:
    """Return each bin's mean of the scores."""
    scores = rows.scores
    means = np.bincount(bin_of, weights=scores) / sizes
    added = (scores - means[bin_of]) / sizes[bin_of]
    sums, home = sums_by_bin(added, bin_of, rows.cluster)
    ends = [spread_of(sums[home == each], None) for each in range(len(sizes))]
    return [
        Estimate(float(value), *around(float(value), spread, rows.level), int(n))
        for value, spread, n in zip(means, ends, sizes, strict=True)
    ]
