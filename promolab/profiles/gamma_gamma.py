"""What an order of each customer is worth: the gamma-gamma model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from promolab.errors import InputError
from promolab.wording import number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LARGEST = 12.0
"""Largest logarithm of a parameter: beyond it orders, or customers, are all alike."""
LEAST = 0.01
"""Of the mean: what an order counts as at least, for the model knows nothing at or below 0."""


@dataclass(frozen=True)
class OrderValue:
    """Gamma-gamma: orders of one customer differ by chance around a mean of their own.

    Parameters
    ----------
    p, q, v : float
        Shape of orders around a customer's mean; shape and rate of what customers differ by.
    mean : float
        What an order brings in the mean of customers; money.
    n : int
        Customers.

    References
    ----------
    Fader & Hardie (2013), The gamma-gamma model of monetary value.
    """

    p: float
    q: float
    v: float
    mean: float
    n: int

    def expected(self, orders: ArrayLike, value: ArrayLike) -> np.ndarray:
        """Return what a further order of each customer will bring, shape (n,).

        Each customer's own mean, drawn towards that of all: the more orders, the less.

        Parameters
        ----------
        orders : array-like of shape (n,)
        value : array-like of shape (n,)
            Mean of those orders; money.

        Examples
        --------
        >>> few = OrderValue(p=6.0, q=4.0, v=15.0, mean=30.0, n=100)
        >>> few.expected([1, 20], [60.0, 60.0]).round(1).tolist()
        [50.0, 59.3]
        """
        x, z = np.asarray(orders, dtype=float), np.asarray(value, dtype=float)
        return np.asarray(self.p * (self.v + x * z) / (self.p * x + self.q - 1))


def fit_order_value(orders: ArrayLike, value: ArrayLike) -> OrderValue:
    """Fit the gamma-gamma model by maximum likelihood.

    Parameters
    ----------
    orders : array-like of shape (n,)
        At least one each.
    value : array-like of shape (n,)
        Mean of each customer's orders; what is below a hundredth of the mean counts as that.

    Raises
    ------
    InputError
        Shapes that differ, a customer without orders, or orders that bring nothing in the mean.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.gamma(4, 1 / 15, size=20_000)
    >>> x = rng.integers(1, 9, size=20_000)
    >>> model = fit_order_value(x, rng.gamma(6 * x) / (rate * x))
    >>> round(model.p), round(model.q), round(model.v)
    (6, 4, 15)
    """
    x, z = np.asarray(orders, dtype=float), np.asarray(value, dtype=float)
    if x.shape != z.shape or x.ndim != 1 or not len(x) or not (x >= 1).all():
        raise InputError(
            f"orders and value have the shapes {x.shape} and {z.shape}; expected (n,) both, of at "
            "least one customer, and an order of each"
        )
    mean = float((x @ z) / x.sum())
    if not mean > 0:
        raise InputError(f"orders bring {number(mean)} in the mean; expected more than 0")
    z = np.maximum(z / mean, LEAST)
    counts, code = np.unique(x, return_inverse=True)
    many = np.bincount(code) / len(x)
    log_z = float(np.log(z) @ x) / len(x)
    # What does not hang on the parameters is left out.

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, v = np.exp(theta)
        pk = p * counts
        late = np.log(v + x * z)
        told = many @ (gammaln(pk + q) - gammaln(pk)) - gammaln(q) + q * theta[2]
        told += p * (log_z + float(many @ (counts * np.log(counts)))) - float(
            (p * x + q) @ late
        ) / len(x)
        by_p = many @ (counts * (digamma(pk + q) - digamma(pk) + np.log(counts))) + log_z
        by_p -= float(x @ late) / len(x)
        by_q = many @ digamma(pk + q) - digamma(q) + theta[2] - float(late.mean())
        by_v = q / v - float(((p * x + q) / (v + x * z)).mean())
        return -float(told), -np.array([by_p, by_q, by_v]) * np.array([p, q, v])

    best = minimize(
        loss, np.array([0.5, 1.0, 1.0]), jac=True, method="L-BFGS-B",
        bounds=[(-LARGEST, LARGEST), (0.01, LARGEST), (-LARGEST, LARGEST)],
        options={"ftol": 1e-12, "gtol": 1e-8},
    )  # fmt: skip
    p, q, v = np.exp(best.x)
    return OrderValue(float(p), float(q), float(v * mean), mean, len(x))
