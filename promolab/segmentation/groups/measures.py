"""What every way of grouping is judged by: silhouette, stability, and the number of segments."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from promolab.results import Estimate, Result
from promolab.stats import normal_quantile, share_interval, t_quantile
from promolab.threads import single_threaded


def grouped_ratio(
    numerator: np.ndarray, denominator: np.ndarray, customers: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Σ numerator / Σ denominator per column, with intervals by customers.

    Parameters
    ----------
    numerator, denominator : ndarray of shape (n, k)
        One row per customer (the cluster), one column per segment; 0 where a customer has no part
        in it. The ratio is a share (0–1).
    customers : ndarray of shape (k,)
        Customers behind each ratio.

    Returns
    -------
    ratio, low, high : ndarray of shape (k,)
        nan where the denominator is 0.

    Notes
    -----
    The variance is the linearised one of a ratio of sums over clusters (Cochran 1977, 6.4); the
    interval is Wilson's at the number of independent trials of the same variance (Korn & Graubard
    1998), so it stays within 0–1 and has a width at 0 and 1 too.

    Examples
    --------
    >>> ratio, low, high = grouped_ratio(np.eye(4)[:, :1], np.ones((4, 1)), np.array([4.0]))
    >>> ratio.item()
    0.25
    """
    total = denominator.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(total > 0, numerator.sum(axis=0) / total, np.nan)
        residual = numerator - ratio * denominator
        correction = np.where(customers > 1, customers / (customers - 1), 1.0)
        variance = correction * (residual**2).sum(axis=0) / total**2
    return ratio, *share_interval(ratio, variance, customers, level)


def grouped_mean(
    values: np.ndarray, member: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of ``values`` in each group with Student's interval, nulls left out.

    Parameters
    ----------
    values : ndarray of shape (n,)
    member : ndarray of shape (n, k)
        1.0 where a customer is in a group, else 0.0.

    Returns
    -------
    mean, low, high : ndarray of shape (k,)
        The mean is nan in an empty group, the ends where fewer than two values are known.

    Examples
    --------
    >>> mean, low, high = grouped_mean(np.array([1.0, 3.0]), np.ones((2, 1)))
    >>> mean.item(), round(low.item(), 1), round(high.item(), 1)
    (2.0, -10.7, 14.7)
    """
    known = ~np.isnan(values)
    value = np.where(known, values, 0.0)
    member = member * known[:, None]
    n = member.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (value @ member) / n
        squares = (((value[:, None] - np.nan_to_num(mean)) * member) ** 2).sum(axis=0)
        error = np.sqrt(squares / (n - 1) / n)
    half = np.where(n > 1, t_quantile(level, np.maximum(n - 1, 1)) * error, np.nan)
    return mean, mean - half, mean + half


def mean_interval(
    values: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each row with its normal interval; nan where a value is, or of one value.

    Parameters
    ----------
    values : ndarray of shape (n,) or (k, n)

    Returns
    -------
    mean, low, high : ndarray of shape () or (k,)

    Examples
    --------
    >>> mean, low, high = mean_interval(np.array([1.0, 3.0]))
    >>> mean.item(), round(low.item(), 2), round(high.item(), 2)
    (2.0, 0.04, 3.96)
    """
    n = values.shape[-1]
    if n < 2:
        return (np.full(values.shape[:-1], np.nan),) * 3
    mean = np.asarray(values.mean(axis=-1))
    half = normal_quantile(level) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


MIN_STABILITY = 0.6
"""Segments count as stable from this mean adjusted Rand index on."""

MIN_SHARE = 0.02
"""A segment is worth its name from this share of customers on."""

SILHOUETTE_ROWS = 5_000
SAMPLE_ROWS = 10_000
"""Above so many customers, what is refitted again and again is refitted on a sample of so many."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order whatever the machine, so that equal input gives equal bytes."""
    from sklearn.exceptions import ConvergenceWarning

    with single_threaded(), warnings.catch_warnings():
        # A resample may hold fewer distinct rows than k; its labels are still comparable.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def sample_rows(n: int, seed: int) -> np.ndarray:
    """Return the rows, in order, of a seeded sample of `SAMPLE_ROWS`; all where n is not above it.

    Examples
    --------
    >>> sample_rows(3, seed=0).tolist(), len(sample_rows(1_000_000, seed=0))
    ([0, 1, 2], 10000)
    """
    if n <= SAMPLE_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, SAMPLE_ROWS, replace=False))


