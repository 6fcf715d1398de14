"""The least, the middle and the greatest value of a column, and its histogram, from one count.

Values are counted in classes that are 1/400 of a value wide, so that a hundred million rows become
a few thousand, and rows that share one value share a class of their own or nearly so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

BARS = 24
_STEPS = 400  # classes per e-fold
_UNIT = 0.01  # below a cent, classes are a cent / 400 wide


@dataclass(frozen=True)
class Numbers:
    """How a column's numbers are spread.

    Parameters
    ----------
    least, middle, most : float
        Minimum, median and maximum of the finite values.
    exact : bool
        Whether the median is one of the values; otherwise it is good to a quarter of a percent.
    bars : tuple of int
        Rows in classes of equal width from ``low`` to ``high``.
    low, high : float
        Ends of the histogram: those values between which the middle 98 % lie.
    """

    least: float
    middle: float
    most: float
    exact: bool
    bars: tuple[int, ...]
    low: float
    high: float


def numbers_of(table: ir.Table, column: str) -> Numbers | None:
    """Return how a column's numbers are spread; None where no value is finite."""
    classes = _classes(table, column)
    if not classes:
        return None
    total = sum(n for n, _, _ in classes)
    low, exact_low, exact_high, high = classes[0][1], *_middle(classes, total), classes[-1][2]
    ends = _quantile(classes, total, 0.01)[1], _quantile(classes, total, 0.99)[2]
    return Numbers(
        low,
        (exact_low + exact_high) / 2,
        high,
        exact_low == exact_high,
        _bars(classes, *ends),
        *ends,
    )


def _classes(table: ir.Table, column: str) -> list[tuple[int, float, float]]:
    """Return rows, least and greatest value of each class, in order."""
    import ibis

    value: Any = table[column]
    finite = value.notnull()
    if value.type().is_floating():
        finite = finite & ~value.isnan() & ~value.isinf()
    rows = table.filter(finite)
    x = rows[column].cast("float64")
    place = ((x.abs() / _UNIT + 1.0).ln() * float(_STEPS)).floor().cast("int64")
    signed = ibis.ifelse(x < 0, -place - 1, place)
    found = (
        rows.group_by(place=signed)
        .aggregate(n=rows.count(), low=x.min(), high=x.max())
        .order_by("place")
        .to_pyarrow()
        .to_pylist()
    )
    return [(int(row["n"]), float(row["low"]), float(row["high"])) for row in found]


def _quantile(
    classes: Sequence[tuple[int, float, float]], total: int, share: float
) -> tuple[int, float, float]:
    reached, wanted = 0, max(1, math.ceil(share * total))
    for each in classes:
        reached += each[0]
        if reached >= wanted:
            return each
    return classes[-1]


def _middle(classes: Sequence[tuple[int, float, float]], total: int) -> tuple[float, float]:
    _, low, high = _quantile(classes, total, 0.5)
    return low, high


def _bars(classes: Sequence[tuple[int, float, float]], low: float, high: float) -> tuple[int, ...]:
    inside = [each for each in classes if low <= (each[1] + each[2]) / 2 <= high]
    if high <= low:
        return (sum(n for n, _, _ in inside),)
    bars, width = BARS, (high - low) / BARS
    if all(a == b == int(a) for _, a, b in inside):  # whole numbers: no bar between two of them
        width = float(math.ceil((high - low + 1) / BARS))
        bars = math.ceil((high - low + 1) / width)
    counts = [0] * bars
    for n, least, most in inside:
        counts[min(bars - 1, int(((least + most) / 2 - low) / width))] += n
    return tuple(counts)
