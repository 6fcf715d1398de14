"""Features that say much the same: families by name or by correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.model._inputs import as_numbers, check_present, is_numeric

__all__ = ["CLOSE", "feature_families"]

CLOSE = 0.9  # rank correlation beyond which two features count as one


def feature_families(
    X: pd.DataFrame,
    columns: Sequence[str],
    by: str | Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """Group features that belong together.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
    columns : sequence of str
        Features to group.
    by : {"prefix", "correlated"} or mapping, optional
        ``prefix``: names that are alike up to the first underscore. ``correlated``: numeric
        features linked by a Spearman correlation beyond ±0.9, directly or through others. A mapping
        names the families itself. None: each feature alone.

    Returns
    -------
    dict of str to list of str
        Families by name, sorted; one of several members is called after the first, "and n more".

    Raises
    ------
    InputError
        An unknown way, or a column that is missing or in two families.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1, 2, 3], "orders_28d": [1, 2, 9], "city": ["a", "b", "a"]})
    >>> feature_families(X, list(X.columns), "correlated")
    {'city': ['city'], 'orders and 1 more': ['orders', 'orders_28d']}
    """
    names = sorted(columns)
    if by is None:
        return {name: [name] for name in names}
    if isinstance(by, Mapping):
        return _given(X, names, by)
    if by == "prefix":
        links = pd.factorize(np.array([name.split("_")[0] for name in names], dtype=object))[0]
    elif by == "correlated":
        links = _linked(X, names)
    else:
        known = ["prefix", "correlated"]
        raise InputError(f"families={by!r} is unknown; {nearest(str(by), known)}")
    members = [[n for n, k in zip(names, links, strict=True) if k == one] for one in set(links)]
    called = {m[0] if len(m) == 1 else f"{m[0]} and {len(m) - 1} more": m for m in members}
    return dict(sorted(called.items()))


def _given(
    X: pd.DataFrame, names: list[str], by: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    inside = [str(c) for members in by.values() for c in members]
    check_present(X, inside)
    twice = sorted({c for c in inside if inside.count(c) > 1})
    if twice or any(not members for members in by.values()):
        raise InputError(
            f"families: {', '.join(twice) or 'one'} "
            f"{'is in two families' if twice else 'has no members'}; put each column in one family"
        )
    alone = {name: [name] for name in names if name not in inside}
    return dict(sorted({**alone, **{str(k): list(map(str, v)) for k, v in by.items()}}.items()))


def _linked(X: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return which group of correlated columns each name is in; texts are alone."""
    from scipy.sparse.csgraph import connected_components

    numeric = [name for name in names if is_numeric(X[name])]
    ranks = pd.DataFrame({name: as_numbers(X[name]) for name in numeric}).rank()
    near = (ranks.corr(min_periods=2).abs() > CLOSE).to_numpy() if numeric else np.zeros((0, 0))
    whole = np.eye(len(names), dtype=bool)
    place = [names.index(name) for name in numeric]
    whole[np.ix_(place, place)] |= near
    return np.asarray(connected_components(whole, directed=False)[1])
