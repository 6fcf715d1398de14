"""Ways of predicting, by name; each is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from promolab.errors import InputError, nearest
from promolab.model.learners._base import Learner, Training

__all__ = ["KINDS", "fitted_learners", "learner_class", "make_learner"]

_WHERE = {
    "logistic": "linear:Logistic",
    "tree": "trees:Tree",
    "forest": "trees:Forest",
    "boosting": "trees:Boosting",
    "mlp": "neural:Mlp",
    "multitask": "neural:Multitask",
    "factorization": "factorization:Factorization",
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
