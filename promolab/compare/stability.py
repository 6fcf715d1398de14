"""ColumnStability selection: what a sparse model picks again and again on half the customers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.errors import InputError
from promolab.model.inputs import Encoder, check_beside, check_labels
from promolab.results import Result
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


MOST_ROWS = 50_000  # rows that are enough to see which features are picked
LEAST = 10  # customers with a response, and without one
L2 = 1.0  # so that duplicate columns have a single optimum
STEPS = np.geomspace(0.9, 0.01, 30)  # of the smallest penalty that leaves nothing


@dataclass(frozen=True)
class ColumnStability(Result):
    """How often each feature was picked.

    Parameters
    ----------
    frame : DataFrame
        feature, frequency (share of the halves that picked it), stable (at or above the threshold);
        the most frequent first.
    threshold : float
        Frequency from which a feature is stable.
    picked : float
        Features picked per half, on average: q.
    bound, worst_bound : float
        Most features expected to be stable that are picked no more often than chance (q / number of
        features) would have it: if the distribution of frequencies has one peak, and without that.
    halves, n, clusters : int
        Halves, rows and customers.
    """

    frame: pd.DataFrame = field(repr=False)
    threshold: float
    picked: float
    bound: float
    worst_bound: float
    halves: int
    n: int
    clusters: int

    @property
    def stable(self) -> list[str]:
        """Names of the stable features."""
        return list(self.frame.loc[self.frame["stable"], "feature"])

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, and the frequencies by feature."""
        named = dict(zip(self.frame["feature"], self.frame["frequency"], strict=True))
        return {**super().to_dict(), "frequency": {str(k): float(v) for k, v in named.items()}}

    def summary(self) -> str:
        """Say how many are stable and how many of them chance would have made so."""
        return (
            f"{count(len(self.stable))} of {plural(len(self.frame), 'feature')} were picked in at "
            f"least {percent(self.threshold, decimals=0)} of {self.halves} halves of the "
            f"{plural(self.clusters, 'customer')}; of features picked no more often than by chance "
            f"at most {number(self.bound, decimals=1)} are expected among them."
        )


def stability_selection(
    X: pd.DataFrame,
    y: ArrayLike,
    cluster: ArrayLike | None = None,
    *,
    columns: Sequence[str] | None = None,
    threshold: float = 0.75,
    expected_false: float = 1.0,
    halvings: int = 25,
    seed: int = 0,
) -> ColumnStability:
    r"""Fit a sparse logistic model on many halves of the customers and count what it picks.

    Customers are split in two at random, again and again, and a logistic model with an L1 penalty
    is fitted on either half; a feature counts as picked where any of its encoded columns has a
    weight. The penalty is the least at which two halves drawn beforehand pick at most q features,
    and q is what keeps the expected number of false features at about ``expected_false`` (what the
    halves picked in the end goes into the bound that is said). Of features that
    say the same, the model picks now one and now the other, so that neither may be stable. All
    halves share the promotions: that a feature would serve for other promotions is not shown here
    (`importance_out_of_time` looks at that).

    Parameters
    ----------
    X, y : DataFrame, shape (n, k), and array of 0 and 1, shape (n,)
        Of more than 50,000 rows, whole customers with about that many rows, drawn at random.
    cluster : array, shape (n,), optional
        Customer of each row; all rows of a customer stand in the same half.
    columns : sequence of str, optional
        Features to choose from; all by default.
    threshold : float
        Share of the halves, above ½ and at most 1, from which a feature is stable.
    expected_false : float
        How many stable features may be expected that chance alone picks.
    halvings : int
        Splits in two, at least 2.
    seed : int
        Of the splits.

    Raises
    ------
    InputError
        Fewer than 10 customers with a response or without one; a threshold that cannot be.

    Notes
    -----
    Expected false ≤ C·q²/p with C = 1 / (2·threshold − 1) whatever the distribution of frequencies
    (Meinshausen & Bühlmann), and about half of it where that has one peak (Shah & Samworth, theorem
    2); q is chosen, and the bound said, by the second. "False" is a feature picked on half the
    customers with a chance of at most q/p.

    References
    ----------
    Meinshausen & Bühlmann (2010), JRSS B 72(4). Shah & Samworth (2013), JRSS B 75(1).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(400, 6)), columns=list("abcdef"))
    >>> y = (X["a"] + rng.logistic(size=400) > 0).astype(int)
    >>> stability_selection(X, y, halvings=10).stable
    ['a']
    """
    if not 0.5 < threshold <= 1 or halvings < 2 or expected_false <= 0:
        raise InputError(
            f"threshold is {threshold}, halvings {halvings} and expected_false {expected_false}; "
            "give a threshold above 0.5 and at most 1, at least 2 halvings, and a number above 0"
        )
    whole_number("seed", seed, 0)
    labels = check_labels(y, X)
    customers = check_beside(cluster, "cluster", X)
    unit = np.arange(len(X)) if customers is None else pd.factorize(customers)[0]
    rng = np.random.default_rng(seed)
    if len(X) > MOST_ROWS:
        kept = rng.permutation(int(unit.max()) + 1)[unit] < MOST_ROWS / len(X) * (unit.max() + 1)
        X, labels = X[kept], labels[kept]
        unit = np.unique(unit[kept], return_inverse=True)[1]
    _check_customers(unit, labels)
    encoder = Encoder.fit(X, columns)
    matrix = encoder.transform(X)
    member = np.array([encoder.columns.index(s) for s in encoder.sources])
    p = len(encoder.columns)
    q = _affordable(p, threshold, expected_false, halvings)
    l1, start = _penalty(matrix, labels, unit, member, q, rng)
    frequency = _count(matrix, labels, unit, (member, p), l1, start, halvings, rng)
    picked = float(frequency.sum())
    table = pd.DataFrame({"feature": encoder.columns, "frequency": frequency})
    table["stable"] = table["frequency"] >= threshold - 1e-12
    order = np.lexsort([table["feature"].to_numpy(dtype=str), -table["frequency"].to_numpy()])
    bound, worst = false_bound(picked, p, threshold, halvings)
    return ColumnStability(
        table.iloc[order].reset_index(drop=True),
        threshold,
        picked,
        bound,
        worst,
        2 * halvings,
        len(X),
        int(unit.max()) + 1,
    )


