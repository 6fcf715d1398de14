"""A network fed by tensors cut on the device, against the usual loop over a DataLoader."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row

if TYPE_CHECKING:
    import torch

    from promolab.model.history import History

ROWS, COLUMNS = 1_000_000, 50
HIDDEN = (64, 32)
BATCH = 4096
SMALL = 32
TIMED_BATCHES = 2_000  # of 32 rows: an epoch of 31,250 of them takes minutes
LEAST_AGAINST_SMALL, LEAST_AGAINST_LARGE = 20.0, 2.0
WITHIN = 0.001  # log-loss after an epoch, in nats
TEST_ROWS = 200_000


@dataclass(frozen=True)
class Table:
    """Rows and labels, to learn from and to test on."""

    X: torch.Tensor
    y: torch.Tensor
    X_test: torch.Tensor
    y_test: torch.Tensor


def network_epochs(rows: int = ROWS, runs: int = 3) -> Iterator[Row]:
    """Time an epoch of the network ours and by DataLoader, in turn; compare what was learned."""
    table = make_table(rows)
    ours, large, small = [], [], []
    for _ in range(runs):  # in turn, so that a busy machine slows all
        ours.append(_timed(lambda: our_epoch(table)))
        large.append(_timed(lambda: loader_epoch(table, BATCH)))
        small.append(_timed(lambda: loader_epoch(table, SMALL, TIMED_BATCHES)))
    own, other = (statistics.median(s for s, _ in found) for found in (ours, large))
    share = TIMED_BATCHES * SMALL / rows
    slow = statistics.median(s for s, _ in small) / share
    losses = [ours[0][1], large[0][1]]
    what = f"mlp, {rows:,} × {COLUMNS}, an epoch, against a DataLoader of batches of"
    quality = f"log-loss after it {losses[0]:.4f} to {losses[1]:.4f}"
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
        f"{TIMED_BATCHES:,} batches timed, scaled to {rows // SMALL:,})",
        slow >= LEAST_AGAINST_SMALL * own,
    )


def network_quality(rows: int = ROWS) -> Row:
    """Compare the loss after a whole epoch of batches of 32 with ours after as much time."""
    table = make_table(rows)
    slow, small = _timed(lambda: loader_epoch(table, SMALL))
    epochs = 5
    own, ours = _timed(lambda: our_epoch(table, epochs))
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


def our_epoch(table: Table, epochs: int = 1) -> Callable[[], float]:
    """Train by `promolab.model.training.train`; return what tells the test loss."""
    import torch

    from promolab.model.held_out import HeldOut
    from promolab.model.learners.neural import Mlp, settings_of
    from promolab.model.networks import MaskedLoss
    from promolab.model.training import train

    generator = torch.Generator().manual_seed(1)
    network = new_network(generator)
    settings = replace(settings_of(Mlp({"epochs": epochs}).options), batch=BATCH)
    nobody = HeldOut(np.zeros(len(table.y), dtype=bool), "no slice")
    history: History = train(
        network,
        [table.X],
        table.y,
        MaskedLoss(),
        settings,
        nobody,
        generator,
        progress=False,
    )
    assert len(history.learning) == epochs
    return lambda: loss_on_test_rows(network, table)


def loader_epoch(table: Table, batch: int, most: int | None = None) -> Callable[[], float]:
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
    for step, (rows, labels) in enumerate(loader):
        if step == most:
            break
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
    from promolab.model.networks import Perceptron

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
    from promolab.model.passes import one_thread

    with one_thread():
        begun = time.process_time()
        told = run()
        return time.process_time() - begun, told()
