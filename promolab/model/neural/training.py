"""Training a network: batches cut from tensors on the device, stopped by the latest promotions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from promolab.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from promolab.model.learners import Training


@contextmanager
def one_thread() -> Iterator[int]:
    """Run each operation of torch on one thread: sums split over threads differ in last digits.

    Yields how many threads there would have been.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


SHARE = 0.15  # of the rows, at least …
MOST = 0.5  # … and at most: a model should not learn from less than half
FEWEST = 5  # rows of either class in the slice, below which its loss says little


@dataclass(frozen=True)
class HeldOut:
    """A slice of the training rows that is not learned from.

    Parameters
    ----------
    rows : ndarray of bool, shape (n,)
        True for the rows in the slice; none where there is no usable one.
    how : str
        What the slice is, or why there is none.
    """

    rows: np.ndarray
    how: str

    @property
    def usable(self) -> bool:
        """Whether there is a slice."""
        return bool(self.rows.any())


def hold_out_latest(training: Training) -> HeldOut:
    """Choose the slice: the latest promotions, else the last groups, else some of the customers.

    Parameters
    ----------
    training : Training
        With ``time``: whole moments are held out (whole groups, if there are some), the latest
        first, until they are 15 % of the rows. Without: the last groups in sorted order. With
        neither, or if that would take more than half of the rows: customers in the order of a
        hash of their id (rows, in that of their number).

    Returns
    -------
    HeldOut
        Empty where one side of the split would have fewer than five rows of either class.
    """
    found = _by_order(training)
    if found is None:
        who = np.arange(len(training.labels)) if training.cluster is None else training.cluster
        codes, ids = pd.factorize(who)
        what = "rows" if training.cluster is None else "customers"
        found = HeldOut(_last(codes, pd.util.hash_array(ids)), f"some of the {what}, by a hash")
    for side, which in ((found.rows, "in"), (~found.rows, "outside")):
        if _scarcest(training.labels[side]) < FEWEST:
            nobody = np.zeros(len(training.labels), dtype=bool)
            return HeldOut(
                nobody,
                f"no slice was held out ({found.how}): fewer than {FEWEST} rows of either class "
                f"{which} it; all epochs were used",
            )
    return found


def _by_order(training: Training) -> HeldOut | None:
    """Return the latest moments or the last groups; None if they would be too many rows."""
    if training.group is None:
        if training.time is None:
            return None
        codes, values = pd.factorize(training.time, sort=True)
        order, how = np.arange(len(values)), "the latest rows"
    else:
        codes, values = pd.factorize(training.group, sort=True)
        order, how = np.arange(len(values)), "the last groups"
        if training.time is not None:
            ranks = pd.factorize(training.time, sort=True)[0]
            latest = np.zeros(len(values), dtype=np.int64)
            np.maximum.at(latest, codes, ranks)
            order, how = latest, "the latest groups"
    rows = _last(codes, order)
    return HeldOut(rows, how) if rows.mean() <= MOST else None


