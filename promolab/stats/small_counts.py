"""Counts of few customers, which tell of single ones: hidden, or joined with their neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


def too_few(counts: ArrayLike, least: int) -> np.ndarray:
    """Tell which counts of customers are not shown to others: small ones, and what tells them.

    Parameters
    ----------
    counts : array-like of shape (n,)
    least : int
        Smaller ones are hidden, but for 0. Where all of them together are still fewer, whoever
        knows the total would take the others off: the smallest other one is hidden as well.

    Returns
    -------
    ndarray of bool of shape (n,)

    References
    ----------
    Sweeney (2002), k-anonymity: a model for protecting privacy. Willenborg & de Waal (2001),
    Elements of Statistical Disclosure Control (secondary suppression).

    Examples
    --------
    >>> too_few([0, 3, 40, 25], 10).tolist()
    [False, True, False, True]
    """
    counts = np.asarray(counts, dtype=float)
    hidden = (counts > 0) & (counts < least)
    if 0 < counts[hidden].sum() < least <= counts.max():
        hidden[np.where(counts < least, np.inf, counts).argmin()] = True
    return hidden


def hide_few(
    rows: pd.DataFrame, least: int, figures: Sequence[str], by: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table of counts of customers as others may see it.

    Parameters
    ----------
    rows : DataFrame
        With ``customers``.
    least : int
        As for `too_few`.
    figures : sequence of str
        Columns that tell the count as well, such as shares; nan where it is hidden.
    by : sequence of str
        Columns; of each of their values the total is known. By default that of all rows.

    Returns
    -------
    DataFrame
        With ``hidden``. A count below ``least`` is left, and written as such (the format ``few``);
        one that is hidden with it is nan.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customers": [3, 40, 25], "share": [0.04, 0.59, 0.37]})
    >>> hide_few(rows, 10, ["share"])["share"].tolist()
    [nan, 0.59, nan]
    """
    counts, hidden = rows["customers"].astype(float), np.zeros(len(rows), dtype=bool)
    for groups in [rows[name].to_numpy() for name in by] or [hidden]:
        hidden = hidden | counts.groupby(groups).transform(too_few, least).to_numpy(dtype=bool)
    told = rows.assign(customers=counts.mask(hidden & (counts >= least)), hidden=hidden)
    told.loc[hidden, [*figures]] = np.nan
    return told


def joined(counts: Iterable[int], least: int) -> np.ndarray:
    """Return the group of each of some counts in order: who are too few join their neighbours.

    Examples
    --------
    >>> joined([5, 2166, 281, 1], 10).tolist(), joined([0, 3, 40], 10).tolist()
    ([0, 0, 1, 1], [0, 1, 1])
    """
    groups, sums = list[int](), list[int]()
    for count in counts:
        if sums and 0 < sums[-1] < least:
            sums[-1] += count
        else:
            sums.append(count)
        groups.append(len(sums) - 1)
    while len(sums) > 1 and 0 < sums[-1] < least:
        sums[-2:] = [sum(sums[-2:])]
    return np.minimum(groups, len(sums) - 1)
