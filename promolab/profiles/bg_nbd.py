"""How often customers will order, and whether they still are customers: BG/NBD in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, hyp2f1

from promolab.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

STARTING_ROWS = 20_000
"""Customers who tell where to begin: an evaluation costs as much as there are customers."""
SURE = 2.706
"""Twice the gain in likelihood from which on leaving is seen (Self & Liang 1987, case 5; 5 %)."""
NODES = 24
"""Ages at which the hypergeometric function is worked out for each count of orders."""
LARGEST, ALIKE = 12.0, 6.0
"""Largest logarithms of alpha, and of r, a and b: beyond them customers are all alike."""


@dataclass(frozen=True)
class OrderModel:
    """BG/NBD: customers order at rates of their own, and may leave after any order.

    Parameters
    ----------
    r, alpha : float
        Shape and rate of the gamma distribution of orders a unit of time.
    a, b : float
        Of the beta distribution of the chance to leave after an order; ``a`` is 0 where no leaving
        is seen.
    log_likelihood : float

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2).
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, repeats: ArrayLike, recency: ArrayLike, age: ArrayLike) -> np.ndarray:
        """Return the chance that each is still a customer, shape (n,).

        Parameters
        ----------
        repeats, recency, age : array-like of shape (n,)
            Orders after the first, time from the first to the last order, and time since the first.
        """
        x, t_x, t = _checked(repeats, recency, age)
        if not self.a:
            return np.ones(len(x))
        odds = math.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        odds = odds + (self.r + x) * np.log((self.alpha + t) / (self.alpha + t_x))
        return np.where(x > 0, expit(-odds), 1.0)

    def buys(
        self, repeats: ArrayLike, recency: ArrayLike, age: ArrayLike, ahead: float
    ) -> np.ndarray:
        """Return the chance that each orders at all in the time ahead, shape (n,).

        Who is a customer still orders at a rate whose distribution is gamma, ``r + x`` and ``alpha
        + t`` its parameters (section 4 of the paper): its Laplace transform is the chance of none.
        """
        x, t_x, t = _checked(repeats, recency, age)
        none = np.exp((self.r + x) * -np.log1p(ahead / (self.alpha + t)))
        return np.asarray(self.alive(x, t_x, t) * (1 - none))

    def orders(
        self, repeats: ArrayLike, recency: ArrayLike, age: ArrayLike, ahead: float
    ) -> np.ndarray:
        """Return how many orders to expect of each in the time ahead, shape (n,).

        Equation 10 of the paper.
        """
        x, t_x, t = _checked(repeats, recency, age)
        if not self.a:
            return np.asarray((self.r + x) / (self.alpha + t) * ahead)
        return np.asarray(self._orders_of_the_living(x, t, ahead) * self.alive(x, t_x, t))

    def _orders_of_the_living(self, x: np.ndarray, t: np.ndarray, ahead: float) -> np.ndarray:
        """Work the hypergeometric function out at some ages for each count, and go between them.

        It is smooth in the logarithm of ``alpha + t``: of a million ages, 24 do to ten digits.
        """
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        counts, code = np.unique(x, return_inverse=True)
        place = np.log(self.alpha + t)
        low, wide = float(place.min()), float(np.ptp(place)) or 1.0
        at = np.polynomial.chebyshev.chebpts1(NODES)
        age = np.exp(low + wide * (at + 1) / 2)
        k, z = counts[:, None], ahead / (age + ahead)
        # Powers that cancel one another overflow in the paper's form where there are many orders;
        # Euler's transformation of it stays finite there, and is not where leaving is very likely.
        euler = self.r + k > a - 1
        held = hyp2f1(
            np.where(euler, a + self.b - 1 - self.r, self.r + k),
            np.where(euler, a - 1, self.b + k),
            a + self.b + k - 1,
            z,
        )
        held = held * np.exp(np.where(euler, a - 1, self.r + k) * np.log1p(-z))
        told = (a + self.b + k - 1) / (a - 1) * (1 - held)
        # Where customers are all alike, the function is beyond what it can be worked out for; then
        # one chance to leave does for all: the same integral in closed form.
        leave = self.a / (self.a + self.b + k)
        alike = -np.expm1(-(self.r + k) * np.log1p(leave * ahead / age)) / leave
        told = np.where(np.isfinite(told) & (told >= 0), told, alike)
        curves = np.polynomial.chebyshev.chebfit(at, told.T, NODES - 1)
        return np.asarray(
            np.polynomial.chebyshev.chebval(2 * (place - low) / wide - 1, curves[:, code], False)
        )


