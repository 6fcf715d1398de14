"""Buying and baskets apart: what arms do to each, and how sure it is that they do anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects.learners.aipw import Design, Rows, cross_fit, steady
from promolab.effects.learners.base_learners import Logistic
from promolab.effects.learners.linear import RANK, LinearFit, pieces, ridge

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

ARM_SPREAD, SHIFT_SPREAD = 0.3, 0.1
"""Standard deviation expected of arms: in the logit of buying, and in the log of a basket."""
ROUNDS = 25
SLABS = ((ARM_SPREAD, ROUNDS), (ARM_SPREAD, 0), (ARM_SPREAD / 2, 0), (ARM_SPREAD / 4, 0))
LIKELY = (1 / 2, 1 / 6, 1 / 6, 1 / 6)
"""What arms may do if anything, and how likely each is: how far they spread, and in how many rounds
it is found how much customers differ (none: they do not). Small effects are no sign of none.
"""
STEPS, CLOSE, ALIKE = 30, 1e-9, 1e-6
HELD, MANY = 4, 20_000
"""Of so many rows the curvature is taken to stay for so many rounds: it hardly moves, and is all
that takes long."""
ZEROS, BUYERS = 0.1, 50
"""Share of decisions without a purchase, and number of those with one, that are there at least."""


@dataclass(frozen=True)
class EffectEvidence:
    """What decisions say of whether promotions do anything, and what they do if so.

    Parameters
    ----------
    design : Design
        How frames become columns: skewed ones bent, none beyond what was seen.
    buying : ndarray of shape (K, d)
        Coefficients in the logit of buying: of none, and what each arm adds.
    covariance : ndarray of shape (K·d, K·d)
        Of them.
    basket : ndarray of shape (d,)
        Of the log of a basket.
    shift, shift_covariance : ndarray of shape (K − 1,) and (K − 1, K − 1)
        What each arm adds to it.
    smearing, smearing_error : float
        Mean basket as a multiple of the exponential of the mean log, and its relative error.
    log_factor : float
        Logarithm of the Bayes factor for effects against none.
    spread_gap : float
        By how many standard errors baskets with arms vary more than those without, as logs. Where
        it is far below 0 promotions cut the largest ones, and the logs promise too much.
    """

    design: Design = field(repr=False)
    buying: np.ndarray = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    basket: np.ndarray = field(repr=False)
    shift: np.ndarray
    shift_covariance: np.ndarray = field(repr=False)
    smearing: float
    smearing_error: float
    log_factor: float
    spread_gap: float = 0.0

    def nothing(self, prior: float = 0.5) -> float:
        """Return the chance that promotions do nothing, given that before the decisions."""
        odds = np.log(prior) - np.log1p(-prior) - self.log_factor
        return float(1 / (1 + np.exp(-np.clip(odds, -700, 700))))

    def effects(self, X: pd.DataFrame) -> np.ndarray:
        """Return what each arm adds if promotions do anything, shape (n, K − 1), in money."""
        buys, spends = self._parts(_with_one(self.design, X))
        worth = buys * spends
        return np.asarray(worth[:, 1:] - worth[:, :1])

    def _parts(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the chance of buying and the mean basket with each arm, (n, K)."""
        line = self.buying + np.where(np.arange(len(self.buying))[:, None] > 0, self.buying[0], 0.0)
        spends = self.smearing * np.exp(Z @ self.basket)[:, None] * np.exp(np.r_[0.0, self.shift])
        return _chance(Z @ line.T), spends

    def error(self, X: pd.DataFrame, choice: np.ndarray) -> float:
        """Return the posterior standard deviation of what a choice of arms adds, by the delta rule.

        Parameters
        ----------
        X : DataFrame of n rows
        choice : ndarray of int of shape (n,)
            The place of each row's arm, −1 for none.
        """
        got = np.flatnonzero(choice >= 0)
        Z, arm = _with_one(self.design, X.iloc[got]), choice[got] + 1
        buys, spends = self._parts(Z)
        rows, of_arm = np.arange(len(got)), np.arange(1, len(self.buying))[:, None] == arm
        steep = buys * (1 - buys) * spends
        here = steep[rows, arm]
        with_arm = Z.T @ (of_arm * here).T
        slope = np.vstack([Z.T @ (here - steep[:, 0]), with_arm.T]).ravel()
        worth = (buys * spends)[rows, arm]
        by_shift = of_arm @ worth
        whole = float((worth - (buys * spends)[:, 0]).sum())
        variance = slope @ self.covariance @ slope + by_shift @ self.shift_covariance @ by_shift
        return float(np.sqrt(variance + (whole * self.smearing_error) ** 2))


