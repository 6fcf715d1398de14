"""Calibration: correct probabilities by what a model said of rows that it had not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError, nearest
from promolab.model.inputs.encoding import unseen_expected
from promolab.model.inputs.reading import check_labels, check_weight
from promolab.stats import dealt
from promolab.threads import single_threaded
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.model.learners import Learner, Training


METHODS = ("identity", "platt", "isotonic")
"""From the simplest to the most pliable; ``auto`` takes the first of those that are equally good.
"""
FOLDS = 5
LEAST_SLOPE = 0.01  # a model that ranks no better than chance becomes all but flat, not reversed


@dataclass(frozen=True)
class Calibrator:
    r"""A rising function from what a model says (log odds) to what comes true (log odds).

    ``platt``: :math:`a z + b` of the log odds z, by logistic regression, its slope at least 0.01 so
    that no two rows change places. ``isotonic``: the rising steps that fit best, linear between
    them; rows may become equal, never change places. Both learn from Platt's smoothed labels
    :math:`(n_1 + 1) / (n_1 + 2)` and :math:`1 / (n_0 + 2)`, so no probability becomes 0 or 1.
    ``identity`` changes nothing.

    Parameters
    ----------
    method : {"identity", "platt", "isotonic"}
    slope, intercept : float
        Of ``platt``.
    knots, heights : tuple of float
        Of ``isotonic``: log odds that the model says, and what they become.

    References
    ----------
    Platt (1999), in Advances in Large Margin Classifiers. Zadrozny & Elkan (2002), KDD. Niculescu-
    Mizil & Caruana (2005), ICML.

    Examples
    --------
    >>> import numpy as np
    >>> says = np.array([-4.0, -3.0, -2.0, 2.0, 3.0, 4.0])
    >>> timid = Calibrator.fit("platt", says, np.array([0, 1, 0, 1, 0, 1]))
    >>> bool(0 < timid.slope < 1)
    True
    """

    method: str = "identity"
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    heights: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls,
        method: str,
        logits: np.ndarray,
        labels: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> Calibrator:
        """Learn the function.

        Parameters
        ----------
        method : {"identity", "platt", "isotonic"}
        logits : ndarray, shape (n,)
            Log odds that a model said of rows it had not seen.
        labels : ndarray of 0 and 1, shape (n,)
            What happened; both present.
        sample_weight : ndarray, shape (n,), optional
            How many rows each counts for.

        Raises
        ------
        InputError
            An unknown method, logits that are missing or infinite, labels of a single class.
        """
        if method not in METHODS:
            raise InputError(
                f"calibration={method!r} is unknown; {nearest(str(method), [*METHODS, 'auto'])}"
            )
        if method == "identity":
            return cls()
        logits, labels = np.asarray(logits, dtype=float), check_labels(labels, len(logits))
        if logits.ndim != 1 or not np.isfinite(logits).all():
            raise InputError("the logits must be one finite number per row, and some are not")
        weight = check_weight(sample_weight, len(logits))
        low, high = _smoothed(labels, weight)
        if method == "platt":
            slope, intercept = _sigmoid(logits, np.where(labels == 1, high, low), weight)
            return cls("platt", slope, intercept)
        from sklearn.isotonic import IsotonicRegression

        targets = np.where(labels == 1, high, low)
        steps = IsotonicRegression().fit(logits, targets, sample_weight=sample_weight)
        share = np.clip(steps.y_thresholds_, low, high)
        heights = np.log(share) - np.log1p(-share)
        return cls("isotonic", 1.0, 0.0, _plain(steps.X_thresholds_), _plain(heights))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return the corrected log odds, of the same shape."""
        if self.method == "platt":
            return self.slope * logits + self.intercept
        if self.method == "isotonic":
            return np.asarray(np.interp(logits, self.knots, self.heights))
        return np.asarray(logits, dtype=float)


def cross_fitted_calibrators(
    method: str, training: Training, fit: Callable[[Training], list[Learner]]
) -> list[Calibrator]:
    """Learn a calibrator per outcome from rows that the models behind it had not seen.

    Whole promotions (``training.group``) are left out, a fifth at a time, dealt out in the order of
    a hash so that the rows' order changes nothing; whole customers where there are no promotions or
    too few of them, and single rows where nothing is said of either. ``auto`` takes the method with
    the least log-loss where each calibrator is scored on the fold it was not fitted on; of equals
    the simplest. (The models that spoke about the other folds had seen that fold: what is
    cross-fitted twice is the calibrator.)

    Parameters
    ----------
    method : {"identity", "platt", "isotonic", "auto"}
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
        An unknown method, or rows that cannot be split so that both parts have both classes.
    """
    if method not in (*METHODS, "auto"):
        raise InputError(
            f"calibration={method!r} is unknown; {nearest(str(method), [*METHODS, 'auto'])}"
        )
    outcomes = range(len(training.outcomes))
    if method == "identity":
        return [Calibrator() for _ in outcomes]
    fold = deal(training)
    logits = _out_of_fold(training, fold, fit)
    weight = check_weight(training.weight, len(logits))
    found = []
    for k in outcomes:
        known = np.isfinite(logits[:, k]) & np.isfinite(training.labels[:, k])
        z, y, part, w = logits[known, k], training.labels[known, k], fold[known], weight[known]
        chosen = best_method(z, y, part, w) if method == "auto" else method
        found.append(Calibrator.fit(chosen, z, y, None if training.weight is None else w))
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
    raise InputError(
        f"calibration needs rows left out that hold both classes of {_listed(training.outcomes)}, "
        f"beside others that do: {' and '.join(tried)} cannot be parted so; give more promotions, "
        "or calibration=None"
    )


def _serves(fold: np.ndarray, labels: np.ndarray) -> bool:
    """Whether at least two folds can be predicted, and these hold both classes of each outcome."""
    able = [k for k in np.unique(fold) if _both(labels[fold != k])]
    return len(able) >= 2 and _both(labels[np.isin(fold, able)])


def _both(labels: np.ndarray) -> bool:
    return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).all())


def _listed(outcomes: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in outcomes)


def best_method(
    logits: np.ndarray, labels: np.ndarray, fold: np.ndarray, weight: np.ndarray | None = None
) -> str:
    """Return the method with the least log-loss on folds that its calibrators did not see."""
    losses = cross_validated_losses(logits, labels, fold, weight)
    least = min(losses.values())
    return next(method for method in METHODS if losses[method] <= least * (1 + 1e-12))


def cross_validated_losses(
    logits: np.ndarray, labels: np.ndarray, fold: np.ndarray, weight: np.ndarray | None = None
) -> dict[str, float]:
    """Return the mean log-loss of each method, its calibrators scored on folds left out."""
    weight = check_weight(weight, len(logits))
    total, rows = dict.fromkeys(METHODS, 0.0), 0.0
    for k in np.unique(fold):
        test, train = fold == k, fold != k
        if len(np.unique(labels[train])) < 2:
            continue
        rows += float(weight[test].sum())
        sign = 1 - 2 * labels[test]
        for method in METHODS:
            fitted = Calibrator.fit(method, logits[train], labels[train], weight[train])
            says = fitted.apply(logits[test])
            total[method] += float((weight[test] * np.logaddexp(0, sign * says)).sum())
    return {method: loss / max(rows, 1) for method, loss in total.items()}


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


def _smoothed(labels: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return what Platt learns from instead of 0 and 1."""
    positives = float(weight[labels == 1].sum())
    return 1 / (float(weight.sum()) - positives + 2), (positives + 1) / (positives + 2)


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


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