def bootstrap_counts(n: int, draws: int, seed: int) -> np.ndarray:
    """Return how often each of n customers is drawn in each resample, shape (draws, n)."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)


def silhouettes(matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the silhouette (Rousseeuw 1987) of each row, shape (n,).

    Rows of code −1 are in no group and get 0; all are nan where there are fewer than two groups, or
    nothing that tells customers apart.
    """
    from sklearn.metrics import silhouette_samples

    rows = codes >= 0
    groups = len(np.unique(codes[rows]))
    if groups < 2 or groups >= rows.sum() or not matrix.shape[1]:
        return np.full(len(codes), np.nan)
    values = np.zeros(len(codes))
    with one_thread():
        values[rows] = silhouette_samples(matrix[rows], codes[rows])
    return values


def silhouette(matrix: np.ndarray, codes: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Return the mean silhouette (Rousseeuw 1987) of grouped rows with its normal interval.

    Rows of code −1 are left out; above 5,000 rows a seeded sample stands for all. All three are nan
    where there are fewer than two groups.
    """
    rows = np.flatnonzero(codes >= 0)
    if len(rows) > SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SILHOUETTE_ROWS, replace=False))
    mean, low, high = mean_interval(silhouettes(matrix[rows], codes[rows]))
    return float(mean), float(low), float(high)


def rand_indices(
    base: np.ndarray,
    refit: Callable[[np.ndarray], np.ndarray],
    counts: np.ndarray,
    *,
    drawn_only: bool = False,
) -> np.ndarray:
    """Return the adjusted Rand index (Hubert & Arabie 1985) of each bootstrap refit with ``base``.

    Parameters
    ----------
    base : ndarray of shape (n,)
        Labels of the fit on all customers.
    refit : callable
        Takes counts of shape (n,) and returns labels of shape (n,).
    counts : ndarray of shape (draws, n)
        From `bootstrap_counts`.
    drawn_only : bool
        Compare on the customers drawn only, for methods that label no others.
    """
    from sklearn.metrics import adjusted_rand_score

    indices = []
    for drawn in counts:
        rows = drawn > 0 if drawn_only else slice(None)
        indices.append(adjusted_rand_score(base[rows], refit(drawn)[rows]))
    return np.array(indices)


def middle(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and the middle 95 % of bootstrap values, nan where there is none."""
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    low, high = np.quantile(values, [0.025, 0.975])
    # One refit far out can draw the mean past a quantile; the interval holds the mean.
    mean = float(values.mean())
    return mean, float(min(low, mean)), float(max(high, mean))


Fit = Callable[[int, "np.ndarray | None"], np.ndarray]
"""Takes k and how often each row is drawn (None: once each), returns a label for each row."""


@dataclass(frozen=True)
class Chosen:
    """The table of every k, with the labels and the adjusted Rand indices behind it.

    Parameters
    ----------
    frame : DataFrame
        ``k, silhouette, stability`` with the ends of their intervals, ``smallest_share``,
        ``large_enough``, ``fits`` (stable and large enough) and ``chosen``.
    labels, indices : dict
        By k, the label of each row and the adjusted Rand index of each refit.
    """

    frame: pd.DataFrame
    labels: dict[int, np.ndarray]
    indices: dict[int, np.ndarray]


def choose(
    matrix: np.ndarray,
    ks: list[int],
    fit: Fit,
    counts: np.ndarray,
    seed: int,
    *,
    min_share: float = MIN_SHARE,
) -> Chosen:
    """Fit every k, and choose one.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    ks : list of int
        Numbers of segments to try.
    fit : callable
        Makes the segments.
    counts : ndarray of shape (draws, n)
        The same resamples serve every k.
    seed : int
    min_share : float
        A k with a segment of a smaller share of customers is marked and not chosen.

    Notes
    -----
    Chosen is the highest silhouette among the k whose stability is at least `MIN_STABILITY` and
    whose smallest segment holds at least ``min_share`` of customers; where no k does both, the most
    stable one of those large enough, and of all where none is. Ties go to the smaller k.
    """
    from tqdm import tqdm

    labels: dict[int, np.ndarray] = {}
    indices: dict[int, np.ndarray] = {}
    rows = []
    for k in tqdm(ks, desc="numbers of segments", disable=None, leave=False):
        labels[k] = base = fit(k, None)
        indices[k] = rand_indices(base, partial(fit, k), counts)
        smallest = np.bincount(base, minlength=k).min() / len(matrix)
        rows.append([k, *silhouette(matrix, base, seed), *middle(indices[k]), smallest])
    names = ["silhouette", "silhouette_low", "silhouette_high"]
    names += ["stability", "stability_low", "stability_high", "smallest_share"]
    table = pd.DataFrame(rows, columns=["k", *names])
    return Chosen(mark_chosen(table, min_share), labels, indices)


def mark_chosen(table: pd.DataFrame, min_share: float) -> pd.DataFrame:
    """Add ``large_enough``, ``fits`` and ``chosen`` by the rule of `choose`."""
    table["large_enough"] = table["smallest_share"] >= min_share
    # Without refits stability is unknown, and forbids nothing.
    table["fits"] = table["large_enough"] & ~(table["stability"] < MIN_STABILITY)
    pool, by = table[table["fits"]], "silhouette"
    if pool.empty:
        pool = table[table["large_enough"]] if table["large_enough"].any() else table
        by = "stability" if table["stability"].notna().any() else "silhouette"
    best = pool[by].fillna(-1.0).round(9).idxmax()
    table["chosen"] = table.index == best
    return table


MEASURES = ("silhouette", "stability")
BLURRED = 0.25
"""Below this mean silhouette groups overlap (Kaufman & Rousseeuw 1990, table 4)."""


@dataclass(frozen=True)
class NumberOfSegments(Result):
    """How each number of segments does, and which was chosen.

    Parameters
    ----------
    frame : DataFrame
        One row per k: ``k, silhouette, stability`` with ``…_low, …_high``, ``smallest_share``,
        ``fits``, ``chosen``. Where they were reckoned: ``large_enough``.
    customers, bootstraps : int
        Customers grouped, and refits per k.
    resampled : int
        How many customers, drawn at random, the choice was made on; 0 for all.
    min_share : float
        Share of customers below which a segment is too small.
    """

    frame: pd.DataFrame
    customers: int
    bootstraps: int
    resampled: int = 0
    min_share: float = MIN_SHARE

    @property
    def chosen(self) -> int:
        """The number of segments chosen."""
        return int(self.frame.loc[self.frame["chosen"], "k"].iloc[0])

    def facts(self) -> dict[str, Any]:
        """Return what the k chosen has, why it was, and which were too small."""
        row = self.frame[self.frame["chosen"]].iloc[0]
        # Where none is large enough, one of them was chosen all the same.
        known = "large_enough" in self.frame and len(self.frame) > 1
        left = self.frame[~self.frame["chosen"]] if known else self.frame[:0]
        found = {n: Estimate.of(row[[n, f"{n}_low", f"{n}_high"]]) for n in MEASURES}
        curves = [
            self.frame[["k", n, f"{n}_low", f"{n}_high"]]
            .set_axis(["k", "value", "value_low", "value_high"], axis=1)
            .assign(measure=n)
            for n in MEASURES
        ]
        return found | {
            "k": int(row["k"]),
            "why": self._why(row),
            "blurred": found["silhouette"].ci_high < BLURRED,
            "small": left.loc[~left["large_enough"], "k"].tolist() if known else [],
            "curves": pd.concat(curves).dropna(subset=["value"]),
            "stable": MIN_STABILITY,
        }

    def _why(self, row: pd.Series) -> str:
        if len(self.frame) == 1:
            return "asked"
        if row["fits"]:  # without refits nothing is known of stability
            return "stable" if self.bootstraps else "large"
        return "steadiest" if self.bootstraps else "apart"


@dataclass(frozen=True)
class Stability(Result):
    """How well the segments are found again in resampled customers.

    Parameters
    ----------
    value : float
        Mean adjusted Rand index (Hubert & Arabie 1985) between the segments and those of each
        refit: 1 the same groups, 0 no more alike than by chance; nan for a single segment.
    ci_low, ci_high : float
        The middle 95 % of the refits.
    n : int
        Refits.
    indices : ndarray of shape (n,)
        The index of each refit.
    resampled : int
        How many customers, drawn at random, the refits resample; 0 for all.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    indices: np.ndarray
    resampled: int = 0

    def facts(self) -> dict[str, Any]:
        """Return the figure with its ends, and what it means as a code."""
        found = Estimate(self.value, self.ci_low, self.ci_high, self.n)
        case = "stable" if self.value >= MIN_STABILITY else "loose"
        return {
            "figure": found,
            "case": case if np.isfinite(self.value) else "unknown",
            "bootstraps": self.n,
        }