def _with_one(design: Design, X: pd.DataFrame) -> np.ndarray:
    """Return the columns, an intercept before them, shape (n, 1 + p)."""
    return np.column_stack([np.ones(len(X)), design.matrix(X)])


def effect_evidence(experiment: Experiment, outcome: str | None = None) -> EffectEvidence | None:
    """Compare how buying and baskets go with the arms and without them.

    Parameters
    ----------
    experiment : Experiment
    outcome : str, optional
        Money; the first by default.

    Returns
    -------
    EffectEvidence or None
        None where chances of the arms are not known or not the same for all, for then whom they
        went to would be taken for what they did; and where the outcome does not fall into buying
        and baskets: it is below 0 somewhere, fewer than a tenth of the rows bought nothing, or
        fewer than 50 bought, or fewer than two with or without an arm.

    Notes
    -----
    The logit of buying is a line in the columns; an arm moves it by t + x·u, t ~ N(0, .3²), u ~
    N(0, s²), s² by expectation maximisation; as likely, s = 0 with .3, a half or a quarter of it.
    The log of a basket is a line with a shift of each arm, N(0, .1²), or as likely with none.
    Evidence by Laplace's approximation (Kass & Raftery 1995, JASA 90): a chance that nothing does
    anything stands beside it (Mitchell & Beauchamp 1988, JASA 83). What arms do to how unequal
    baskets are is not modelled.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.contract import Experiment
    >>> rng, n = np.random.default_rng(0), 4000
    >>> rows = pd.DataFrame({"customer_id": range(n), "age": rng.normal(size=n)})
    >>> rows["mail"] = rng.integers(0, 2, n)
    >>> even, found = [[0.5, 0.5]] * n, []
    >>> for adds in (0.0, 0.2):
    ...     rows["y"] = (rng.random(n) < 0.2 + adds * rows["mail"]) * np.exp(rng.normal(size=n))
    ...     trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=even)
    ...     found.append(effect_evidence(trial).nothing())
    >>> found[0] > 0.5, found[1] < 0.01
    (True, True)
    """
    y, codes, chances = experiment.y(outcome), experiment.codes, experiment.propensity
    bought = y > 0
    if chances is None or float(chances.std(axis=0).max()) > CLOSE:
        return None
    if (y < 0).any() or bought.sum() < BUYERS or bought.mean() > 1 - ZEROS:
        return None
    if np.bincount(codes[bought] > 0, minlength=2).min() < 2:
        return None
    design = Design.learn(experiment.X, "encoded")
    Z = design.matrix(experiment.X)
    with steady(Z.size):
        parts = arms_of(Z, bought, codes, experiment.K)
        fits = [buying(parts, *slab) for slab in SLABS]
        parts = arms_of(Z, bought, np.zeros(len(y), dtype=np.int64), 1)
        alone = buying(parts, *SLABS[-1])[2]
    del parts
    Z = np.column_stack([np.ones(bought.sum()), Z[bought]])
    with_arms, covariance, _ = max(fits[:2], key=lambda fit: fit[2])
    # Averages over what may be: slabs, and baskets that arms change, or do not.
    factor = np.logaddexp.reduce(
        [fit[2] - alone + np.log(p) for fit, p in zip(fits, LIKELY, strict=True)]
    )
    line, shift, of_shift, more = _basket(Z, np.log(y[bought]), codes[bought], experiment.K)
    factor += np.logaddexp(0.0, more) - np.log(2)
    changed = 1 / (1 + np.exp(-more))
    of_shift = changed * (of_shift + (1 - changed) * np.outer(shift, shift))
    shift = changed * shift
    told = np.exp(Z @ line + np.r_[0.0, shift][codes[bought]])
    smearing, given = float(y[bought].sum() / told.sum()), codes[bought] > 0
    off = (y[bought] - smearing * told).std() / y[bought].mean() / np.sqrt(len(told))
    far = [np.log(y[bought] / told)[side] ** 2 for side in (given, ~given)]
    apart = (far[0].mean() - far[1].mean()) / np.hypot(*(x.std() / np.sqrt(len(x)) for x in far))
    found = design, with_arms, covariance, line, shift, of_shift, smearing
    return EffectEvidence(*found, float(off), float(factor), float(apart))


