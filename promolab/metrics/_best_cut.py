"""Where to cut a ranked list so that a sum over its top is largest, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.metrics._moments import down_the_list

__all__ = ["Cuts", "cuts_of"]

POINTS = 101


@dataclass(frozen=True)
class Cuts:
    """Sums over the top of a list at some of its cuts, from nobody to everybody.

    Parameters
    ----------
    rows : ndarray of int of shape (cuts,)
        Rows above each cut: the first is 0, the last all.
    totals, errors : ndarray of shape (cuts,)
        Sum of the values above each cut, and its standard error.
    covariance : ndarray of shape (cuts, cuts)
        Of the sums.
    best : int
        The cut with the largest sum; of several the one with the fewest rows.
    """

    rows: np.ndarray
    totals: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    best: int

    def difference_error(self, a: int, b: int) -> float:
        """Standard error of the difference of two cuts' sums."""
        if a != b and np.isnan(self.errors[[a, b]]).any():
            return float("nan")
        c = self.covariance
        return float(np.sqrt(max(c[a, a] + c[b, b] - 2 * c[a, b], 0.0)))

    def possible(self, level: float, draws: int, seed: int) -> tuple[np.ndarray, float]:
        """Return which cuts may be the best one, and how far chance flatters the one chosen.

        Notes
        -----
        A cut is left out where another beats it by more standard errors of their difference than
        the best of all others would, in (1 − level) of samples, if they were all as good as it: a
        comparison of all with the best (Hsu 1981, Annals of Statistics 9(5)), its quantiles drawn.
        The estimate that a plain bootstrap would give of the place of a maximum does not settle
        (Abrevaya & Huang 2005), so that none is used.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        half = vectors * np.sqrt(np.clip(values, 0.0, None))
        normal = np.random.default_rng(seed).standard_normal((draws, len(values)))
        moved = normal @ half.T
        spread = np.diag(self.covariance)
        between = spread[:, None] + spread[None, :] - 2 * self.covariance
        inverse = np.where(between > 1e-12 * spread.max(), 1.0, 0.0)
        inverse /= np.sqrt(np.where(inverse > 0, between, 1.0))
        # One candidate at a time: how far others beat it, as seen and by chance.
        lead = (self.totals[None, :] - self.totals[:, None]) * inverse
        limits = np.array(
            [
                np.quantile(((moved - moved[:, [k]]) * inverse[k]).max(axis=1), level)
                for k in range(len(self.rows))
            ]
        )
        chosen = (self.totals + moved).argmax(axis=1)
        return lead.max(axis=1) <= limits, float(moved[np.arange(draws), chosen].mean())


def cuts_of(values: np.ndarray, ends: np.ndarray, cluster: np.ndarray | None) -> Cuts:
    """Add up the values of a list down to its cuts.

    Parameters
    ----------
    values : ndarray of shape (n,)
        What each row brings, in the order of the list.
    ends : ndarray of int of shape (runs,)
        Places of the last row of each run of equal scores: a cut may only lie behind one.
    cluster : ndarray of int of shape (n,), optional
        Codes 0, 1, …, in the same order.
    """
    n = len(values)
    units = n if cluster is None else int(cluster.max()) + 1
    sums = np.append(0.0, np.cumsum(values)[ends])
    rows_at = np.append(0, ends + 1)
    best = int(sums.argmax())
    near = np.searchsorted(rows_at, np.linspace(0, n, POINTS))
    kept = np.unique(np.append(near, [0, best, len(ends)]))
    rows, totals = rows_at[kept], sums[kept]
    more = units / max(units - 1, 1)
    squares = np.append(0.0, down_the_list(values, values, cluster))[rows]
    errors = np.sqrt(np.clip(more * (squares - totals**2 / units), 0.0, None))
    if units < 2:
        errors[rows > 0] = np.nan  # a single unit says nothing of how units differ
    covariance = _covariance(values, rows, totals, cluster, units) * more
    return Cuts(rows, totals, errors, covariance, int(np.flatnonzero(kept == best)[0]))


def _covariance(
    values: np.ndarray,
    rows: np.ndarray,
    totals: np.ndarray,
    cluster: np.ndarray | None,
    units: int,
) -> np.ndarray:
    """Covariance of the sums, from what each cluster brings between two cuts."""
    from scipy import sparse

    stretch = np.searchsorted(rows, np.arange(len(values)), side="right") - 1
    of = np.arange(len(values)) if cluster is None else cluster
    brought = sparse.csr_matrix((values, (of, stretch)), shape=(units, len(rows) - 1))
    steps = np.asarray((brought.T @ brought).toarray())
    raised = np.zeros((len(rows), len(rows)))
    raised[1:, 1:] = np.cumsum(np.cumsum(steps, axis=0), axis=1)
    return raised - np.outer(totals, totals) / units
