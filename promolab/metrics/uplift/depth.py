"""The effect among the top of a ranked list, at one depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.metrics._inputs import HasEstimate
from promolab.metrics.uplift._curves import (
    cut_at,
    estimate_of,
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
from promolab.stats import Dominant, all_shares, cluster_sums, dominant_of

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
    made = {name: estimate_of(*part, customers, rows) for name, part in parts.items()}
    spread = spread_of(overall / rows.n, customers)
    made["everyone"] = overall_estimate(average, spread, rows)
    if left == 0:
        made |= {"top": made["everyone"], "gain": made["everyone"]}
    return made, effects.ranking.restored(mine[1])