def _chance(line: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(line, -30, 30))))


Arms = list[tuple[np.ndarray, np.ndarray]]
"""Of each arm the columns of its rows, an intercept before them, (n, d), and who bought, (n,)."""


def arms_of(Z: np.ndarray, bought: np.ndarray, codes: np.ndarray, arms: int) -> Arms:
    """Return each arm's rows: the one copy that is made of the columns; codes below 0 have none."""
    parts = []
    for k in range(arms):
        rows = np.flatnonzero(codes == k)
        mine = np.ones((len(rows), 1 + Z.shape[1]))
        for part in pieces(len(rows)):
            mine[part, 1:] = Z[rows[part]]
        parts.append((mine, bought[rows].astype(float)))
    return parts


def buying(parts: Arms, spread: float, rounds: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit who buys, and return coefficients (K, d), their covariance, and the log evidence."""
    arms, d = len(parts), parts[0][0].shape[1]
    beta, own = np.zeros((arms, d)), 0.1**2 if rounds else ALIKE
    base = np.r_[1e-4, np.ones(d - 1)]
    rounds, squares, every = (
        rounds if d > 1 else 0,
        None,
        HELD if sum(len(y) for _, y in parts) >= MANY else 1,
    )
    for left in range(rounds, -1, -1):  # a step for each spread; all that it takes at last
        arm = np.r_[spread**-2, np.full(d - 1, 1 / own)]
        prior = np.stack([base, *[arm] * (arms - 1)])
        squares = None if left in (0, rounds) or left % every == 0 else squares
        steps = 1 if 0 < left < rounds else STEPS
        beta, (inner, moved, top), fit, squares = _mode(parts, beta, prior, steps, squares)
        if left:
            variance = np.diagonal(inner, 0, 1, 2) + ((moved @ top) * moved).sum(axis=2)
            own = max(float((beta[1:] ** 2 + variance)[:, 1:].mean()), ALIKE)
    ends = np.concatenate([np.eye(d), *-moved])
    covariance = ends @ top @ ends.T
    for k, mine in enumerate(inner, 1):
        covariance[k * d : (k + 1) * d, k * d : (k + 1) * d] += mine
    tight = np.linalg.slogdet(top)[1] + np.linalg.slogdet(inner)[1].sum()
    return beta, covariance, float(fit + np.log(prior).sum() / 2 + tight / 2)


def _mode(
    parts: Arms,
    beta: np.ndarray,
    prior: np.ndarray,
    steps: int,
    held: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], float, np.ndarray]:
    """Return the most likely coefficients, their covariance, the log of both densities, curvatures.

    The covariance in three parts: of each arm given none's coefficients, (K − 1, d, d), by how much
    the arms' move against those, and of those. Curvatures are those of each arm's rows, (K, d, d),
    which another step may take as they are (``held``).
    """
    for _ in range(steps):
        lines = [Z @ (beta[0] + (beta[k] if k else 0.0)) for k, (Z, _) in enumerate(parts)]
        chances = [_chance(line) for line in lines]
        slope = np.stack([Z.T @ (y - p) for (Z, y), p in zip(parts, chances, strict=True)])
        slope[0] = slope.sum(axis=0)
        if held is None:
            # Times itself: half the work.
            squares = np.zeros((len(parts), *prior.shape[1:] * 2))
            for k, ((Z, _), p) in enumerate(zip(parts, chances, strict=True)):
                for part in pieces(len(p)):
                    rows = Z[part] * np.sqrt(p[part] * (1 - p[part]))[:, None]
                    squares[k] += rows.T @ rows
        else:
            squares = held
        inner = np.linalg.inv(squares[1:] + prior[1:, :, None] * np.eye(beta.shape[1]))
        moved = inner @ squares[1:]
        around = squares.sum(axis=0) - (squares[1:] @ moved).sum(axis=0)
        top = np.linalg.inv(around + np.diag(prior[0]))
        slope -= prior * beta
        first = top @ (slope[0] - np.einsum("kij,ki->j", moved, slope[1:]))
        step = np.vstack([first, np.einsum("kij,kj->ki", inner, slope[1:]) - moved @ first])
        if np.abs(step).max() < CLOSE**0.5:
            break
        beta = beta + step
    found = zip(parts, lines, strict=True)
    fit = sum(float(y @ line - np.logaddexp(0, line).sum()) for (_, y), line in found)
    return beta, (inner, moved, top), fit - float((prior * beta**2).sum()) / 2, squares


def _basket(
    Z: np.ndarray, logs: np.ndarray, codes: np.ndarray, arms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Fit the log of baskets: their line, the arms' shifts, their covariance, the log factor."""
    given = (codes[:, None] == np.arange(1, arms)).astype(float)
    inverse = np.linalg.pinv(Z.T @ Z, rcond=RANK, hermitian=True)
    line = inverse @ (Z.T @ logs)
    left, moved = logs - Z @ line, given - Z @ (inverse @ (Z.T @ given))
    noise = float(left @ left) / max(len(logs) - Z.shape[1], 1)
    precision = moved.T @ moved / noise + np.eye(arms - 1) / SHIFT_SPREAD**2
    pull = moved.T @ left / noise
    covariance = np.linalg.inv(precision)
    shift = covariance @ pull
    factor = (pull @ shift - np.linalg.slogdet(precision)[1]) / 2 - (arms - 1) * np.log(
        SHIFT_SPREAD
    )
    return line - inverse @ (Z.T @ (given @ shift)), shift, covariance, float(factor)


HEAVY = 1.0
"""Least coefficient of variation of baskets of heavy-tailed money, `ZEROS` of which is nothing."""
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


def smoothed(rows: Rows, wide: np.ndarray) -> Rows:
    """Return the rows with each basket as it was to be expected of its customer and arm.

    A basket's own luck says nothing of an effect, and hides it. What is expected is learned from
    other folds, on the logarithm, and brought back to money by the arm's factor (`arm_factors`).

    Parameters
    ----------
    rows : Rows
    wide : ndarray of shape (n, p)
        Encoded covariates, columns of the rounds beside them.
    """
    bought = rows.y > 0
    logs = np.log(np.where(bought, rows.y, 1.0))
    # Clipped at both ends, so that a few baskets do not decide.
    logs[bought] = np.clip(logs[bought], *np.quantile(logs[bought], [ENDS, 1 - ENDS]))
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
    Z: np.ndarray, y: np.ndarray, codes: np.ndarray, arms: int, which: np.ndarray
) -> list[TwoPartEffect]:
    """Fit what each arm but the control does to buying (`buying`) and to baskets.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    y : ndarray of shape (n,)
        Smoothed money (`smoothed`).
    codes : ndarray of int of shape (n,)
    arms : int
    which : ndarray of bool of shape (n,)
        The rows to learn from.
    """
    bought = y > 0
    odds = buying(arms_of(Z, bought, np.where(which, codes, -1), arms), *SLABS[0])[0]
    odds[1:] += odds[0]
    chances = [Logistic(each[1:], float(each[0])) for each in odds]
    bought &= which
    Z = Z[bought]
    line = ridge(Z, np.log(y[bought]))
    told = np.exp(line.predict(Z))
    factor = arm_factors(y[bought], told, codes[bought], arms)
    basket = replace(line, level=line.level + float(np.log(factor[0])))
    return [
        TwoPartEffect(chances[0], chances[k], basket, float(factor[k] / factor[0]))
        for k in range(1, arms)
    ]
