"""Random numbers by what they are for, rather than by their place in a stream."""

from __future__ import annotations

from typing import Any

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
SHAPES = tuple(np.uint64(n) for n in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
SHIFTS = tuple(np.uint64(n) for n in (30, 27, 31, 11))
MOST = 10_000
"""Where a Poisson number stops being looked for."""


def _mixed(x: np.ndarray) -> np.ndarray:
    """Scatter 64 bits: each bit of the result hangs on each of what was given (SplitMix64)."""
    x = (x ^ (x >> SHIFTS[0])) * SHAPES[0]
    x = (x ^ (x >> SHIFTS[1])) * SHAPES[1]
    return np.asarray(x ^ (x >> SHIFTS[2]))


def _joined(state: np.ndarray, key: Any) -> np.ndarray:
    more = np.asarray(key).astype(np.int64).view(np.uint64)
    return _mixed(state ^ _mixed(more * GOLDEN + GOLDEN))


class Keyed:
    """Draws like a `numpy.random.Generator`, but each row's numbers hang on its own keys alone.

    Two policies that do the same with a customer then see the same of her, whatever the others
    get: with a stream, one order more would move the numbers of all that come after it.

    Parameters
    ----------
    *keys : int or ndarray of int
        Which numbers: a seed and a purpose, and rows' own keys, which broadcast.

    Examples
    --------
    >>> few, many = np.array([7]), np.array([5, 6, 7])
    >>> one, three = Keyed(0, 1).of(few), Keyed(0, 1).of(many)
    >>> bool(one.uniform(size=1)[0] == three.uniform(size=3)[2])
    True
    """

    def __init__(self, *keys: Any) -> None:
        state = np.zeros((), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for key in keys:
                state = _joined(state, key)
        self._state, self._calls = state, 0

    def of(self, *keys: Any) -> Keyed:
        """Return the draws of rows with these keys; another call makes others of the same rows."""
        found = Keyed()
        with np.errstate(over="ignore"):
            state = _joined(self._state, self._next())
            for key in keys:
                state = _joined(state, key)
        found._state = state
        return found

    def at(self, which: np.ndarray) -> Keyed:
        """Return the draws of some of these rows."""
        found = Keyed()
        found._state, found._calls = self._state[which], self._calls
        return found

    def _next(self) -> int:
        self._calls += 1
        return self._calls

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> np.ndarray:
        """Draw evenly between two numbers; the last axis of a longer shape holds more per row."""
        state = self._state
        shape = () if size is None else (size,) if isinstance(size, int) else tuple(size)
        with np.errstate(over="ignore"):
            for more in shape[state.ndim :]:
                state = _joined(state[..., None], np.arange(more))
            state = _joined(state, self._next())
        drawn = ((state >> SHIFTS[3]).astype(float) + 0.5) / 2.0**53
        return np.asarray(low + (high - low) * drawn)

    def normal(self, mean: float = 0.0, sigma: float = 1.0, size: Any = None) -> np.ndarray:
        """Draw normal numbers."""
        from scipy.special import ndtri

        return np.asarray(mean + sigma * ndtri(self.uniform(size=size)))

    def exponential(self, scale: float = 1.0, size: Any = None) -> np.ndarray:
        """Draw exponential numbers."""
        return np.asarray(-scale * np.log(self.uniform(size=size)))

    def integers(self, low: int, high: int, size: Any = None) -> np.ndarray:
        """Draw whole numbers from ``low`` up to (not including) ``high``."""
        return np.asarray(np.floor(self.uniform(low, high, size)), dtype=np.int64)

    def poisson(self, mean: Any, size: Any = None) -> np.ndarray:
        """Draw counts: those of the same keys never fall where their mean grows."""
        drawn = self.uniform(size=size)
        rate = np.broadcast_to(np.asarray(mean, dtype=float), drawn.shape).ravel()
        found, drawn = np.zeros(drawn.shape, dtype=np.int64), drawn.ravel()
        flat, chance = found.ravel(), np.exp(-rate)
        below, left = chance.copy(), np.nonzero(drawn > chance)[0]
        for count in range(1, MOST):
            if len(left) == 0:
                break
            flat[left] = count
            chance[left] *= rate[left] / count
            below[left] += chance[left]
            left = left[drawn[left] > below[left]]
        return np.asarray(found)


Draws = np.random.Generator | Keyed


def rows(rng: Draws, *keys: Any) -> Draws:
    """Return the draws of rows with these keys; a stream goes on, whatever the rows are."""
    return rng.of(*keys) if isinstance(rng, Keyed) else rng


def some(rng: Draws, which: np.ndarray) -> Draws:
    """Return the draws of some rows of those that a source of them is for."""
    return rng.at(which) if isinstance(rng, Keyed) else rng
