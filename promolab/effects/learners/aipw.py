"""An experiment as arrays; chances of the arms and expected outcomes, cross-fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects.learners.base_learners import BaseLearner, Lesson, Predictor
from promolab.effects.learners.linear import Cells, Targets, values_of
from promolab.metrics.uplift import aipw_scores
from promolab.model.inputs import Encoder, NativeEncoder
from promolab.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment


@dataclass(frozen=True)
class Design:
    """How frames become matrices; learned from all rows, without a look at any outcome.

    Parameters
    ----------
    encoder : Encoder, NativeEncoder or None
        None where nothing varies: then all rows are alike, and every effect is an average.
    columns : tuple of str
        The covariates that a frame must have.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"orders": [1, 2, 4, 30], "shop": ["here"] * 4})
    >>> design = Design.learn(X, "encoded")
    >>> design.matrix(X).shape, design.sources
    ((4, 1), ['orders'])
    """

    encoder: Encoder | NativeEncoder | None
    columns: tuple[str, ...]

    @classmethod
    def learn(cls, X: pd.DataFrame, style: str) -> Design:
        """Learn the columns: ``encoded`` for linear models, ``native`` for trees."""
        columns = tuple(map(str, X.columns))
        if not columns or not any(len(X[c].unique()) > 1 for c in X.columns):
            return cls(None, columns)
        encoder = NativeEncoder if style == "native" else Encoder
        return cls(encoder.fit(X), columns)

    def matrix(self, X: pd.DataFrame, out: np.ndarray | None = None) -> np.ndarray:
        """Return the columns, float64 of shape (n, p), written to ``out`` where it is given.

        Raises
        ------
        InputError
            A covariate is missing, or is of another kind than it was.
        """
        return np.empty((len(X), 0)) if self.encoder is None else self.encoder.transform(X, out)

    @property
    def sources(self) -> list[str]:
        """For each column of the matrix the covariate that it comes from."""
        if self.encoder is None:
            return []
        return (
            self.encoder.names if isinstance(self.encoder, NativeEncoder) else self.encoder.sources
        )

    def categorical_or_none(self, width: int) -> np.ndarray | None:
        """Return which of the first ``width`` columns hold codes of levels; None if none does.

        Columns beyond the design's own, added to its right, are numbers.
        """
        if not isinstance(self.encoder, NativeEncoder) or not self.encoder.categorical.any():
            return None
        mask = np.zeros(width, dtype=bool)
        mask[: len(self.encoder.categorical)] = self.encoder.categorical
        return mask


def folds_of(customers: pd.Series, folds: int, seed: int) -> np.ndarray:
    """Deal customers out to folds in the order of a hash, so that the rows' order changes nothing.

    Parameters
    ----------
    customers : Series of length n
        Their ids.
    folds : int
    seed : int
        Part of the hash.

    Returns
    -------
    ndarray of int of shape (n,)
        Fold of each row: all rows of a customer are in one.

    Examples
    --------
    >>> import pandas as pd
    >>> ids = pd.Series(["a", "b", "a", "c", "d"])
    >>> fold = folds_of(ids, 2, seed=0)
    >>> bool(fold[0] == fold[2]), np.bincount(fold[[0, 1, 3, 4]]).tolist()
    (True, [2, 2])
    """
    import pandas as pd

    codes, names = pd.factorize(customers)
    numbers = np.asarray(names)
    if numbers.dtype.kind not in "iu":
        numbers = pd.Series(names).astype(str).to_numpy(dtype=object)
    hashed = pd.util.hash_array(numbers)
    # Whole steps of the golden ratio keep the hashes of two seeds apart.
    step = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    mixed = pd.util.hash_array(hashed + step)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(mixed, kind="stable")] = np.arange(len(names))
    return (rank % folds)[codes]


WORTH_THREADS = 5_000_000
"""Values of a matrix from which on trees are grown by several threads."""


@dataclass(frozen=True)
class Rows:
    """An experiment as arrays.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Outcome.
    codes : ndarray of int of shape (n,)
        Arm, 0 the control.
    arms : int
        K, the number of arms.
    cluster, fold : ndarray of int of shape (n,)
        Customer, and the fold that the customer is in.
    folds : int
    propensity : ndarray of shape (n, K), optional
        Chances of the arms where they are known.
    block : ndarray of int of shape (n,), optional
        Round of the decision.
    binary : bool
        Whether the outcome is 0 or 1.
    seed : int
    """

    y: np.ndarray
    codes: np.ndarray
    arms: int
    cluster: np.ndarray
    fold: np.ndarray
    folds: int
    propensity: np.ndarray | None = None
    block: np.ndarray | None = None
    binary: bool = False
    seed: int = 0

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    def lesson(self, Z: np.ndarray, which: np.ndarray, design: Design) -> Lesson:
        """Return the outcome of some rows as what a model is to learn."""
        return Lesson(Z[which], self.y[which], design, self.seed, self.binary)

    def before_blocks(self, columns: int) -> np.ndarray:
        """Return room for some columns, and a column per round but the first.

        Rounds differ in what nothing else shows.
        """
        rounds = 0 if self.block is None or not self.n else int(self.block.max())
        wide = np.zeros((self.n, columns + rounds))
        if self.block is not None:
            later = np.flatnonzero(self.block)
            wide[later, columns + self.block[later] - 1] = 1.0
        return wide

    def with_blocks(self, Z: np.ndarray) -> np.ndarray:
        """Add a column per round but the first."""
        wide = self.before_blocks(Z.shape[1])
        wide[:, : Z.shape[1]] = Z
        return wide


def rows_of(
    experiment: Experiment, outcome: str | None, fold: np.ndarray, folds: int, seed: int
) -> Rows:
    """Return an experiment as arrays.

    Parameters
    ----------
    experiment : Experiment
    outcome : str, optional
        The first by default.
    fold : ndarray of int of shape (n,)
        Fold of each row.
    folds, seed : int
    """
    y = experiment.y(outcome)
    block = None
    if experiment.block is not None:
        column = experiment.frame[experiment.block]
        block = np.asarray(column.factorize(sort=True, use_na_sentinel=False)[0], dtype=np.int64)
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    of_arms = experiment.codes, experiment.K, experiment.cluster, fold, folds
    return Rows(y, *of_arms, experiment.propensity, block, binary, seed)


@contextmanager
def steady(size: int) -> Iterator[None]:
    """Compute with one thread where several would change digits, or cost more than they bring.

    Parameters
    ----------
    size : int
        Values of the largest matrix.
    """
    with ExitStack() as stack:
        stack.enter_context(single_threaded("blas"))
        if size < WORTH_THREADS:
            stack.enter_context(single_threaded("openmp"))
        yield


PIECE = 8192
"""Rows whose expected outcomes are worked out at a time, by the models of all folds."""
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
    wide: np.ndarray,
    design: Design,
    learner: BaseLearner,
    chances: np.ndarray,
    cells: Cells | None = None,
) -> Nuisance:
    """Estimate the outcome under every arm, and the scores that come of it.

    Parameters
    ----------
    rows : Rows
    wide : ndarray of shape (n, p)
        Columns for ``learner``, those of the rounds among them.
    design : Design
        What made the others.
    learner : BaseLearner
    chances : ndarray of shape (n, K)
        Chances of the arms.
    cells : Cells, optional
        Of ``wide`` by `arms_and_folds`, where lines of another outcome were fitted to them.
    """
    mu = np.empty((rows.n, rows.arms), order="F")
    plain = not wide.shape[1] and bool((chances == chances[:1]).all())

    def fit(which: np.ndarray) -> Predictor:
        return learner.outcome(rows.lesson(wide, which, design))

    if learner.linear and not rows.binary and not plain:
        targets = Targets(cells or Cells(wide, arms_and_folds(rows)), rows.y[:, None])
        others = [rows.fold != fold for fold in range(rows.folds)]
        arms = [rows.codes == arm for arm in range(rows.arms)]
        lines = [targets.line(mine & rest) for rest in others for mine in arms]
        for part in (slice(begin, begin + PIECE) for begin in range(0, rows.n, PIECE)):
            found, fold = values_of(lines, wide[part]), rows.fold[part]
            mu[part] = found.reshape(len(fold), rows.folds, -1)[np.arange(len(fold)), fold]
    else:
        for arm in range(rows.arms):
            mine = rows.codes == arm
            # Of a mean a row's own part is what every mean has of it: nothing is to be cross-fit.
            alone = plain and mine.any()
            mu[:, arm] = rows.y[mine].mean() if alone else cross_fit(rows.fold, wide, fit, mine)
    gamma = aipw_scores(rows.y, rows.codes, chances, mu)
    weight = (rows.codes == 0) / np.where(chances[:, 0] > 0, chances[:, 0], np.nan)
    return Nuisance(mu, chances, gamma, mu[:, 0] + weight * (rows.y - mu[:, 0]), plain)


def arms_and_folds(rows: Rows) -> np.ndarray:
    """Return a number for each arm and fold, shape (n,): expected outcomes are learned by them."""
    return np.asarray(rows.codes * rows.folds + rows.fold)


def estimate_propensity(rows: Rows, Z: np.ndarray, clip: float) -> np.ndarray:
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
    ndarray of shape (n, K)
    """
    wide = rows.with_blocks(Z)
    chances = np.empty((rows.n, rows.arms))
    for fold in range(rows.folds):
        there = rows.fold == fold
        chances[there] = _chances(wide[~there], rows.codes[~there], rows.arms, wide[there])
    chances = np.maximum(chances, clip)
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


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
