"""What scores of past decisions say of a plan's customers, without the luck of what looked best.

A plan picks the kinds and the customers that look best, and part of why they do is chance. What
kinds add on average, and by how much customers differ as foretold, are therefore drawn together
before the plan's customers are added up: means of kinds to their common mean, differences between
customers to none, each as far as past decisions cannot tell better. A sum of such figures is right
on average whatever chose its customers by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics import random_effects

if TYPE_CHECKING:
    from promolab.campaign.worth import Worth

USUAL = 0.5
"""By what share of the mean effect kinds, and customers as they are foretold, usually differ.

The least that is believed before the data speak: of four kinds chance often shows no difference.
"""


class Scores:
    """What scores of past decisions say of customers with promotions.

    Parameters
    ----------
    worth : Worth
        With ``rows``.

    Notes
    -----
    For each kind the doubly robust scores of its effect are regressed on what models that had not
    seen the customer foretold: a mean, and what one standard deviation of the foretold is worth.
    Their errors, with one another's, come from what single customers moved them by. Both are then
    shrunk: empirical Bayes, with a flat prior for the common mean. What folds share needs no wider
    error (as in `promolab.policy.plan_value`), for no figure here is of what they chose.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), Generic machine learning inference on
    heterogeneous treatment effects (the regression); Efron & Morris (1973), JASA 68 (shrinking);
    Andrews, Kitagawa & McCloskey (2024), QJE 139 (inference on winners).
    """

    def __init__(self, worth: Worth) -> None:
        assert worth.rows is not None
        rows, amounts = worth.rows, worth.amounts
        self.worth = worth
        self.columns = np.array([amounts.place(arm) for arm in rows.arms])
        kinds = np.array([amounts.promotions[c].kind for c in self.columns], dtype=object)
        names, self.kind = np.unique(kinds.astype(str), return_inverse=True)
        self.left = amounts.value - amounts.given["moved"]
        self.centre, self.sd = np.zeros(len(names)), np.zeros(len(names))
        found, moved = np.zeros(2 * len(names)), []
        clusters = int(rows.cluster.max()) + 1
        for k in range(len(names)):
            j = int(np.argmax(np.where(self.kind == k, np.abs(self._factor), -1.0)))
            some, left = rows.eligible[:, j], float(self.left[:, self.columns[j]].mean())
            factor = self._factor[j] or 1.0
            x, y = ((a[some, j] - left) / factor for a in (rows.effect, rows.gamma))
            # Within folds: the mean that others foretell of a fold is low where its own is high.
            fold = np.searchsorted(rows.folds, rows.fold[some])
            x = x - (np.bincount(fold, x) / np.maximum(np.bincount(fold), 1))[fold]
            self.centre[k] = float(amounts.given["moved"][:, self.columns[j]].mean()) / factor
            spread = float(x.std())
            apart = spread > 1e-6 * float(np.abs(y).mean())
            self.sd[k] = spread if apart else 0.0
            z = x / spread if apart else np.zeros(len(x))
            design = np.column_stack([np.ones(len(z)), z])
            inverse = np.linalg.pinv(design.T @ design)
            line = inverse @ (design.T @ y)
            found[2 * k : 2 * k + 2] = line
            parts = (design * (y - design @ line)[:, None]) @ inverse
            moved += [np.bincount(rows.cluster[some], part, clusters) for part in parts.T]
        influence = np.column_stack(moved)
        self.estimate, self.covariance = _shrunk(found, influence.T @ influence)

    @property
    def _factor(self) -> np.ndarray:
        return np.asarray(self.worth.amounts.given["factor"][self.columns], dtype=float)

    def total(self, place: np.ndarray, columns: np.ndarray, whole: float) -> tuple[float, float]:
        """Return what customers with promotions add, and the variance of that.

        Parameters
        ----------
        place, columns : ndarray of int of shape (m,)
            Of each customer the row, and the column, of ``worth.amounts``.
        whole : float
            The sum stands for so many times as many.
        """
        amounts, kinds = self.worth.amounts, len(self.centre)
        # How depths differ is taken to be usual where past decisions do not tell: a ratio to a mean
        # effect near 0 has no error worth its name.
        steps = np.hypot(1.0, amounts.given["factor_se"][self.columns] / USUAL)
        steps = amounts.given["factor_se"][self.columns] / steps
        means, apart = np.zeros(len(self.columns)), np.zeros(len(self.columns))
        left = 0.0
        for j, column in enumerate(self.columns):
            mine = place[columns == column]
            means[j] = len(mine) * self._factor[j]
            foretold = float(amounts.given["moved"][mine, column].sum())
            sd = self.sd[self.kind[j]]
            apart[j] = (foretold - means[j] * self.centre[self.kind[j]]) / sd if sd else 0.0
            left += float(self.left[mine, column].sum())
        weight = np.zeros(2 * kinds)
        np.add.at(weight, 2 * self.kind, means)
        np.add.at(weight, 2 * self.kind + 1, apart)
        gross = means * self.estimate[2 * self.kind] + apart * self.estimate[2 * self.kind + 1]
        # A round's promotions of one kind do better or worse together.
        between = np.bincount(self.kind, gross * amounts.spread[self.columns], kinds)
        factor = np.where(self._factor == 0, 1.0, self._factor)
        terms = gross / factor * steps
        value = float(weight @ self.estimate) + left
        variance = float(weight @ self.covariance @ weight + between @ between + terms @ terms)
        return value * whole, variance * whole**2


def _shrunk(found: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and differences drawn together, and their covariance.

    Parameters
    ----------
    found : ndarray of shape (2 · K,)
        Of each kind the mean, and what one standard deviation of the foretold is worth.
    covariance : ndarray of shape (2 · K, 2 · K)
    """
    kinds = len(found) // 2
    mean, apart = found[0::2], found[1::2]
    own, error = np.diag(covariance)[0::2], np.diag(covariance)[1::2]
    common = random_effects(mean, own)
    usual = USUAL * max(abs(common.mean), common.se) if common.k else 0.0
    between = common.sd**2 if common.k > 1 else 0.0
    between = max(between, usual**2, 1e-12)
    within = max(float(np.mean(apart**2 - error)), usual**2, 1e-12)
    prior = np.zeros_like(covariance)
    prior[0::2, 0::2] = (np.eye(kinds) - 1 / kinds) / between
    prior[1::2, 1::2] = np.eye(kinds) / within
    ridge = 1e-9 * max(float(np.trace(covariance)), 1e-12)
    precision = np.linalg.inv(covariance + ridge * np.eye(len(found)))
    posterior = np.linalg.inv(precision + prior)
    return posterior @ (precision @ found), posterior
