"""What the measures of probabilities share: checks, bins, and distances that chance inflates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.metrics._inputs import check_labels, check_scores, check_whole
from promolab.metrics._moments import Spread, around, positive_interval, spread_of
from promolab.results import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Gaps", "check_probabilities", "equal_bins", "mean_loss", "skill_of", "sums_by_bin"]

NOISE = 2048  # draws behind the interval of a distance
DENSE = 2_000_000  # cells of clusters × bins, up to which a table is quicker than a sparse one


def check_probabilities(
    y_true: ArrayLike, p: ArrayLike, bins: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities, or say what is wrong with them."""
    y = check_labels(y_true)
    probability = check_scores(p, len(y), "p").astype(float)
    outside = int(np.count_nonzero((probability < 0) | (probability > 1)))
    if outside:
        raise InputError(
            f"p has {outside:,} of {len(y):,} values outside [0, 1]; give probabilities, not "
            "scores (a model's predict_proba)"
        )
    check_whole(bins, 1, "bins")
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
) -> tuple[Estimate, Spread]:
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
        return np.concatenate([draws, -draws]) @ half.T

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
