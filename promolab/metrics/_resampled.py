"""The clustered Poisson bootstrap: a measure drawn again and again, for many models at once.

Every cluster gets a weight per draw (Hanley & MacGibbon 2006; Chamandy et al. 2012), the same for
all models, so that differences are paired. Every measure here is made of sums that are linear in
the weights (positives by step of the list, losses, …), so a block of draws is a product of a matrix
(sums × clusters) with the weights (clusters × draws), taken in pieces that stay in the cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import seed_of
from promolab.metrics.scoring import Gaps, equal_bins, row_losses

if TYPE_CHECKING:
    from promolab.metrics.named import Metric


# Poisson(1) in 256ths, rounded so that mean and variance are 1 exactly.
WEIGHTS = bytes(np.repeat(np.arange(6, dtype=np.uint8), [94, 95, 46, 16, 4, 1]))
STEPS = 1500  # of a list; the estimate itself is exact, only its spread is drawn on steps
UNITS, DRAWS = 4096, 64  # of one piece
SLOW = 1e8  # weights that take about a second


@dataclass(frozen=True)
class Sums:
    """Sums that are linear in the weights of the units, and the measure that they make.

    Parameters
    ----------
    parts : list of matrix of shape (sums, units)
        Dense or sparse: what each unit adds to each sum.
    finish : callable
        Takes the weighted sums of every part, each of shape (sums, draws); returns the measure of
        every model, of shape (models, draws).
    """

    parts: list[Any]
    finish: Callable[[list[np.ndarray]], np.ndarray]


def draws_of(
    y: np.ndarray,
    scores: list[np.ndarray],
    metric: Metric,
    cluster: np.ndarray | None,
    group: np.ndarray | None,
    draws: int,
    seed: int,
    progress: bool | None,
) -> np.ndarray:
    """Return the measure of every model in every draw, shape (models, draws); nan where undefined.

    Parameters
    ----------
    y : ndarray of bool of shape (n,)
        The label.
    scores : list of ndarray of shape (n,)
        One per model.
    cluster, group : ndarray of int of shape (n,), optional
        Codes 0, 1, ….
    """
    units = len(y) if cluster is None else int(cluster.max()) + 1
    if metric.kind == "brier":
        sums = _means([np.square(p - y) for p in scores], cluster)
    elif metric.kind == "log_loss":
        sums = _means([row_losses(y, p) for p in scores], cluster)
    elif metric.kind == "ece":
        sums = _distances(y, scores, cluster, units)
    else:
        sums = _ranked(y, scores, metric, cluster, group, units)
    return resampled(sums, draws, seed, progress)


def resampled(sums: Sums, draws: int, seed: int, progress: bool | None = None) -> np.ndarray:
    """Return the measure in every draw, shape (models, draws).

    Pieces have one size, and every block of draws a seed of its own: neither the machine nor the
    number of threads changes a draw.
    """
    from tqdm import tqdm

    seed_of(seed)
    units = sums.parts[0].shape[1]
    starts = range(0, units, UNITS)
    pieces = [[part[:, start : start + UNITS] for part in sums.parts] for start in starts]
    sizes = [min(DRAWS, draws - start) for start in range(0, draws, DRAWS)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    # Small samples take less than two seconds: a bar would only flicker.
    off = not progress if progress is not None else True if units * draws < SLOW else None
    found = []
    with tqdm(total=draws, desc="resampling", unit="draw", leave=False, disable=off) as bar:
        for size, own in zip(sizes, seeds, strict=True):
            totals = _totals(pieces, units, np.random.default_rng(own))
            found.append(sums.finish([total[:, :size] for total in totals]))
            bar.update(size)
    return np.concatenate(found, axis=1)


def _totals(pieces: list[list[Any]], units: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Add up one block of draws, piece by piece."""
    totals: list[np.ndarray] = []
    for number, piece in enumerate(pieces):
        rows = min(UNITS, units - number * UNITS)
        words = rng.integers(0, 2**64, rows * DRAWS // 8, dtype=np.uint64).astype("<u8")
        drawn = np.frombuffer(words.tobytes().translate(WEIGHTS), dtype=np.uint8)
        weights = drawn.astype(np.float32).reshape(rows, DRAWS)
        added = [np.asarray(part @ weights) for part in piece]
        if not totals:
            totals = added
            continue
        for total, more in zip(totals, added, strict=True):
            total += more
    return totals


def _means(losses: list[np.ndarray], cluster: np.ndarray | None) -> Sums:
    """Means over rows: sums by cluster are all that is needed."""
    columns = [*losses, np.ones(len(losses[0]))]
    if cluster is not None:
        columns = [np.bincount(cluster, weights=column) for column in columns]

    def finish(totals: list[np.ndarray]) -> np.ndarray:
        return _ratio(totals[0][:-1], totals[0][-1])

    return Sums([np.stack(columns)], finish)


def _distances(
    y: np.ndarray, scores: list[np.ndarray], cluster: np.ndarray | None, units: int
) -> Sums:
    """Calibration errors over the bins of all rows, around the gaps that are likely true.

    Around the gaps seen, which chance has made larger, the error would vary too little.
    """
    bins = [equal_bins(p, 10) for p in scores]
    gaps = [Gaps.between(y, p, at, cluster) for p, at in zip(scores, bins, strict=True)]
    parts = [_by_step(at, y - p, cluster, units) for p, at in zip(scores, bins, strict=True)]
    rows = np.ones(units) if cluster is None else np.bincount(cluster).astype(float)

    def finish(totals: list[np.ndarray]) -> np.ndarray:
        found = []
        for one, sums in zip(gaps, totals[:-1], strict=True):
            moved = _ratio(sums, totals[-1]) + (one.weights * (one.likely - one.gaps))[:, None]
            found.append(np.abs(moved).sum(axis=0))
        return np.stack(found)

    return Sums([*parts, rows[None, :]], finish)


@dataclass(frozen=True)
class _Steps:
    """A list in steps: which rows and positives each cluster has in each, and where groups begin.

    ``single`` marks steps of one score: all of their rows stand at the step's end.
    """

    rows: Any
    hits: Any
    single: np.ndarray
    bounds: np.ndarray


def _ranked(
    y: np.ndarray,
    scores: list[np.ndarray],
    metric: Metric,
    cluster: np.ndarray | None,
    group: np.ndarray | None,
    units: int,
) -> Sums:
    lists = [_steps(y, score, cluster, group, units) for score in scores]

    def finish(totals: list[np.ndarray]) -> np.ndarray:
        found = []
        for number, one in enumerate(lists):
            rows, hits = (x.astype(float) for x in totals[2 * number : 2 * number + 2])
            if metric.depth is None:
                found.append(_average_precision(rows, hits, one.single))
            else:
                found.append(_at_depth(rows, hits, one.bounds, metric.kind, metric.depth))
        return np.stack(found)

    return Sums([part for one in lists for part in (one.rows, one.hits)], finish)


def _steps(
    y: np.ndarray,
    score: np.ndarray,
    cluster: np.ndarray | None,
    group: np.ndarray | None,
    units: int,
) -> _Steps:
    group = np.zeros(len(y), dtype=np.int64) if group is None else group
    order = np.lexsort((-score, group))
    ranked, groups = score[order], group[order]
    start = np.append(True, (ranked[1:] != ranked[:-1]) | (groups[1:] != groups[:-1]))
    run = np.cumsum(start) - 1
    step = run
    if run[-1] >= STEPS:
        # Steps as fine in rows as in positives: the top of a list with few of them stays sharp.
        mass = np.cumsum(1 / len(y) + y[order] / max(np.count_nonzero(y), 1)) / 2
        place = np.floor(STEPS * (mass - mass[0]))[start][run]
        begins = np.append(True, (place[1:] != place[:-1]) | (groups[1:] != groups[:-1]))
        step = np.cumsum(begins) - 1
    first = np.flatnonzero(np.append(True, step[1:] != step[:-1]))
    last = np.append(first[1:], len(y)) - 1
    step_of = np.empty(len(y), dtype=np.int64)
    step_of[order] = step
    one = np.ones(len(y), dtype=np.float32)  # whole numbers, so that sums of them are exact
    return _Steps(
        _by_step(step_of, one, cluster, units),
        _by_step(step_of, y.astype(np.float32), cluster, units),
        run[first] == run[last],
        np.append(np.flatnonzero(np.append(True, np.diff(groups[first]) != 0)), len(first)),
    )


def _by_step(step: np.ndarray, values: np.ndarray, cluster: np.ndarray | None, units: int) -> Any:
    """Sums of values by step and cluster, sparse, without the zeros."""
    from scipy import sparse

    some = values != 0
    columns = np.arange(units) if cluster is None else cluster
    return sparse.csc_matrix(
        (values[some], (step[some], columns[some])),
        shape=(int(step.max()) + 1, units),
    )


def _average_precision(rows: np.ndarray, hits: np.ndarray, single: np.ndarray) -> np.ndarray:
    """Average precision per draw; inside a step of several scores positives lie spread evenly."""
    n, m = np.cumsum(rows, axis=0), np.cumsum(hits, axis=0)
    behind = np.where(single, 0.0, 0.5)[:, None]
    precision = _ratio(m - behind * hits, n - behind * rows, empty=0.0)
    return _ratio((hits * precision).sum(axis=0), m[-1])


def _at_depth(
    rows: np.ndarray, hits: np.ndarray, bounds: np.ndarray, kind: str, depth: float
) -> np.ndarray:
    """Lift, capture or precision per draw, each group cut at the same depth."""
    draws = np.arange(rows.shape[1])
    found = np.zeros(len(draws))
    for begin, end in itertools.pairwise(bounds):
        n, m = np.cumsum(rows[begin:end], axis=0), np.cumsum(hits[begin:end], axis=0)
        cut = depth * n[-1]
        at = np.minimum((n < cut).sum(axis=0), len(n) - 1)
        inside = rows[begin:end][at, draws]
        over = _ratio(n[at, draws] - cut, inside, empty=0.0)
        found += m[at, draws] - over * hits[begin:end][at, draws]
    if kind == "precision":
        return _ratio(found, depth * rows.sum(axis=0))
    capture = _ratio(found, hits.sum(axis=0))
    return capture / depth if kind == "lift" else capture


def _ratio(part: np.ndarray, whole: np.ndarray, empty: float = np.nan) -> np.ndarray:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), empty)
