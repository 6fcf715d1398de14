"""Differential privacy: what a release may tell of one customer, and a model that keeps to it."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from promolab.checks import choice, real_number, refuse, span
from promolab.errors import InputError
from promolab.model.inputs.encoding import ColumnCode, Encoder
from promolab.model.inputs.reading import check_columns, check_present, is_numeric

if TYPE_CHECKING:
    from promolab.model.learners import Training


_PROCESS = secrets.token_hex(32)  # the secret of whoever states none: of this process alone
# Fixed on simulated shops (1,500 customers, seeds 0–2) before any real row was looked at.
STEEP = 20.0  # bounds reach so many times the scale from which arcsinh turns logarithmic
CONSTANT = 2.0  # length of the constant beside features that reach from −1 to 1
SECOND = 0.3  # weight of the second moments against those with the outcome, as noise is shared out
RIDGE = 4.0  # times the size of the noise in the matrix of second moments
LEAST_SLOPE = 0.1  # of the outcome along what was learned, where noise hides it
SKEWED = 5.0  # standard deviations apart at which a score, skewed as they are, tells half as much


@dataclass(frozen=True)
class Privacy:
    r"""What a release may tell of one customer: (ε, δ)-differential privacy.

    Data with and without any one customer, all rows of theirs, give what is released with chances
    that differ by a factor of at most :math:`e^\varepsilon`, but for δ.

    Parameters
    ----------
    epsilon : float
        ε, above 0: 1 protects well, 3 still, beyond 10 hardly.
    delta : float
        δ, below 1 / number of customers.
    bounds : mapping of str to (float, float)
        The columns that may be used, all numbers, and the smallest and largest value that each
        counts for; stated from knowledge of the shop, never read from its data. Values beyond count
        as the bound, missing ones as the lower bound.
    unit : {"customer"}
        Who is protected.
    secret : str
        What the noise follows from, together with ``seed`` of the model and the rows: whoever knows
        it can take the noise off. By default this process's own, so that another process draws
        other noise. `ResponseModel.save` leaves it out.

    Raises
    ------
    InputError
        ε or δ out of range, no bounds, or bounds the wrong way round.

    Examples
    --------
    >>> one = Privacy(1.0, 1e-5, {"orders_84d": (0, 100)})
    >>> round(one.mu, 4), round(one.spent([one.mu] * 52), 3)
    (0.2681, 9.587)
    """

    epsilon: float
    delta: float
    bounds: Mapping[str, tuple[float, float]] = field(hash=False)
    unit: str = "customer"
    secret: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        real_number("epsilon", self.epsilon, above=0)
        real_number("delta", self.delta, above=0, below=1)
        choice("unit", self.unit, ["customer"])
        if not isinstance(self.bounds, Mapping) or not self.bounds:
            raise refuse("bounds", self.bounds, 'columns and their ends: {"orders_84d": (0, 100)}')
        ends = {str(name): span(f"bounds of {name!r}", pair) for name, pair in self.bounds.items()}
        object.__setattr__(self, "bounds", ends)

    @property
    def mu(self) -> float:
        """μ of the Gaussian mechanism that ε and δ allow (`gaussian_mu`)."""
        return gaussian_mu(self.epsilon, self.delta)

    def spent(self, mus: Iterable[float]) -> float:
        """Return the ε of several releases together at this δ: μ² adds up, exactly."""
        return gaussian_epsilon(math.hypot(*mus), self.delta)


def gaussian_delta(epsilon: float, mu: float) -> float:
    r"""Return δ at ε of a Gaussian mechanism whose noise is sensitivity / μ.

    :math:`\Phi(-\varepsilon/\mu + \mu/2) - e^\varepsilon \Phi(-\varepsilon/\mu - \mu/2)` (Balle &
    Wang 2018, theorem 8; Dong, Roth & Su 2022, corollary 2.13).

    Examples
    --------
    >>> round(gaussian_delta(1.0, 1.0), 6)
    0.126937
    """
    below = np.exp(epsilon + log_ndtr(-epsilon / mu - mu / 2))
    return float(ndtr(-epsilon / mu + mu / 2) - below)


def gaussian_mu(epsilon: float, delta: float) -> float:
    """Return the largest μ whose Gaussian mechanism is (ε, δ)-private.

    Examples
    --------
    >>> round(gaussian_mu(3.0, 1e-5), 4)
    0.7191
    """
    most = math.sqrt(2 * epsilon) + 40.0
    return float(brentq(lambda mu: gaussian_delta(epsilon, mu) - delta, 1e-9, most, xtol=1e-14))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the smallest ε at which μ is (ε, δ)-private; 0 where nothing was released.

    Examples
    --------
    >>> round(gaussian_epsilon(gaussian_mu(3.0, 1e-5), 1e-5), 9), gaussian_epsilon(0.0, 1e-5)
    (3.0, 0.0)
    """
    if mu <= 0 or gaussian_delta(0.0, mu) <= delta:
        return 0.0
    most = mu * mu / 2 + 40.0 * mu
    return float(brentq(lambda e: gaussian_delta(e, mu) - delta, 0.0, most, xtol=1e-13))


