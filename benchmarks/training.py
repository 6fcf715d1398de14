"""Logistic regression of a million rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.doors import log_loss, seconds, single_precision
from benchmarks.table import Row

if TYPE_CHECKING:
    import numpy as np

ROWS, COLUMNS = 1_000_000, 20
LEAST_TIMES_FASTER = 100
EPOCHS, LOOP_BATCH, RATE = 10, 32, 0.05


def training(runs: int = 3, epochs: int = 1, n: int = ROWS) -> Row:
    """Time the logistic model against a `DataLoader` of batches of 32 and SGD, for 10 epochs.

    The loop runs for ``epochs`` of them, and its time is scaled up: an epoch is as long as the
    next. Its loss can be no lower after all 10 than the certified optimum, whatever it does there.
    """
    import numpy as np
    from scipy.special import expit

    from promolab import ResponseModel

    frame, y = single_precision("usual", n)
    model = ResponseModel("logistic", l2=1.0, intervals=False)
    calls = {"ours": lambda: model.fit(frame, y)}
    before = seconds(calls, runs)["ours"]
    X, labels = frame.to_numpy(copy=True), y.astype(np.float32)
    textbook_loop(X[: n // 100], labels[: n // 100], 1)  # warmed up as the model was
    begun = time.perf_counter()
    w, b = textbook_loop(X, labels, epochs)
    whole = (time.perf_counter() - begun) / epochs * EPOCHS
    own = (before + seconds(calls, runs)["ours"]) / 2  # as busy a machine
    loss, loop_loss = log_loss(y, model.probability(frame)), log_loss(y, expit(X @ w + b))
    ran = f"{whole:.0f} s" if epochs == EPOCHS else f"{EPOCHS} × the {whole / EPOCHS:.0f} s of one"
    return Row(
        f"logistic, {n:,} × {COLUMNS}, against DataLoader, batches of {LOOP_BATCH}, SGD, "
        f"{EPOCHS} epochs",
        f"≥ {LEAST_TIMES_FASTER} × faster, lower loss",
        f"{whole / own:.0f} × ({own:.2f} s to {ran}; log-loss {loss:.6f} to {loop_loss:.6f})",
        whole >= LEAST_TIMES_FASTER * own and loss < loop_loss,
    )


def textbook_loop(X: np.ndarray, y: np.ndarray, epochs: int) -> tuple[np.ndarray, float]:
    """Train as tutorials do: a module, a loader, an optimiser, a loop.

    On one thread, where batches this small are quickest.
    """
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from promolab.model.neural.training import one_thread

    torch.manual_seed(0)
    rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(rows, batch_size=LOOP_BATCH, shuffle=True)
    model = torch.nn.Linear(X.shape[1], 1)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    loss = torch.nn.BCEWithLogitsLoss()
    with one_thread():
        for _ in range(epochs):
            for batch, labels in loader:
                optimiser.zero_grad()
                loss(model(batch)[:, 0], labels).backward()
                optimiser.step()
    return model.weight.detach().numpy()[0], float(model.bias.detach()[0])
