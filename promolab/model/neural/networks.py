"""The networks: a perceptron with a head per outcome, and a funnel that keeps chances consistent.

Imports torch, and is imported only where a network is trained; scoring needs numpy alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid, softplus

if TYPE_CHECKING:
    import pandas as pd

    from promolab.model.inputs.encoding import Encoder


ROWS = 65_536  # rows encoded at once: bounds the working memory
BLOCK = 1024  # rows in one matrix product


def encoded(encoder: Encoder, X: pd.DataFrame) -> np.ndarray:
    """Encode a frame as float32, shape (n, p), a part at a time."""
    columns, matrix = encoder.read(X), np.empty((len(X), len(encoder.names)), dtype=np.float32)
    for part in parts_of(len(X)):
        encoder.encode(columns, part, matrix[part])
    return matrix


def forward(
    encoder: Encoder,
    columns: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
) -> np.ndarray:
    """Return a perceptron's outputs of what ``encoder.read`` gave, float64 of (n, outputs)."""
    n = len(columns[0])
    outputs = np.empty((n, weights[-1].shape[1]))
    for part in parts_of(n):
        matrix = np.empty((len(outputs[part]), len(encoder.names)))
        encoder.encode(columns, part, matrix)
        outputs[part] = layers(matrix, weights, biases)
    return outputs


def layers(
    matrix: np.ndarray, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]
) -> np.ndarray:
    """Run encoded rows through the layers of a perceptron."""
    n, last = len(matrix), len(weights) - 1
    blocks = in_blocks(matrix.astype(np.float32, copy=False))
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        blocks = np.matmul(blocks, weight)
        blocks += bias
        if k < last:
            np.maximum(blocks, 0, out=blocks)
    return blocks.reshape(-1, blocks.shape[-1])[:n].astype(np.float64)


