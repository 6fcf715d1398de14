"""Networks: a perceptron for one outcome, and one body with a head per outcome for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from promolab.checks import flag, real_number, whole_number
from promolab.errors import InputError
from promolab.model.inputs.encoding import Encoder
from promolab.model.learners._base import Learner, Training, require_numbers
from promolab.model.neural.networks import encoded, forward
from promolab.model.neural.training import History

if TYPE_CHECKING:
    from promolab.model.neural.networks import FunnelLoss, MaskedLoss, Perceptron


USUAL_FUNNEL = ("click", "purchase")


class Mlp(Learner):
    """A perceptron: layers of weighted sums of the encoded features, a rectifier between them.

    Options
    -------
    hidden : sequence of int
        Units of each hidden layer.
    dropout : float
        Share of hidden units set to 0 at each step of training.
    weight_decay : float
        Pull of the weights towards 0 (AdamW).
    epochs, patience : int
        Passes over the rows at most, and how many without a lower loss on the held-out slice
        (`hold_out_latest`) end the training. Without a usable slice all epochs are used.
    refit : bool
        Whether the model begins again once the best number of epochs is known, and learns from all
        rows, the held-out ones too: the latest promotions tell most.
    batch : int or "auto"
        Rows in a step; by default a power of two from 16 to 4,096 that makes 50 steps or more
        (fewer with less than 800 rows).
    learning_rate : float
        Size of a step.
    device : str
        ``auto``, ``cpu`` or ``cuda``: where it is trained. It is scored on the processor, so that
        a saved model says the same everywhere.

    Notes
    -----
    On the processor the same rows and seed give the same model, bit for bit, whatever the number of
    threads: one is used. CUDA does not promise it.
    """

    DEFAULTS = {  # noqa: RUF012
        "hidden": (64, 32),
        "dropout": 0.2,
        "weight_decay": 0.01,
        "epochs": 40,
        "batch": "auto",
        "learning_rate": 0.002,
        "patience": 6,
        "refit": True,
        "device": "auto",
    }
    LEARNED: ClassVar[tuple[str, ...]] = ("encoder", "history", "weights", "biases")

    encoder: Encoder
    history: History
    weights: list[np.ndarray]
    biases: list[np.ndarray]

    def check(self) -> None:
        """Refuse sizes and shares that cannot be."""
        check_training(self.options)
        hidden = self.options["hidden"]
        sizes = [hidden] if isinstance(hidden, (int, np.integer)) else hidden
        if not isinstance(sizes, Sequence) or isinstance(sizes, str):
            raise InputError(f"hidden = {hidden!r}; give the units of each layer, such as (64, 32)")
        for units in sizes:
            whole_number("hidden", units, 1, 100_000)
        self.hidden = tuple(int(units) for units in sizes)
        real_number("dropout", self.options["dropout"], least=0, most=0.95)
        real_number("weight_decay", self.options["weight_decay"], least=0)

    def fit(self, training: Training) -> None:
        """Encode, train, keep the best epoch; labels may be chances to imitate."""
        import torch

        from promolab.model.neural.networks import Perceptron
        from promolab.model.neural.training import (
            Schedule,
            device_of,
            generator_on,
            hold_out_latest,
            train,
        )

        device = device_of(self.options["device"])
        generator = generator_on(device, training.seed)
        self.encoder = Encoder.fit(training.X, training.columns)
        self.columns = self.encoder.columns
        matrix = encoded(self.encoder, training.X)
        start = self._start(training.labels)
        network = Perceptron(
            (matrix.shape[1], *self.hidden, len(start)), start, generator, self.options["dropout"]
        )
        self.history = train(
            network,
            torch.from_numpy(matrix).to(device),
            torch.from_numpy(training.labels.astype(np.float32)).to(device),
            self._loss(),
            Schedule(**{each.name: self.options[each.name] for each in fields(Schedule)}),
            hold_out_latest(training),
            generator,
            name=self._name(training),
            track=training.track,
            weights=training.weight,
            progress=training.progress,
        )
        self.adopt(network)

    def adopt(self, network: Perceptron) -> None:
        """Take a trained network's weights, as arrays."""
        self.weights = [w.detach().cpu().numpy().copy() for w in network.weights]
        self.biases = [b.detach().cpu().numpy().copy() for b in network.biases]

    def _name(self, training: Training) -> str:
        return f"{type(self).__name__.lower()}-{'-'.join(training.outcomes)}"

    def _loss(self) -> MaskedLoss | FunnelLoss:
        from promolab.model.neural.networks import MaskedLoss

        return MaskedLoss()

    def _start(self, labels: np.ndarray) -> np.ndarray:
        """Return the log odds of each outcome's mean, where the last biases begin."""
        return start_of(labels)

    def score(self, given: Sequence[np.ndarray]) -> np.ndarray:
        """Return the heads' log odds, shape (n, heads)."""
        return forward(self.encoder, given, self.weights, self.biases)

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Become a saved network."""
        super().restore(learned)
        width = len(self.encoder.names)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            require_numbers(f"weights of layer {k}", weight, (width, len(bias)))
            require_numbers(f"biases of layer {k}", bias, (len(bias),))
            width = len(bias)


class Multitask(Mlp):
    """One body, one head per outcome: what an outcome teaches serves the others too.

    Rows where an outcome is not known teach the others only. With a funnel (earlier, later) the
    later outcome has two heads, and

        P(later) = P(earlier) · P(later | earlier) + (1 − P(earlier)) · P(later | not earlier),

    so that its chance lies between the two and the chances are those of one joint distribution.

    Options
    -------
    funnel : "auto", None or (earlier, later)
        Names of two outcomes; ``auto``: ``click`` and ``purchase``, if there are both.
    others
        Those of `Mlp`.
    """

    DEFAULTS = {**Mlp.DEFAULTS, "funnel": "auto"}  # noqa: RUF012
    LEARNED = (*Mlp.LEARNED, "pair")
    many = True

    pair: tuple[int, int] | None = None
    """Positions of the funnel's earlier and later outcome."""

    def check(self) -> None:
        """Refuse a funnel that is no pair of names."""
        super().check()
        funnel = self.options["funnel"]
        if funnel is None or funnel == "auto":
            return
        pair = isinstance(funnel, (tuple, list)) and len(funnel) == 2
        if not pair or funnel[0] == funnel[1]:
            raise InputError(f"funnel = {funnel!r}; give ('click', 'purchase'), 'auto' or None")

    def fit(self, training: Training) -> None:
        """Find the funnel among the outcomes, encode, train."""
        self.pair = self._pair(list(training.outcomes))
        super().fit(training)

    def _pair(self, outcomes: list[str]) -> tuple[int, int] | None:
        funnel = self.options["funnel"]
        if funnel is None or (funnel == "auto" and not set(USUAL_FUNNEL) <= set(outcomes)):
            return None
        earlier, later = USUAL_FUNNEL if funnel == "auto" else funnel
        for name in (earlier, later):
            if name not in outcomes:
                raise InputError(
                    f"funnel names {name!r}, and the outcomes are {', '.join(outcomes)}; give two "
                    "of these"
                )
        return outcomes.index(earlier), outcomes.index(later)

    def _loss(self) -> MaskedLoss | FunnelLoss:
        from promolab.model.neural.networks import FunnelLoss

        return super()._loss() if self.pair is None else FunnelLoss(*self.pair)

    def _start(self, labels: np.ndarray) -> np.ndarray:
        start = start_of(labels)
        return start if self.pair is None else np.append(start, start[self.pair[1]])

    def score(self, given: Sequence[np.ndarray]) -> np.ndarray:
        """Return the log odds, shape (n, number of outcomes)."""
        heads = super().score(given)
        if self.pair is None:
            return heads
        earlier, later = self.pair
        found = heads[:, :-1].copy()
        found[:, later] = total_log_odds(heads[:, earlier], heads[:, later], heads[:, -1])
        return found


