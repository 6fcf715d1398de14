"""Matrix factorisation: alternating least squares by `implicit`, and with products' attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sparse

from promolab.recommend.method import Method, Profiles, indicators
from promolab.recommend.purchases import Purchases
from promolab.threads import single_threaded

ROWS = 4_096
"""Equations that are solved at once."""


class Als(Method):
    """Implicit feedback factored by alternating least squares, by the library implicit.

    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets, ICDM,
    equations 4 and 5: a purchase is a 1 whose confidence is 1 + alpha × orders, everything else a 0
    of confidence 1. A customer who came later is one more least-squares problem, without a new fit.

    Parameters
    ----------
    factors, iterations : int
    alpha, penalty : float
        Confidence of an order, and λ; as they are by default, households of an earlier season were
        ranked best.
    """

    products_: np.ndarray

    def __init__(
        self, factors: int = 32, iterations: int = 15, alpha: float = 1.0, penalty: float = 50.0
    ) -> None:
        self.factors, self.iterations = factors, iterations
        self.alpha, self.penalty = alpha, penalty
        self._solver: Any = None

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        # Each point is one thread's work alone: any number of threads gives the same bytes.
        # Those of BLAS would fight with its own.
        drawn = np.random.default_rng(seed).normal(0, 0.01, (past.shape[1], self.factors))
        with single_threaded("blas"):
            model = self._library()
            # Points of either sign: from its own, all positive, it takes twice the iterations.
            model.item_factors = drawn.astype(np.float32)
            model.user_factors = np.zeros((past.shape[0], self.factors), dtype=np.float32)
            model.fit(self._confidence(whole.counted), show_progress=False)
        self.products_, self._solver = np.asarray(model.item_factors), None

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        return np.asarray(self.points(some.counted) @ self.products_.T, dtype=float)

    def points(self, counted: sparse.csr_matrix) -> np.ndarray:
        """Return the points of customers who ordered each product so often."""
        if self._solver is None:
            with single_threaded("blas"):
                self._solver = self._library(num_threads=1)
                self._solver.item_factors = self.products_
                self._solver.YtY  # noqa: B018 - worked out once, before threads ask for it
        found = self._solver.recalculate_user(
            np.arange(counted.shape[0]), self._confidence(counted)
        )
        return np.asarray(found)

    def _library(self, **told: Any) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            self.factors, self.penalty, iterations=self.iterations, **told
        )

    def _confidence(self, counted: sparse.csr_matrix) -> sparse.csr_matrix:
        found = counted.astype(np.float32)
        found.data = 1 + self.alpha * found.data
        return found


class FactorizationMachine(Method):
    """Factorization machine of customer, product and the product's attributes.

    Rendle (2010), Factorization machines, ICDM, equation 1: a score is the sum of a weight of each
    feature and of the products of all pairs of features' points. A product's features are itself
    and its type, category, maker, brand and department, as far as they are known; pairs among those
    are the same for every customer and stand in the product's weight. The loss is the weighted
    squares of Hu, Koren and Volinsky (2008): a purchase is a 1 whose confidence is 1 + alpha ×
    orders, everything else a 0. Each step is a least-squares problem in closed form: customers;
    products, drawn to the sum of their attributes; attributes. A product that nobody bought is
    what its attributes say, and a customer who came later needs no new fit.

    Parameters
    ----------
    factors, iterations : int
    alpha, penalty : float
        Confidence of an order; λ of customers, and of a product beside its attributes.
    shared : float
        λ of attributes. As these are by default, households of an earlier season were ranked best.
    """

    products_: np.ndarray

    def __init__(
        self,
        factors: int = 32,
        iterations: int = 15,
        alpha: float = 1.0,
        penalty: float = 50.0,
        shared: float = 50.0,
    ) -> None:
        self.factors, self.iterations = factors, iterations
        self.alpha, self.penalty, self.shared = alpha, penalty, shared

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        counted = whole.counted.astype(np.float32)
        columns = counted.T.tocsr()
        attributes = indicators(past.attributes)
        left = (attributes.T @ attributes).toarray()
        left[np.diag_indices_from(left)] += self.shared / self.penalty
        rng = np.random.default_rng(seed)
        # The first coordinate is the weight: every customer's is 1.
        products = rng.normal(0, 0.01, (counted.shape[1], self.factors + 1)).astype(np.float32)
        for _ in range(self.iterations):
            customers = self.points(counted, products)
            told = attributes @ np.linalg.solve(left, attributes.T @ products)
            products = self._solve(columns, customers, told.astype(np.float32))
        self.products_ = products

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        place = self.points(some.counted.astype(np.float32), self.products_)
        return np.asarray(place @ self.products_.T, dtype=float)

    def points(self, counted: sparse.csr_matrix, products: np.ndarray) -> np.ndarray:
        """Return the points of customers who ordered each product so often, the first place 1."""
        first = np.zeros((counted.shape[0], products.shape[1]), dtype=np.float32)
        first[:, 0] = 1.0
        return self._solve(counted, products, first, held=1)

    def _solve(
        self, rows: sparse.csr_matrix, other: np.ndarray, prior: np.ndarray, held: int = 0
    ) -> np.ndarray:
        """Return the best point of each row where the other side stands still.

        Points are drawn to the prior, and the first coordinates may be held there.
        """
        found, size = prior.copy(), other.shape[1]
        gram = other.T @ other + self.penalty * np.eye(size, dtype=np.float32)
        for low in range(0, rows.shape[0], ROWS):
            more = self.alpha * rows[low : low + ROWS]
            start = prior[low : low + ROWS]
            # A coordinate at a time: what all pairs of coordinates take would not fit.
            left = np.stack([more @ (other * other[:, [i]]) for i in range(size)], axis=1) + gram
            right = (more + more.sign()) @ other + self.penalty * start
            right -= np.einsum("nij,nj->ni", left[:, :, :held], start[:, :held])
            best = np.linalg.solve(left[:, held:, held:], right[:, held:, None])
            found[low : low + ROWS, held:] = best[..., 0]
        return found