def _last(codes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the rows of the units that come last, as few whole units as make up the share."""
    sizes = np.bincount(codes, minlength=len(order))
    # Units of equal order (promotions that started together) go together.
    _, level = np.unique(order, return_inverse=True)
    from_end = np.cumsum(np.bincount(level, weights=sizes)[::-1])[::-1]
    enough = np.flatnonzero(from_end >= SHARE * len(codes))
    first = enough[-1] if len(enough) else 0
    return np.asarray((level >= first)[codes])


def _scarcest(labels: np.ndarray) -> int:
    """Return the rows of the rarer class, of the outcome that has most of them."""
    # Soft labels (chances to imitate) count with what they are worth.
    ones = np.nansum(labels, axis=0)
    known = np.sum(~np.isnan(labels), axis=0)
    return int(np.max(np.minimum(ones, known - ones), initial=0))


def optimiser_of(network: torch.nn.Module, settings: Schedule) -> torch.optim.Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019); weights decay, biases (one dimension) do not."""
    several, one = (
        [p for p in network.parameters() if (p.ndim > 1) is wide] for wide in (True, False)
    )
    groups = [
        {"params": several, "weight_decay": settings.weight_decay},
        {"params": one, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


@dataclass(frozen=True)
class History:
    """Log-loss by epoch, and the epoch that was best.

    Parameters
    ----------
    learning, held_out : tuple of float
        Mean log-loss per known outcome after each epoch, without noise: of rows learned from (at
        most 20,000 of them), and of the held-out slice; empty if there was none.
    kept : int
        The epoch, counted from 1, with the lowest held-out loss, or the last: the model has its
        weights or, with ``refit``, learned from all rows for as many epochs.
    rows_learning, rows_held_out : int
        Rows learned from, and held out.
    how : str
        What the slice is, or why there is none.
    """

    learning: tuple[float, ...]
    held_out: tuple[float, ...]
    kept: int
    rows_learning: int
    rows_held_out: int
    how: str


FOLDER = "runs"


def track_folder(track: str | None) -> Path | None:
    """Return the folder that ``track`` names: ``tensorboard`` (``runs``) or ``tensorboard:FOLDER``.

    Raises
    ------
    InputError
        It is anything else.

    Examples
    --------
    >>> track_folder("tensorboard:logs").name, track_folder(None)
    ('logs', None)
    """
    if track is None:
        return None
    how, _, folder = str(track).partition(":")
    if how != "tensorboard" or (":" in str(track) and not folder):
        raise InputError(
            f"track={track!r} is unknown; give 'tensorboard' (event files in ./{FOLDER}), "
            "'tensorboard:FOLDER' or None"
        )
    return Path(folder or FOLDER)


@contextmanager
def event_files(track: str | None, name: str) -> Iterator[Any]:
    """Open a writer of event files in a new folder ``name-1``, ``name-2`` …; None if not asked.

    Raises
    ------
    MissingExtraError
        TensorBoard is not installed.
    """
    folder = track_folder(track)
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("track='tensorboard'", "tensorboard") from error
    number = 1
    while (folder / f"{name}-{number}").exists():
        number += 1
    try:
        writer = SummaryWriter(str(folder / f"{name}-{number}"))
    except OSError as error:
        raise InputError(
            f"track={track!r}: no event files can be written in {folder} ({error.strerror})"
        ) from error
    with writer:
        yield writer


def epochs_of(count: int, what: str, progress: bool) -> Any:
    """Return the epochs 1 to ``count``, with a bar where stderr is a terminal."""
    from tqdm import tqdm

    # disable=None: no bar in a pipe or a log.
    return tqdm(
        range(1, count + 1), what, unit="epoch", leave=False, disable=None if progress else True
    )


Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]

WATCHED = 20_000  # rows learned from, evenly spread, whose loss is told after each epoch
BLOCK = 65_536  # rows in one pass when the loss is told
STEPS = 50  # batches an epoch should have where the size of a batch is left open
SMALLEST, LARGEST = 16, 4096


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How to train.

    Parameters
    ----------
    epochs : int
        Passes over the rows, at most.
    batch : int or "auto"
        Rows in a step; ``auto``: a power of two from 16 to 4,096 that makes about 50 steps or more.
    learning_rate, weight_decay : float
        Of AdamW (Loshchilov & Hutter 2019).
    patience : int
        Epochs without a lower loss on the held-out slice after which to stop.
    refit : bool
        Whether to begin again once the best number of epochs is known, and learn from all rows.
    """

    epochs: int
    batch: int | str
    learning_rate: float
    weight_decay: float
    patience: int
    refit: bool = False

    def batch_of(self, n: int) -> int:
        """Return the rows in a step for n rows."""
        if not isinstance(self.batch, str):
            return int(self.batch)
        wanted = max(n // STEPS, 1)
        return int(np.clip(2 ** int(np.log2(wanted)), SMALLEST, LARGEST))


def device_of(name: str) -> torch.device:
    """Return the device: CUDA, the processor, or for ``auto`` CUDA where there is one.

    Raises
    ------
    InputError
        Another device, or CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device={name!r} is none; give 'auto', 'cpu' or 'cuda'") from error
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device={name!r} cannot be used here; give 'auto', 'cpu' or 'cuda'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device={name!r}, but torch sees no such CUDA here; give 'auto' or 'cpu'")
    return device


def generator_on(device: torch.device, seed: int) -> torch.Generator:
    """Return a source of random numbers of its own; the global one stays as it is."""
    return torch.Generator(device).manual_seed(seed)


def train(
    network: torch.nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    loss: Loss,
    settings: Schedule,
    held_out: HeldOut,
    generator: torch.Generator,
    *,
    weights: np.ndarray | None = None,
    name: str = "network",
    track: str | None = None,
    progress: bool = True,
) -> History:
    """Train ``network`` in place; it ends with the weights of the epoch that was best.

    Parameters
    ----------
    network : Module
        Takes the inputs of some rows, returns outputs for ``loss``.
    inputs : Tensor, shape (n, p)
        Encoded features, on the device.
    labels : Tensor, shape (n, K)
        0, 1 or a chance; nan where not known.
    loss : callable
        Outputs, labels and weights (or None) of a batch → its mean loss.
    held_out : HeldOut
        Rows whose loss decides when to stop; with none, all epochs are used.
    generator : Generator
        Draws the order of the rows and all noise.
    weights : ndarray, shape (n,), optional
        How many rows each counts for; only what they are to each other matters.
    track : str, optional
        See `event_files`.

    Notes
    -----
    On the processor: one thread, so the same seed gives the same bits whatever the number of
    threads. Batches are cut from one shuffled tensor of row numbers; no row is handled on its own.
    """
    on_cpu = labels.device.type == "cpu"
    begun = [p.detach().clone() for p in network.parameters()]
    run = _Run(network, inputs, labels, loss, settings, held_out, generator, weights)
    with one_thread() if on_cpu else nullcontext(), event_files(track, name) as writer:
        history = run.whole(name, writer, progress)
        if settings.refit and held_out.usable:
            _put(network, begun)
            # The same batches: with others an epoch would have another number of steps.
            shorter = dataclasses.replace(settings, epochs=history.kept, batch=run.batch)
            everything = HeldOut(np.zeros(len(labels), dtype=bool), held_out.how)
            again = _Run(network, inputs, labels, loss, shorter, everything, generator, weights)
            again.whole(f"{name}, all rows", None, progress)
    return history


def _put(network: torch.nn.Module, values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(value)


class _Run:
    """One training: what it works on, and its steps."""

    def __init__(
        self,
        network: torch.nn.Module,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        loss: Loss,
        settings: Schedule,
        held_out: HeldOut,
        generator: torch.Generator,
        weights: np.ndarray | None,
    ) -> None:
        self.network, self.inputs, self.labels, self.loss = network, inputs, labels, loss
        self.settings, self.generator = settings, generator
        self.how, device = held_out.how, labels.device
        self.learned = torch.from_numpy(np.flatnonzero(~held_out.rows)).to(device)
        self.watched = torch.from_numpy(np.flatnonzero(held_out.rows)).to(device)
        self.batch = settings.batch_of(len(self.learned))
        self.weights = None
        if weights is not None:
            even = (weights / weights.mean()).astype(np.float32)[:, None]
            self.weights = torch.from_numpy(even).to(device)
        self.optimiser = optimiser_of(network, settings)

    def whole(self, name: str, writer: Any, progress: bool) -> History:
        """Run the epochs and keep the best."""
        stops = len(self.watched) > 0
        learning: list[float] = []
        unseen: list[float] = []
        best, best_epoch, kept = np.inf, 0, None
        for epoch in (bar := epochs_of(self.settings.epochs, name, progress)):
            self._epoch()
            learning.append(self._told(self.learned[:: -(-len(self.learned) // WATCHED)]))
            if stops:
                unseen.append(self._told(self.watched))
            self._write(writer, epoch, learning, unseen)
            if not np.isfinite(learning[-1]):
                raise InputError(
                    f"the {name} diverged in epoch {epoch}: its loss is no number; lower "
                    f"learning_rate (now {self.settings.learning_rate:g})"
                )
            bar.set_postfix_str(f"log-loss {(unseen or learning)[-1]:.4f}")
            if stops and unseen[-1] < best:
                best, best_epoch = unseen[-1], epoch
                kept = [p.detach().clone() for p in self.network.parameters()]
            elif stops and epoch - best_epoch >= self.settings.patience:
                break
        if kept is not None:
            _put(self.network, kept)
        return History(
            tuple(learning),
            tuple(unseen),
            best_epoch if stops else len(learning),
            len(self.learned),
            len(self.watched),
            self.how,
        )

    def _epoch(self) -> None:
        """Pass once over the rows learned from, in a new order."""
        self.network.train()
        n, device = len(self.learned), self.labels.device
        order = self.learned[torch.randperm(n, generator=self.generator, device=device)]
        for rows in order.split(self.batch):
            self.optimiser.zero_grad()
            outputs = self.network(self.inputs.index_select(0, rows))
            self.loss(outputs, *self._labels_of(rows)).backward()
            self.optimiser.step()

    def _labels_of(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        weights = None if self.weights is None else self.weights.index_select(0, rows)
        return self.labels.index_select(0, rows), weights

    def _told(self, rows: torch.Tensor) -> float:
        """Return the mean loss of rows as they are, without noise."""
        self.network.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for part in rows.split(BLOCK):
                labels, weights = self._labels_of(part)
                known = int((~labels.isnan()).sum())
                outputs = self.network(self.inputs.index_select(0, part))
                total += float(self.loss(outputs, labels, weights)) * known
                count += known
        return total / max(count, 1)

    def _write(self, writer: Any, epoch: int, learning: list[float], unseen: list[float]) -> None:
        if writer is None:
            return
        writer.add_scalar("log-loss/learned from", learning[-1], epoch)
        if unseen:
            writer.add_scalar("log-loss/held out", unseen[-1], epoch)
