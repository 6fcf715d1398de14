"""Making one learner smaller: hidden units or trees taken out, or a small network that imitates."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from promolab.model.learners import Forest, Learner, Mlp, Training, make_learner
from promolab.model.neural import encoded, layers


def numbers_in(learner: Learner) -> int:
    """Return the weights of a network, the nodes of trees."""
    if isinstance(learner, Mlp):
        return int(sum(array.size for array in (*learner.weights, *learner.biases)))
    estimator: Any = getattr(learner, "estimator", None)
    if hasattr(estimator, "estimators_"):
        return int(sum(tree.tree_.node_count for tree in estimator.estimators_))
    if hasattr(estimator, "_predictors"):
        return sum(len(tree.nodes) for stage in estimator._predictors for tree in stage)
    return 0


def fewer_trees(learner: Learner, count: int) -> Forest:
    """Return the forest of the first ``count`` trees: all are drawn alike, so none is special."""
    assert isinstance(learner, Forest)
    small = copy.copy(learner)
    small.options = {**learner.options, "trees": count}
    small.estimator = copy.copy(learner.estimator)
    small.estimator.estimators_ = learner.estimator.estimators_[:count]
    small.estimator.n_estimators = count
    small.written = None  # a loaded forest's bytes hold all of its trees
    return small


def imitated(training: Training, hidden: Sequence[int]) -> Mlp:
    """Return a small network fitted to the chances in ``training.labels`` (Hinton et al. 2015)."""
    options = {"hidden": tuple(hidden), "dropout": 0.0, "epochs": 60, "patience": 8}
    student = make_learner("mlp", options)
    assert isinstance(student, Mlp)
    student.fit(training)
    return student


def fewer_units(learner: Learner, training: Training, share: float) -> Mlp:
    """Return the network with a share of the hidden units of each layer, tuned to the whole one.

    A unit's worth is the standard deviation of its activation times the norm of the weights that
    lead out of it; what a removed one added on average goes into the biases behind it. Whole units
    go, so that the matrices are really smaller (Li et al. 2017). The rest then learns to imitate
    the outputs of the whole network.

    Parameters
    ----------
    learner : Mlp
        Fitted.
    training : Training
        Rows to tune on; its labels are not used.
    share : float
        Of the units to keep, at least one a layer.
    """
    import torch
    from scipy.special import expit

    from promolab.model.neural import (
        MaskedLoss,
        Perceptron,
        device_of,
        generator_on,
        hold_out_latest,
        train,
    )
    from promolab.model.neural import Schedule as Settings

    assert isinstance(learner, Mlp)
    matrix = encoded(learner.encoder, training.X)
    wanted = expit(layers(matrix, learner.weights, learner.biases))
    weights, biases = _cut(learner, matrix, share)
    device = device_of(learner.options["device"])
    generator = generator_on(device, training.seed)
    sizes = [weights[0].shape[0], *(weight.shape[1] for weight in weights)]
    network = Perceptron(sizes, biases[-1], generator)
    with torch.no_grad():
        for parameter, value in zip(
            (*network.weights, *network.biases), (*weights, *biases), strict=True
        ):
            parameter.copy_(torch.from_numpy(value))
    small = copy.copy(learner)
    small.hidden = tuple(sizes[1:-1])
    small.options = {**learner.options, "hidden": small.hidden}
    small.history = train(
        network,
        torch.from_numpy(matrix).to(device),
        torch.from_numpy(wanted.astype(np.float32)).to(device),
        MaskedLoss(),
        Settings(30, "auto", 0.002, 0.0, 4),
        hold_out_latest(replace(training, labels=wanted)),
        generator,
        name="pruned network",
        progress=training.progress,
    )
    small.adopt(network)
    return small


def _cut(
    learner: Mlp, matrix: np.ndarray, share: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    weights = [weight.astype(np.float64) for weight in learner.weights]
    biases = [bias.astype(np.float64) for bias in learner.biases]
    for k in range(len(weights) - 1):
        hidden = np.maximum(layers(matrix, weights[: k + 1], biases[: k + 1]), 0)
        worth = hidden.std(axis=0) * np.linalg.norm(weights[k + 1], axis=1)
        kept = np.sort(np.argsort(-worth, kind="stable")[: max(1, round(share * len(worth)))])
        gone = np.setdiff1d(np.arange(len(worth)), kept)
        biases[k + 1] = biases[k + 1] + hidden[:, gone].mean(axis=0) @ weights[k + 1][gone]
        weights[k], biases[k] = weights[k][:, kept], biases[k][kept]
        weights[k + 1] = weights[k + 1][kept]
    return [w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases]
