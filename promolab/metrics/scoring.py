"""How far probabilities are from what happened: log-loss, and the calibration error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from promolab.checks import aligned, labels_of, level_of, numbers_of, whole_number
from promolab.errors import InputError
from promolab.metrics._inputs import (
    OF_LOSSES,
    Measured,
    OnRows,
    against_base,
    codes_of,
    figure,
    rows_of,
)
from promolab.metrics.intervals import StdError, around, positive_interval, spread_of
from promolab.results import Estimate
from promolab.stats import normal_quantile
from promolab.wording import count, number, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


NOISE = 2048  # draws behind the interval of a distance
DENSE = 2_000_000  # cells of clusters × bins, up to which a table is quicker than a sparse one


def check_probabilities(
    y_true: ArrayLike, p: ArrayLike, bins: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities, or say what is wrong with them."""
    y = labels_of("y_true", y_true)
    probability = numbers_of("p", p, len(y)).astype(float)
    outside = int(np.count_nonzero((probability < 0) | (probability > 1)))
    if outside:
        raise InputError(
            f"p has {outside:,} of {len(y):,} values outside [0, 1]; give probabilities, not "
            "scores (a model's predict_proba)"
        )
    whole_number("bins", bins, 1)
    return y, probability


def equal_bins(p: np.ndarray, bins: int) -> np.ndarray:
    """Number bins of about as many rows each; equal predictions stay together."""
    edges = np.quantile(p, np.arange(1, bins) / bins)
    place = np.searchsorted(edges, p, side="left")
    return (np.cumsum(np.bincount(place, minlength=bins) > 0) - 1)[place]


