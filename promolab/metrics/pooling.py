"""What past promotions brought per unit of their size, by type, and what a new one will."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.results import Estimate, Result, plain
from promolab.stats import t_quantile

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


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

    def facts(self) -> dict[str, Any]:
        """Return the mean with its interval, and whether promotions differ at all."""
        return {"centre": Estimate(self.mean, self.ci_low, self.ci_high), "differ": self.sd > 0}


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
    half = t_quantile(0.95, k - 1) * se
    return Spread(mean, mean - half, mean + half, float(np.sqrt(tau2)), se, k)


ROUNDS = 5  # mean and variances need each other; after five nothing moves any more
_LEAST = 1 / 3
"""Share of the mean of all types below which a type's mean tells nothing of how sure it is."""


@dataclass(frozen=True)
class PastRatios(Result):
    """Mean ratios of past promotions by type, weighted by size; made by `past_ratios`.

    Parameters
    ----------
    types : tuple of str
        The types told apart; a single "" where too few promotions tell types apart.
    means, errors : tuple of float
        Of each type, the mean ratio and its standard error relative to it.
    other, other_error : float
        The same for a type that has no past promotion: it may differ as types do.
    sd : float
        Standard deviation of the logarithm between promotions of one type.
    freedom : int
        Degrees of freedom behind the variances; without one there are no intervals.
    k : int
        Promotions.
    """

    types: tuple[str, ...]
    means: tuple[float, ...]
    errors: tuple[float, ...]
    other: float
    other_error: float
    sd: float
    freedom: int
    k: int

    @classmethod
    def of(cls, fields: Mapping[str, Any] | None) -> PastRatios:
        """Make it from what `to_dict` gave, as ``metrics.json`` holds it; None is no promotion.

        Examples
        --------
        >>> found = past_ratios([18, 40, 21], [20.0, 30.0, 25.0])
        >>> PastRatios.of(found.to_dict()) == found
        True
        """
        return _NOTHING if fields is None else cls.from_dict(fields)

    def mean(self, type_: str = "") -> float:
        """Return the mean ratio of a type; nan without promotions."""
        return self._of(type_)[0]

    def predict(self, variance: float, type_: str = "", level: float = 0.9) -> Estimate:
        """Return the ratio of a new promotion, with the interval that holds it.

        With M the mean and s² = sd² + log(1 + error²) + log(1 + variance), the interval of a
        log-normal figure whose mean is M: M · exp(−s²/2 ± t(freedom) · s).

        Parameters
        ----------
        variance : float
            The new ratio's own sampling variance, relative to its square.
        type_ : str
            Its type.
        level : float
            How often it should hold.

        Examples
        --------
        >>> e = past_ratios([18, 40, 21, 33, 20], [20.0, 30, 25, 30, 25]).predict(0.02)
        >>> round(e.value, 2), round(e.ci_low, 2), round(e.ci_high, 2)
        (1.02, 0.63, 1.58)
        """
        value, error = self._of(type_)
        if self.freedom < 1 or not value > 0:
            return Estimate(value, float("nan"), float("nan"), self.k)
        s = math.sqrt(self.sd**2 + math.log1p(error**2) + math.log1p(variance))
        half = t_quantile(level, self.freedom) * s
        low, high = (value * math.exp(min(x - s * s / 2, 700.0)) for x in (-half, half))
        # Where hardly anything is known the mean of so skewed a figure lies above its quantiles.
        return Estimate(value, low, max(high, value), self.k)

    def _of(self, type_: str) -> tuple[float, float]:
        if self.types == ("",):
            type_ = ""
        if type_ not in self.types:
            return self.other, self.other_error
        place = self.types.index(type_)
        return self.means[place], self.errors[place]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per type."""
        import pandas as pd

        return pd.DataFrame({"type": self.types, "mean": self.means, "error": self.errors})

    def facts(self) -> dict[str, Any]:
        """Return a row per type."""
        return {"frame": self.to_frame}

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        lists = {n: plain(list(getattr(self, n))) for n in ("types", "means", "errors")}
        return super().to_dict() | lists


_NAN = float("nan")
_NOTHING = PastRatios((), (), (), _NAN, _NAN, _NAN, 0, 0)


def past_ratios(
    total: ArrayLike,
    size: ArrayLike,
    types: Sequence[str] | None = None,
    *,
    variance: Callable[[np.ndarray], np.ndarray] | None = None,
    half: float = 0.5,
) -> PastRatios:
    r"""Return the mean of total ÷ size over past promotions, by type, each weighted by its size.

    Within a type the mean is the ratio of the sums, :math:`\sum total / \sum size`: large
    promotions count more, and what was forecast of all adds up to what came. A type that has few
    is drawn towards the mean of the types, by the credibility Z = τ²/(τ² + its squared error), τ
    between types (Bühlmann & Straub 1970). Promotions of one type differ by a standard deviation
    of the logarithm that all types share; types and promotions are random effects (DerSimonian &
    Laird 1986).

    Parameters
    ----------
    total, size : array-like of shape (k,)
        What came, and what it is measured by, above 0: responders and the responders expected, or
        discounts and redeemers.
    types : sequence of str, optional
        Of each promotion. Told apart where there are at least two promotions more than types, and
        anything came.
    variance : callable, optional
        Returns the sampling variances of the totals relative to their squares, from the totals
        expected; by default those of counts, 1/(expected + ½).
    half : float
        Added to counts, so that none has a logarithm; 0 for amounts above 0.

    Raises
    ------
    InputError
        Shapes that differ, or sizes that are not above 0.

    References
    ----------
    Bühlmann & Straub (1970), Mitteilungen der Vereinigung schweizerischer
    Versicherungsmathematiker 70; Bühlmann & Gisler (2005), A Course in Credibility Theory, ch. 4.

    Examples
    --------
    >>> past_ratios([10, 90], [20.0, 80.0]).mean()
    1.0
    """
    a, b = np.asarray(total, dtype=float), np.asarray(size, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not (b > 0).all():
        raise InputError(
            f"total and size have the shapes {a.shape} and {b.shape}; expected (k,) both, and "
            "every size above 0"
        )
    if not len(a):
        return _NOTHING
    told = np.asarray([""] * len(a) if types is None else [str(t) for t in types], dtype=object)
    if len(a) - len(set(told)) < 2 or not a.any():
        told = np.full(len(a), "", dtype=object)
    names, code = np.unique(told.astype(str), return_inverse=True)
    noise = variance or (lambda expected: 1 / (expected + half))
    sums = np.bincount(code, b)
    # Nobody out of all is half of one: a mean of 0 would promise that none will ever come.
    overall = max(float(a.sum()), half or 1e-9) / float(b.sum())
    ratios, share = np.bincount(code, a) / sums, b / sums[code]
    means, other = np.full(len(names), overall), overall
    for _ in range(ROUNDS):
        # To which nobody ever responded would look the surest of all, and draw the others to none.
        level = np.maximum(means, _LEAST * other)
        own, expected = noise(b * level[code]), b * means[code]
        tau2 = _within(np.log((a + half) / (expected + half)), noise(expected), code)
        errors2 = np.bincount(code, share**2 * (own + math.expm1(tau2))) * (level / overall) ** 2
        if len(names) == 1:
            means, mse, between2 = np.array([overall]), errors2, 0.0
            continue
        among = random_effects(ratios / overall, errors2)
        other, between2 = among.mean * overall, among.sd**2 + among.se**2
        z = among.sd**2 / (among.sd**2 + errors2)
        means = np.maximum(other + z * (ratios - other), 1e-9 * overall)
        mse = z * errors2 + (1 - z) ** 2 * among.se**2
    relative = np.sqrt(mse) * overall / means
    beyond = math.sqrt(between2) * overall / other if between2 else float(relative[0])
    freedom = len(a) - len(names) - 1
    return PastRatios(
        tuple(str(name) for name in names),
        tuple(float(m) for m in means),
        tuple(float(e) for e in relative),
        float(other),
        beyond,
        math.sqrt(tau2),
        freedom,
        len(a),
    )


def _within(value: np.ndarray, variance: np.ndarray, code: np.ndarray) -> float:
    """Return the variance between promotions within types (moments, DerSimonian & Laird)."""
    w = 1 / variance
    sums = np.bincount(code, w)
    centre = np.bincount(code, w * value) / sums
    q = float((w * (value - centre[code]) ** 2).sum())
    c = float((sums - np.bincount(code, w**2) / sums).sum())
    freedom = len(value) - len(sums)
    return max(0.0, (q - freedom) / c) if c > 0 else 0.0
