"""How well scores rank inside groups, such as promotions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.metrics._inputs import Measured, check_ranking, codes_of, figure, renumbered, rows_of
from promolab.metrics.intervals import cluster_sums
from promolab.metrics.ranking import Placements, auc_interval, placements_within, variance_of
from promolab.results import Estimate, plain
from promolab.stats import t_quantile
from promolab.wording import count, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = [
    "AucWithin",
    "Spread",
    "around",
    "auc_within",
    "degrees_of",
    "down_the_list",
    "list_order",
    "positive_interval",
    "spread_of",
]


@dataclass(frozen=True)
class Spread:
    """How far an estimate varies from sample to sample.

    Parameters
    ----------
    std_error : float
        nan with fewer than two independent units.
    degrees : float
        Degrees of freedom: few where a few units make up most of the variance.
    units : int
        Independent units: clusters, or rows where there are none.
    """

    std_error: float
    degrees: float
    units: int


def spread_of(influence: np.ndarray, cluster: np.ndarray | None) -> Spread:
    """Return the spread of an estimate from its influence function, summed within clusters.

    Parameters
    ----------
    influence : ndarray of shape (n,)
        What each row adds to the estimate's deviation from the truth; sums to 0.
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, ….
    """
    sums = cluster_sums(influence, cluster)
    units = len(sums)
    if units < 2:
        return Spread(math.nan, math.nan, units)
    squares = np.square(sums)
    total = float(squares.sum())
    degrees = degrees_of(total, np.square(squares).sum(), squares.max(), units)
    return Spread(math.sqrt(total * units / (units - 1)), float(degrees), units)


def degrees_of(second: Any, fourth: Any, largest: Any, units: Any) -> np.ndarray:
    """Return Satterthwaite's degrees of freedom: 2 ÷ (variance of the variance ÷ its square).

    With kurtosis κ the variance of a variance is (κ − 1)/units of its square. The kurtosis is that
    of all units but the largest: one row alone, however large, takes no certainty from the rest.

    Parameters
    ----------
    second, fourth, largest : float or ndarray
        Sum of the units' squares, sum of the squares' squares, and the largest square.
    units : int or ndarray of int
        Independent units.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2(6).

    Examples
    --------
    >>> degrees_of(4.0, 4.0, 1.0, 4).tolist(), degrees_of(104.0, 10_004.0, 100.0, 5).tolist()
    (3.0, 4.0)
    """
    units = np.asarray(units, dtype=float)
    rest, most = units - 1, np.maximum(units - 1, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variety = (fourth - np.square(largest)) / np.square(second - largest) - 1 / rest
        degrees = np.where(variety > 1e-12, 2 / variety, most)
    return np.clip(np.nan_to_num(degrees, nan=1.0), 1.0, most)


def around(value: float, spread: Spread, level: float) -> tuple[float, float]:
    """Return value ± Student's quantile × standard error; infinite where there is none."""
    half = _half(spread, level)
    return value - half, value + half


def positive_interval(value: float, spread: Spread, level: float) -> tuple[float, float]:
    """Return an interval of a figure above 0, symmetric in its logarithm."""
    half = _half(spread, level)
    if not math.isfinite(half):
        return 0.0, math.inf
    if value <= 0 or half == 0:
        return value, value
    factor = math.exp(min(half / value, 700.0))
    return value / factor, value * factor


def _half(spread: Spread, level: float) -> float:
    if not math.isfinite(spread.std_error):
        return math.inf
    return t_quantile(level, spread.degrees) * spread.std_error


