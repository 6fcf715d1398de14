"""What happened in a training, epoch by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["History"]


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> History:
        """Rebuild a history from what `to_dict` gave.

        Examples
        --------
        >>> History.from_dict(History((0.5,), (), 1, 9, 0, "none").to_dict()).kept
        1
        """
        curves = {name: tuple(state[name]) for name in ("learning", "held_out")}
        return cls(**{**state, **curves})
