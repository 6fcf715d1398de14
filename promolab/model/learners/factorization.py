"""Factorization machine: every pair of features interacts through vectors of a few numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import real_number, whole_number
from promolab.errors import InputError
from promolab.model.inputs.encoding import Encoder
from promolab.model.inputs.reading import as_texts, check_present
from promolab.model.learners._base import Learner, State, Training, require_numbers
from promolab.model.learners.linear import DEFAULT_L2
from promolab.model.learners.neural import check_training, settings_of, start_of
from promolab.model.neural.networks import encoded, parts_of, product
from promolab.model.neural.training import History


class Factorization(Learner):
    r"""A factorization machine (Rendle 2010, equation 1).

    .. math:: z = w_0 + \sum_i w_i x_i + \sum_{i < j} \langle v_i, v_j \rangle x_i x_j,

    the last sum as :math:`\tfrac12 \sum_f [(\sum_i v_{if} x_i)^2 - \sum_i v_{if}^2 x_i^2]`: linear
    in the number of features. A cross seen a few times or never (this customer, that category) is
    estimated from all rows of either. The x are encoded features and the levels of ``fields``.

    Options
    -------
    fields : sequence of str
        Columns whose levels have a vector each, of any number: ids may be used here, as
        categories. A level never learned from counts as a zero vector. ``columns`` of the model
        need not name them.
    rank : int
        Length of the vectors.
    l2, l2_fields : float
        Penalties ½ · l2 · ‖w, v‖² on the sum of the log-loss: of the p encoded features (√p times
        as much on their v, for p features have p²/2 interactions), and of the levels, which have
        fewer rows each.
    epochs, batch, learning_rate, patience, refit, device
        As of `Mlp`; vectors of levels move ten times as fast, by Adagrad.
    """

    DEFAULTS = {  # noqa: RUF012
        "fields": (),
        "rank": 8,
        "l2": DEFAULT_L2,
        "l2_fields": 3.0,
        "epochs": 40,
        "batch": "auto",
        "learning_rate": 0.003,
        "patience": 6,
        "refit": True,
        "device": "auto",
    }

    encoder: Encoder
    history: History
    levels: list[list[str]]
    """The levels of each field, sorted."""

    def check(self) -> None:
        """Refuse options that cannot be."""
        check_training(self.options)
        whole_number("rank", self.options["rank"], 1, 10_000)
        real_number("l2", self.options["l2"], least=0)
        real_number("l2_fields", self.options["l2_fields"], least=0)
        fields = self.options["fields"]
        if isinstance(fields, str) or not isinstance(fields, Sequence):
            raise InputError(f"fields = {fields!r}; give a list of column names")
        self.fields = [str(name) for name in fields]
        if len(set(self.fields)) < len(self.fields):
            raise InputError(f"fields = {self.fields!r} names a column twice")

    def fit(self, training: Training) -> None:
        """Encode, look the levels up, train."""
        import torch

        from promolab.model.neural.held_out import hold_out_latest
        from promolab.model.neural.networks import FactorNetwork, MaskedLoss
        from promolab.model.neural.training import device_of, generator_on, train

        held_out = hold_out_latest(training)
        learned = ~held_out.rows
        used = learned | bool(self.options["refit"])
        self._learn_columns(training, used)
        matrix, codes = encoded(self.encoder, training.X), self._codes(training.X)
        device = device_of(self.options["device"])
        generator = generator_on(device, training.seed)
        size = 1 + sum(map(len, self.levels))
        network = FactorNetwork(
            matrix.shape[1],
            torch.from_numpy(np.bincount(codes[used].ravel(), minlength=size)),
            self.options["rank"],
            float(start_of(training.labels)[0]),
            self.options["l2"],
            self.options["l2_fields"],
            int(used.sum()),
            generator,
        )
        # A level that only held-out rows have is unknown until the model begins again.
        with torch.no_grad():
            network.table[np.bincount(codes[learned].ravel(), minlength=size) == 0] = 0
        self.history = train(
            network,
            [torch.from_numpy(matrix).to(device), torch.from_numpy(codes).to(device)],
            torch.from_numpy(training.labels.astype(np.float32)).to(device),
            MaskedLoss(),
            settings_of(self.options),
            held_out,
            generator,
            name=f"factorization-{training.outcomes[0]}",
            track=training.track,
            weights=training.weight,
            progress=training.progress,
        )
        self.arrays = {
            name: getattr(network, name).detach().cpu().numpy().copy()
            for name in ("bias", "linear", "factors", "table")
        }

    def _learn_columns(self, training: Training, rows: np.ndarray) -> None:
        """Learn the encoding, and the levels that rows to learn from have."""
        X = training.X
        check_present(X, self.fields)
        names = list(X.columns) if training.columns is None else list(training.columns)
        dense = [name for name in names if name not in self.fields]
        if not dense and not self.fields:
            raise InputError("there are no feature columns; give at least one, or fields=")
        self.encoder = Encoder.fit(X, dense) if dense else Encoder(())
        self.columns = sorted([*self.encoder.columns, *self.fields])
        self.levels = []
        for name in self.fields:
            texts = as_texts(pd.Series(X[name][rows].dropna().unique()))
            self.levels.append(sorted(set(texts)))

    def _codes(self, X: pd.DataFrame) -> np.ndarray:
        """Return each row's place in the table, shape (n, fields); 0 for what was never seen."""
        check_present(X, self.fields)
        codes = np.zeros((len(X), len(self.fields)), dtype=np.int64)
        begin = 1
        for k, (name, levels) in enumerate(zip(self.fields, self.levels, strict=True)):
            place, values = pd.factorize(X[name])
            known = pd.Index(levels, dtype=object).get_indexer(
                pd.Index(as_texts(pd.Series(values)), dtype=object)
            )
            # A missing value has place −1: the last entry, which is that of the unknown.
            codes[:, k] = np.append(np.where(known < 0, 0, known + begin), 0)[place]
            begin += len(levels)
        return codes

    def logit(self, X: pd.DataFrame) -> np.ndarray:
        """Return the log odds, shape (n, 1)."""
        found = np.empty((len(X), 1))
        for part in parts_of(len(X)):
            rows = X.iloc[part]
            found[part, 0] = self._logit(self.encoder.transform(rows), self._codes(rows))
        return found

    def _logit(self, matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
        linear, factors, table = (
            self.arrays[name].astype(np.float64) for name in ("linear", "factors", "table")
        )
        vectors = table[codes]
        sums = product(matrix, factors) + vectors[:, :, 1:].sum(axis=1)
        squares = product(matrix**2, factors**2) + (vectors[:, :, 1:] ** 2).sum(axis=1)
        alone = (matrix * linear).sum(axis=1) + vectors[:, :, 0].sum(axis=1)
        return np.asarray(self.arrays["bias"][0] + alone + (sums**2 - squares).sum(axis=1) / 2)

    def state(self) -> State:
        """Return encoder, weights, levels and history."""
        state = {"encoder": self.encoder.to_dict(), "history": self.history.to_dict()}
        # As bytes: a million levels would swell the header.
        levels = {
            f"levels_{k}": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8).copy()
            for k, names in enumerate(self.levels)
        }
        return state, {**self.arrays, **levels}

    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become a saved machine."""
        self.encoder = Encoder.from_dict(state["encoder"])
        self.history = History.from_dict(state["history"])
        self.columns = sorted([*self.encoder.columns, *self.fields])
        self.levels = [json.loads(arrays[f"levels_{k}"].tobytes()) for k in range(len(self.fields))]
        width, rank = len(self.encoder.names), int(self.options["rank"])
        table = (1 + sum(map(len, self.levels)), 1 + rank)
        shapes = {"bias": (1,), "linear": (width,), "factors": (width, rank), "table": table}
        require_numbers(arrays, shapes)
        self.arrays = {name: arrays[name] for name in shapes}