def uniforms(secret: str, shape: tuple[int, ...], *told: Any) -> np.ndarray:
    """Return numbers between 0 and 1 that follow from a secret and from what else is told.

    A stream of SHAKE-256 (FIPS 202): without the secret nobody can draw them again.

    Examples
    --------
    >>> a, b = uniforms("one", (2,), "counts"), uniforms("two", (2,), "counts")
    >>> bool((a == uniforms("one", (2,), "counts")).all()), bool((a == b).any())
    (True, False)
    """
    stream = hashlib.shake_256(repr((secret or _PROCESS, *told)).encode())
    words = np.frombuffer(stream.digest(8 * math.prod(shape)), "<u8").reshape(shape)
    return np.asarray(((words >> 11) + 0.5) / 2.0**53)


def bounded_encoder(bounds: Mapping[str, tuple[float, float]], columns: Iterable[str]) -> Encoder:
    """Return the encoding that bounds alone say: bent, from −1 to 1, clipped.

    Examples
    --------
    >>> encoder = bounded_encoder({"orders": (0, 20)}, ["orders"])
    >>> encoder.transform(pd.DataFrame({"orders": [-5, 20, 900, None]})).ravel()
    array([-1.,  1.,  1., -1.])
    """
    codes = []
    for name in sorted(columns):
        low, high = bounds[name]
        bend = (high - low) / STEEP
        first, last = (math.asinh(end / bend) for end in (low, high))
        scale: Any = {"bend": bend, "mean": (first + last) / 2, "sd": (last - first) / 2}
        codes.append(ColumnCode(name, "numeric", median=low, low=-1.0, high=1.0, **scale))
    return Encoder(tuple(codes))


@dataclass(frozen=True)
class Sums:
    """Sums over customers of the moments of their rows, a customer's rows averaged.

    Whoever is added or taken away changes ``second`` by at most 1 (Frobenius) and ``first`` by at
    most 1 (Euclid), however many rows they have.

    Parameters
    ----------
    second : ndarray, shape (…, k + 1, k + 1)
        Σ φφᵀ, φ = (`CONSTANT`, z) / √(`CONSTANT`² + k), z the k encoded columns.
    first : ndarray, shape (…, k + 1)
        Σ yφ.
    noise : float
        Standard deviation of the noise in ``first``; that in ``second`` is 1 / `SECOND` of it on
        the diagonal, and 1/√2 of that off it.
    """

    second: np.ndarray
    first: np.ndarray
    noise: float = 0.0

    @classmethod
    def of(
        cls, z: np.ndarray, y: np.ndarray, cluster: np.ndarray, weight: np.ndarray | None = None
    ) -> Sums:
        """Return the exact sums; z is clipped to [−1, 1]."""
        weight = np.ones(len(y)) if weight is None else weight
        share = weight / pd.Series(weight).groupby(pd.factorize(cluster)[0]).transform("sum")
        k = z.shape[1]
        rows = np.column_stack([np.full(len(y), CONSTANT), z.clip(-1, 1)])
        rows /= math.sqrt(CONSTANT**2 + k)
        counted = rows * share.to_numpy()[:, None]
        return cls(counted.T @ rows, counted.T @ y)

    def released(self, privacy: Privacy, seed: int = 0, draws: int = 1) -> Sums:
        """Return ``draws`` noisy versions, each one release of ``privacy``.

        Other rows, another seed or another secret give noise that has nothing to do with this: two
        releases never differ by what the rows alone differ by.
        """
        k = len(self.first)
        exact = np.round(np.append(self.second, self.first), 6) + 0.0  # the last digits may differ
        told = ("moments", int(seed), float(privacy.epsilon), float(privacy.delta), exact.tobytes())
        drawn = ndtri(uniforms(privacy.secret, (draws, k + 1, k), *told))
        noise = math.hypot(1.0, SECOND) / privacy.mu
        # Off the diagonal the variance is 1/2: each pair counts twice in Frobenius' norm.
        square = (drawn[:, :k] + drawn[:, :k].transpose(0, 2, 1)) / 2
        second = self.second + noise / SECOND * square
        return Sums(second, self.first + noise * drawn[:, k], noise)


