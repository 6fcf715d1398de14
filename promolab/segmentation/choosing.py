"""How many segments: every number is tried, judged by four measures, and one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from promolab.segmentation.clustering import (
    MIN_SHARE,
    MIN_STABILITY,
    middle,
    rand_indices,
    silhouette,
)
from promolab.segmentation.gap import first_within_one_error, gap_statistic

__all__ = ["Chosen", "Fit", "choose", "mark_chosen"]

Fit = Callable[[int, "np.ndarray | None"], np.ndarray]
"""Takes k and how often each row is drawn (None: once each), returns a label for each row."""


@dataclass(frozen=True)
class Chosen:
    """The table of every k, with the labels and the adjusted Rand indices behind it.

    Parameters
    ----------
    table : DataFrame
        ``k, silhouette, stability`` with the ends of their intervals, ``gap, gap_error, gap_rule``
        (the k that its rule of one standard error would take), ``smallest_share``,
        ``large_enough``, ``fits`` (stable and large enough) and ``chosen``.
    labels, indices : dict
        By k, the label of each row and the adjusted Rand index of each refit.
    """

    table: pd.DataFrame
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
    references: int = 0,
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
    references : int
        References of the gap statistic; 0 leaves it out.

    Notes
    -----
    Chosen is the highest silhouette among the k whose stability is at least `MIN_STABILITY` and
    whose smallest segment holds at least ``min_share`` of customers; where no k does both, the most
    stable one of those large enough, and of all where none is. Ties go to the smaller k. The gap
    statistic is shown beside, and does not choose.
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
    if references:
        table = table.merge(gap_statistic(matrix, ks, seed, references), on="k")
        table["gap_rule"] = table["k"] == (first_within_one_error(table) or -1)
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
