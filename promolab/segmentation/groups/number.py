"""What speaks for a segmentation: the choice of its number of segments, and its stability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from promolab.results import Estimate, Result, drawn_by
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    MIN_STABILITY,
    middle,
    rand_indices,
    silhouette,
)

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

    plot_size = drawn_by("plot_size", "Draw the smallest segment of each k; return the Axes.")

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

    def to_frame(self) -> pd.DataFrame:
        """Return one row per refit: ``refit, adjusted_rand_index``."""
        refit = np.arange(1, len(self.indices) + 1)
        return pd.DataFrame({"refit": refit, "adjusted_rand_index": self.indices})

    def facts(self) -> dict[str, Any]:
        """Return the figure with its ends, and what it means as a code."""
        found = Estimate(self.value, self.ci_low, self.ci_high, self.n)
        case = "stable" if self.value >= MIN_STABILITY else "loose"
        return {"figure": found, "case": case if np.isfinite(self.value) else "unknown"}
