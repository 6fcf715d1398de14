"""A smaller and faster model that predicts nearly the same, to a stated loss."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import real_number
from promolab.errors import InputError
from promolab.model.inputs import check_beside, customer_folds, outcome_labels
from promolab.model.learners import Learner, Mlp, Training, make_learner
from promolab.model.neural import encoded, layers
from promolab.results import Estimate, Result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.model import ResponseModel


@dataclass(frozen=True)
class Shrunk(Result):
    """A smaller model, or the original where none stayed within the loss allowed.

    Parameters
    ----------
    model : ResponseModel
        The smallest candidate whose loss is shown to be within ``most_loss``, else the original.
    met : bool
        Whether there was one.
    how : str
        What was done, in words.
    most_loss : float
        Rise of the mean log-loss that was allowed, in nats.
    frame : DataFrame
        A row for the original and each candidate tried, the smallest first: ``what, bytes, numbers,
        rows_per_second, log_loss, rise, rise_low, rise_high, auc, within``. ``bytes`` are those of
        the saved file; ``numbers`` weights of networks and nodes of trees. ``rise`` is the paired
        difference to the original on the rows checked, with its 95 % interval clustered by
        customer; of several outcomes, that of the one that lost most.
    n, clusters : int
        Rows checked, and the independent units among them; none was tuned on.
    """

    model: ResponseModel = field(repr=False)
    met: bool
    how: str
    most_loss: float
    frame: pd.DataFrame = field(repr=False)
    n: int
    clusters: int

    @property
    def rise(self) -> Estimate:
        """By how much the log-loss of ``model`` is above the original's."""
        row = self._row(self.how)
        return Estimate(row["rise"], row["rise_low"], row["rise_high"], self.n)

    @property
    def times_smaller(self) -> float:
        """Bytes of the original's file by those of the new one's."""
        return float(self._row("original")["bytes"] / self._row(self.how)["bytes"])

    @property
    def times_faster(self) -> float:
        """Rows scored per second, new by original."""
        speeds = [self._row(what)["rows_per_second"] for what in (self.how, "original")]
        return float(speeds[0] / speeds[1])

    def _row(self, what: str) -> pd.Series:
        return self.frame[self.frame["what"] == what].iloc[0]

    def facts(self) -> dict[str, Any]:
        """Return the original beside the smaller model, and what was tried."""
        before, after = self._row("original"), self._row(self.how)
        return {
            "tried": len(self.frame) - 1,
            "allowed": f"{self.most_loss:g}",
            "size_before": size_in_words(before["bytes"]),
            "size_after": size_in_words(after["bytes"]),
            "loss_before": before["log_loss"],
            "loss_after": after["log_loss"],
            "auc_before": before["auc"],
            "auc_after": after["auc"],
        }


