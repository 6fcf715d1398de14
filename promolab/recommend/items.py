"""Products that are bought by the same customers, or that are alike."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.errors import InputError
from promolab.recommend.method import Method, Profiles, largest, scaled
from promolab.recommend.personal import TINY, Popularity
from promolab.recommend.purchases import Purchases
from promolab.wording import count

BLOCK = 512
MOST_SOLVED = 12_000


class ItemNeighbours(Popularity):
    """Products bought by the same customers: the cosine of who bought them (item-kNN).

    Sarwar, Karypis, Konstan and Riedl (2001), Item-based collaborative filtering, WWW.

    Parameters
    ----------
    neighbours : int
        Products that count as near.
    """

    SPARSE: ClassVar[tuple[str, ...]] = ("near_",)

    def __init__(self, neighbours: int = 100) -> None:
        self.neighbours = neighbours

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        self.near_ = nearest_products(whole.counted, self.neighbours)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        near = (_once(some.counted) @ self.near_.T).toarray()
        return np.asarray(near + TINY * self.share_)


def _once(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    found = matrix.copy()
    found.data = np.ones_like(found.data)
    return found


def nearest_products(counted: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Return products × products: the cosine of who bought them, the ``k`` largest of each."""
    columns = scaled(_once(counted).T.tocsr())
    blocks = []
    for low in range(0, columns.shape[0], BLOCK):
        near = (columns[low : low + BLOCK] @ columns.T).toarray()
        at = np.arange(len(near))
        near[at, low + at] = -np.inf
        near[near == 0] = -np.inf
        which = largest(near, min(k, near.shape[1]))
        row, column = np.nonzero(which >= 0)
        chosen = which[row, column]
        blocks.append(sparse.csr_matrix((near[row, chosen], (row, chosen)), near.shape))
    return sparse.csr_matrix(sparse.vstack(blocks))


class Content(Popularity):
    """Products whose type, category, brand and maker are those that a customer buys.

    Each attribute counts the more the rarer it is (its inverse document frequency), and the
    customer's taste is the mean of their products, recent orders counting more.
    """

    SPARSE: ClassVar[tuple[str, ...]] = ("described_",)

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        self.described_ = described(past.attributes)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        taste = scaled(some.decayed @ self.described_)
        return np.asarray((taste @ self.described_.T).toarray() + TINY * self.share_)


def described(attributes: pd.DataFrame) -> sparse.csr_matrix:
    """Return products × values of attributes, rows of length 1, rare values weighing more."""
    n = len(attributes)
    parts = []
    for name in attributes.columns:
        codes, values = pd.factorize(attributes[name])
        known = codes >= 0
        if len(values):
            rare = np.log(n / np.bincount(codes[known], minlength=len(values)))
            cells = (rare[codes[known]], (np.flatnonzero(known), codes[known]))
            parts.append(sparse.csr_matrix(cells, (n, len(values))))
    if not parts:
        raise InputError(
            "products say nothing of type, category, maker, brand or department; kind='content' "
            "needs one of them"
        )
    return scaled(sparse.csr_matrix(sparse.hstack(parts)))


class Ease(Method):
    """Which products go with which, by one linear model without the product itself (EASE).

    Steck (2019), Embarrassingly shallow autoencoders for sparse data, WWW, equation 8. Solved among
    customers or among products, whichever are fewer: both give the same.

    Parameters
    ----------
    penalty : float
        λ: the larger, the smaller the weights; as it is by default, households of an earlier
        season were ranked best.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("inverse_", "diagonal_")
    SPARSE: ClassVar[tuple[str, ...]] = ("held_",)

    def __init__(self, penalty: float = 1000.0) -> None:
        self.penalty = penalty

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        X = _once(whole.counted)
        n, m = X.shape
        if min(n, m) > MOST_SOLVED:
            raise InputError(
                f"kind='ease' solves among all products or customers, at most {count(MOST_SOLVED)}"
                f", and here are {count(n)} customers and {count(m)} products; take kind='als', or "
                "a larger least_customers"
            )
        self.held_ = X if n <= m else X[:0]
        gram = (X @ X.T if n <= m else X.T @ X).toarray()
        gram[np.diag_indices_from(gram)] += self.penalty
        self.inverse_ = np.linalg.inv(gram)
        if n > m:
            self.diagonal_ = np.diag(self.inverse_).copy()
            return
        # By Woodbury: (XᵀX + λ)⁻¹ = (1 − Xᵀ (XXᵀ + λ)⁻¹ X) / λ, of which only the diagonal is kept.
        explained = X.multiply((X.T @ self.inverse_).T).sum(axis=0)
        self.diagonal_ = (1 - np.asarray(explained).ravel()) / self.penalty

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        X = _once(some.counted)
        if not self.held_.shape[0]:
            solved = X @ self.inverse_
        else:
            across = (X @ self.held_.T).toarray() @ self.inverse_
            solved = (X.toarray() - (self.held_.T @ across.T).T) / self.penalty
        return np.asarray(X.toarray() - solved / self.diagonal_)
