"""Rows of whole numbers by customer and key, each column a sum, a first or a last of what came."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

NEVER = np.iinfo(np.int64).max
"""A time that has not come: every time is before it."""
_MERGED: Mapping[str, Callable[[int, int], int]] = {
    "sum": operator.add,
    "first": min,
    "last": max,
}


class KeyedRows:
    """Rows keyed by customer and key; a row of a key that is there is merged with it.

    Sums, firsts and lasts do not depend on the order in which rows come. What was there at the
    beginning lies in flat arrays; only a customer of whom something new came has rows of its own.

    Parameters
    ----------
    columns : mapping of str to {"sum", "first", "last"}
        Column → how two rows of one key are merged.
    keys : sequence of str
        Columns that are the key, in `base`.
    base : mapping of str to ndarray, optional
        customer (0, 1, …), the keys, and the columns: the rows at the beginning, each key of a
        customer once.

    Examples
    --------
    >>> kept = KeyedRows({"n": "sum", "since": "first"}, ["store"])
    >>> for store, since in (("S1", 7), ("S2", 9), ("S1", 5)):
    ...     kept.add(0, (store,), [1, since])
    >>> kept.of(0).tolist()
    [[2, 5], [1, 9]]
    """

    def __init__(
        self,
        columns: Mapping[str, str],
        keys: Sequence[str],
        base: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.columns, self.keys = tuple(columns), tuple(keys)
        self.place = {name: place for place, name in enumerate(self.columns)}
        self._merges = [_MERGED[how] for how in columns.values()]
        self._base = np.zeros((0, len(self.columns)), dtype=np.int64)
        self._names: list[np.ndarray] = [np.zeros(0, dtype=object) for _ in self.keys]
        self._starts = np.zeros(1, dtype=np.int64)
        self._fresh: dict[int, dict[Any, list[int]]] = {}
        self._arrays: dict[int, np.ndarray] = {}
        if base is not None and len(base["customer"]):
            self._load(base)

    def _load(self, base: Mapping[str, np.ndarray]) -> None:
        order = np.argsort(base["customer"], kind="stable")
        customer = base["customer"][order]
        self._base = np.column_stack([base[name][order] for name in self.columns]).astype(np.int64)
        self._names = [base[name][order] for name in self.keys]
        self._starts = np.searchsorted(customer, np.arange(customer[-1] + 2))

    def add(self, customer: int, key: Any, values: Sequence[int]) -> None:
        """Merge a row; its array is made again when it is next asked for."""
        rows = self._fresh.get(customer)
        if rows is None:
            rows = self._fresh[customer] = self._own(customer)
        self._arrays.pop(customer, None)
        row = rows.get(key)
        if row is None:
            rows[key] = list(values)
            return
        for place, merge in enumerate(self._merges):
            row[place] = merge(row[place], values[place])

    def rows_of(self, customer: int) -> Mapping[Any, Sequence[int]]:
        """Return the rows of a customer by their keys."""
        rows = self._fresh.get(customer)
        return self._own(customer) if rows is None else rows

    def of(self, customer: int) -> np.ndarray:
        """Return the rows of a customer, shape (rows, columns)."""
        if customer not in self._fresh:
            return self._base[self._slice(customer)]
        found = self._arrays.get(customer)
        if found is None:
            rows = list(self._fresh[customer].values())
            found = np.array(rows, dtype=np.int64).reshape(-1, len(self.columns))
            self._arrays[customer] = found
        return found

    def all(self, customers: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the customer of every row, and the rows of customers 0 to ``customers``."""
        changed = [c for c in self._fresh if c < customers]
        counts = np.diff(self._starts)[:customers]
        codes = np.repeat(np.arange(len(counts)), counts)
        stay = ~np.isin(codes, changed)
        own = [self.of(c) for c in changed]
        whole = np.vstack([self._base[: len(codes)][stay], *own])
        return np.concatenate([codes[stay], np.repeat(changed, [len(r) for r in own])]).astype(
            np.int64
        ), whole

    def _slice(self, customer: int) -> slice:
        if customer + 1 >= len(self._starts):
            return slice(0, 0)
        return slice(int(self._starts[customer]), int(self._starts[customer + 1]))

    def _own(self, customer: int) -> dict[Any, list[int]]:
        rows = self._slice(customer)
        values = self._base[rows].tolist()
        keys = zip(*(names[rows].tolist() for names in self._names), strict=True)
        return dict(zip(keys if self.keys else [()], values, strict=False))
