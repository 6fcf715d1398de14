"""Several uplift models on the same rows: what each predicts forward, at what they share once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects.checks import check_experiment
from promolab.effects.identification import Identification
from promolab.effects.learner_selection import DEFAULT, Candidates
from promolab.effects.learners.aipw import kept_rows
from promolab.effects.learners.base_learners import maker_of
from promolab.effects.learners.rows import steady
from promolab.effects.learners.shared import Shared
from promolab.effects.shrinkage import Forward, pooled_arms

if TYPE_CHECKING:
    from promolab.contract import Experiment
    from promolab.effects.model import UpliftModel


ALONE = ("s", "t", "x")
"""Kinds that learn from outcomes themselves, not from what is estimated on the way."""


@dataclass(frozen=True)
class SharedPredictions:
    """What models predict forward on rows that all of them share.

    Parameters
    ----------
    gamma : ndarray of shape (n,)
        Doubly robust scores of the effect, the same for all models; nan where a row does not count.
    effects : mapping of str to ndarray of shape (n,)
        Predicted by models of the folds before the row's; nan in the first fold. Levels of two
        folds differ by chance: an order within a fold.
    seconds : mapping of str to float
        What each takes by itself, shared parts included.
    fold, cluster : ndarray of int of shape (n,)
    outcome : str
    identification : Identification
    """

    gamma: np.ndarray = field(repr=False)
    effects: Mapping[str, np.ndarray] = field(repr=False)
    seconds: Mapping[str, float]
    fold: np.ndarray = field(repr=False)
    cluster: np.ndarray = field(repr=False)
    outcome: str
    identification: Identification


def predict_models(
    experiment: Experiment,
    models: Mapping[str, UpliftModel],
    outcome: str | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    arm: object = None,
    despite: Sequence[str] = (),
    done: Callable[[str], object] = lambda name: None,
) -> SharedPredictions:
    """Let every model predict each fold from the folds before it.

    Parameters
    ----------
    experiment : Experiment
    models : mapping of str to UpliftModel
        Not fitted; their own folds and seeds are not used.
    outcome : str, optional
        The first by default.
    folds, seed : int
    arm : optional
        The one that counts; by default all arms taken together.
    despite : sequence of str
        Names of checks to go on in spite of.
    done : callable
        Told the name of each model that is through.

    Raises
    ------
    Refused
        A check refuses the experiment.
    """
    first = next(iter(models.values()))
    shared = Shared(experiment, outcome, folds, seed, first.clip)
    rows, named = shared.rows, outcome or experiment.outcomes[0]
    effects, seconds = {}, {}
    with steady(rows.n * shared.X.shape[1]):
        chances, _ = shared.chances
        kept = kept_rows(chances, first._trim(experiment))
        checks = check_experiment(experiment, outcome, propensity=chances, kept=kept)
        checks.require(tuple(despite))
        common = shared.nuisance(maker_of(DEFAULT))

        def together(values: np.ndarray) -> np.ndarray:
            if arm is None:
                return pooled_arms(kept, rows.codes, values)[0]
            place = experiment.treatments.index(arm)
            return np.where(kept[:, place], values[:, place], np.nan)

        for name, model in models.items():
            maker, outcome_maker = model._makers()
            ready = common if model.kind in ALONE else None
            setting, begun = shared.setting(maker, outcome_maker, ready), time.perf_counter()
            drawing = shared.smoothed(setting)
            tried = Candidates(
                experiment, model._effect_model(shared.told_early(drawing)), model._effect_model,
                model._named(), kept, named, setting, drawing,
            )  # fmt: skip
            predicted = tried.forward.predicted
            seconds[name] = time.perf_counter() - begun
            if ready is None:
                seconds[name] += shared.seconds(outcome_maker)
            # Which learner did best so far, and how far arms differ, is told by the same scores.
            forward = Forward(predicted, common.gamma, kept, rows.fold, rows.folds)
            effects[name] = together(_absolute(forward))
            done(name)
    gamma = together(common.gamma)
    right = checks.identification
    return SharedPredictions(gamma, effects, seconds, shared.fold, rows.cluster, named, right)


def _absolute(forward: Forward) -> np.ndarray:
    """Return the average of earlier folds and the predicted deviation from it, (n, K − 1)."""
    average = np.array([forward.averages(fold) for fold in range(forward.folds)])
    return np.asarray(average[forward.fold] + forward.scaled)