def total_log_odds(first: np.ndarray, given: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Return the log odds of P(first)·P(given) + (1 − P(first))·P(without), all as log odds.

    Examples
    --------
    >>> float(total_log_odds(np.array(0.0), np.array(50.0), np.array(-50.0)).round(3))
    0.0
    """

    def log_chance(z: np.ndarray) -> np.ndarray:
        return np.asarray(-np.logaddexp(0, -z))

    came = np.logaddexp(
        log_chance(first) + log_chance(given), log_chance(-first) + log_chance(without)
    )
    stayed = np.logaddexp(
        log_chance(first) + log_chance(-given), log_chance(-first) + log_chance(-without)
    )
    return np.asarray(came - stayed)


def start_of(labels: np.ndarray) -> np.ndarray:
    """Return the log odds of each column's mean, as if half a row of either class came on top."""
    ones, known = np.nansum(labels, axis=0), np.sum(~np.isnan(labels), axis=0)
    return np.asarray(np.log((ones + 0.5) / (known - ones + 0.5)))


def check_training(options: dict[str, Any]) -> None:
    """Refuse options of the training that cannot be."""
    whole_number("epochs", options["epochs"], 1)
    whole_number("patience", options["patience"], 1)
    real_number("learning_rate", options["learning_rate"], least=1e-9, most=10)
    if options["batch"] != "auto":
        whole_number("batch", options["batch"], 1)
    flag("refit", options["refit"])
    if not isinstance(options["device"], str):
        raise InputError(f"device = {options['device']!r}; give 'auto', 'cpu' or 'cuda'")
