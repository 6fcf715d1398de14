"""Customers, products and what is known of products as points of one space, in closed form."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.recommend.factors import Als
from promolab.recommend.method import Profiles, indicator
from promolab.recommend.purchases import Purchases


class FactorizationMachine(Als):
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

    ARRAYS: ClassVar[tuple[str, ...]] = ("products_",)

    def __init__(
        self,
        factors: int = 32,
        iterations: int = 15,
        alpha: float = 1.0,
        penalty: float = 50.0,
        shared: float = 50.0,
    ) -> None:
        super().__init__(factors, iterations, alpha, penalty)
        self.shared = shared

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        rows = whole.counted.astype(np.float32)
        columns = rows.T.tocsr()
        attributes = indicators(past.attributes)
        left = (attributes.T @ attributes).toarray()
        left[np.diag_indices_from(left)] += self.shared / self.penalty
        rng = np.random.default_rng(seed)
        # The first coordinate is the weight: every customer's is 1.
        products = rng.normal(0, 0.01, (rows.shape[1], self.factors + 1)).astype(np.float32)
        for _ in range(self.iterations):
            customers = self._customers(rows, products)
            told = attributes @ np.linalg.solve(left, attributes.T @ products)
            products = self._solve(columns, customers, told.astype(np.float32))
        self.products_ = products

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        place = self._customers(some.counted.astype(np.float32), self.products_)
        return np.asarray(place @ self.products_.T, dtype=float)

    def _customers(self, rows: sparse.csr_matrix, products: np.ndarray) -> np.ndarray:
        first = np.zeros((1, products.shape[1]), dtype=np.float32)
        first[0, 0] = 1.0
        return self._solve(rows, products, first, held=1)


def indicators(attributes: pd.DataFrame) -> sparse.csr_matrix:
    """Return products × values of attributes, 1 where the product has the value.

    Examples
    --------
    >>> indicators(pd.DataFrame({"brand": ["x", "y", None], "type": ["a", "a", "a"]})).toarray()
    array([[1., 0., 1.],
           [0., 1., 1.],
           [0., 0., 1.]])
    """
    n = len(attributes)
    parts = [sparse.csr_matrix((n, 0))]
    for name in attributes.columns:
        codes, values = pd.factorize(attributes[name])
        parts.append(indicator(codes, len(values)))
    return sparse.csr_matrix(sparse.hstack(parts))
