"""What sells, what a customer buys again, what customers like them buy, and products alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sparse

from promolab.errors import InputError
from promolab.recommend.method import POPULAR_DAYS, Method, Profiles, indicators, largest, scaled
from promolab.recommend.purchases import Purchases
from promolab.wording import count

TINY = 1e-6
"""Weight of popularity beside own purchases: it orders what was never bought, and ties."""


class Popularity(Method):
    """How many customers bought a product in the last eight weeks."""

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        late = past.buyers(POPULAR_DAYS)
        buyers = late if late.any() else past.buyers(np.inf)
        self.share_ = buyers / max(past.shape[0], 1)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        return np.tile(self.share_, (len(some), 1))


class Frequency(Popularity):
    """How often a customer ordered a product, recent orders counting more."""

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        return np.asarray(some.decayed.toarray() + TINY * self.share_)


class Tifu(Popularity):
    """Own purchases and those of the customers most alike (TIFU-kNN).

    Hu, He, Gao and Zhang (2020), Modeling personalized item frequency information for next-basket
    recommendation, SIGIR: a customer's decayed frequencies, mixed with the mean of their
    neighbours'. Decay here goes by time and not by groups of baskets, and who is alike by the angle
    between frequencies and not their distance: both ranked real households better.

    Parameters
    ----------
    neighbours : int
        Customers that count as alike.
    own : float
        Weight of a customer's own purchases.
    sample : int
        Where there are more customers, neighbours come from so many, drawn by seed.
    """

    def __init__(self, neighbours: int = 300, own: float = 0.7, sample: int = 20_000) -> None:
        self.neighbours, self.own, self.sample = neighbours, own, sample

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        n = len(whole)
        drawn = np.arange(n)
        if n > self.sample:
            drawn = np.random.default_rng(seed).choice(n, self.sample, replace=False, shuffle=False)
        self.drawn_ = np.sort(drawn)
        self.held_ = whole.decayed[self.drawn_]
        self._turn()

    def restore(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""
        super().restore(learned)
        self._turn()

    def _turn(self) -> None:
        """Lay out by product who may be a neighbour; single precision ranks angles as well."""
        self._by_product = scaled(self.held_).T.tocsr().astype(np.float32)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        alike = self._alike(some)
        found = np.zeros(some.decayed.shape) if alike is None else (alike @ self.held_).toarray()
        row = np.repeat(np.arange(len(some)), np.diff(some.decayed.indptr))
        np.add.at(found, (row, some.decayed.indices), self.own * some.decayed.data)
        found += TINY * self.share_
        return np.asarray(found)

    def _alike(self, some: Profiles) -> sparse.csr_matrix | None:
        """Return what each neighbour counts, customers × those drawn; nobody is their own."""
        n = len(self.drawn_)
        k = min(self.neighbours, n - 1)
        if k < 1:
            return None
        near = (scaled(some.decayed).astype(np.float32) @ self._by_product).toarray()
        at = np.minimum(np.searchsorted(self.drawn_, some.place), n - 1)
        own = self.drawn_[at] == some.place
        near[own, at[own]] = 0
        which = largest(near, k, above=0)
        row, column = np.nonzero(which >= 0)
        weight = np.full(len(row), (1 - self.own) / k)
        return sparse.csr_matrix((weight, (row, which[row, column])), (len(some), n))


MOST_SOLVED = 12_000


class ItemNeighbours(Popularity):
    """Products bought by the same customers: the cosine of who bought them (item-kNN).

    Sarwar, Karypis, Konstan and Riedl (2001), Item-based collaborative filtering, WWW.

    Parameters
    ----------
    neighbours : int
        Products that count as near.
    """

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
    from implicit.nearest_neighbours import all_pairs_knn

    customers = scaled(_once(counted).T.tocsr()).T.tocsr()
    near = all_pairs_knn(customers, k + 1, show_progress=False).tocsr()
    near = sparse.csr_matrix(near - sparse.diags(near.diagonal()))  # a product is its own nearest
    near.eliminate_zeros()
    return near.sorted_indices()


class Content(Popularity):
    """Products whose type, category, brand and maker are those that a customer buys.

    What sells, times how much more of the customer's purchases than of everybody's have the
    product's value, the geometric mean over what is known of products. The angle between attributes
    alone, which knows nothing of what sells, ranked real households worse than what sells.

    Parameters
    ----------
    smooth : float
        Orders of everybody's that each customer's are mixed with; as it is by default, households
        of an earlier season were ranked well for what is bought again and anew.
    """

    def __init__(self, smooth: float = 30.0) -> None:
        self.smooth = smooth

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        self.share_ = np.maximum(self.share_, 0.5 / max(len(whole), 1))
        known = past.attributes.dropna(axis=1, how="all")
        if known.empty:
            raise InputError(
                "products say nothing of type, category, maker, brand or department; "
                "kind='content' needs one of them"
            )
        self.described_ = indicators(known)
        many = known.nunique().to_numpy()
        self.first_ = np.cumsum(many) - many
        told = np.asarray(whole.decayed.sum(axis=0)).ravel() @ self.described_
        self.usual_ = told / np.repeat(np.add.reduceat(told, self.first_), many)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        own = (some.decayed @ self.described_).toarray()
        orders = np.add.reduceat(own, self.first_, axis=1)
        many = np.diff(np.append(self.first_, own.shape[1]))
        own = (own + self.smooth * self.usual_) / np.repeat(orders + self.smooth, many, axis=1)
        # Of a value that nobody bought, nothing is known.
        seen = self.usual_ > 0
        lift = np.zeros_like(own)
        lift[:, seen] = np.log(own[:, seen] / self.usual_[seen])
        return np.asarray(np.log(self.share_) + (self.described_ @ lift.T).T / len(self.first_))


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
