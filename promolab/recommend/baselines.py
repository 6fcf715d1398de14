"""What sells, what a customer buys again and again, and what customers like them buy."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sparse

from promolab.recommend.method import POPULAR_DAYS, Method, Profiles, largest, scaled
from promolab.recommend.purchases import Purchases

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
