"""What every way to score products has in common: fit, score some customers, arrays to save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.recommend.purchases import Purchases

HALF_LIFE = 16.0
"""Weeks after which an order counts half."""
POPULAR_DAYS = 56.0
"""Days whose buyers say how popular a product is."""


@dataclass(frozen=True)
class Profiles:
    """What some customers bought.

    Parameters
    ----------
    decayed, counted : csr_matrix of shape (b, number of products)
        Orders with the product, older ones counting less; and their number.
    place : ndarray of shape (b,)
        Each one's place among the customers that were learned from; −1 for others.
    """

    decayed: sparse.csr_matrix
    counted: sparse.csr_matrix
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def rows(self, which: Any) -> Profiles:
        """Return some of them."""
        return Profiles(self.decayed[which], self.counted[which], self.place[which])


class Method:
    """One way to score products; its learned arrays and tables are attributes that end in ``_``."""

    APART: ClassVar[bool] = True
    """Whether some customers may be scored while others are, in threads."""

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers, higher is better."""
        raise NotImplementedError

    def learned(self) -> dict[str, Any]:
        """Return what was learned as arrays, a table as its parts."""
        told = {name: value for name, value in vars(self).items() if name.endswith("_")}
        return {name: _parts(v) if sparse.issparse(v) else v for name, v in told.items()}

    def restore(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""
        for name, value in learned.items():
            setattr(self, name, _table(value) if isinstance(value, tuple) else value)


def _parts(table: sparse.csr_matrix) -> tuple[Any, ...]:
    return table.data, table.indices, table.indptr, table.shape


def _table(parts: tuple[Any, ...]) -> sparse.csr_matrix:
    found = sparse.csr_matrix(parts[:3], shape=parts[3])
    found.check_format(full_check=True)
    return found


def scaled(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a table whose rows have length 1; empty rows stay empty."""
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.where(length > 0, length, 1.0)) @ matrix)


def indicator(codes: np.ndarray, values: int) -> sparse.csr_matrix:
    """Return products × values: 1 where a product has the value."""
    known = np.flatnonzero(codes >= 0)
    return sparse.csr_matrix(
        (np.ones(len(known)), (known, codes[known])), (len(codes), values), dtype=float
    )


def indicators(attributes: pd.DataFrame) -> sparse.csr_matrix:
    """Return products × values of attributes, 1 where the product has the value.

    Examples
    --------
    >>> indicators(pd.DataFrame({"brand": ["x", "y", None], "type": ["a", "a", "a"]})).toarray()
    array([[1., 0., 1.],
           [0., 1., 1.],
           [0., 0., 1.]])
    """
    parts = [sparse.csr_matrix((len(attributes), 0))]
    for name in attributes.columns:
        codes, values = pd.factorize(attributes[name])
        parts.append(indicator(codes, len(values)))
    return sparse.csr_matrix(sparse.hstack(parts))


def largest(values: np.ndarray, k: int, above: float = -np.inf) -> np.ndarray:
    """Return the places of each row's ``k`` largest values, best first, equal ones by place.

    Parameters
    ----------
    values : ndarray of shape (b, m)
        What is taken is above a bound; the other places are −1.
    k : int
        At most m.
    above : float
        The bound.

    Examples
    --------
    >>> largest(np.array([[0.5, 2.0, 0.5, -np.inf], [1.0, 1.0, 1.0, 1.0]]), 3)
    array([[1, 0, 2],
           [0, 1, 2]])
    """
    b, m = values.shape
    k = min(k, m)
    # The k-th largest of the groups' largest bounds from below the k-th largest of all: what is
    # under it need not be sorted, and finding it takes one pass.
    width = max(m // (4 * k), 1)
    many = m // width
    most = values[:, : many * width].reshape(b, width, many).max(axis=1)
    most = np.hstack([most, values[:, many * width :]])
    least = np.partition(most, most.shape[1] - k, axis=1)[:, most.shape[1] - k, None]
    least = np.maximum(least, np.nextafter(values.dtype.type(above), values.dtype.type(np.inf)))
    row, place = np.nonzero(values >= least)
    counts = np.bincount(row, minlength=b)
    within = np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
    width = max(int(counts.max(initial=0)), k)
    held = np.full((b, width), -np.inf, dtype=values.dtype)
    places = np.full((b, width), -1)
    held[row, within], places[row, within] = values[row, place], place
    # But for ties rows are short by now; places ascend in each, so equal values stay in order.
    best = np.argsort(-held, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(places, best, axis=1)
