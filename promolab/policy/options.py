"""What can be given to whom: values and costs of customers and promotions, as arrays or frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import along, column_of, labelled, same_length
from promolab.errors import InputError
from promolab.wording import count

NONE = "none"
"""What getting no promotion is called."""


@dataclass(frozen=True)
class Options:
    """Customers, promotions, and what each promotion adds and costs for each customer.

    Parameters
    ----------
    value, cost : ndarray of shape (n, P)
        Net incremental profit, and what is charged to the budget (at least 0), in money.
    eligible : ndarray of bool of shape (n, P) or None
        Which are allowed; None for all.
    customers : ndarray of shape (n,)
        Ids, no two the same.
    promotions : tuple of str
        Ids, in the order of the columns.
    """

    value: np.ndarray
    cost: np.ndarray
    eligible: np.ndarray | None
    customers: np.ndarray
    promotions: tuple[str, ...]

    def ordered(self) -> tuple[Options, np.ndarray | None]:
        """Return them with customers in the order of their ids, and which row went where.

        So that whoever comes first among equals does not depend on the order of the rows. The
        second is None where they stand in order already.
        """
        ids = pd.Index(self.customers)
        if ids.dtype == object and ids.inferred_type not in ("string", "integer"):
            ids = ids.astype(str)
        if ids.is_monotonic_increasing:
            return self, None
        order = np.asarray(ids.argsort())
        eligible = None if self.eligible is None else self.eligible[order]
        arrays = self.value[order], self.cost[order], eligible, self.customers[order]
        return Options(*arrays, self.promotions), order


def options_of(
    value: Any,
    cost: Any,
    customers: Any = None,
    promotions: Sequence[Any] | None = None,
    eligible: Any = None,
) -> Options:
    """Check what is given and return it as arrays.

    Parameters
    ----------
    value, cost : array-like of shape (n, P)
    customers, promotions : array-like, optional
        Ids; by default their places, or the frame's index and columns.
    eligible : array-like of bool of shape (n, P), optional

    Raises
    ------
    InputError
        Shapes that differ, a customer twice, or a cost or value that is missing, infinite or, of
        costs, negative.

    Examples
    --------
    >>> options_of([[1.0, 2.0]], [[0.5, -1.0]], customers=["Ann"])
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: cost is -1 for customer 'Ann' (row 0) and promotion '1'; expected \
a number from 0 on
    """
    if isinstance(value, pd.DataFrame):
        customers = value.index if customers is None else customers
        promotions = list(value.columns) if promotions is None else promotions
    cost = by_label(value, customers, cost, "cost")
    eligible = by_label(value, customers, eligible, "eligible")
    gains, costs = _matrix("value", value), _matrix("cost", cost)
    if gains.shape != costs.shape:
        raise InputError(
            f"value has shape {gains.shape} and cost {costs.shape}; "
            "give a row per customer and a column per promotion in both"
        )
    n, p = gains.shape
    ids = _ids_of(range(n) if customers is None else customers, n)
    names = tuple(str(name) for name in (range(p) if promotions is None else promotions))
    same_length(value=range(p), promotions=names)
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise InputError(f"promotions holds {twice[0]!r} twice; give each one column")
    if NONE in names:
        raise InputError(f"a promotion is called {NONE!r}, as is getting none; call it otherwise")
    allowed = None
    if eligible is not None:
        allowed = np.asarray(eligible)
        if allowed.shape != gains.shape or allowed.dtype != bool:
            raise InputError(
                f"eligible has shape {allowed.shape} and holds {allowed.dtype}; expected truth "
                f"values of shape {gains.shape}, as value"
            )
    options = Options(gains, costs, allowed, ids, names)
    _check_cells(options)
    return options


def by_label(value: Any, customers: Any, table: Any, what: str) -> Any:
    """Return a table in the order of the values' rows and columns, or of the customers given."""
    if isinstance(value, pd.DataFrame):
        return along(value, table, what, "value", columns=value.columns)
    of = pd.Index(customers) if customers is not None and labelled(table) else None
    return along(of, table, what, "customers")


def at_choice(table: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return what a table (n, P) holds for each customer's choice, 0 for none (−1), shape (n,)."""
    found = np.take_along_axis(table, np.maximum(choice, 0)[:, None].astype(np.intp), axis=1)[:, 0]
    return np.where(choice >= 0, found, 0.0)


def _matrix(name: str, values: Any) -> np.ndarray:
    if values is None:
        raise InputError(f"{name} is missing; give value and cost")
    array = np.asarray(values)
    if array.ndim != 2 or not array.shape[1]:
        raise InputError(
            f"{name} has shape {array.shape}; give a row per customer and a column per promotion"
        )
    return array if array.dtype in (np.float32, np.float64) else _numeric(values, name)


def _numeric(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} holds what is no number ({error})") from None


def _ids_of(customers: Any, n: int) -> np.ndarray:
    ids = column_of("customers", customers, n, of="value")
    if ids.isna().any():
        raise InputError(f"customers has {count(ids.isna().sum())} missing; give each an id")
    if not isinstance(customers, range) and ids.duplicated().any():
        twice = ids[ids.duplicated()].iloc[0]
        raise InputError(f"customer {twice!r} is there twice; give each customer one row")
    return ids.to_numpy()


def _check_cells(options: Options) -> None:
    """Refuse the first value or cost that is none; what is not allowed may hold anything."""
    with np.errstate(invalid="ignore"):
        checks = [
            ("cost", options.cost, "a number from 0 on", 0.0),
            ("value", options.value, "a finite number", -np.inf),
        ]
        for name, array, expected, least in checks:
            # Most often nothing is wrong, which two passes without an array in between show.
            low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
            if low >= least and np.isfinite(low) and np.isfinite(high):
                continue
            wrong = ~np.isfinite(array) | (array < least)
            if options.eligible is not None:
                wrong &= options.eligible
            if wrong.any():
                row, column = divmod(int(wrong.argmax()), array.shape[1])
                given, (who,) = array[row, column], options.customers[row : row + 1].tolist()
                what = "missing" if np.isnan(given) else f"{given:g}"
                raise InputError(
                    f"{name} is {what} for customer {who!r} "
                    f"(row {row}) and promotion {options.promotions[column]!r}; "
                    f"expected {expected}"
                )
