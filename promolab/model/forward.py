"""Scoring a network in NumPy: fixed blocks, so that a row's score depends on that row alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from promolab.model.encoding import Encoder

__all__ = ["encoded", "forward", "in_blocks", "layers", "parts_of", "product"]

ROWS = 65_536  # rows encoded at once: bounds the working memory
BLOCK = 1024  # rows in one matrix product


def encoded(encoder: Encoder, X: pd.DataFrame) -> np.ndarray:
    """Encode a frame as float32, shape (n, p), a part at a time."""
    matrix = np.empty((len(X), len(encoder.names)), dtype=np.float32)
    for part in parts_of(len(X)):
        matrix[part] = encoder.transform(X.iloc[part])
    return matrix


def forward(
    encoder: Encoder,
    X: pd.DataFrame,
    weights: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
) -> np.ndarray:
    """Return a perceptron's outputs for the rows of a frame, float64 of shape (n, outputs)."""
    outputs = np.empty((len(X), weights[-1].shape[1]))
    if len(X) == 0:
        encoder.transform(X)  # so that an empty frame is checked as well
    for part in parts_of(len(X)):
        outputs[part] = layers(encoder.transform(X.iloc[part]), weights, biases)
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


def product(matrix: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return matrix @ weight, each row's result the same whatever stands beside it."""
    found = np.matmul(in_blocks(matrix), weight)
    return found.reshape(-1, weight.shape[1])[: len(matrix)]


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
