"""Intervals that hold whenever they are looked at: asymptotic confidence sequences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import level_of, real_number, refuse
from promolab.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FEWEST, EARLIEST = 100, 0.05
"""The burn-in where none is given: so many units, and this part of the horizon, at least."""
FEWEST_BOUGHT, MANY = 10, 1000
"""No look before so many outcomes in each arm, or so many customers whatever their outcomes."""


def confidence_sequence(
    n: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    *,
    level: float = 0.95,
    tuned_for: float,
    burn_in: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Ends of an interval that may be looked at after every customer, for as long as one likes.

    The chance that the truth is ever outside, at any look from the burn-in on, is at most
    1 − ``level``: a test may be stopped on the day that the interval leaves 0. The price is width:
    at the horizon it is tuned for 1.55 times the usual interval (level 0.95), more before and
    after.

    Parameters
    ----------
    n : array-like of shape (k,)
        Units seen until each look.
    mean : array-like of shape (k,)
        The running mean at each look; of two arms, the difference of their means.
    variance : array-like of shape (k,)
        Variance of one unit's value, such that √(variance / n) is the standard error of ``mean``:
        of two arms n₁ and n₀ in fixed proportions, n times (s₁² / n₁ + s₀² / n₀). It needs to be
        right in the long run alone, as an estimate from the data is.
    level : float
        Confidence level, 0–1.
    tuned_for : float
        The ``n`` at which the interval is to be narrowest, such as that of the planned end; fixed
        before the first look.
    burn_in : float, optional
        No interval before so many units (its ends are infinite): the sums must be nearly normal by
        then. By default 100 units, and 5 % of ``tuned_for``, whichever is more; where one in fifty
        buys, that should be some thousands.

    Returns
    -------
    low, high : ndarray of shape (k,)
        In the unit of ``mean``; infinite before the burn-in.

    Raises
    ------
    InputError
        A level outside (0, 1), a horizon or burn-in that is not above 0, columns of other lengths,
        or a variance below 0.

    Notes
    -----
    With r = n / tuned_for and λ = −W₋₁(−α² / e) − 1, half the width is
    √(variance / n) · √((λ r + 1) / (λ r) · ln((λ r + 1) / α²)): the normal-mixture boundary, which
    by a strong approximation holds for every distribution with more than two moments. *Asymptotic*:
    the statement is about a burn-in that grows; `benchmarks/experiments_sequential.py` shows what
    is left of it at the default.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, Annals of Statistics 52 (arXiv 2103.06476); Robbins
    (1970), Annals of Mathematical Statistics 41 (the mixture).

    Examples
    --------
    >>> low, high = confidence_sequence(
    ...     [50, 1000, 2000], [0.2, 0.1, 0.1], [1.0, 1.0, 1.0], tuned_for=2000
    ... )
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([-inf, 0.003, 0.032], [inf, 0.197, 0.168])
    """
    alpha = 1 - level_of(level)
    horizon = real_number("tuned_for", tuned_for, above=0)
    first = default_burn_in(horizon)
    if burn_in is not None:
        first = real_number("burn_in", burn_in, least=0)
    units, means, variances = _columns(n=n, mean=mean, variance=variance)
    if (variances < 0).any() or (units < 0).any():
        name, values = ("n", units) if (units < 0).any() else ("variance", variances)
        raise refuse(name, float(values.min()), "0 or more at every look")
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(variances / units) * multiplier(units / horizon, alpha)
    waits = (units < first) | (units <= 0) | np.isnan(half) | np.isnan(means)
    half = np.where(waits, np.inf, half)
    middle = np.where(waits, 0.0, means)
    return middle - half, middle + half


def multiplier(fraction: ArrayLike, alpha: float) -> np.ndarray:
    """Return how many standard errors half the width is, at a part of the horizon's units.

    Examples
    --------
    >>> multiplier([0.1, 0.5, 1.0, 2.0], 0.05).round(2).tolist()
    [3.82, 3.08, 3.04, 3.06]
    """
    grown = _tuned(alpha) * np.asarray(fraction, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt((grown + 1) / grown * np.log((grown + 1) / alpha**2)))


def enough(bought: ArrayLike, customers: ArrayLike) -> np.ndarray:
    """Return whether an arm's sum may be taken to be normal.

    Parameters
    ----------
    bought : array-like
        How many of its customers count, (Σ y)² ÷ Σ y²: of shares those who did it.
    customers : array-like
        All of them.

    Examples
    --------
    >>> enough([9, 10, 9], [400, 400, 1000]).tolist()
    [False, True, True]
    """
    return np.asarray(
        (np.asarray(bought) >= FEWEST_BOUGHT) | (np.asarray(customers) >= MANY), dtype=bool
    )


def p_at_any_time(times: float, fraction: float, alpha: float) -> float:
    """Return the p value that may be looked at after every customer: at most α once if all is null.

    Parameters
    ----------
    times : float
        How many standard errors the figure is away from what is tested.
    fraction : float
        Units seen as a part of the horizon.
    alpha : float
        1 less the level that the sequence is tuned for; the p value is below it where the
        sequence leaves out what is tested.

    References
    ----------
    Robbins (1970), Annals of Mathematical Statistics 41; Howard, Ramdas, McAuliffe & Sekhon (2021),
    Annals of Statistics 49 (p values of a sequence).

    Examples
    --------
    >>> edge = float(multiplier(1.0, 0.05))
    >>> round(p_at_any_time(edge, 1.0, 0.05), 6), p_at_any_time(0.0, 1.0, 0.05)
    (0.05, 1.0)
    """
    grown = _tuned(alpha) * fraction
    exponent = (math.log1p(grown) - times**2 * grown / (grown + 1)) / 2
    return math.exp(min(exponent, 0.0))


def _tuned(alpha: float) -> float:
    """Return λ: the mixture's precision at which the horizon's interval is narrowest."""
    from scipy.special import lambertw

    return -float(lambertw(-(alpha**2) / math.e, -1).real) - 1


def default_burn_in(tuned_for: float) -> float:
    """Return the units before the first look where nobody said how many."""
    return max(FEWEST, EARLIEST * tuned_for)


def _columns(**columns: Any) -> list[np.ndarray]:
    """Return finite or missing numbers of one length; single ones are columns of one."""
    found = {}
    for name, values in columns.items():
        try:
            found[name] = np.atleast_1d(np.asarray(values, dtype=float))
        except (TypeError, ValueError):
            raise InputError(f"{name} holds {values!r}; expected numbers, one per look") from None
        if found[name].ndim != 1:
            raise InputError(f"{name} has shape {found[name].shape}; give one number per look")
    longest = max(found.values(), key=len)
    for name, values in found.items():
        if len(values) not in (1, len(longest)):
            raise InputError(
                f"{name} has {len(values):,} looks and others {len(longest):,}; give one per look"
            )
    return list(np.broadcast_arrays(*found.values()))