def sums_by_bin(
    values: np.ndarray, bin_of: np.ndarray, cluster: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Add values up within clusters in a bin; return the sums and the bin of each."""
    if cluster is None:
        return values, bin_of
    bins = int(bin_of.max()) + 1
    pairs, pair_of = np.unique(cluster.astype(np.int64) * bins + bin_of, return_inverse=True)
    return np.bincount(pair_of, weights=values), pairs % bins


def mean_loss(
    losses: np.ndarray, cluster: np.ndarray | None, level: float
) -> tuple[Estimate, StdError]:
    """Return the mean of rows' losses with its interval, and its spread."""
    value = float(losses.mean())
    spread = spread_of((losses - value) / len(losses), cluster)
    return Estimate(value, *positive_interval(value, spread, level), len(losses)), spread


def skill_of(
    losses: np.ndarray,
    of_base: float,
    base_added: np.ndarray,
    cluster: np.ndarray | None,
    level: float,
) -> Estimate:
    """Return 1 − mean loss ÷ that of the base rate given to every row.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Of the predictions.
    of_base : float
        Mean loss of the base rate; where it is 0 the labels are of one class and the skill is nan.
    base_added : ndarray of shape (n,)
        What each row adds to it: the base rate is estimated too.
    """
    n = len(losses)
    if not of_base > 0:
        return Estimate(math.nan, math.nan, math.nan, n)
    value = float(losses.mean())
    influence = -((losses - value) - value / of_base * base_added) / of_base / n
    skill = 1 - value / of_base
    low, high = around(skill, spread_of(influence, cluster), level)
    return Estimate(skill, low, min(high, 1.0), n)


@dataclass(frozen=True)
class Gaps:
    """Observed minus predicted by bin, and how the gaps vary together.

    Parameters
    ----------
    gaps, weights : ndarray of shape (bins,)
        Observed share minus mean prediction; share of the rows.
    spread, chance : ndarray of shape (bins,)
        Variance of each gap, clusters included: as the labels show it, and as the predictions say
        it would be if they were right.
    covariance : ndarray of shape (bins, bins)
        How the distance's parts vary together, in units of gaps.
    power : int
        1 for a mean of distances, 2 for one of squares.
    """

    gaps: np.ndarray
    weights: np.ndarray
    spread: np.ndarray
    chance: np.ndarray
    covariance: np.ndarray
    power: int = 1

    @classmethod
    def between(
        cls,
        y: np.ndarray,
        p: np.ndarray,
        bin_of: np.ndarray,
        cluster: np.ndarray | None,
        power: int = 1,
    ) -> Gaps:
        """Measure the gaps of labels and probabilities in the bins given."""
        n = np.bincount(bin_of)
        gaps = np.bincount(bin_of, weights=y - p) / n
        own = (y - p - gaps[bin_of]) / n[bin_of]
        alone = np.bincount(bin_of, weights=own**2)
        spread = alone if cluster is None else np.diag(_products(own, bin_of, cluster))
        least = np.bincount(bin_of, weights=p * (1 - p)) / n**2
        design = np.where(alone > 0, spread / np.where(alone > 0, alone, 1.0), 1.0)
        # How many rows fall into a bin varies too. The sum over bins of w|gap|^k moves with a row's
        # y − p less (k − 1)/k of its bin's gap.
        parts = (y - p - (power - 1) / power * gaps[bin_of]) / n[bin_of]
        units = len(y) if cluster is None else int(cluster.max()) + 1
        means = gaps / power
        covariance = _products(parts, bin_of, cluster) - np.outer(means, means) / units
        covariance *= units / max(units - 1, 1)
        # A bin without a positive is not known without error: no less than the predictions imply.
        lifted = np.maximum(least - np.diag(covariance), 0.0)
        chance = least * np.maximum(design, 1.0)
        return cls(
            gaps,
            n / n.sum(),
            np.maximum(spread, least),
            chance,
            covariance + np.diag(lifted),
            power,
        )

    @cached_property
    def _noise(self) -> np.ndarray:
        values, vectors = np.linalg.eigh(self.covariance)
        half = vectors * np.sqrt(np.clip(values, 0.0, None))
        draws = np.random.default_rng(0).standard_normal((NOISE // 2, len(self.gaps)))
        return np.asarray(np.concatenate([draws, -draws]) @ half.T)

    @property
    def distance(self) -> float:
        """The weighted mean of the gaps' sizes, to the power."""
        return float((self.weights * np.abs(self.gaps) ** self.power).sum())

    @property
    def by_chance(self) -> float:
        """What the distance of probabilities without any gap would be on average."""
        mean = self.chance if self.power == 2 else np.sqrt(2 / np.pi * self.chance)
        return float((self.weights * mean).sum())

    @cached_property
    def likely(self) -> np.ndarray:
        """The true gaps as far as they can be told from chance, shape (bins,).

        Gaps are taken to vary around a common one; what chance explains of their differences is
        taken out of them (the posterior mean of a normal model, its spread found by moments: Morris
        1983, JASA 78(381)).
        """
        weights = self.weights
        mean = float((weights * self.gaps).sum())
        around = self.gaps - mean
        # What chance adds to the spread around the mean, the mean's own variance taken off.
        of_mean = float(weights @ self.covariance @ weights)
        chance = float((weights * self.spread).sum()) - of_mean
        between = max(float((weights * around**2).sum()) - chance, 0.0)
        if between <= 0:
            return np.full(len(weights), mean)
        identity = np.eye(len(weights))
        kept = np.linalg.solve(self.covariance + between * identity, between * around)
        return mean + kept

    def true_distance(self, level: float) -> tuple[float, float, float]:
        """Return the distance without what chance adds to it, and its interval.

        Notes
        -----
        Chance alone makes a distance above 0. So the true gaps are taken to be the likely ones,
        shrunk or stretched by one factor; the ends of the interval are the true distances that
        would show one as large (as small) as the one seen in (1 − level)/2 of samples, the value
        in the middle is the one that would in half of them, and 0 where even no gap would.
        """
        seen = self.distance
        if seen <= 0:
            return 0.0, 0.0, self.by_chance
        tail = (1 - level) / 2
        found = [self._shrunk_to(seen, q) for q in (0.5, 1 - tail, tail)]
        return found[0], found[1], found[2]

    def _shrunk_to(self, seen: float, quantile: float) -> float:
        """Find the true distance of which the one seen is this quantile."""
        power = self.power
        scale = float((self.weights * np.abs(self.likely) ** power).sum()) ** (1 / power)
        direction = self.gaps / seen ** (1 / power)
        if scale > 1e-12:
            direction = self.likely / scale

        def over(size: float) -> float:
            sizes = np.abs(size * direction + self._noise) ** power
            return float(np.quantile(sizes @ self.weights, quantile)) - seen

        from scipy.optimize import brentq

        end = 2 * seen ** (1 / power)
        if over(0.0) >= 0:
            return 0.0
        while over(end) < 0:
            end *= 2
        return float(brentq(over, 0.0, end, rtol=1e-9)) ** power


def _products(values: np.ndarray, bin_of: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Sums over clusters of (sum in one bin) × (sum in another), shape (bins, bins)."""
    if cluster is None:
        return np.diag(np.bincount(bin_of, weights=values**2))
    shape = (int(cluster.max()) + 1, int(bin_of.max()) + 1)
    if shape[0] * shape[1] <= DENSE:
        flat = np.bincount(
            cluster * shape[1] + bin_of, weights=values, minlength=shape[0] * shape[1]
        )
        table = flat.reshape(shape)
        return np.asarray(table.T @ table)
    from scipy import sparse

    sums = sparse.csr_matrix((values, (cluster, bin_of)), shape=shape)
    return np.asarray((sums.T @ sums).toarray())


SMALLEST = float(np.finfo(float).eps)


@dataclass(frozen=True)
class LogLoss(Measured):
    """The mean log-loss of probabilities.

    Parameters
    ----------
    estimate, std_error
        Mean of −ln of the probability given to what happened, in nats, with its interval, also as
        ``value, ci_low, ci_high``.
    skill : Estimate
        1 − log-loss / that of the base rate given to every row: 0 no better than the base rate,
        1 perfect; nan where the labels are of one class.
    certain_and_wrong : int
        Rows whose outcome was given a probability of 0; it counts as 2.2e-16.
    n, positives, clusters, level
        The rows behind it.
    """

    skill: Estimate
    certain_and_wrong: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row for the log-loss and one for the skill."""
        import pandas as pd

        rows = {"log-loss": self.estimate, "skill": self.skill}
        return pd.DataFrame([{"measure": k, **v.to_dict()} for k, v in rows.items()])

    def summary(self) -> str:
        """Say the log-loss in words, beside that of the base rate."""
        words = f"Log-loss {figure(*self.estimate.ends, OF_LOSSES)} ({self.of_words})"
        if math.isfinite(self.skill.value):
            words += f": {against_base(self.skill)}"
        wrong = self.certain_and_wrong
        return words + (f". {plural(wrong, 'row')} had been ruled out." if wrong else ".")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the log-loss with its interval beside that of the base rate."""
        from promolab import plots

        base = _entropy(self.positives / self.n)
        text = [figure(*self.estimate.ends, OF_LOSSES)]
        ends = [self.value], [self.ci_low], [self.ci_high]
        ax = plots.intervals(["predictions"], *ends, reference=base, text=text, ax=ax)
        skill = self.skill
        return plots.finish(
            ax,
            title=f"Log-loss is {against_base(skill)}"
            if math.isfinite(skill.value)
            else f"Log-loss is {text[0]}",
            subtitle=f"mean log-loss with {self.level_words} interval · dashed: the base rate "
            f"given to every row · {self.n_words}",
            xlabel="log-loss, in nats",
        )


def log_loss(
    y_true: ArrayLike, p: ArrayLike, cluster: ArrayLike | None = None, level: float = 0.95
) -> LogLoss:
    """Mean log-loss of predicted probabilities, with its interval.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Predicted probability of a 1, within [0, 1]; held off 0 and 1 by 2.2e-16, as scikit-learn
        does.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    level : float
        Confidence level.

    Returns
    -------
    LogLoss

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, probabilities are missing or outside [0, 1].

    Notes
    -----
    The variance is that of a mean over rows, summed within clusters; the interval is symmetric in
    its logarithm, with Student's quantile at the number of clusters that carry the variance.

    References
    ----------
    Good (1952), "Rational decisions", JRSS B 14(1). Gneiting & Raftery (2007), JASA 102(477).

    Examples
    --------
    >>> result = log_loss([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3])
    >>> round(result.value, 4), round(result.skill.value, 2)
    (0.1976, 0.71)
    """
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p)
    codes, _ = codes_of(cluster, len(y), "cluster")
    losses = row_losses(y, probability)
    loss, spread = mean_loss(losses, codes, level)
    base, entropy = float(y.mean()), _entropy(float(y.mean()))
    # The entropy's derivative is the logit of its complement.
    added = math.log((1 - base) / base) * (y - base) if entropy else np.zeros(len(y))
    given = np.where(y, probability, 1 - probability)
    return LogLoss(
        *rows_of(y, codes, level),
        loss,
        spread.std_error,
        skill_of(losses, entropy, added, codes, level),
        int(np.count_nonzero(given <= 0)),
    )


def row_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Log-loss of every row."""
    held = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(y, held, 1 - held)))


def _entropy(base: float) -> float:
    """Log-loss of a base rate given to every row; 0 where all labels are equal."""
    if base in (0.0, 1.0):
        return 0.0
    return -base * math.log(base) - (1 - base) * math.log(1 - base)


@dataclass(frozen=True)
class CalibrationError(OnRows):
    """How far predictions are from the observed shares, over bins.

    Parameters
    ----------
    value : float
        Expected calibration error: mean distance of observed and predicted over the bins, weighted
        by rows. Chance alone makes it above 0.
    by_chance : float
        What it would be on average for a perfectly calibrated model.
    debiased : Estimate
        The distance without what chance adds, with its interval.
    bins : int
        Bins used.
    n, positives, clusters, level
        The rows behind it.
    gaps : Gaps
        Observed minus predicted by bin and their covariance.
    """

    value: float
    by_chance: float
    debiased: Estimate
    bins: int
    gaps: Gaps = field(repr=False)

    @property
    def estimate(self) -> Estimate:
        """The distance without what chance adds."""
        return self.debiased

    def to_frame(self) -> pd.DataFrame:
        """Return one row per bin: its share of the rows and observed − predicted."""
        import pandas as pd

        return pd.DataFrame({"share": self.gaps.weights, "gap": self.gaps.gaps})

    def summary(self) -> str:
        """Say the distance in words, with and without what chance adds."""
        true = self.debiased
        near = " (no distance at all is possible)" if true.ci_low <= 0 else ""
        points = figure(100 * true.value, 100 * true.ci_low, 100 * true.ci_high, least=1)
        return (
            f"Predictions are {points} percentage points from the observed shares on average"
            f"{near}; {number(100 * self.value)} as seen over {plural(self.bins, 'bin')}, of "
            f"which chance alone makes {number(100 * self.by_chance)} (n = {count(self.n)})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how far each bin's observed share is from the predicted one, with intervals."""
        from promolab import plots

        gaps = self.gaps.gaps
        half = normal_quantile(self.level) * np.sqrt(self.gaps.spread)
        labels = [f"bin {k + 1}" for k in range(self.bins)]
        ax = plots.intervals(labels, gaps, gaps - half, gaps + half, reference=0.0, ax=ax)
        return plots.finish(
            ax,
            title=self.summary().split(";")[0],
            subtitle="observed − predicted share by bin, lowest predictions first, "
            f"{self.level_words} intervals · n = {count(self.n)}",
            xlabel="observed − predicted share",
            percent_x=True,
        )


def ece(
    y_true: ArrayLike,
    p: ArrayLike,
    cluster: ArrayLike | None = None,
    bins: int = 10,
    level: float = 0.95,
) -> CalibrationError:
    """Expected calibration error, with the part that chance adds and an interval of the rest.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Predicted probability of a 1, within [0, 1].
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    bins : int
        Bins with about as many rows each; equal predictions stay together, so there may be fewer.
    level : float
        Confidence level.

    Returns
    -------
    CalibrationError

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, probabilities are missing or outside [0, 1], or
        ``bins`` is below 1.

    Notes
    -----
    A mean of absolute distances is above 0 even where predictions are right, the more so the fewer
    the rows and the more the bins (Bröcker 2012; Kumar, Liang & Ma 2019). The interval is that of
    the distance between the bins' *true* shares and the predictions, by test inversion with the
    gaps' joint normal distribution (clusters included): its ends are the true distances, in the
    direction of the likely gaps (the ones seen, less what chance explains of their differences), of
    which the distance seen is an extreme quantile; ``debiased`` is the one of which it is the
    median. Predictions wrong in opposite ways inside a bin do not show.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI. Bröcker (2012), Climate Dynamics 39. Kumar, Liang & Ma
    (2019), "Verified uncertainty calibration", NeurIPS.

    Examples
    --------
    >>> result = ece([0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], bins=2)
    >>> round(result.value, 3), result.value < result.by_chance, result.debiased.ci_low
    (0.05, True, 0.0)
    """
    y_true, p, cluster = aligned(y_true=y_true, p=p, cluster=cluster)
    level_of(level)
    y, probability = check_probabilities(y_true, p, bins)
    codes, _ = codes_of(cluster, len(y), "cluster")
    gaps = Gaps.between(y, probability, equal_bins(probability, bins), codes)
    return CalibrationError(
        *rows_of(y, codes, level),
        gaps.distance,
        gaps.by_chance,
        Estimate(*gaps.true_distance(level), len(y)),
        len(gaps.gaps),
        gaps,
    )
