"""AIPW scores: one number per row whose mean over any group is the effect in that group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.checks import aligned, labels_of
from promolab.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def aipw_scores(
    y: ArrayLike,
    treated: ArrayLike,
    propensity: ArrayLike | None = None,
    mu: ArrayLike | None = None,
) -> np.ndarray:
    """Score every row so that the mean over any group of rows is the effect in that group.

    Parameters
    ----------
    y : array-like of shape (n,)
        The outcome: 0/1, or an amount of money.
    treated : array-like of shape (n,)
        0/1 or booleans; with several arms their codes 0, 1, …, K − 1, 0 for the control.
    propensity : float or array-like, optional
        Two arms: the chance of treatment, one number or one per row; by default the share treated.
        Several arms: shape (n, K), the chance of each arm, on all rows. On a subset of arms
        renormalise first: with thirds for two e-mails and none, one e-mail against none has 1/2.
    mu : array-like of shape (n, 2) or (n, K), optional
        Expected outcome of each row in each arm, the control first, from a model that has not seen
        the row (cross-fitted). By default the arms' means, weighted by 1/propensity.

    Returns
    -------
    ndarray
        Shape (n,) with two arms; (n, K − 1) with propensities of shape (n, K), a column per
        treatment, nan in rows where that treatment or the control was impossible: leave them out.

    Raises
    ------
    InputError
        If shapes differ, values are missing, a propensity is outside (0, 1), or an arm is empty.

    Notes
    -----
    Γ_k = μ_k − μ_0 + 1[A = k](y − μ_k)/e_k − 1[A = 0](y − μ_0)/e_0. With known propensities its
    mean is the average effect whatever μ is; a good μ makes it less noisy. Where the propensity is
    estimated, one of the two being right is enough. Intervals made of the scores take propensities
    for known: with the share treated in their place they are a little too wide, never too narrow.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994), JASA 89(427).

    Examples
    --------
    >>> aipw_scores([1, 0, 1, 0], [1, 1, 0, 0], 0.5).tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    y, treated, propensity, mu = aligned(y=y, treated=treated, propensity=propensity, mu=mu)
    outcome = checked_outcome(y)
    n = len(outcome)
    shape = () if propensity is None else np.asarray(propensity).shape
    several = len(shape) == 2
    arm = _arm_codes(treated, n, shape[1] if several else 2)
    chances = _arm_chances(arm, propensity, n)
    expected = _arm_means(outcome, arm, chances) if mu is None else _checked_mu(mu, chances.shape)
    received = arm[:, None] == np.arange(chances.shape[1])
    weight = np.where(received, 1.0, 0.0) / np.where(chances > 0, chances, np.nan)
    shifted = expected + weight * (outcome[:, None] - expected)
    gamma: np.ndarray = shifted[:, 1:] - shifted[:, :1]
    return gamma if several else gamma[:, 0]


def checked_outcome(y: ArrayLike, name: str = "y") -> np.ndarray:
    """Return an outcome as float64 of shape (n,)."""
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not numeric; give 0/1 or amounts of money") from None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not len(values):
        raise InputError(f"{name} has shape {values.shape}; give one number per row")
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        raise InputError(
            f"{name} has {wrong:,} values of {len(values):,} that are missing or infinite; leave "
            "out rows whose outcome is not known yet"
        )
    return values


def checked_propensity(propensity: ArrayLike, n: int) -> np.ndarray:
    """Return the chance of treatment, one number or one per row."""
    try:
        chances = np.asarray(propensity, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("propensity is not numeric; give shares between 0 and 1") from None
    if chances.ndim > 1 or (chances.ndim == 1 and len(chances) != n):
        raise InputError(
            f"propensity has shape {chances.shape} and y {n:,} rows; give one chance of treatment, "
            "or one per row (of several arms make scores with aipw_scores and pass them as gamma)"
        )
    _check_chances(chances)
    return chances


def _check_chances(chances: np.ndarray) -> None:
    wrong = ~((chances > 0) & (chances < 1))
    if wrong.any():
        found = float(chances[wrong].ravel()[0])
        raise InputError(
            f"propensity is {found:g} in {int(np.count_nonzero(wrong)):,} places; where one arm is "
            "certain nothing can be compared, so leave such rows out"
        )


def _arm_codes(treated: ArrayLike, n: int, arms: int) -> np.ndarray:
    if arms == 2 and np.ndim(treated) == 1:
        codes = labels_of("treated", treated).astype(np.int64)
    else:
        codes = np.asarray(treated)
        if codes.ndim != 1 or codes.dtype.kind not in "iub":
            raise InputError(f"treated holds {codes.dtype} values; give the arms' codes 0, 1, …")
        codes = codes.astype(np.int64)
        if len(codes) and (codes.min() < 0 or codes.max() >= arms):
            raise InputError(
                f"treated runs from {codes.min()} to {codes.max()} and propensity has {arms} "
                "columns; give codes 0, 1, …, one column each"
            )
    if len(codes) != n:
        raise InputError(f"treated has {len(codes):,} rows and y {n:,}; give one per row")
    empty = np.flatnonzero(np.bincount(codes, minlength=arms) == 0)
    if len(empty):
        raise InputError(f"no row has arm {empty[0]}; leave the arm out, or add its rows")
    return codes


def _arm_chances(arm: np.ndarray, propensity: ArrayLike | None, n: int) -> np.ndarray:
    """Return the chance of each arm, shape (n, K)."""
    if propensity is None:
        share = float(arm.mean())
        return np.broadcast_to([1 - share, share], (n, 2))
    if np.ndim(propensity) < 2:
        chance = np.broadcast_to(checked_propensity(propensity, n), (n,))
        return np.column_stack([1 - chance, chance])
    chances = np.asarray(propensity, dtype=np.float64)
    if len(chances) != n or chances.shape[1] < 2:
        raise InputError(f"propensity has shape {chances.shape} and y {n:,} rows; give (n, arms)")
    if not ((chances >= 0) & (chances <= 1)).all() or not np.allclose(chances.sum(axis=1), 1.0):
        raise InputError("propensity has rows that are no shares of 1; give each arm's chance")
    if wrong := int(np.count_nonzero(chances[np.arange(n), arm] == 0)):
        raise InputError(
            f"{wrong:,} rows got an arm that their propensity calls impossible; check that the "
            "columns stand in the order of the arms' codes"
        )
    return chances


def _arm_means(y: np.ndarray, arm: np.ndarray, chances: np.ndarray) -> np.ndarray:
    got = 1 / chances[np.arange(len(y)), arm]
    weight = np.bincount(arm, weights=got, minlength=chances.shape[1])
    means = np.bincount(arm, weights=got * y, minlength=chances.shape[1]) / weight
    return np.broadcast_to(means, chances.shape)


def _checked_mu(mu: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(mu, dtype=np.float64)
    if values.shape != shape:
        raise InputError(
            f"mu has shape {values.shape}, expected {shape}: a column per arm, the control first"
        )
    if not np.isfinite(values).all():
        raise InputError("mu has missing or infinite values; every row needs both expectations")
    return values
