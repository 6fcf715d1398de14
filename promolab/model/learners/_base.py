"""What every way of predicting has in common: what it is given, and what it must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd


FARTHEST = 1e-6  # a chance of exactly 0 or 1 has no log odds, and nobody is that sure


@dataclass(frozen=True)
class Training:
    """Rows to learn from.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
        Features.
    labels : ndarray of float, shape (n, number of outcomes)
        0.0 or 1.0; nan where an outcome is not known. A learner of one outcome never sees nan.
    outcomes : tuple of str
        Names of the outcomes.
    columns : sequence of str, optional
        Features to use; all columns of X by default.
    cluster, group, time : ndarray of shape (n,), optional
        Customer, promotion and moment of each row.
    weight : ndarray of shape (n,), optional
        How many rows each counts for in the loss, above 0; 1 by default.
    seed : int
        Start of every random number.
    progress : bool
        Whether to show how far it is, where stderr is a terminal.
    track : str, optional
        ``tensorboard`` or ``tensorboard:FOLDER``: a network writes event files.

    Raises
    ------
    InputError
        ``track`` is anything else, whether or not there is a network to follow.
    """

    X: pd.DataFrame
    labels: np.ndarray
    outcomes: tuple[str, ...]
    columns: Sequence[str] | None = None
    cluster: np.ndarray | None = None
    group: np.ndarray | None = None
    time: np.ndarray | None = None
    weight: np.ndarray | None = None
    seed: int = 0
    progress: bool = True
    track: str | None = None

    def __post_init__(self) -> None:
        if self.track is not None:  # torch takes seconds to load: only where a network is followed
            from promolab.model.neural.training import track_folder

            track_folder(self.track)

    def counted(self) -> Training:
        """Return the rows that count: those whose weight is not 0.

        Raises
        ------
        InputError
            An outcome has a single class among them.
        """
        if self.weight is None or (self.weight > 0).all():
            return self
        kept = self.only(self.weight > 0)
        for outcome, labels in zip(kept.outcomes, kept.labels.T, strict=True):
            if len(np.unique(labels[~np.isnan(labels)])) < 2:
                raise InputError(
                    f"{outcome!r} has a single class in the {len(kept.labels):,} rows whose "
                    "sample_weight is above 0; a model learns from rows with and without it"
                )
        return kept

    def only(self, rows: np.ndarray, outcome: int | None = None) -> Training:
        """Return some of the rows (a mask or positions), and one of the outcomes if given."""
        picked: dict[str, Any] = {
            name: None if values is None else values[rows]
            for name, values in (
                ("cluster", self.cluster),
                ("group", self.group),
                ("time", self.time),
                ("weight", self.weight),
            )
        }
        labels, outcomes = self.labels[rows], self.outcomes
        if outcome is not None:
            labels, outcomes = labels[:, [outcome]], (outcomes[outcome],)
        if rows.dtype == bool and rows.all():
            frame = self.X  # a copy of all of it would say the same
        else:
            frame = self.X[rows] if rows.dtype == bool else self.X.iloc[rows]
        return replace(self, X=frame, labels=labels, outcomes=outcomes, **picked)


class Learner(ABC):
    """One way of predicting. `promolab.ResponseModel` is its door: it checks, names, saves.

    Parameters
    ----------
    options : mapping
        Options of this kind; the others have their `DEFAULTS`.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {}
    """Every option and what it is where nothing is said."""
    many: ClassVar[bool] = False
    """Whether it learns several outcomes at once; if not, the door fits one for each."""
    LEARNED: ClassVar[tuple[str, ...]] = ("encoder",)
    """Attributes that make it, once fitted."""

    columns: list[str]
    """Source columns used, once fitted."""
    encoder: Any
    """What makes of a frame what `score` takes, once fitted."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options: dict[str, Any] = {**self.DEFAULTS, **options}
        self.check()

    def check(self) -> None:  # noqa: B027 - a kind whose options can be anything needs none
        """Refuse options that cannot be; say what is expected."""

    @abstractmethod
    def fit(self, training: Training) -> None:
        """Learn."""

    def logit(self, X: pd.DataFrame) -> np.ndarray:
        """Return the log odds, shape (n, number of outcomes)."""
        return self.score(self.encoder.read(X))

    @abstractmethod
    def score(self, given: Any) -> np.ndarray:
        """Return the same of what ``encoder.read`` gave; a row's depend on that row alone."""

    def learned(self) -> dict[str, Any]:
        """Return all that `restore` needs: values, arrays and frozen dataclasses, by name."""
        return {name: getattr(self, name) for name in self.LEARNED}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Become what `learned` told; predictions are the same, bit for bit."""
        for name in self.LEARNED:
            setattr(self, name, learned[name])
        self.columns = self.encoder.columns

    def parts(self, X: pd.DataFrame) -> pd.DataFrame | None:
        """Return what each source column adds to a row's log odds, or None if that is not a sum.

        With ``attrs["base"]``: what is there before any column; the row's sum plus it is the logit.
        """
        return None


def require_numbers(name: str, values: Any, shape: tuple[int, ...]) -> None:
    """Refuse an array of a file that is of another shape, or holds what is no number.

    A checksum tells that a file is as it was written, not that what was written makes sense.
    """
    array, found = np.asarray(values, dtype=float), ""
    if array.shape != shape:
        found = f"shape {array.shape}"
    elif wrong := int(np.count_nonzero(~np.isfinite(array))):
        found = f"{wrong} of {array.size} values missing or infinite"
    if found:
        raise InputError(
            f"the model file's {name} cannot be used ({found}; expected {shape} finite numbers); "
            "use the original file or fit the model again"
        )


def log_odds(p: np.ndarray) -> np.ndarray:
    """Return the log odds of chances, those of 0 and 1 as far out as anyone can be sure.

    Examples
    --------
    >>> log_odds(np.array([0.5, 1.0])).round(2)
    array([ 0.  , 13.82])
    """
    inside = np.clip(p, FARTHEST, 1 - FARTHEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


_WHERE = {
    "logistic": "linear:Logistic",
    "tree": "trees:Tree",
    "forest": "trees:Forest",
    "boosting": "trees:Boosting",
    "mlp": "neural:Mlp",
    "multitask": "neural:Multitask",
}
KINDS = tuple(_WHERE)
"""From the simplest to the most involved; of models within noise of the best, take the first."""


def learner_class(kind: str) -> type[Learner]:
    """Return the class behind a kind.

    Raises
    ------
    InputError
        There is no such kind; the nearest is named.

    Examples
    --------
    >>> learner_class("logistic").DEFAULTS["l2"]
    30.0
    """
    if not isinstance(kind, str) or kind not in _WHERE:
        raise InputError(f"kind={kind!r} is not a response model; {nearest(str(kind), KINDS)}")
    module, name = _WHERE[kind].split(":")
    found: type[Learner] = getattr(import_module(f"promolab.model.learners.{module}"), name)
    return found


def make_learner(kind: str, options: Mapping[str, Any]) -> Learner:
    """Return a new learner, its options checked.

    Raises
    ------
    InputError
        An unknown kind or option, or an option that cannot be.
    """
    made = learner_class(kind)
    for name in options:
        if name == "privacy" and name not in made.DEFAULTS:
            raise InputError(f"kind={kind!r} cannot learn with privacy; give kind='logistic'")
        if name not in made.DEFAULTS:
            raise InputError(f"{kind} has no option {name!r}; {nearest(name, made.DEFAULTS)}")
    return made(options)


def fitted_learners(
    kind: str, options: Mapping[str, Any], training: Training, *, named: bool
) -> list[Learner]:
    """Return a learner of all outcomes, or one of each, fitted where it is known.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    options : mapping
        Options of this kind.
    training : Training
        Rows to learn from.
    named : bool
        Whether the caller gave the outcomes names, so that errors can say which one it was.
    """
    if learner_class(kind).many:
        learner = make_learner(kind, options)
        learner.fit(training)
        return [learner]
    learners = []
    for k, outcome in enumerate(training.outcomes):
        learner = make_learner(kind, options)
        try:
            learner.fit(training.only(~np.isnan(training.labels[:, k]), k))
        except InputError as error:
            if not named:
                raise
            raise InputError(f"outcome {outcome!r}: {error}") from error
        learners.append(learner)
    return learners