def list_order(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows from the highest score down, and the place of each run's last row."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    return order, np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(score) - 1)


def down_the_list(u: np.ndarray, v: np.ndarray, cluster: np.ndarray | None) -> np.ndarray:
    """Sum over clusters of (sum of ``u`` so far) × (sum of ``v`` so far), after every row.

    Parameters
    ----------
    u, v : ndarray of shape (n,)
        Figures in the order of the list.
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, …, in the same order.
    """
    if cluster is None:
        return np.cumsum(u * v)
    by_cluster = np.argsort(cluster, kind="stable")
    codes = cluster[by_cluster]
    first = np.append(True, codes[1:] != codes[:-1])
    # A row that comes on top of sums U and V raises U·V by uV + Uv + uv.
    before_u, before_v = (_before(x[by_cluster], first) for x in (u, v))
    steps = np.empty(len(u))
    steps[by_cluster] = (
        u[by_cluster] * before_v + v[by_cluster] * before_u + u[by_cluster] * v[by_cluster]
    )
    return np.cumsum(steps)


def _before(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the sum of the cluster's earlier values, for values sorted by cluster."""
    so_far = np.cumsum(values) - values
    return so_far - so_far[first][np.cumsum(first) - 1]


@dataclass(frozen=True)
class AucWithin(Measured):
    """The mean of the AUCs within groups, weighted by their pairs, and the groups' own.

    Parameters
    ----------
    estimate, std_error
        Share of concordant pairs among all pairs of rows of one group with its interval, also as
        ``auc, ci_low, ci_high``.
    n, positives, clusters, level
        The rows behind it, of the groups used.
    by_group : DataFrame
        ``group, auc, ci_low, ci_high, n, positives``, one row per group used, in the groups' order.
    left_out : tuple
        Groups of one class only, which have no AUC.
    """

    NAME = "auc"

    by_group: pd.DataFrame = field(repr=False)
    left_out: tuple[Any, ...] = ()

    @property
    def auc(self) -> float:
        """The mean of the groups' AUCs."""
        return self.value

    def to_frame(self) -> pd.DataFrame:
        """Return `by_group`."""
        return self.by_group

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval, counts and the groups left out as plain values."""
        left_out = [str(name) for name in self.left_out]
        return {**super().to_dict(), "groups": len(self.by_group), "left_out": left_out}

    def summary(self) -> str:
        """Say the AUC, its range over the groups and what was left out in words."""
        each = self.by_group["auc"]
        words = (
            f"Within groups the AUC is {figure(*self.estimate.ends)} ({self.of_words}); over "
            f"{plural(len(each), 'group')} it ranges from {each.min():.3f} to "
            f"{each.max():.3f}."
        )
        if self.left_out:
            names = ", ".join(str(name) for name in self.left_out[:5])
            more = ", …" if len(self.left_out) > 5 else ""
            words += (
                f" {plural(len(self.left_out), 'group')} of one class only left out: {names}{more}."
            )
        return words

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the groups' AUCs with intervals, the mean as a line."""
        from promolab import plots

        each = self.by_group
        columns = zip(
            *(each[name] for name in ("auc", "ci_low", "ci_high", "positives")), strict=True
        )
        text = [f"{figure(*row[:3])} · {count(row[3])}" for row in columns]
        ax = plots.intervals(
            each["group"].tolist(),
            each["auc"],
            each["ci_low"],
            each["ci_high"],
            reference=self.auc,
            text=text,
            ax=ax,
        )
        return plots.finish(
            ax,
            title=f"Within groups the AUC is {figure(*self.estimate.ends)}",
            subtitle=f"AUC by group with {self.level_words} intervals and positive rows · dashed: "
            f"mean weighted by pairs · n = {count(self.n)}",
            xlabel="AUC",
        )


def auc_within(
    y_true: ArrayLike,
    y_score: ArrayLike,
    group: ArrayLike,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> AucWithin:
    """AUC within groups: pairs of rows are compared inside their group (promotion) only.

    A pooled AUC also rewards knowing which promotion gets more responses. This one does not: it is
    the mean of the groups' AUCs weighted by their pairs (positives × negatives).

    Parameters
    ----------
    y_true, y_score : array-like of shape (n,)
        Label and score, as in `roc`.
    group : array-like of shape (n,)
        The group of each row. Groups of one class only are left out and named.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer), within and across groups.
    level : float
        Confidence level.

    Returns
    -------
    AucWithin

    Raises
    ------
    InputError
        As `roc`; also if every group is of one class only.

    Notes
    -----
    The estimate is a ratio of sums over pairs; its variance is that of its influence function
    (Lee 1990, U-Statistics, ch. 1), summed within clusters and computed like Obuchowski's, to which
    it is equal with one group. The groups themselves are taken as given; how far they differ is
    what ``by_group`` shows.

    Examples
    --------
    >>> y, score = [0, 1, 0, 1, 0, 0], [0.1, 0.2, 0.7, 0.9, 0.8, 0.3]
    >>> result = auc_within(y, score, ["a", "a", "b", "b", "b", "c"])
    >>> result.auc, result.left_out
    (1.0, ('c',))
    """
    y, score = check_ranking(y_true, y_score, level)
    codes, names = codes_of(group, len(y), "group")
    assert codes is not None
    customers, _ = codes_of(cluster, len(y), "cluster")
    kept, used, ranked = placements_within(y, score, codes, len(names))
    y = y[kept]
    customers = None if customers is None else renumbered(customers[kept])
    auc = float(ranked.concordant.sum() / ranked.pairs.sum())
    variance = variance_of(y, ranked.deviations(y, auc, used), customers)
    low, high = auc_interval(auc, variance, level)
    usable = np.unique(codes[kept])
    return AucWithin(
        *rows_of(y, customers, level),
        Estimate(auc, low, high, len(y)),
        math.sqrt(variance.value),
        _by_group(y, ranked, used, names[usable], customers, level),
        tuple(plain(names[i]) for i in np.setdiff1d(np.arange(len(names)), usable)),
    )


def _by_group(
    y: np.ndarray,
    ranked: Placements,
    group: np.ndarray,
    names: np.ndarray,
    cluster: np.ndarray | None,
    level: float,
) -> pd.DataFrame:
    import pandas as pd

    aucs = ranked.concordant / ranked.pairs
    sizes = ranked.positives + ranked.negatives
    others = np.where(y, ranked.negatives[group], ranked.positives[group])
    deviations = (ranked.won - aucs[group] * others) / ranked.pairs[group]
    rows = np.split(ranked.order, np.cumsum(sizes)[:-1])
    ends = []
    for auc, mine in zip(aucs, rows, strict=True):
        own = None if cluster is None else renumbered(cluster[mine])
        ends.append(auc_interval(float(auc), variance_of(y[mine], deviations[mine], own), level))
    low, high = zip(*ends, strict=True)
    frame = pd.DataFrame(
        {
            "group": names,
            "auc": aucs,
            "ci_low": low,
            "ci_high": high,
            "n": sizes,
            "positives": ranked.positives,
        }
    )
    try:
        return frame.sort_values("group", kind="stable", ignore_index=True)
    except TypeError:  # names of several types have no order of their own
        return frame.sort_values("group", key=lambda x: x.astype(str), ignore_index=True)
