"""What is estimated on the way: chances of the arms and expected outcomes, cross-fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promolab.effects.learners.base_learners import BaseLearner, Predictor
from promolab.effects.learners.rows import Design, Rows
from promolab.metrics.uplift import aipw_scores

PENALTY = 1.0
"""Of the multinomial logistic regression of the arms."""


@dataclass(frozen=True)
class Nuisance:
    """What was estimated on the way to the effects; every row from models that did not see it.

    Parameters
    ----------
    mu : ndarray of shape (n, K)
        Expected outcome under each arm.
    propensity : ndarray of shape (n, K)
        Chances of the arms, known or estimated.
    clipped : int
        Rows of which an estimated chance was raised to the lowest allowed.
    gamma : ndarray of shape (n, K − 1)
        Doubly robust scores of the effects (`promolab.metrics.aipw_scores`); nan where a row could
        not have got the arm or the control.
    control : ndarray of shape (n,)
        Doubly robust scores of the outcome under the control; nan where a row could not get it.
    plain : bool
        Whether nothing is adjusted for: everybody had the same chances, and no column varies. The
        scores' means are the plain differences of the arms' means then.
    """

    mu: np.ndarray
    propensity: np.ndarray
    clipped: int
    gamma: np.ndarray
    control: np.ndarray
    plain: bool = False

    def share(self, arm: int) -> np.ndarray:
        """Return the chance of an arm among the arm and the control, shape (n,)."""
        pair = self.propensity[:, [0, arm]]
        return np.asarray(pair[:, 1] / np.maximum(pair.sum(axis=1), 1e-300))


def cross_fit(
    fold: np.ndarray,
    Z: np.ndarray,
    fit: Callable[[np.ndarray], Predictor],
    mine: np.ndarray | None = None,
) -> np.ndarray:
    """Predict every row by a model of those of ``mine`` (a mask) that lie in other folds.

    Parameters
    ----------
    fold : ndarray of int of shape (n,)
    Z : ndarray of shape (n, p)
    fit : callable
        Takes positions of rows, returns a fitted model.
    mine : ndarray of bool of shape (n,), optional
        All by default.
    """
    from tqdm import tqdm

    predicted = np.empty(len(fold))
    for each in tqdm(np.unique(fold), "cross-fitting", leave=False, disable=None, delay=2):
        there = fold == each
        model = fit(np.flatnonzero(~there if mine is None else mine & ~there))
        predicted[there] = model.predict(Z[there])
    return predicted


def on_treated(
    residual: np.ndarray, treated: np.ndarray, odds: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the doubly robust effect on the treated, and what each row adds to its error.

    Where `fit_nuisance` asks what an arm adds to everybody who could have got it, this asks what it
    added to those who got it: the others stand for them, weighted by their odds.

    Parameters
    ----------
    residual : ndarray of shape (n,)
        Outcome less what is expected without treatment.
    treated : ndarray of bool of shape (n,)
    odds : ndarray of shape (n,)
        e / (1 − e) of those not treated, 0 of the treated.
    """
    ours, theirs = float(residual[treated].mean()), float(odds @ residual / odds.sum())
    added = treated * (residual - ours) / treated.mean() - odds * (residual - theirs) / odds.mean()
    return ours - theirs, added / len(residual)


def worth(weight: np.ndarray) -> float:
    """Return how many equally weighted rows some weighted ones are worth (Kish 1965).

    Examples
    --------
    >>> worth(np.array([1.0, 1.0, 2.0])), worth(np.array([]))
    (2.6666666666666665, 0.0)
    """
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def fit_nuisance(
    rows: Rows,
    Z: np.ndarray,
    design: Design,
    learner: BaseLearner,
    chances: np.ndarray,
    clipped: int,
) -> Nuisance:
    """Estimate the outcome under every arm, and the scores that come of it.

    Parameters
    ----------
    rows : Rows
    Z : ndarray of shape (n, p)
        Columns for ``learner``; those of the rounds are added.
    design : Design
        What made ``Z``.
    learner : BaseLearner
    chances : ndarray of shape (n, K)
        Chances of the arms.
    clipped : int
        How many rows were clipped on the way to them.
    """
    wide = rows.with_blocks(Z)
    mu = np.empty((rows.n, rows.arms))
    plain = not wide.shape[1] and bool((chances == chances[:1]).all())

    def fit(which: np.ndarray) -> Predictor:
        return learner.outcome(rows.lesson(wide, which, design))

    for arm in range(rows.arms):
        mine = rows.codes == arm
        # Of a mean a row's own part is what every mean has of it: there is nothing to cross-fit.
        alone = plain and mine.any()
        mu[:, arm] = rows.y[mine].mean() if alone else cross_fit(rows.fold, wide, fit, mine)
    gamma = aipw_scores(rows.y, rows.codes, chances, mu)
    control = _control_scores(rows, chances[:, 0], mu[:, 0])
    return Nuisance(mu, chances, clipped, gamma, control, plain)


def _control_scores(rows: Rows, chance: np.ndarray, mu: np.ndarray) -> np.ndarray:
    weight = (rows.codes == 0) / np.where(chance > 0, chance, np.nan)
    return np.asarray(mu + weight * (rows.y - mu))


def estimate_propensity(rows: Rows, Z: np.ndarray, clip: float) -> tuple[np.ndarray, int]:
    """Estimate the arms' chances by multinomial logistic regression, cross-fitted, and clip them.

    Parameters
    ----------
    rows : Rows
    Z : ndarray of shape (n, p)
        Encoded covariates.
    clip : float
        Lowest chance allowed: a lower one is raised to it, the others shrink to make room.

    Returns
    -------
    chances : ndarray of shape (n, K)
    clipped : int
        Rows with a chance below ``clip``.
    """
    wide = rows.with_blocks(Z)
    chances = np.empty((rows.n, rows.arms))
    for fold in range(rows.folds):
        there = rows.fold == fold
        chances[there] = _chances(wide[~there], rows.codes[~there], rows.arms, wide[there])
    low = chances < clip
    chances = np.maximum(chances, clip)
    return chances / chances.sum(axis=1, keepdims=True), int(low.any(axis=1).sum())


def _chances(Z: np.ndarray, codes: np.ndarray, arms: int, target: np.ndarray) -> np.ndarray:
    """Return the chances of ``target``'s arms from a model of ``Z`` and ``codes``."""
    shares = np.bincount(codes, minlength=arms) / max(len(codes), 1)
    if Z.shape[1] == 0 or (shares > 0).sum() < 2:
        return np.tile(shares, (len(target), 1))
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / PENALTY, max_iter=1000).fit(Z, codes)
    found = np.zeros((len(target), arms))
    found[:, model.classes_] = model.predict_proba(target)
    return found


def kept_rows(chances: np.ndarray, trim: float | str | None) -> np.ndarray:
    """Return which rows count in each arm's average, shape (n, K − 1).

    Parameters
    ----------
    chances : ndarray of shape (n, K)
    trim : float, "optimal" or None
        A lowest chance of the arm and of the control; or the best one (`crump_cutoff`); or all.
    """
    possible = (chances[:, 1:] > 0) & (chances[:, :1] > 0)
    if trim is None:
        return possible
    if isinstance(trim, (int, float)):
        return np.asarray(possible & (np.minimum(chances[:, 1:], chances[:, :1]) >= trim))
    kept = possible.copy()
    for arm in range(1, chances.shape[1]):
        mine = possible[:, arm - 1]
        variance = 1 / chances[mine][:, [0, arm]]
        factor = variance.sum(axis=1)
        kept[mine, arm - 1] = factor <= crump_cutoff(factor)
    return kept


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