def fit_orders(repeats: ArrayLike, recency: ArrayLike, age: ArrayLike) -> OrderModel:
    """Fit BG/NBD by maximum likelihood; where leaving adds nothing beyond chance, without it.

    Parameters
    ----------
    repeats, recency, age : array-like of shape (n,)
        As for `OrderModel.alive`.

    Raises
    ------
    InputError
        Shapes that differ, negative figures, a recency beyond the age, or nobody with a repeat.

    Examples
    --------
    >>> model = fit_orders([0, 2, 5, 1] * 50, [0.0, 20.0, 55.0, 9.0] * 50, [60.0] * 200)
    >>> model.orders([5], [55.0], [60.0], 28)[0] > model.orders([1], [9.0], [60.0], 28)[0]
    np.True_
    """
    x, t_x, t = _checked(repeats, recency, age)
    if not x.any():
        raise InputError("nobody ordered twice; how often customers come back is not known")
    scale = float(t.mean())
    t_x, t = t_x / scale, t / scale
    rng = np.random.default_rng(0)
    some = rng.permutation(len(x))[:STARTING_ROWS]
    start = np.array([0.0, math.log(max(1 / max(x.mean(), 1e-9), 1e-9)), 0.0, 1.0])
    bounds = [(-LARGEST, ALIKE), (-LARGEST, LARGEST), *[(-LARGEST, ALIKE)] * 2]
    found: dict[bool, tuple[np.ndarray, float]] = {}
    for leaving in (False, True):
        begin = start if leaving else start[:2]
        for rows in (some, slice(None)) if len(x) > STARTING_ROWS else (slice(None),):
            data = _Counted(x[rows], t_x[rows], t[rows])
            best = minimize(
                data.loss, begin, jac=True, method="L-BFGS-B", bounds=bounds[: len(begin)],
                options={"ftol": 1e-13, "gtol": 1e-9},
            )  # fmt: skip
            begin = best.x
        found[leaving] = best.x, -float(best.fun) * len(x)
        if not leaving:
            start[:2] = best.x
    theta, told = found[2 * (found[True][1] - found[False][1]) > SURE]
    r, alpha = np.exp(theta[:2])
    a, b = np.exp(theta[2:]) if len(theta) == 4 else (0.0, 0.0)
    told -= float(x.sum()) * math.log(scale)
    return OrderModel(float(r), float(alpha * scale), float(a), float(b), told)


class _Counted:
    """The mean log likelihood of some customers; log-gammas are worked out once a count."""

    def __init__(self, x: np.ndarray, t_x: np.ndarray, t: np.ndarray) -> None:
        self.x, self.t_x, self.t = x, t_x, t
        self.counts, self.code = np.unique(x, return_inverse=True)
        self.many = np.bincount(self.code) / len(x)
        self.again = x > 0

    def loss(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return minus the mean log likelihood and its gradient by the logarithms."""
        r, alpha = np.exp(theta[:2])
        k, many = self.counts, self.many
        told = many @ (gammaln(r + k) - gammaln(r)) + r * math.log(alpha)
        by = [many @ (digamma(r + k) - digamma(r)) + math.log(alpha), r / alpha]
        late = np.log(alpha + self.t)
        power = r + self.x
        if len(theta) == 2:
            told -= float(power @ late) / len(self.x)
            by[0] -= late.mean()
            by[1] -= float((power / (alpha + self.t)).mean())
            return -float(told), -np.array(by) * np.exp(theta)
        a, b = np.exp(theta[2:])
        told += many @ (gammaln(a + b) + gammaln(b + k) - gammaln(b) - gammaln(a + b + k))
        both = digamma(a + b) - digamma(a + b + k)
        by += [many @ both, many @ (both + digamma(b + k) - digamma(b))]
        early = np.log(alpha + self.t_x)
        left = (math.log(a) - np.log(b + np.maximum(k, 1) - 1))[self.code] + power * (late - early)
        left = np.where(self.again, left, -np.inf)
        more = np.logaddexp(0.0, left)
        gone = np.where(self.again, np.exp(left - more), 0.0)
        told += float((more - power * late).mean())
        by[0] -= float((late - gone * (late - early)).mean())
        by[1] -= float((power * ((1 - gone) / (alpha + self.t) + gone / (alpha + self.t_x))).mean())
        by[2] += float(gone.mean()) / a
        by[3] -= float((gone / (b + np.maximum(self.x, 1) - 1)).mean())
        return -float(told), -np.array(by) * np.exp(theta)


def _checked(*columns: ArrayLike) -> list[np.ndarray]:
    x, t_x, t = (np.asarray(column, dtype=float) for column in columns)
    if not (x.shape == t_x.shape == t.shape) or x.ndim != 1 or not len(x):
        raise InputError(
            f"repeats, recency and age have the shapes {x.shape}, {t_x.shape}, {t.shape}; expected "
            "(n,) all, of at least one customer"
        )
    if not (np.isfinite(x) & (x >= 0) & (t_x >= 0) & (t_x <= t)).all():
        raise InputError(
            "repeats, recency or age is negative or missing, or a recency is beyond the age; "
            "expected 0 ≤ recency ≤ age"
        )
    return [x, t_x, t]
