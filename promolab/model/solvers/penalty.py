"""The choice of penalties: by what they would have meant for rows not seen yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.inputs.encoding import Encoder, unseen_expected
from promolab.model.inputs.reading import check_beside, check_labels, check_weight
from promolab.stats import dealt

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


L2_GRID = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
POOLING_GRID = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 1e6)  # the last: one model for all


def choose_l2(
    X: pd.DataFrame,
    y: ArrayLike,
    group: ArrayLike | None,
    grid: Iterable[float] = L2_GRID,
    *,
    columns: Sequence[str] | None = None,
    l1: float = 0.0,
    sample_weight: ArrayLike | None = None,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, pd.DataFrame]:
    """Choose the penalty by the log-loss on groups that were left out.

    Give the promotions as groups: the choice then reflects promotions not seen yet. Folds are whole
    groups, dealt out in the order of a hash of group and seed, so rows' order changes nothing.
    Without groups rows are dealt out, and the choice is for other rows of the same promotions.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
    y : array of 0 and 1, shape (n,)
    group : array, shape (n,), optional
    grid : iterable of float
        Penalties to compare.
    columns : sequence of str, optional
        Features to use; all by default.
    l1 : float
        Penalty on Σ |w| beside each.
    sample_weight : array, shape (n,), optional
        How many rows each counts for.
    folds : int
        Folds; fewer where there are fewer groups.
    seed : int
        Part of the hash.

    Returns
    -------
    l2 : float
        The penalty of the least log-loss; of equals the largest.
    table : DataFrame
        l2, log_loss (mean over the rows left out).

    Raises
    ------
    InputError
        Fewer than two groups, or no fold that leaves both classes to learn from.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(40)})
    >>> y = [int(i % 3 == 0 or i > 30) for i in range(40)]
    >>> l2, table = choose_l2(X, y, group=[i % 4 for i in range(40)], grid=[1.0, 100.0])
    >>> table.columns.tolist()
    ['l2', 'log_loss']
    """
    labels = check_labels(y, X)
    groups = check_beside(group, "group", X)
    if groups is None:
        groups = np.arange(len(X))

    weight = check_weight(sample_weight, X)

    def losses(train: np.ndarray, test: np.ndarray, penalties: list[float]) -> list[float]:
        encoder = Encoder.fit(X[train], columns)
        matrix, held_out = encoder.transform(X[train]), encoder.transform(X[test])
        fits = (_fitted(matrix, labels[train], l2, l1, weight[train]) for l2 in penalties)
        return [_log_loss(labels[test], held_out @ w + b, weight[test]) for w, b in fits]

    return _choose("l2", grid, losses, labels, _folds(groups, folds, seed, "l2"), weight)


def choose_pooling(
    X: pd.DataFrame,
    y: ArrayLike,
    promotion: ArrayLike,
    cluster: ArrayLike | None,
    l2: float,
    grid: Iterable[float] = POOLING_GRID,
    *,
    columns: Sequence[str] | None = None,
    sample_weight: ArrayLike | None = None,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, pd.DataFrame]:
    """Choose how far promotions share a model by the log-loss on customers that were left out.

    Customers, as what a promotion has of its own is learned from its other customers. Folds are
    dealt out in the order of a hash of customer and seed.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
    y : array of 0 and 1, shape (n,)
    promotion : array, shape (n,)
        What has weights of its own.
    cluster : array, shape (n,), optional
        Customer of each row; each row on its own by default.
    l2 : float
        Penalty of what is shared.
    grid : iterable of float
        Poolings to compare.
    columns, sample_weight, folds, seed
        As for `choose_l2`.

    Returns
    -------
    pooling : float
        That of the least log-loss; of equals the largest.
    table : DataFrame
        pooling, log_loss (mean over the rows left out).

    Raises
    ------
    InputError
        As for `choose_l2`.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(60)})
    >>> y = [int(i % 3 == 0 or i > 40) for i in range(60)]
    >>> pooling, table = choose_pooling(X, y, [i % 2 for i in range(60)], None, 1.0, [1.0, 1e6])
    >>> table.columns.tolist()
    ['pooling', 'log_loss']
    """
    from promolab.model.solvers.partial_pooling import fit_pooled

    labels = check_labels(y, X)
    names = check_beside(promotion, "promotion", X)
    clusters = check_beside(cluster, "cluster", X)

    weight = check_weight(sample_weight, X)

    def losses(train: np.ndarray, test: np.ndarray, penalties: list[float]) -> list[float]:
        encoder = Encoder.fit(X[train], columns)
        matrix, held_out = encoder.transform(X[train]), encoder.transform(X[test])
        codes, known = pd.factorize(np.asarray(names)[train])
        place = pd.Index(known).get_indexer(np.asarray(names)[test])
        found = []
        for pooling in penalties:
            fit = fit_pooled(matrix, labels[train], codes, l2, pooling, weight[train])
            own = np.vstack([fit.own_weights, np.zeros(len(fit.weights))])[place]
            linear = (held_out * (fit.weights + own)).sum(axis=1) + fit.intercept
            linear += np.append(fit.own_intercepts, 0.0)[place]  # the last is of those not known
            found.append(_log_loss(labels[test], linear, weight[test]))
        return found

    units = np.arange(len(X)) if clusters is None else clusters
    return _choose("pooling", grid, losses, labels, _folds(units, folds, seed, "pooling"), weight)


def _choose(
    name: str,
    grid: Iterable[float],
    losses: Callable[[np.ndarray, np.ndarray, list[float]], list[float]],
    labels: np.ndarray,
    fold: np.ndarray,
    weight: np.ndarray,
) -> tuple[float, pd.DataFrame]:
    from tqdm import tqdm

    penalties = sorted({float(value) for value in grid})
    if not penalties or penalties[0] <= 0:
        raise InputError(f"the grid of penalties is {penalties}; give at least one number above 0")
    total, rows = np.zeros(len(penalties)), 0.0
    what = f"choosing {name}"
    bar = tqdm(range(fold.max() + 1), desc=what, unit="fold", leave=False, delay=2, disable=None)
    for k in bar:
        train, test = fold != k, fold == k
        if len(np.unique(labels[train])) == 2:
            with unseen_expected():
                total += losses(train, test, penalties)
            rows += float(weight[test].sum())
    if rows == 0:
        raise InputError(
            f"no choice of {name}: whichever group is left out, the rest has a single class; give "
            f"{name} as a number"
        )
    table = pd.DataFrame({name: penalties, "log_loss": total / rows})
    best = table["log_loss"] <= table["log_loss"].min() * (1 + 1e-12)
    return float(table.loc[best, name].max()), table


def _fitted(
    X: np.ndarray, y: np.ndarray, l2: float, l1: float, weight: np.ndarray
) -> tuple[np.ndarray, float]:
    from promolab.model.solvers.elastic_net import fit_elastic_net
    from promolab.model.solvers.logistic import fit_logistic

    if l1 > 0:
        return fit_elastic_net(X, y, l1, l2, weight)[:2]
    return fit_logistic(X, y, l2, weight)[:2]


def _log_loss(labels: np.ndarray, linear: np.ndarray, weight: np.ndarray) -> float:
    return float((weight * np.logaddexp(0, (1 - 2 * labels) * linear)).sum())


def _folds(groups: np.ndarray, folds: int, seed: int, name: str) -> np.ndarray:
    fold, units = dealt(groups, folds, seed)
    if units < 2:
        raise InputError(f"{name}='cv' leaves out whole groups, and there is {units} group only")
    return fold
