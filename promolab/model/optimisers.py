"""Two ways of stepping: AdamW on all weights at once, Adagrad on the few that a batch touched.

torch's own would import its compiler at the first step, which takes a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["Adam", "SparseAdagrad"]


class Adam:
    """AdamW (Loshchilov & Hutter 2019); weights decay, biases (one dimension) do not.

    Parameters
    ----------
    parameters : sequence of Parameter
        They become views of one vector, so that a step is a handful of operations.
    learning_rate, weight_decay : float
        Size of a step, and the share of it by which weights are pulled to 0.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.rate, self.betas, self.steps = learning_rate, betas, 0
        with torch.no_grad():
            self.values = torch.cat([p.reshape(-1) for p in parameters])
            self.gradient = torch.zeros_like(self.values)
            self.decay = torch.cat(
                [torch.full_like(p, weight_decay * (p.ndim > 1)).reshape(-1) for p in parameters]
            )
        begin = 0
        for p in parameters:
            end = begin + p.numel()
            p.data = self.values[begin:end].view(p.shape)
            p.grad = self.gradient[begin:end].view(p.shape)
            begin = end
        self.mean, self.square = torch.zeros_like(self.values), torch.zeros_like(self.values)

    def clear(self) -> None:
        """Forget the gradient."""
        self.gradient.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights."""
        self.steps += 1
        first, second = self.betas
        self.mean.lerp_(self.gradient, 1 - first)
        self.square.mul_(second).addcmul_(self.gradient, self.gradient, value=1 - second)
        size = (self.square / (1 - second**self.steps)).sqrt_().add_(1e-8)
        self.values.addcmul_(self.decay, self.values, value=-self.rate)
        self.values.addcdiv_(self.mean, size, value=-self.rate / (1 - first**self.steps))


class SparseAdagrad:
    """Adagrad (Duchi, Hazan & Singer 2011) on the rows of a table that a batch looked up.

    Parameters
    ----------
    table : Parameter, shape (levels, width)
        Its gradient is sparse.
    learning_rate : float
        Size of a step.
    """

    def __init__(self, table: torch.nn.Parameter, learning_rate: float) -> None:
        self.table, self.rate = table, learning_rate
        self.squares = torch.zeros_like(table, requires_grad=False)

    def clear(self) -> None:
        """Forget the gradient."""
        self.table.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the rows that have a gradient."""
        if self.table.grad is None:
            return
        gradient = self.table.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        squares = self.squares.index_select(0, rows).addcmul_(values, values)
        self.squares.index_copy_(0, rows, squares)
        moved = self.table.index_select(0, rows).addcdiv_(
            values, squares.sqrt().add_(1e-8), value=-self.rate
        )
        self.table.index_copy_(0, rows, moved)
