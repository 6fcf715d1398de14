"""Heavy-tailed money: whether a customer buys is learned apart from how much a basket holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promolab.effects.learners.aipw import cross_fit
from promolab.effects.learners.base_learners import Logistic
from promolab.effects.learners.evidence import SLABS, buying
from promolab.effects.learners.linear import LinearFit, ridge
from promolab.effects.learners.rows import Rows

ZEROS, HEAVY = 0.10, 1.0
"""Least share of nothing at all, and coefficient of variation of baskets, of heavy-tailed money."""
ENDS = 0.005
"""Share of the baskets at either end whose logarithm is clipped: a cent is no news."""
FLOOR = 0.10
"""Least standard deviation of the arms' smearing factors: none is believed to change nothing."""


def heavy_tailed(y: np.ndarray) -> bool:
    """Say whether an outcome is money of which some is nothing and baskets differ widely.

    Examples
    --------
    >>> baskets = np.exp(1.3 * np.random.default_rng(0).normal(size=900))
    >>> heavy_tailed(np.append(baskets, np.zeros(300))), heavy_tailed(np.array([0.0, 1.0, 1.0]))
    (True, False)
    """
    baskets = y[y > 0]
    if len(baskets) < 2 or (y < 0).any() or len(baskets) > (1 - ZEROS) * len(y):
        return False
    return bool(baskets.std() > HEAVY * baskets.mean())


def smoothed(rows: Rows, Z: np.ndarray) -> Rows:
    """Return the rows with each basket as it was to be expected of its customer and arm.

    A basket's own luck says nothing of an effect, and hides it. What is expected is learned from
    other folds, on the logarithm, and brought back to money by the arm's factor (`arm_factors`).

    Parameters
    ----------
    rows : Rows
    Z : ndarray of shape (n, p)
        Encoded covariates.
    """
    bought, wide = rows.y > 0, rows.with_blocks(Z)
    logs = _logs(rows.y)
    line = cross_fit(rows.fold, wide, lambda which: ridge(wide[which], logs[which]), bought)
    expected = np.exp(np.clip(line, logs[bought].min(), logs[bought].max()))
    factor = arm_factors(rows.y[bought], expected[bought], rows.codes[bought], rows.arms)
    return replace(rows, y=np.where(bought, expected * factor[rows.codes], 0.0))


def arm_factors(y: np.ndarray, expected: np.ndarray, codes: np.ndarray, arms: int) -> np.ndarray:
    """Return by what each arm's baskets are to be multiplied, shape (K,).

    The shift of the arm's logarithms, and what of its sum that leaves (Duan 1983, smearing), drawn
    to that of all arms as far as they differ by chance.

    Parameters
    ----------
    y, expected : ndarray of shape (n,)
        Baskets above 0, and what was expected of them.
    codes : ndarray of int of shape (n,)
    arms : int

    Examples
    --------
    >>> y = np.exp(np.random.default_rng(0).normal(size=20_000))
    >>> codes = np.arange(20_000) % 2
    >>> arm_factors(np.where(codes, 1.5 * y, y), np.ones(20_000), codes, 2).round(1).tolist()
    [1.6, 2.5]
    """

    if not len(y):
        return np.ones(arms)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, minlength=arms)

    n = np.maximum(total(np.ones(len(y))), 1)
    shift = np.exp(total(np.log(y / expected)) / n)
    told = expected * shift[codes]
    common = y.sum() / told.sum()
    whole = np.maximum(common * total(told), 1e-300)
    ratio = np.where(total(told) > 0, total(y) / whole, 1.0)
    error = total((y - ratio[codes] * common * told) ** 2) / whole**2
    between = max(float(((ratio - 1) ** 2 - error).mean()), FLOOR**2)
    return np.asarray(shift * common * (1 + between / (between + error) * (ratio - 1)))


@dataclass(frozen=True)
class TwoPartEffect:
    """What an arm does to money: its chance of buying less that without it, times baskets.

    Parameters
    ----------
    without, with_it : Logistic
        Chances of buying under the control and under the arm.
    basket : LinearFit
        Logarithm of a basket under the control.
    factor : float
        By which the arm changes it.
    """

    without: Logistic
    with_it: Logistic
    basket: LinearFit
    factor: float

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return the effects, shape (n,)."""
        more = self.factor * self.with_it.predict(Z) - self.without.predict(Z)
        return np.asarray(np.exp(self.basket.predict(Z)) * more)


def two_part_effects(
    Z: np.ndarray, y: np.ndarray, codes: np.ndarray, arms: int
) -> list[TwoPartEffect]:
    """Fit what each arm but the control does to buying (`buying`) and to baskets.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    y : ndarray of shape (n,)
        Smoothed money (`smoothed`).
    codes : ndarray of int of shape (n,)
    arms : int
    """
    bought = y > 0
    odds = buying(np.column_stack([np.ones(len(Z)), Z]), bought, codes, arms, *SLABS[0])[0]
    odds[1:] += odds[0]
    chances = [Logistic(each[1:], float(each[0])) for each in odds]
    line = ridge(Z[bought], np.log(y[bought]))
    told = np.exp(line.predict(Z[bought]))
    factor = arm_factors(y[bought], told, codes[bought], arms)
    basket = replace(line, level=line.level + float(np.log(factor[0])))
    return [
        TwoPartEffect(chances[0], chances[k], basket, float(factor[k] / factor[0]))
        for k in range(1, arms)
    ]


def _logs(y: np.ndarray) -> np.ndarray:
    """Return the logarithms of what is above 0, clipped at both ends; 0 of the others."""
    logs = np.log(np.where(y > 0, y, 1.0))
    return np.where(y > 0, np.clip(logs, *np.quantile(logs[y > 0], [ENDS, 1 - ENDS])), 0.0)
