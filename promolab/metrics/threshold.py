"""From which probability on a contact pays: profit by threshold and by number contacted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, labels_of, level_of, numbers_of, seed_of, whole_number
from promolab.errors import InputError
from promolab.metrics._inputs import (
    OnRows,
    codes_of,
    ranked_rows,
    rows_of,
)
from promolab.results import Estimate
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


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
    from scipy import sparse

    n = len(values)
    units = n if cluster is None else int(cluster.max()) + 1
    sums = np.append(0.0, np.cumsum(values)[ends])
    rows_at = np.append(0, ends + 1)
    best = int(sums.argmax())
    near = np.searchsorted(rows_at, np.linspace(0, n, POINTS))
    kept = np.unique(np.append(near, [0, best, len(ends)]))
    rows, totals = rows_at[kept], sums[kept]
    stretch = np.searchsorted(rows, np.arange(n), side="right") - 1
    of = np.arange(n) if cluster is None else cluster
    # What each cluster brings between two cuts.
    brought = sparse.csr_matrix((values, (of, stretch)), shape=(units, len(rows) - 1))
    raised = np.zeros((len(rows), len(rows)))
    raised[1:, 1:] = (brought.T @ brought).toarray().cumsum(axis=0).cumsum(axis=1)
    covariance = (raised - np.outer(totals, totals) / units) * units / max(units - 1, 1)
    errors = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    if units < 2:
        errors[rows > 0] = np.nan  # a single unit says nothing of how units differ
    return Cuts(rows, totals, errors, covariance, int(np.flatnonzero(kept == best)[0]))


MOST = 1e15  # of a benefit or cost; the sums' squares must not overflow


@dataclass(frozen=True)
class ThresholdChart(OnRows):
    """Profit from contacting all rows above a threshold.

    Profit is about *responses*: every response above the threshold counts as earned by the contact,
    those that would have come anyway included. What a contact changes is an effect, and needs a
    comparison with customers held back.

    Parameters
    ----------
    frame : DataFrame
        ``contacted, share, threshold, responses, profit, profit_low, profit_high``, from nobody
        (threshold ∞) to everybody.
    threshold, threshold_low, threshold_high : float
        The threshold with the most profit, and the range of those that may have it; ∞ where
        contacting nobody may be best.
    share, share_low, share_high : float
        The same as shares of the rows contacted.
    profit, everybody, gain : Estimate
        Profit at the best threshold, from contacting everybody, and their difference; from
        contacting nobody it is 0.
    optimism : float
        How far choosing the threshold on these rows flatters the profit, on average.
    n, positives, clusters : int
        Rows, positive rows, independent units.
    level : float
        Confidence level.
    unit : str
        Of the profit, such as a currency's code.
    """

    frame: pd.DataFrame = field(repr=False)
    threshold: float
    threshold_low: float
    threshold_high: float
    share: float
    share_low: float
    share_high: float
    profit: Estimate
    everybody: Estimate
    gain: Estimate
    optimism: float
    unit: str

    @property
    def contacted(self) -> int:
        """Rows at and above the best threshold."""
        return round(self.share * self.n)

    def facts(self) -> dict[str, Any]:
        """Return the shares that may be best, how high the axis reaches, and two flat lines."""
        import pandas as pd

        low, high = self.frame["profit_low"].min(), self.frame["profit_high"].max()
        flat = {"x": [0.0, 1.0], "everybody": self.everybody.value, "nobody": 0.0}
        return {
            "currency": self.unit,
            "luck": self.optimism if self.optimism > 0.01 * abs(self.profit.value) else 0,
            # Room for the legend above a curve that fills the frame.
            "height": [low - 0.05 * (high - low), high + 0.35 * (high - low)],
            "reach": Estimate(self.share, self.share_low, self.share_high),
            "chosen": self.share,
            "flat": pd.DataFrame(flat),
        }


def threshold_chart(
    y_true: ArrayLike,
    p: ArrayLike,
    benefit: ArrayLike,
    cost: ArrayLike,
    cluster: ArrayLike | None = None,
    *,
    unit: str = "",
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> ThresholdChart:
    """Profit by threshold: from which score on does a contact pay?

    Responses are counted, not effects: those who would have responded anyway count as earned.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Who responded: 0/1 or booleans.
    p : array-like of shape (n,)
        Probability or any score; higher is contacted first. Equal scores are contacted together.
    benefit : float or array-like of shape (n,)
        What a response earns, before the cost of the contact; one figure, or one per row.
    cost : float or array-like of shape (n,)
        What a contact costs, 0 or more; one figure, or one per row.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    unit : str
        Of benefit and cost, such as "USD", for the words.
    level : float
        Confidence level.
    draws, seed : int
        Draws behind the interval of the best threshold, and their seed.

    Returns
    -------
    ThresholdChart

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, values are missing or not finite, or a cost is
        negative.

    Notes
    -----
    The band is pointwise, at fixed thresholds, from the sums of each cluster. The interval of the
    best threshold holds those that no other beats beyond noise (Hsu 1981), on some 100 cuts of the
    list; it covers the best one at least as often as ``level`` says. A flat top makes it wide:
    then the choice hardly matters. With calibrated probabilities and one benefit and cost for all
    the best threshold is cost / benefit (Elkan 2001).

    References
    ----------
    Elkan (2001), "The foundations of cost-sensitive learning", IJCAI. Hsu (1981), Annals of
    Statistics 9(5). Verbraken, Verbeke & Baesens (2013), IEEE TKDE 25(5).

    Examples
    --------
    >>> y, p = [1, 1, 0, 1, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1]
    >>> result = threshold_chart(y, p, benefit=10, cost=3)
    >>> result.threshold, result.contacted, result.profit.value, result.everybody.value
    (0.6, 4, 18.0, 6.0)
    """
    import pandas as pd

    y_true, p, benefit, cost, cluster = aligned(
        y_true=y_true, p=p, benefit=benefit, cost=cost, cluster=cluster
    )
    level_of(level)
    whole_number("draws", draws, 50)
    seed_of(seed)
    y = labels_of("y_true", y_true)
    score = numbers_of("p", p, len(y))
    codes, _ = codes_of(cluster, len(y), "cluster")
    gains, costs = _money(benefit, len(y), "benefit"), _money(cost, len(y), "cost")
    if wrong := int(np.count_nonzero(costs < 0)):
        raise InputError(f"cost is negative in {wrong:,} of {len(y):,} rows; give 0 or more")
    ranked = ranked_rows(y, score)
    order = ranked.order
    cuts = cuts_of((gains * y - costs)[order], ranked.ends, ranked.listed(codes))
    possible, optimism = cuts.possible(level, draws, seed)
    thresholds = np.append(math.inf, score[order][cuts.rows[1:] - 1])
    shares = cuts.rows / len(y)
    responses = np.append(0, np.cumsum(ranked.y))[cuts.rows]
    half = normal_quantile(level) * cuts.errors
    low, high = cuts.totals - half, cuts.totals + half
    frame = {"contacted": cuts.rows, "share": shares, "threshold": thresholds}
    frame |= {"responses": responses, "profit": cuts.totals, "profit_low": low, "profit_high": high}
    best, last = cuts.best, len(cuts.rows) - 1
    profit, everybody = (
        Estimate.of((cuts.totals[k], low[k], high[k]), len(y)) for k in (best, last)
    )
    gap = cuts.totals[best] - cuts.totals[last]
    gap_half = normal_quantile(level) * cuts.difference_error(best, last)
    return ThresholdChart(
        *rows_of(y, codes, level),
        pd.DataFrame(frame),
        float(thresholds[best]),
        float(thresholds[possible].min()),
        float(thresholds[possible].max()),
        float(shares[best]),
        float(shares[possible].min()),
        float(shares[possible].max()),
        profit,
        everybody,
        Estimate.of((gap, gap - gap_half, gap + gap_half), len(y)),
        optimism,
        unit,
    )


def _money(values: ArrayLike, n: int, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {values!r}; give a number, or one for each row") from None
    if array.ndim and array.shape != (n,):
        raise InputError(
            f"{name} has shape {array.shape}; give one number, or one for each of {n:,} rows"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} has values that are missing or not finite; give numbers")
    if (most := float(np.abs(array).max(initial=0.0))) > MOST:
        raise InputError(f"{name} has values up to {most:g}; give amounts up to {MOST:g}")
    return np.broadcast_to(array, (n,))
