"""The doubly robust scores that averages and groups are means of."""

from __future__ import annotations

import numpy as np

__all__ = ["crump_cutoff", "effect_scores", "potential_scores"]


def potential_scores(
    y: np.ndarray, codes: np.ndarray, propensity: np.ndarray, mu: np.ndarray
) -> np.ndarray:
    r"""Return an unbiased stand-in for each row's outcome under each arm.

    :math:`\psi_k = \hat\mu_k + 1[A = k]\,(Y - \hat\mu_k) / e_k` (Robins, Rotnitzky & Zhao 1994).
    Its mean is right if either the propensities or the outcome models are.

    Parameters
    ----------
    y : ndarray of shape (n,)
    codes : ndarray of int of shape (n,)
        Arm of each row.
    propensity : ndarray of shape (n, K)
    mu : ndarray of shape (n, K)
        Predicted outcome under each arm, from a model that did not see the row.

    Returns
    -------
    ndarray of shape (n, K)
        nan for an arm that a row could not have got.

    Examples
    --------
    >>> mu = np.array([[1.0, 2.0], [1.0, 2.0]])
    >>> potential_scores(np.array([3.0, 2.0]), np.array([1, 0]), np.full((2, 2), 0.5), mu)
    array([[1., 4.],
           [3., 2.]])
    """
    psi = np.where(propensity > 0, mu, np.nan)
    rows = np.arange(len(y))
    psi[rows, codes] += (y - mu[rows, codes]) / propensity[rows, codes]
    return psi


def effect_scores(psi: np.ndarray) -> np.ndarray:
    r"""Return :math:`\Gamma_k = \psi_k - \psi_0` of every arm but the control."""
    return psi[:, 1:] - psi[:, :1]


def crump_cutoff(variance: np.ndarray) -> float:
    r"""Return the largest variance factor that a row may have and stay in the average.

    With :math:`v = 1/e_k + 1/e_0` the average effect over the rows with :math:`v \le \gamma` has
    a variance in proportion to :math:`E[v \mid v \le \gamma] / P(v \le \gamma)`: the γ of the
    smallest, or infinity where all rows may stay.

    Parameters
    ----------
    variance : ndarray of shape (n,)
        v of each row.

    References
    ----------
    Crump, Hotz, Imbens & Mitnik (2009), Biometrika 96(1).

    Examples
    --------
    >>> crump_cutoff(np.array([4.0, 4.2, 5.0, 4.1]))
    inf
    >>> crump_cutoff(np.array([4.0, 4.2, 5.0, 4.1, 900.0]))
    5.0
    """
    ranked = np.sort(variance)
    if not len(ranked):
        return float("inf")
    best = int(np.argmin(np.cumsum(ranked) / np.arange(1, len(ranked) + 1) ** 2.0))
    return float("inf") if best == len(ranked) - 1 else float(ranked[best])
