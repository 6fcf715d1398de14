"""How much a figure differs from one promotion to the next, and what that means for a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.results import Result
from promolab.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["Spread", "random_effects"]


@dataclass(frozen=True)
class Spread(Result):
    """A figure's mean over promotions and its standard deviation between them.

    Parameters
    ----------
    mean, ci_low, ci_high : float
        Mean over promotions with its 95 % interval (Student's t, k − 1 degrees of freedom); nan
        without promotions, the ends nan with fewer than two.
    sd : float
        Standard deviation between promotions, sampling noise taken out; nan with fewer than two.
    se : float
        Standard error of the mean.
    k : int
        Promotions.
    """

    mean: float
    ci_low: float
    ci_high: float
    sd: float
    se: float
    k: int

    @classmethod
    def of(cls, fields: Mapping[str, Any] | None) -> Spread:
        """Make it from what `to_dict` gave, as ``metrics.json`` holds it; None is no promotion.

        Examples
        --------
        >>> Spread.of({"mean": 0.5, "ci_low": None, "ci_high": None, "sd": None, "se": 0.1, "k": 1})
        Spread(mean=0.5, ci_low=nan, ci_high=nan, sd=nan, se=0.1, k=1)
        """
        told = {"k": 0} if fields is None else dict(fields)
        figures = {
            name: float("nan") if told.get(name) is None else float(told[name])
            for name in ("mean", "ci_low", "ci_high", "sd", "se")
        }
        return cls(**figures, k=int(told["k"]))

    def prediction(self, variance: float = 0.0, level: float = 0.95) -> tuple[float, float]:
        """Return the interval that holds the figure of a new promotion.

        mean ± t(k − 2) · √(sd² + se² + variance) (Higgins, Thompson & Spiegelhalter 2009,
        equation 12, with the new figure's own sampling variance added); nan with k < 3.

        Examples
        --------
        >>> low, high = random_effects([0.8, 0.7, 0.75, 0.85], [1e-4] * 4).prediction()
        >>> round(low, 2), round(high, 2)
        (0.47, 1.08)
        """
        from scipy.stats import t

        if self.k < 3:
            return float("nan"), float("nan")
        half = t.ppf((1 + level) / 2, self.k - 2) * np.sqrt(self.sd**2 + self.se**2 + variance)
        return float(self.mean - half), float(self.mean + half)

    def to_frame(self) -> pd.DataFrame:
        """Return the fields as a table of one row."""
        import pandas as pd

        return pd.DataFrame([self.to_dict()])

    def summary(self) -> str:
        """Return the mean and the spread in a sentence."""
        if self.k == 0:
            return "There is no promotion to compare."
        mean = number(self.mean, self.ci_low, self.ci_high)
        return (
            f"Mean {mean} over {plural(self.k, 'promotion')}, with a standard deviation of "
            f"{number(self.sd)} between them."
        )


def random_effects(values: ArrayLike, variances: ArrayLike) -> Spread:
    """Estimate mean and spread of a figure over promotions (DerSimonian & Laird 1986).

    Parameters
    ----------
    values : array, shape (k,)
        The figure of each promotion.
    variances : array, shape (k,)
        Its sampling variance; promotions with a value that is not finite, or a variance that is not
        above 0, are left out.

    Raises
    ------
    InputError
        The shapes differ.

    Examples
    --------
    >>> spread = random_effects([0.8, 0.7, 0.75, 0.85], [1e-4] * 4)
    >>> round(spread.mean, 3), round(spread.sd, 3), spread.k
    (0.775, 0.064, 4)
    """
    from scipy.stats import t

    x, v = np.asarray(values, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if x.shape != v.shape or x.ndim != 1:
        raise InputError(f"values have shape {x.shape} and variances {v.shape}; expected (k,) both")
    usable = np.isfinite(x) & np.isfinite(v) & (v > 0)
    x, v = x[usable], v[usable]
    k, nan = len(x), float("nan")
    if k == 0:
        return Spread(nan, nan, nan, nan, nan, 0)
    if k == 1:
        return Spread(float(x[0]), nan, nan, nan, float(np.sqrt(v[0])), 1)
    w = 1 / v
    q = w @ (x - (w @ x) / w.sum()) ** 2
    tau2 = max(0.0, (q - (k - 1)) / (w.sum() - (w @ w) / w.sum()))
    w = 1 / (v + tau2)
    mean, se = float((w @ x) / w.sum()), float(w.sum() ** -0.5)
    half = float(t.ppf(0.975, k - 1)) * se
    return Spread(mean, mean - half, mean + half, float(np.sqrt(tau2)), se, k)
