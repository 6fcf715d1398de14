"""Calibration: correct probabilities by what a model said of rows that it had not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.model.inputs.encoding import unseen_expected
from promolab.model.inputs.reading import check_labels, check_weight
from promolab.stats import dealt
from promolab.threads import single_threaded
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.model.learners import Learner, Training


FOLDS = 5
LEAST_SLOPE = 0.01  # a model that ranks no better than chance becomes all but flat, not reversed


@dataclass(frozen=True)
class Calibrator:
    r"""A rising line from what a model says (log odds) to what comes true (log odds), by Platt.

    :math:`a z + b` of the log odds z, by logistic regression, its slope at least 0.01 so that no
    two rows change places. It learns from smoothed labels :math:`(n_1 + 1) / (n_1 + 2)` and
    :math:`1 / (n_0 + 2)`, so no probability becomes 0 or 1.

    Parameters
    ----------
    slope, intercept : float

    References
    ----------
    Platt (1999), in Advances in Large Margin Classifiers. Niculescu-Mizil & Caruana (2005), ICML.

    Examples
    --------
    >>> import numpy as np
    >>> says = np.array([-4.0, -3.0, -2.0, 2.0, 3.0, 4.0])
    >>> timid = Calibrator.fit(says, np.array([0, 1, 0, 1, 0, 1]))
    >>> bool(0 < timid.slope < 1)
    True
    """

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(
        cls, logits: np.ndarray, labels: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> Calibrator:
        """Learn the line.

        Parameters
        ----------
        logits : ndarray, shape (n,)
            Log odds that a model said of rows it had not seen.
        labels : ndarray of 0 and 1, shape (n,)
            What happened; both present.
        sample_weight : ndarray, shape (n,), optional
            How many rows each counts for.

        Raises
        ------
        InputError
            Logits that are missing or infinite, labels of a single class.
        """
        logits, labels = np.asarray(logits, dtype=float), check_labels(labels, len(logits))
        if logits.ndim != 1 or not np.isfinite(logits).all():
            raise InputError("the logits must be one finite number per row, and some are not")
        weight = check_weight(sample_weight, len(logits))
        positives = float(weight[labels == 1].sum())
        negatives = float(weight.sum()) - positives
        smoothed = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        return cls(*_sigmoid(logits, smoothed, weight))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return the corrected log odds, of the same shape."""
        return self.slope * logits + self.intercept


def cross_fitted_calibrators(
    training: Training, fit: Callable[[Training], list[Learner]]
) -> list[Calibrator]:
    """Learn a calibrator per outcome from rows that the models behind it had not seen.

    Whole promotions (``training.group``) are left out, a fifth at a time, dealt out in the order of
    a hash so that the rows' order changes nothing; whole customers where there are no promotions or
    too few of them, and single rows where nothing is said of either.

    Parameters
    ----------
    training : Training
        All rows.
    fit : callable
        Fits new learners on a part of the rows.

    Returns
    -------
    list of Calibrator
        One per outcome.

    Raises
    ------
    InputError
        Rows that cannot be split so that both parts have both classes.
    """
    logits = _out_of_fold(training, deal(training), fit)
    weight = check_weight(training.weight, len(logits))
    found = []
    for z, y in zip(logits.T, training.labels.T, strict=True):
        known = np.isfinite(z) & np.isfinite(y)
        found.append(Calibrator.fit(z[known], y[known], weight[known]))
    return found


def deal(training: Training, folds: int = FOLDS) -> np.ndarray:
    """Return the fold of each row: whole promotions, else whole customers, else rows.

    Raises
    ------
    InputError
        No way of leaving some out leaves both classes to learn from and to calibrate with.
    """
    given = {"promotion": training.group, "customer": training.cluster}
    units = {what: values for what, values in given.items() if values is not None}
    tried = []
    for what, values in (units or {"row": np.arange(len(training.labels))}).items():
        fold, n = dealt(values, folds, training.seed)
        if _serves(fold, training.labels):
            return fold
        tried.append(plural(n, what))
    outcomes = ", ".join(map(repr, training.outcomes))
    raise InputError(
        f"calibration needs rows left out that hold both classes of {outcomes}, "
        f"beside others that do: {' and '.join(tried)} cannot be parted so; give more promotions, "
        "or calibration=None"
    )


def _serves(fold: np.ndarray, labels: np.ndarray) -> bool:
    """Whether at least two folds can be predicted, and these hold both classes of each outcome."""
    able = [k for k in np.unique(fold) if _both(labels[fold != k])]
    return len(able) >= 2 and _both(labels[np.isin(fold, able)])


def _both(labels: np.ndarray) -> bool:
    return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).all())


def _out_of_fold(
    training: Training, fold: np.ndarray, fit: Callable[[Training], list[Learner]]
) -> np.ndarray:
    """Return what models of the other folds say, shape of the labels; nan where none could."""
    from tqdm import tqdm

    found = np.full(training.labels.shape, np.nan)
    folds = np.unique(fold)
    bar = tqdm(
        folds,
        desc="calibrating",
        unit="fold",
        leave=False,
        delay=2,
        disable=None if training.progress else True,
    )
    for k in bar:
        part = replace(training.only(fold != k), progress=False, track=None)
        if _both(part.labels):
            rows = np.flatnonzero(fold == k)
            held_out = training.X.iloc[rows]
            with unseen_expected():
                found[rows] = np.hstack([learner.logit(held_out) for learner in fit(part)])
    return found


def _sigmoid(logits: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return Platt's slope and intercept, the slope at least `LEAST_SLOPE`."""
    from scipy.optimize import brentq
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression

    if np.ptp(logits) > 1e-9 * max(float(np.abs(logits).max()), 1.0):
        # Centred and scaled, so that no start is far away; each row as one that came and one that
        # did not, with the parts of its label as weights.
        middle, scale = float(np.mean(logits)), float(np.std(logits))
        rows = np.tile((logits - middle) / scale, 2)[:, None]
        came, parts = np.repeat([1, 0], len(logits)), (weight * target, weight * (1 - target))
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1_000)
        with single_threaded("blas"):  # sums split over threads differ in their last digits
            model.fit(rows, came, sample_weight=np.concatenate(parts))
        slope = float(model.coef_[0, 0]) / scale
        if slope >= LEAST_SLOPE:
            return slope, float(model.intercept_[0]) - slope * middle
    offset, total = LEAST_SLOPE * logits, float((weight * target).sum())
    far = float(np.abs(offset).max()) + 50
    return LEAST_SLOPE, float(
        brentq(lambda level: float((weight * expit(offset + level)).sum()) - total, -far, far)
    )