def size_in_words(size: float) -> str:
    """Return a number of bytes with the unit that fits.

    Examples
    --------
    >>> size_in_words(21_500), size_in_words(3_400_000)
    ('22 kB', '3.4 MB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{max(size / 1e3, 1):,.0f} kB"


PRUNED, IMITATED = ("mlp", "multitask"), ("forest", "boosting")
"""Kinds that lose hidden units, and kinds that a small network learns to imitate."""
SHARES = (0.125, 0.25, 0.5, 0.75)  # of the hidden units
NETWORKS = ((8,), (16, 8), (32, 16), (64, 32))
TIMED = 20_000  # rows scored to tell the speed
Candidate = tuple[str, Callable[[], "ResponseModel"]]
"""What a smaller model is, and what makes it, only if it is looked at."""


def shrink(
    model: ResponseModel,
    X: pd.DataFrame,
    y: ArrayLike,
    *,
    most_loss: float = 0.002,
    cluster: ArrayLike | None = None,
) -> Shrunk:
    """Make a fitted model smaller, as far as its log-loss allows.

    Parameters
    ----------
    model : ResponseModel
        Fitted: ``mlp`` or ``multitask`` (hidden units are pruned), ``forest`` or ``boosting``
        (distilled into a network).
    X : DataFrame, shape (n, k)
        Rows; best some that the model did not learn from, for a forest knows its own by heart.
    y : array of 0 and 1, shape (n,), or DataFrame with a column per outcome
        Their outcomes, as in ``model.fit``.
    most_loss : float
        By how much the mean log-loss may rise, in nats.
    cluster : array, shape (n,), optional
        Customer of each row: whole customers are checked on, and the intervals are clustered.

    Returns
    -------
    Shrunk
        With ``.model``: the first candidate, the smallest first, for which the upper end of the
        interval of the rise is at most ``most_loss``; the original, and ``met=False``, if there is
        none.

    Raises
    ------
    InputError
        The model is not fitted or small already (``logistic``, ``tree``), or y does not fit it.

    Notes
    -----
    Half of the customers (by a hash) are tuned on and learned from, without their outcomes; the
    rise is measured on the other half. As the first success ends the search, one interval in 40 is
    wrong at each step taken, not one in all.

    References
    ----------
    Hinton, Vinyals & Dean (2015), "Distilling the knowledge in a neural network". Li et al. (2017),
    "Pruning filters for efficient ConvNets".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.normal(size=400)})
    >>> y = (rng.uniform(size=400) < 1 / (1 + np.exp(-X["orders"]))).astype(int)
    >>> from promolab.model import ResponseModel
    >>> forest = ResponseModel("forest", trees=20).fit(X, y)
    >>> small = shrink(forest, X, y, most_loss=0.2)
    >>> small.met, small.model.kind, small.times_smaller > 1.5
    (True, 'mlp', True)
    """
    X = model._frame(X)
    if model.kind not in (*PRUNED, *IMITATED):
        kinds = ", ".join((*PRUNED, *IMITATED))
        raise InputError(f"a {model.kind} model is small already; shrink is for {kinds}")
    real_number("most_loss", most_loss, least=0, hint=", of nats")
    labels, outcomes, _ = outcome_labels(y, len(X), model.positive)
    if outcomes != model.outcomes_:
        raise InputError(
            f"y has the outcomes {', '.join(outcomes)}, and the model predicts "
            f"{', '.join(model.outcomes_)}; give the same"
        )
    who = check_beside(cluster, "cluster", X)
    who = np.arange(len(X)) if who is None else who
    half = customer_folds(who, 2, model.seed).parts[0]
    check = _Check(model, X.iloc[half.test], labels[half.test], who[half.test])
    training = Training(
        X.iloc[half.train],
        labels[half.train],
        outcomes,
        model.columns,
        cluster=who[half.train],
        seed=model.seed,
    )
    return _search(model, _candidates(model, training), check, most_loss)


def _search(
    model: ResponseModel, candidates: Sequence[Candidate], check: _Check, most_loss: float
) -> Shrunk:
    from tqdm import tqdm

    rows = [check.row("original", model)]
    chosen, how = model, "original"
    bar = tqdm(candidates, "shrink", leave=False, disable=None)
    for what, make in bar:
        small = make()
        row = check.row(what, small)
        # Weights and nodes are no common measure; of tiny models, names make up most of the file.
        measure = "numbers" if small.kind == model.kind else "bytes"
        if row[measure] >= rows[0][measure]:
            continue
        row["within"] = bool(row["rise_high"] <= most_loss)
        rows.append(row)
        if row["within"]:
            chosen, how = small, what
            break
    bar.close()
    table = pd.DataFrame([rows[0], *sorted(rows[1:], key=lambda row: row["bytes"])])
    return Shrunk(chosen, chosen is not model, how, most_loss, table, check.n, check.clusters)


def _candidates(model: ResponseModel, training: Training) -> list[Candidate]:
    if model.kind in PRUNED:
        return [
            (f"{100 * share:g} % of the units", partial(_pruned, model, training, share))
            for share in SHARES
        ]
    wanted = replace(training, labels=_chances(model, training.X))
    return [
        (
            f"network of {' and '.join(map(str, hidden))} units",
            partial(_network, model, wanted, hidden),
        )
        for hidden in NETWORKS
    ]


def _pruned(model: ResponseModel, training: Training, share: float) -> ResponseModel:
    learners = [fewer_units(learner, training, share) for learner in model.learners_]
    return _model_of(model, model.kind, {"hidden": learners[0].hidden}, learners)


def _network(model: ResponseModel, wanted: Training, hidden: tuple[int, ...]) -> ResponseModel:
    everyone = np.arange(len(wanted.labels))
    outcomes = range(len(wanted.outcomes))
    learners = [imitated(wanted.only(everyone, k), hidden) for k in outcomes]
    small = _model_of(model, "mlp", learners[0].options, learners)
    # They imitate what the model said after its calibration.
    small.calibration, small.calibrators_ = None, []
    return small


def _model_of(
    model: ResponseModel, kind: str, options: dict[str, Any], learners: Sequence[Learner]
) -> ResponseModel:
    """Return a fitted model like the original, with other learners."""
    small = copy.copy(model)
    small.set_params(kind=kind, **options)
    small.learners_ = list(learners)
    return small


def _chances(model: ResponseModel, X: pd.DataFrame) -> np.ndarray:
    found = np.asarray(model.probability(X), dtype=np.float64)
    return found.reshape(len(X), -1)


class _Check:
    """Rows that nothing was tuned on: what a model loses on them, how large and fast it is."""

    def __init__(
        self, model: ResponseModel, X: pd.DataFrame, labels: np.ndarray, cluster: np.ndarray
    ) -> None:
        self.X, self.labels, self.cluster = X, labels, cluster
        self.n, self.clusters = len(X), len(pd.unique(cluster))
        self.before = _chances(model, X)

    def row(self, what: str, model: ResponseModel) -> dict[str, Any]:
        """Return a row of the result's table."""
        after = _chances(model, self.X)
        worst = max(self._rises(after), key=lambda rise: rise["rise_high"])
        with tempfile.TemporaryDirectory(prefix="promolab-") as folder:
            size = model.save(Path(folder) / "model").stat().st_size
        return {
            "what": what,
            "bytes": size,
            "numbers": sum(numbers_in(learner) for learner in model.learners_),
            "rows_per_second": _speed_of(model, self.X),
            **worst,
            "within": True,
        }

    def _rises(self, after: np.ndarray) -> Iterator[dict[str, float]]:
        from promolab.metrics import roc, row_losses
        from promolab.stats import around, spread_of

        for k in range(self.labels.shape[1]):
            known = ~np.isnan(self.labels[:, k])
            y, codes = self.labels[known, k], pd.factorize(self.cluster[known])[0]
            losses = row_losses(y == 1, after[known, k])
            difference = losses - row_losses(y == 1, self.before[known, k])
            rise = float(difference.mean())
            spread = spread_of((difference - rise) / len(y), codes)
            low, high = around(rise, spread, 0.95) if difference.any() else (0.0, 0.0)
            yield {
                "log_loss": float(losses.mean()),
                "rise": rise,
                "rise_low": low,
                "rise_high": high,
                "auc": roc(y, after[known, k]).auc,
            }


def _speed_of(model: ResponseModel, X: pd.DataFrame) -> float:
    rows = X.iloc[:TIMED]
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        model.logit(rows)
        seconds.append(time.perf_counter() - begun)
    return len(rows) / max(min(seconds), 1e-9)


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
        Schedule,
        device_of,
        generator_on,
        hold_out_latest,
        train,
    )

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
        Schedule(30, "auto", 0.002, 0.0, 4),
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