def in_blocks(matrix: np.ndarray) -> np.ndarray:
    """Return the rows, filled up with zeros, in whole blocks: shape (count, BLOCK, p).

    A matrix product rounds differently with the number of rows in it; so every one gets the same.
    """
    count = -(-len(matrix) // BLOCK)
    rows = np.zeros((count * BLOCK, matrix.shape[1]), dtype=matrix.dtype)
    rows[: len(matrix)] = matrix
    return rows.reshape(count, BLOCK, matrix.shape[1])


def parts_of(n: int) -> Iterator[slice]:
    """Return n rows in parts of a bounded size."""
    return (slice(i, min(i + ROWS, n)) for i in range(0, n, ROWS))


THRESHOLD = torch.ops.aten.threshold_backward  # a where b is above the limit, else 0


class Perceptron(torch.nn.Module):
    """Layers of weighted sums with a rectifier between them; the last gives the log odds.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden units of each layer, outputs.
    start : sequence of float
        Log odds that it begins with, one per output: those of the training rows.
    generator : torch.Generator
        Draws the first weights (He et al. 2015) and, in training, what is dropped; the global
        one is never touched.
    dropout : float
        Share of hidden units set to 0 at each step of training (Srivastava et al. 2014), to the
        nearest 1/256.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        start: Sequence[float] | np.ndarray,
        generator: torch.Generator,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.generator, self.dropout = generator, dropout
        device = generator.device
        weights, biases = [], []
        for k, (rows, columns) in enumerate(itertools.pairwise(sizes)):
            bound = math.sqrt(6 / rows) if k < len(sizes) - 2 else 0.1 * math.sqrt(6 / rows)
            drawn = torch.empty(rows, columns, device=device)
            weights.append(torch.nn.Parameter(drawn.uniform_(-bound, bound, generator=generator)))
            biases.append(torch.nn.Parameter(torch.zeros(columns, device=device)))
        with torch.no_grad():
            biases[-1].copy_(torch.as_tensor(start, dtype=torch.float32))
        self.weights, self.biases = torch.nn.ParameterList(weights), torch.nn.ParameterList(biases)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the outputs, shape (n, last size)."""
        last, scale = len(self.weights) - 1, 1.0
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            rows = torch.addmm(bias, rows, weight, alpha=scale)
            if k < last:
                if self.training and self.dropout > 0:
                    rows, scale = self._dropped(rows)
                else:
                    rows = rows.relu_()
        return rows

    def _dropped(self, units: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Return the units rectified, some of them 0, and what makes up for those on average.

        A byte decides for each unit, and eight come from one draw: drawing is what takes the time.
        """
        limit = max(1, round(256 * self.dropout))
        words = torch.empty(-(-units.numel() // 8), dtype=torch.int64, device=units.device)
        words.random_(-(2**63), None, generator=self.generator)
        drawn = words.view(torch.uint8)[: units.numel()].view(units.shape)
        return _Dropped.apply(units, drawn, limit), 256 / (256 - limit)


class _Dropped(torch.autograd.Function):
    """Rectify, and set to 0 where the byte drawn is below the limit: in two passes, not in six."""

    @staticmethod
    def forward(ctx: Any, units: torch.Tensor, drawn: torch.Tensor, limit: int) -> torch.Tensor:
        kept = drawn.to(units.dtype).sub_(limit - 0.5)  # above 0 where the unit stays
        found = THRESHOLD(units.clamp(min=0), kept, 0.0)
        ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (found,) = ctx.saved_tensors
        return THRESHOLD(gradient, found, 0.0), None, None


class MaskedLoss:
    """Mean log-loss over the outcomes that are known; labels may lie between 0 and 1."""

    def __call__(
        self, outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of outputs and labels, both of shape (n, K), nan where not known.

        Weights, of shape (n, 1), are about 1 on average.
        """
        known = ~labels.isnan()
        return _mean(_log_loss(outputs, labels.nan_to_num()), known, weights)


class FunnelLoss:
    """Minus the mean log-likelihood of what is known, where one outcome leads to another.

    Where both are known, the later one teaches the chance given the earlier one; where only the
    later one is, the law of total probability ties it to all three heads.

    Parameters
    ----------
    earlier, later : int
        Positions of the two outcomes. The head at ``later`` is for those with the earlier outcome;
        the one behind the last outcome is for those without.
    """

    def __init__(self, earlier: int, later: int) -> None:
        self.earlier, self.later = earlier, later

    def __call__(
        self, outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of outputs of shape (n, K + 1) and labels of shape (n, K)."""
        known, y = ~labels.isnan(), labels.nan_to_num()
        first, given, without = outputs[:, self.earlier], outputs[:, self.later], outputs[:, -1]
        went, came = y[:, self.earlier], y[:, self.later]
        paired = went * _log_loss(given, came) + (1 - went) * _log_loss(without, came)
        alone = _log_loss(_total_log_odds(first, given, without), came)
        losses = _log_loss(outputs[:, :-1], y)
        column = torch.where(known[:, self.earlier], paired, alone)
        position = torch.arange(losses.shape[1], device=losses.device) == self.later
        losses = torch.where(position, column[:, None], losses)
        return _mean(losses, known, weights)


def _mean(losses: torch.Tensor, known: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    losses = losses if weights is None else losses * weights
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def _log_loss(log_odds: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return softplus(log_odds) - labels * log_odds


def _total_log_odds(
    first: torch.Tensor, given: torch.Tensor, without: torch.Tensor
) -> torch.Tensor:
    """Return the log odds of P(first)·P(given) + (1 − P(first))·P(without), from log odds."""
    came = torch.logaddexp(
        logsigmoid(first) + logsigmoid(given), logsigmoid(-first) + logsigmoid(without)
    )
    stayed = torch.logaddexp(
        logsigmoid(first) + logsigmoid(-given), logsigmoid(-first) + logsigmoid(-without)
    )
    return came - stayed
