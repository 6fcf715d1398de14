"""The choice of the penalty: by what it would have meant for promotions not seen yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model._inputs import check_beside, check_labels
from promolab.model.encoding import Encoder

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["L2_GRID", "choose_l2"]

L2_GRID = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


def choose_l2(
    X: pd.DataFrame,
    y: ArrayLike,
    group: ArrayLike | None,
    grid: Iterable[float] = L2_GRID,
    *,
    columns: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, pd.DataFrame]:
    """Choose the penalty by the log-loss on groups that were left out.

    Give the promotions as groups: the choice then reflects promotions not seen yet. Folds are whole
    groups, dealt out in the order of a hash of group and seed, so rows' order changes nothing.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
    y : array of 0 and 1, shape (n,)
    group : array, shape (n,)
    grid : iterable of float
        Penalties to compare.
    columns : sequence of str, optional
        Features to use; all by default.
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
        No groups, fewer than two, or no fold that leaves both classes to learn from.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(40)})
    >>> y = [int(i % 3 == 0 or i > 30) for i in range(40)]
    >>> l2, table = choose_l2(X, y, group=[i % 4 for i in range(40)], grid=[1.0, 100.0])
    >>> table.columns.tolist()
    ['l2', 'log_loss']
    """
    labels = check_labels(y, len(X))
    groups = check_beside(group, "group", len(X))
    penalties = sorted({float(l2) for l2 in grid})
    if not penalties or penalties[0] <= 0:
        raise InputError(f"the grid of penalties is {penalties}; give at least one number above 0")
    if groups is None:
        raise InputError("l2='cv' leaves out whole groups: give group= (the rows' promotions)")
    fold = _folds(groups, folds, seed)
    losses = np.zeros(len(penalties))
    rows = 0
    for k in range(fold.max() + 1):
        train, test = fold != k, fold == k
        if len(np.unique(labels[train])) == 2:
            losses += _fold_losses(X, labels, train, test, penalties, columns)
            rows += int(test.sum())
    if rows == 0:
        raise InputError(
            "no choice of l2: whichever group is left out, the rest has a single class; give l2 "
            "as a number"
        )
    table = pd.DataFrame({"l2": penalties, "log_loss": losses / rows})
    best = table["log_loss"] <= table["log_loss"].min() * (1 + 1e-12)
    return float(table.loc[best, "l2"].max()), table


def _fold_losses(
    X: pd.DataFrame,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    penalties: list[float],
    columns: Sequence[str] | None,
) -> np.ndarray:
    from promolab.model.logistic import fit_logistic

    encoder = Encoder.fit(X[train], columns)
    matrix, held_out = encoder.transform(X[train]), encoder.transform(X[test])
    sign = 1 - 2 * labels[test]
    losses = []
    for l2 in penalties:
        w, b, _ = fit_logistic(matrix, labels[train], l2)
        losses.append(np.logaddexp(0, sign * (held_out @ w + b)).sum())
    return np.array(losses)


def _folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    codes, names = pd.factorize(groups)
    if len(names) < 2:
        raise InputError(f"l2='cv' leaves out whole groups, and there is {len(names)} group only")
    hashes = [hashlib.sha256(f"{seed}:{name}".encode()).hexdigest() for name in names]
    rank = np.argsort(np.argsort(np.array(hashes)))
    return (rank % min(folds, len(names)))[codes]
