"""Where a search looks: the options of each kind of model and their ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from optuna.trial import Trial


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
        Both are tried.
    log : bool
        Whether twice as much counts the same everywhere, as for penalties and rates.
    whole : bool
        Whole numbers only.

    Examples
    --------
    >>> Span(1, 9, whole=True)
    Span(low=1, high=9, log=False, whole=True)
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(f"a span from {self.low} to {self.high}; give two numbers that ascend")
        if self.log and self.low <= 0:
            raise InputError(f"a logarithmic span from {self.low}; it has to start above 0")


Space = Mapping[str, Span | Sequence[Any]]

SPACES: Mapping[str, Space] = {
    "logistic": {"l2": Span(1.0, 1000.0, log=True), "l1": (0.0, 1.0, 3.0, 10.0)},
    "tree": {"depth": Span(2, 8, whole=True), "min_leaf": Span(10, 300, log=True, whole=True)},
    # More trees only cost time: their number is no matter of search.
    "forest": {
        "min_leaf": Span(1, 60, log=True, whole=True),
        "features": Span(0.05, 0.8, log=True),
    },
    "boosting": {
        "iterations": Span(25, 400, log=True, whole=True),
        "learning_rate": Span(0.01, 0.2, log=True),
        "leaves": Span(2, 31, log=True, whole=True),
        "min_leaf": Span(5, 100, log=True, whole=True),
        "l2": Span(0.1, 100.0, log=True),
    },
    "mlp": {
        "hidden": ((32,), (64, 32), (128, 64)),
        "dropout": Span(0.0, 0.5),
        "weight_decay": Span(1e-4, 1.0, log=True),
        "learning_rate": Span(5e-4, 1e-2, log=True),
    },
    "multitask": {
        "hidden": ((32,), (64, 32), (128, 64)),
        "dropout": Span(0.0, 0.5),
        "weight_decay": Span(1e-4, 1.0, log=True),
        "learning_rate": Span(5e-4, 1e-2, log=True),
    },
}
"""By kind; of what is not listed the default stays."""


def space_of(kind: str, space: Space | None = None, fixed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options to search, checked, in the order of their names.

    Parameters
    ----------
    kind : str
        Of the model.
    space : mapping, optional
        Option → `Span` or a sequence of choices; by default that of `SPACES`.
    fixed : sequence of str
        Options that are given and not searched.

    Raises
    ------
    InputError
        The kind has no such option, or nothing is left to search.

    Examples
    --------
    >>> space_of("tree", {"depth": [2, 4]})
    {'depth': (2, 4)}
    """
    from promolab.model.learners import learner_class

    known = learner_class(kind).DEFAULTS
    if space is not None and not isinstance(space, Mapping):
        raise InputError(f"space = {space!r}; give a mapping: {{option: Span(low, high)}}")
    found: dict[str, Any] = {}
    for name, where in sorted((SPACES.get(kind, {}) if space is None else space).items()):
        if name not in known:
            raise InputError(f"{kind} has no option {name!r}; {nearest(name, known)}")
        if name in fixed:
            continue
        if not isinstance(where, Span):
            if isinstance(where, str) or not isinstance(where, Sequence) or len(where) < 2:
                raise InputError(
                    f"{name} is to be searched in {where!r}; give a Span or at least two choices"
                )
            where = tuple(where)
        found[name] = where
    if not found:
        raise InputError(
            f"there is nothing to search for {kind}; give space={{option: Span(low, high)}}"
        )
    return found


def suggested(trial: Trial, space: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a trial is to try; choices go by their place: they may be anything.

    Parameters
    ----------
    trial : optuna.trial.Trial
    space : mapping
        Of `space_of`.
    """
    for name, where in space.items():
        if not isinstance(where, Span):
            trial.suggest_categorical(name, list(range(len(where))))
        elif where.whole:
            trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
        else:
            trial.suggest_float(name, float(where.low), float(where.high), log=where.log)
    return options_of(space, trial.params)


def options_of(space: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Optuna calls parameters as options of the model."""
    return {
        name: params[name] if isinstance(where, Span) else where[params[name]]
        for name, where in space.items()
    }