def false_bound(picked: float, p: int, threshold: float, halvings: int) -> tuple[float, float]:
    """Return the most false features expected to be stable: with one peak, and without.

    Parameters
    ----------
    picked : float
        Features picked per half.
    p : int
        Features to choose from.
    threshold : float
        Share of the halves from which a feature is stable.
    halvings : int
        Splits in two.

    Examples
    --------
    >>> [round(bound, 2) for bound in false_bound(5, 50, 0.75, 50)]
    [0.51, 1.0]
    """
    chance = picked / p
    worst = chance * picked / (2 * threshold - 1)
    least = 0.5 + min(chance**2, 1 / (2 * halvings) + 0.75 * chance**2)
    if chance > 1 / math.sqrt(3) or threshold <= least:
        return worst, worst
    if threshold <= 0.75:
        one_peak = 1 / (2 * (2 * threshold - 1 - 1 / (2 * halvings)))
    else:
        one_peak = 4 * (1 - threshold + 1 / (2 * halvings)) / (1 + 1 / halvings)
    return min(one_peak * chance * picked, worst), worst


def _affordable(p: int, threshold: float, expected_false: float, halvings: int) -> int:
    """Return the most features that a half may pick."""
    fine = [q for q in range(1, p) if false_bound(q, p, threshold, halvings)[0] <= expected_false]
    return max(fine, default=1)


def _check_customers(unit: np.ndarray, labels: np.ndarray) -> None:
    hits = np.bincount(unit, weights=labels)
    for found, what in (
        (int((hits > 0).sum()), "with a response"),
        (int((np.bincount(unit) > hits).sum()), "with a contact that brought none"),
    ):
        if found < LEAST:
            raise InputError(
                f"{plural(found, 'customer')} {what}; stability selection halves the customers and "
                f"needs at least {LEAST}: give more promotions, or keep all features"
            )


def _penalty(
    matrix: np.ndarray,
    labels: np.ndarray,
    unit: np.ndarray,
    member: np.ndarray,
    q: int,
    rng: np.random.Generator,
) -> tuple[float, tuple[np.ndarray, float]]:
    """Return the least penalty on a grid at which halves pick q features at most, and a fit."""
    from promolab.model.solvers import fit_elastic_net, largest_l1

    side = _side(unit, rng)
    halves = [(matrix[half], labels[half]) for half in (side, ~side)]
    top = max(largest_l1(*half) for half in halves)
    begin = np.zeros(matrix.shape[1]), 0.0
    chosen, found, fits = top, begin, [begin, begin]
    for step in STEPS:
        fits = [
            fit_elastic_net(*half, top * step, L2, start=start)[:2]
            for half, start in zip(halves, fits, strict=True)
        ]
        if np.mean([len(np.unique(member[w != 0])) for w, _ in fits]) > q:
            break
        chosen, found = top * step, fits[0]
    return chosen, found


def _side(unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which rows stand in the first half of the customers."""
    units = int(unit.max()) + 1
    return np.asarray((rng.permutation(units) < units // 2)[unit])


def _count(
    matrix: np.ndarray,
    labels: np.ndarray,
    unit: np.ndarray,
    member: tuple[np.ndarray, int],
    l1: float,
    start: tuple[np.ndarray, float],
    halvings: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which share of the halves picked each feature."""
    from tqdm import tqdm

    from promolab.model.solvers import fit_elastic_net

    source, features = member
    picked = np.zeros(features)
    bar = tqdm(range(halvings), desc="halving", unit="split", leave=False, delay=2, disable=None)
    for _ in bar:
        side = _side(unit, rng)
        for half in (side, ~side):
            w, _, _ = fit_elastic_net(matrix[half], labels[half], l1, L2, start=start)
            picked[np.unique(source[w != 0])] += 1
    return picked / (2 * halvings)
