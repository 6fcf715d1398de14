"""A network behind its door, against the usual loop over a DataLoader on standardised tensors."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.doors import log_loss
from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd
    import torch

ROWS, COLUMNS = 1_000_000, 50
HIDDEN = (64, 32)
EPOCHS = 3
BATCH = 4096
SMALL = 32
TIMED_BATCHES = 2_000  # of 32 rows: an epoch of 31,250 of them takes minutes
LEAST_AGAINST_SMALL, LEAST_AGAINST_LARGE = 4.0, 2.0
WITHIN = 0.001  # log-loss after as many epochs, in nats
TEST_ROWS = 200_000


@dataclass(frozen=True)
class Table:
    """Rows and labels, to learn from and to test on."""

    X: torch.Tensor
    y: torch.Tensor
    X_test: torch.Tensor
    y_test: torch.Tensor


def network_epochs(rows: int = ROWS, runs: int = 2) -> Iterator[Row]:
    """Time epochs of the network, ours and by DataLoader, in turn; compare what was learned.

    Ours with all that `fit` does: features encoded, rows held out to find the best epoch, and the
    network fitted again on all rows; the loops do none of it.
    """
    table = make_table(rows)
    ours, large, small = [], [], []
    for _ in range(runs):  # in turn, so that a busy machine slows all
        ours.append(_timed(lambda: our_fit(table, EPOCHS)))
        large.append(_timed(lambda: loader_epochs(table, BATCH, EPOCHS)))
        small.append(_timed(lambda: loader_epochs(table, SMALL, 1, TIMED_BATCHES)))
    own, other = (statistics.median(s for s, _ in found) for found in (ours, large))
    share = TIMED_BATCHES * SMALL / rows / EPOCHS
    slow = statistics.median(s for s, _ in small) / share
    losses = [ours[0][1], large[0][1]]
    what = f"mlp, {rows:,} × {COLUMNS}, {EPOCHS} epochs, against a DataLoader of batches of"
    quality = f"log-loss {losses[0]:.4f} to {losses[1]:.4f}"
    yield Row(
        f"{what} {BATCH:,}",
        f"≥ {LEAST_AGAINST_LARGE:g} × faster, loss within {WITHIN:g}",
        f"{other / own:.1f} × ({own:.2f} to {other:.2f} s of CPU, one thread, median of {runs}; "
        f"{quality})",
        other >= LEAST_AGAINST_LARGE * own and losses[0] <= losses[1] + WITHIN,
    )
    yield Row(
        f"{what} {SMALL}",
        f"≥ {LEAST_AGAINST_SMALL:g} × faster",
        f"{slow / own:.0f} × ({own:.2f} to {slow:.0f} s of CPU, one thread; "
        f"{TIMED_BATCHES:,} batches timed, scaled to {EPOCHS * rows // SMALL:,})",
        slow >= LEAST_AGAINST_SMALL * own,
    )


def network_quality(rows: int = ROWS) -> Row:
    """Compare the loss after a whole epoch of batches of 32 with ours after as much time."""
    table = make_table(rows)
    slow, small = _timed(lambda: loader_epochs(table, SMALL, 1))
    epochs = 5
    own, ours = _timed(lambda: our_fit(table, epochs))
    return Row(
        f"mlp, {rows:,} × {COLUMNS}, {epochs} epochs of ours against one of batches of {SMALL}",
        "no higher loss, sooner",
        f"log-loss {ours:.4f} in {own:.1f} s to {small:.4f} in {slow:.0f} s",
        ours <= small and own < slow,
    )


def make_table(rows: int) -> Table:
    """Make rows with curved and crossed effects, standardised."""
    import torch

    generator = torch.Generator().manual_seed(0)
    X = torch.randn(rows + TEST_ROWS, COLUMNS, generator=generator)
    weights = torch.randn(COLUMNS, generator=generator) / COLUMNS**0.5
    z = X @ weights + X[:, 0] * X[:, 1] + X[:, 2].abs() - 2.5
    y = (torch.rand(len(z), generator=generator) < torch.sigmoid(z)).float()[:, None]
    return Table(X[:rows], y[:rows], X[rows:], y[rows:])


def our_fit(table: Table, epochs: int) -> Callable[[], float]:
    """Fit a `ResponseModel` on a frame; return what tells the test loss."""
    from promolab import ResponseModel

    model = ResponseModel("mlp", hidden=HIDDEN, epochs=epochs, batch=BATCH)
    model.fit(_frame(table.X), table.y.numpy()[:, 0])
    return lambda: log_loss(table.y_test.numpy()[:, 0], model.probability(_frame(table.X_test)))


def _frame(X: torch.Tensor) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(X.numpy(), columns=[f"feature_{j:02d}" for j in range(X.shape[1])])


def loader_epochs(
    table: Table, batch: int, epochs: int, most: int | None = None
) -> Callable[[], float]:
    """Train the same network by the usual loop: DataLoader, Adam, a step per batch."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    generator = torch.Generator().manual_seed(1)
    network = new_network(generator)
    rate, decay = _rate_and_decay()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    loss = torch.nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(table.X, table.y), batch, shuffle=True, generator=generator)
    network.train()
    for _ in range(epochs):
        for rows, labels in islice(loader, most):
            optimiser.zero_grad()
            loss(network(rows), labels).backward()
            optimiser.step()
    return lambda: loss_on_test_rows(network, table)


def _rate_and_decay() -> tuple[float, float]:
    from promolab.model.learners.neural import Mlp

    options = Mlp({}).options
    return options["learning_rate"], options["weight_decay"]


def new_network(generator: torch.Generator) -> torch.nn.Module:
    """Make the network that both train."""
    from promolab.model.learners.neural import Mlp
    from promolab.model.neural.networks import Perceptron

    dropout = Mlp({}).options["dropout"]
    return Perceptron((COLUMNS, *HIDDEN, 1), [-1.0], generator, dropout)


def loss_on_test_rows(network: torch.nn.Module, table: Table) -> float:
    """Return the log-loss on rows that nobody learned from."""
    import torch

    network.eval()
    with torch.no_grad():
        found = network(table.X_test)
        return float(torch.nn.functional.binary_cross_entropy_with_logits(found, table.y_test))


def _timed(run: Callable[[], Callable[[], float]]) -> tuple[float, float]:
    """Run on one thread, as ours always does; return seconds of CPU, which others do not add to."""
    from promolab.model.neural.training import one_thread

    with one_thread():
        begun = time.process_time()
        told = run()
        return time.process_time() - begun, told()
