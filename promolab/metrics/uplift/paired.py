"""Which of two rankings finds better those whom a promotion changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError, nearest
from promolab.metrics.uplift._areas import influence, spread_of
from promolab.metrics.uplift._inputs import check_uplift, check_uplift_score, effects_of, ranking_of
from promolab.metrics.within import around
from promolab.results import Estimate, Result
from promolab.stats import two_sided
from promolab.wording import decimals_for, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["QiniComparison", "compare_qini"]


@dataclass(frozen=True)
class QiniComparison(Result):
    """Qini (or AUTOC) of two scores on the same rows, and the difference.

    Parameters
    ----------
    difference, ci_low, ci_high, std_error : float
        ``a`` − ``b``, with its interval, in outcome per customer.
    p_value : float
        Two-sided, of no difference.
    qini_a, qini_b : float
        The two figures.
    weighting : str
        ``"qini"`` or ``"autoc"``.
    n, clusters : int
        Rows and independent units.
    level : float
        Confidence level.
    """

    difference: float
    ci_low: float
    ci_high: float
    std_error: float
    p_value: float
    qini_a: float
    qini_b: float
    weighting: str
    n: int
    clusters: int
    level: float
    words: str = field(repr=False)

    @property
    def value(self) -> float:
        """The difference, under the name that all estimates share."""
        return self.difference

    @property
    def estimate(self) -> Estimate:
        """The difference as an estimate."""
        return Estimate(self.difference, self.ci_low, self.ci_high, self.n)

    def to_frame(self) -> pd.DataFrame:
        """Return one row with every field."""
        import pandas as pd

        return pd.DataFrame([self.to_dict()])

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain values."""
        return {k: v for k, v in super().to_dict().items() if k != "words"}

    def summary(self) -> str:
        """Say the difference in words."""
        verdict = (
            "The first order finds them better"
            if self.ci_low > 0
            else "The second order finds them better"
            if self.ci_high < 0
            else "The two orders are the same"
            if self.std_error == 0
            else "The two orders cannot be told apart"
        )
        name = "Qini" if self.weighting == "qini" else "AUTOC"
        decimals = decimals_for(self.ci_low, self.ci_high)
        figures = [number(x, decimals=decimals) for x in (self.qini_a, self.qini_b)]
        if self.std_error == 0:
            return f"{verdict}: {name} {figures[0]} ({self.words})."
        points = number(self.difference, self.ci_low, self.ci_high)
        return (
            f"{verdict}: {name} {figures[0]} against {figures[1]}, difference {points} "
            f"({self.words})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the difference with its interval against 0."""
        from promolab import plots

        ax = plots.intervals(
            ["first − second"],
            [self.difference],
            [self.ci_low],
            [self.ci_high],
            reference=0.0,
            ax=ax,
        )
        name = "Qini" if self.weighting == "qini" else "AUTOC"
        return plots.finish(
            ax,
            title=self.summary().split(":")[0],
            subtitle=f"difference of two orders' {name} on the same rows, "
            f"{percent(self.level, decimals=0)} interval · {self.words}",
            xlabel="difference, in outcome per customer",
        )


def compare_qini(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score_a: ArrayLike,
    score_b: ArrayLike,
    propensity: ArrayLike | None = None,
    *,
    weighting: str = "qini",
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> QiniComparison:
    """Difference of two scores' Qini (or AUTOC) on the same rows, paired.

    Parameters
    ----------
    y, treated, propensity, gamma, cluster, level
        As `qini`.
    score_a, score_b : array-like of shape (n,)
        The two scores, such as an uplift model's and a response model's.
    weighting : {"qini", "autoc"}
        What is compared.

    Returns
    -------
    QiniComparison

    Raises
    ------
    InputError
        As `qini`.

    Notes
    -----
    The variance is that of the difference of the two influence functions: what both rankings owe
    to the same outcomes cancels, so the interval is narrower than those of the two figures
    suggest.

    Examples
    --------
    >>> import numpy as np
    >>> effect = np.arange(100.0)
    >>> result = compare_qini(None, None, effect, -effect, gamma=effect)
    >>> result.difference > 0, result.ci_low > 0
    (True, True)
    """
    if weighting not in ("qini", "autoc"):
        raise InputError(f"weighting is {weighting!r}; {nearest(weighting, ('qini', 'autoc'))}")
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values, added = [], []
    for name, score in (("score_a", score_a), ("score_b", score_b)):
        ranking = ranking_of(check_uplift_score(score, rows.n, name), rows)
        value, parts = influence(effects_of(ranking, rows), weighting)
        values.append(value)
        added.append(ranking.restored(parts))
    difference = values[0] - values[1]
    spread = spread_of((added[0] - added[1]) / rows.n, rows.cluster)
    low, high = around(difference, spread, level)
    return QiniComparison(
        difference,
        low,
        high,
        spread.std_error,
        two_sided(difference, spread.std_error, spread.degrees),
        values[0],
        values[1],
        weighting,
        rows.n,
        rows.clusters,
        level,
        rows.words,
    )