def solve_sums(sums: Sums, l2: float) -> tuple[np.ndarray, ...]:
    r"""Return linear models of the log odds from noisy sums alone, one per draw.

    Least squares of the outcome with a ridge that outweighs the noise, negative eigenvalues set to
    0; then, along that direction, the slope without what noise adds to it. D, by how many of its
    standard deviations the score of those who respond lies above that of the others, becomes a
    slope of D / (1 + D / `SKEWED`) (of a normal score it would be D: Haggstrom 1983), and the
    intercept makes the mean chance :math:`\bar p` for a normal score (MacKay 1992, the probit
    approximation). All of it is post-processing: it tells no more than the sums do.

    Returns
    -------
    weights, mean : ndarray, shape (draws, k)
        Of the encoded columns: their weights, and their noisy means.
    intercept, customers, positives : ndarray, shape (draws,)
        Log odds of the average customer; how many there are and respond, noisily.
    """
    k = sums.first.shape[-1] - 1
    length = CONSTANT**2 + k
    n = np.maximum(sums.second[:, 0, 0] * length / CONSTANT**2, 2.0)
    mean = (sums.second[:, 0, 1:] * length / CONSTANT / n[:, None]).clip(-1, 1)
    positives = (sums.first[:, 0] * math.sqrt(length) / CONSTANT).clip(0.001 * n, 0.999 * n)
    outer = mean[:, :, None] * mean[:, None, :]
    values, axes = np.linalg.eigh(sums.second[:, 1:, 1:] * length - n[:, None, None] * outer)
    values = values.clip(0.0)
    along = sums.first[:, 1:] * math.sqrt(length) - positives[:, None] * mean
    along = np.einsum("dij,di->dj", axes, along)  # in the axes of the columns' spread
    inverse = 1 / (values + l2 + RIDGE * sums.noise / SECOND * length * math.sqrt(k))
    scores = along * inverse
    spread = np.maximum((scores**2 * values).sum(axis=1), 1e-12)
    told = (scores * along).sum(axis=1) - sums.noise**2 * length * inverse.sum(axis=1)
    p, sd = positives / n, np.sqrt(spread / n)
    apart = np.maximum(told / spread, LEAST_SLOPE) * sd / (p * (1 - p))
    apart /= 1 + apart / SKEWED
    weights = (apart / sd)[:, None] * np.einsum("dij,dj->di", axes, scores)
    logit = np.log(p / (1 - p)) * np.sqrt(1 + math.pi / 8 * apart**2)
    return weights, mean, logit, n, positives


def private_sums(training: Training, privacy: Privacy) -> tuple[Encoder, Sums]:
    """Return the encoding that the bounds say, and the exact sums of some rows.

    Raises
    ------
    InputError
        A column without bounds, or that holds no numbers; no customers; δ above 1 / their number.
    """
    chosen = check_columns(training.columns or privacy.bounds)
    for name in chosen:
        if name not in privacy.bounds:
            raise InputError(f"privacy has no bounds of {name!r}; state them, or leave it out")
    check_present(training.X, chosen)
    if texts := [name for name in chosen if not is_numeric(training.X[name])]:
        raise InputError(f"column {texts[0]!r} holds no numbers, which bounds are of; leave it out")
    if training.cluster is None:
        raise InputError("privacy is a customer's; give cluster=, the customer of each row")
    customers = int(pd.Series(training.cluster).nunique())
    if privacy.delta > 1 / customers:
        raise refuse("delta", privacy.delta, f"far less than 1/n = 1/{customers:,}")
    encoder = bounded_encoder(privacy.bounds, chosen)
    beside = training.labels[:, 0], training.cluster, training.weight
    return encoder, Sums.of(encoder.transform(training.X), *beside)


def fit_private(
    training: Training, privacy: Privacy, l2: float
) -> tuple[Encoder, np.ndarray, float, tuple[int, int]]:
    """Return encoder, weights, intercept, and noisy numbers of customers and of those who respond.

    The encoder is moved to the noisy means, so that the intercept is the average customer's.
    """
    encoder, sums = private_sums(training, privacy)
    found = solve_sums(sums.released(privacy, training.seed), l2)
    weights, mean, intercept, customers, positives = (one[0] for one in found)
    moved = (
        replace(code, mean=code.mean + m * code.sd, low=code.low - m, high=code.high - m)
        for code, m in zip(encoder.codes, mean.tolist(), strict=True)
    )
    counts = round(float(customers)), round(float(positives))
    return Encoder(tuple(moved)), weights, float(intercept), counts
