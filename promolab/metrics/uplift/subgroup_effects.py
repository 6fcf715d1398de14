"""Effects of parts of a list: among its top at one depth, and by bins of the predicted effect."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import whole_number
from promolab.errors import InputError
from promolab.metrics._inputs import Drawn, HasEstimate
from promolab.metrics.reliability import equal_bins, sums_by_bin
from promolab.metrics.uplift._curves import (
    cut_at,
    overall_estimate,
    overall_influence,
    spread_of,
)
from promolab.metrics.uplift._inputs import (
    OfList,
    UpliftRows,
    check_uplift,
    check_uplift_score,
    effects_of,
    ranking_of,
)
from promolab.results import Estimate
from promolab.stats import (
    Dominant,
    all_shares,
    around,
    cluster_sums,
    difference_of,
    dominant_of,
    estimate_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


MEASURES = ("top", "rest", "everyone", "difference", "gain")


@dataclass(frozen=True)
class UpliftAt(HasEstimate, OfList):
    """Effect among the top of a list, and among the rest.

    Parameters
    ----------
    share : float
        Share of the list that is the top.
    top, rest, everyone : Estimate
        Average effect per customer among the top, the rest and all; the rest is nan at share 1.
    difference : Estimate
        Top less rest.
    gain : Estimate
        Gain per customer of the list when the top is contacted: share × top.
    n, treated, clusters, level
        As in `OfList`.
    dominant : Dominant or None
        The one customer who makes up most of the variance among the top, if there is one.
    """

    share: float
    top: Estimate
    rest: Estimate
    everyone: Estimate
    difference: Estimate
    gain: Estimate
    dominant: Dominant | None = None

    @property
    def estimate(self) -> Estimate:
        """The effect among the top."""
        return self.top

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measure."""
        import pandas as pd

        return pd.DataFrame([{"measure": x, **getattr(self, x).to_dict()} for x in MEASURES])

    def facts(self) -> dict[str, Any]:
        """Return which way the top lies of the rest, and the three effects that are drawn."""
        rows = self.to_frame().iloc[:3].dropna(subset="value")
        case = "all" if self.share == 1 else self.difference.side
        alone = self.dominant.words() if self.dominant else ""
        return {"case": case, "parts": rows, "alone": alone}


def uplift_at(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score: ArrayLike,
    share: float = 0.3,
    propensity: ArrayLike | None = None,
    *,
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> UpliftAt:
    """Average effect among the top of a ranked list.

    Parameters
    ----------
    y, treated, score, propensity, gamma, cluster, level
        As `qini`.
    share : float
        Share of the list that is the top, in (0, 1]. A cut through equal scores takes of them the
        part that fits, which is what a random order among them gives on average.

    Returns
    -------
    UpliftAt

    Raises
    ------
    InputError
        As `qini`, or if the share is outside (0, 1].

    Notes
    -----
    The intervals hold for the top of the population, cut where its share is reached: the cut's
    own variance is in them. A depth picked because its effect looked largest is not covered.

    Examples
    --------
    >>> y, treated = [1, 0, 1, 0, 1, 1, 0, 0], [1, 0, 1, 0, 1, 0, 1, 0]
    >>> result = uplift_at(y, treated, score=[8, 7, 6, 5, 4, 3, 2, 1], share=0.5)
    >>> result.value, round(result.rest.value, 2), round(result.gain.value, 2)
    (1.0, 0.0, 0.5)
    """
    if isinstance(share, str) or not 0 < share <= 1:
        raise InputError(f"share is {share}; give a share of the list above 0 and up to 1")
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values = check_uplift_score(score, rows)
    made, added = _parts(rows, values, float(share))
    dominant = None
    if rows.y is None or not all_shares(rows.y):
        # Of a rare share the few who have it make up the variance, as they should.
        dominant = dominant_of(
            cluster_sums(added, rows.cluster),
            rows.cluster,
            lambda rest: _parts(rows.only(rest), values[rest], float(share))[0]["top"],
        )
    top, rest, everyone, difference, gain = (made[name] for name in MEASURES)
    return UpliftAt(*rows.told, share, top, rest, everyone, difference, gain, dominant)


def _parts(
    rows: UpliftRows, score: np.ndarray, share: float
) -> tuple[dict[str, Estimate], np.ndarray]:
    """Return the estimates by name, and what each row adds to that of the top."""
    effects = effects_of(ranking_of(score, rows), rows)
    customers = effects.ranking.listed(rows.cluster)
    cut, overall = cut_at(effects, share), overall_influence(effects)
    average, left = float(effects.effect[-1]), 1 - share
    if left > 0:
        others = ((average - cut.gain) / left, (overall - cut.influence) / left)
    else:
        others = (float("nan"), overall * float("nan"))
    mine = (cut.gain / share, cut.influence / share)
    parts = {
        "top": mine,
        "rest": others,
        "difference": (mine[0] - others[0], mine[1] - others[1]),
        "gain": (cut.gain, cut.influence),
    }
    made = {
        name: estimate_of(value, added / rows.n, customers, rows.level)
        for name, (value, added) in parts.items()
    }
    spread = spread_of(overall / rows.n, customers)
    made["everyone"] = overall_estimate(average, spread, rows)
    if left == 0:
        made |= {"top": made["everyone"], "gain": made["everyone"]}
    return made, effects.ranking.restored(mine[1])


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
