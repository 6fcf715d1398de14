"""Counts, sums and products of an experiment's columns, added up in the engine.

Sums are exact and come out the same on any number of threads: each term is a float times a power of
two that makes it a whole number of 62 bits, and whole numbers add up in any order. (tea-tasting's
aggregates are sums of floats, whose last digits depend on the threads.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import ibis

BITS = 62
"""A term is a whole number below 2 to this power; 64 bits hold it, and 128 the sum of as many."""


@dataclass(frozen=True)
class Part:
    """One column of a figure: the outcome, its denominator, or what was before.

    Parameters
    ----------
    values : ibis.Value
        Floats; null where missing.
    centre, bound : float
        What is taken off before anything is multiplied, and how large it is then at most.
    """

    values: ibis.Value
    centre: float
    bound: float


@dataclass(frozen=True)
class Figure:
    """What is averaged: an outcome, with a denominator and an earlier figure where it has them.

    Parameters
    ----------
    outcome : Part
    per, earlier : Part or None
        A missing earlier figure counts as an average one; a row without outcome or denominator is
        left out.
    whole : bool
        Whether no row is without outcome or denominator.
    """

    outcome: Part
    per: Part | None = None
    earlier: Part | None = None
    whole: bool = True

    @property
    def parts(self) -> list[Part]:
        """The columns in order."""
        return [part for part in (self.outcome, self.per, self.earlier) if part is not None]

    @property
    def present(self) -> ibis.Value:
        """Whether a row has it."""
        found = self.outcome.values.notnull()
        return found if self.per is None else found & self.per.values.notnull()


@dataclass(frozen=True)
class Moments:
    """Of one figure in one arm.

    Parameters
    ----------
    rows, units : int
    weight, squares : float
        Sum of the rows' weights, and of their squares.
    means : ndarray of shape (k,)
        Weighted means of the parts.
    between : ndarray of shape (1 + k, 1 + k)
        Products of the units' sums of weight (first) and of weighted deviations from ``means``.
    within : ndarray of shape (k, k)
        Weighted products of the rows' deviations.
    """

    rows: int
    units: int
    weight: float
    squares: float
    means: np.ndarray
    between: np.ndarray
    within: np.ndarray


@dataclass(frozen=True)
class Plan:
    """How rows make units.

    Parameters
    ----------
    base : ibis.Table
        With the keys, ``unit`` and ``weight`` where they are asked for, and the columns that
        `Part.values` are bound to.
    con : ibis backend
    weighted : float
        Largest weight; 0 where all weigh alike.
    most : int
        Most rows of one unit; 1 where each row is one.
    crossing : bool
        Whether units have rows in several arms.
    """

    base: ibis.Table
    con: Any
    weighted: float = 0.0
    most: int = 1
    crossing: bool = False

    @property
    def plain(self) -> bool:
        """Whether each row is a unit and all weigh alike."""
        return self.most == 1 and not self.weighted


Bounded = Mapping[str, tuple[Any, float]]
"""Columns by name, each with how large it is at most."""


def _whole(values: ibis.Value, bound: float) -> tuple[ibis.Value, int]:
    """Return values as whole numbers below 2⁶², and the power of two they were multiplied by."""
    import ibis

    power = min(BITS - math.frexp(bound)[1], 1000) if bound > 0 else 0
    return (values * ibis.literal(2.0**power, "float64")).cast("int64"), power


def exact_sums(
    con: Any, table: ibis.Table, columns: Bounded, keys: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Add up columns, beside the rows that there are.

    Returns
    -------
    list of dict
        One per group of the keys: the keys, ``rows``, and a Fraction per column.
    """
    asked, powers = {"rows": table.count()}, {}
    for name, (values, bound) in columns.items():
        whole, powers[name] = _whole(values, bound)
        asked[name] = whole.sum().cast("decimal(38, 0)")
    grouped = table.group_by(*keys).agg(**asked) if keys else table.agg(**asked)

    def read(value: Any, power: int) -> Fraction:
        missing = value is None or value != value
        return Fraction(0) if missing else Fraction(int(value)) / Fraction(2) ** power

    return [
        row | {name: read(row[name], power) for name, power in powers.items()}
        for row in con.execute(grouped).to_dict("records")
    ]


def _per_unit(plan: Plan, figures: Sequence[Figure], keys: Sequence[str]) -> Any:
    """Return a row per unit and the bounds of its columns.

    Of each figure (``n, w, ww`` of all that no row lacks are the same): rows, weight, squares of
    weights, and weighted sums and products of the rows' deviations from the centres.
    """
    import ibis

    columns: dict[str, tuple[Any, float]] = {}
    most = plan.weighted or 1.0
    for j, figure in enumerate(figures):
        there: Any = ibis.literal(1.0) if figure.whole else figure.present.ifelse(1.0, 0.0)
        w, g = there * plan.base.weight if plan.weighted else there, _mark(figure, j)
        columns |= {f"n{g}": (there, 1.0), f"w{g}": (w, most), f"ww{g}": (w * w, most**2)}
        values = [
            ((p.values - ibis.literal(p.centre, "float64")).fill_null(0.0), p.bound)
            for p in figure.parts
        ]
        for i, (one, bound) in enumerate(values):
            one = one if plan.plain and figure.whole else w * one
            columns[f"s{j}_{i}"] = one, most * bound
            for h, (other, far) in enumerate(values[i:], start=i):
                columns[f"r{j}_{i}_{h}"] = one * other, most * bound * far
    if plan.most == 1:
        asked = {name: values for name, (values, _) in columns.items()}
        return plan.base.select(*keys, **asked), {n: bound for n, (_, bound) in columns.items()}
    rows = plan.base.select(
        *keys, "unit", **{name: values for name, (values, _) in columns.items()}
    )
    sums = {}
    for name, (_, bound) in columns.items():
        whole, power = _whole(rows[name], bound)
        sums[name] = whole.sum().cast("float64") * ibis.literal(2.0**-power, "float64")
    units = rows.group_by(*keys, "unit").agg(**sums)
    return units, {name: bound * plan.most for name, (_, bound) in columns.items()}


def _mark(figure: Figure, j: int) -> str:
    return "" if figure.whole else str(j)


def _sums_of(figure: Figure, j: int) -> list[str]:
    """Return the columns of a unit's weight and weighted sums."""
    return [f"w{_mark(figure, j)}", *(f"s{j}_{i}" for i in range(len(figure.parts)))]


def moments_of(
    plan: Plan, figures: Sequence[Figure], keys: Sequence[str]
) -> list[dict[tuple[Any, ...], Moments]]:
    """Add up every figure by ``keys`` (the arm the last of them).

    Where units have several rows those of each unit are added up first.

    Returns
    -------
    list of dict
        For each figure, values of the keys → moments.
    """
    units, bounds = _per_unit(plan, figures, keys)
    asked = {name: (units[name], bound) for name, bound in bounds.items()}
    for j, figure in enumerate(figures):
        g, names = _mark(figure, j), _sums_of(figure, j)
        asked[f"u{g}"] = (units[f"n{g}"] > 0).ifelse(1.0, 0.0), 1.0
        if not plan.plain:
            asked |= {
                f"q{j}_{i}_{h}": (units[one] * units[other], bounds[one] * bounds[other])
                for i, one in enumerate(names)
                for h, other in enumerate(names[i:], start=i)
            }
    found = exact_sums(plan.con, units, asked, keys)
    return [
        {tuple(row[key] for key in keys): _read(plan, j, figure, row) for row in found}
        for j, figure in enumerate(figures)
    ]


def _read(plan: Plan, j: int, figure: Figure, row: Mapping[str, Any]) -> Moments:
    g, k = _mark(figure, j), len(figure.parts)
    weight, *sums = (row[name] for name in _sums_of(figure, j))
    means = [total / weight if weight else Fraction(0) for total in sums]
    within = _square(k, lambda i, h: row[f"r{j}_{i}_{h}"])
    rows = [[weight, *sums], *([one, *line] for one, line in zip(sums, within, strict=True))]
    units = rows if plan.plain else _square(1 + k, lambda i, h: row[f"q{j}_{i}_{h}"])
    return Moments(
        int(row[f"n{g}"]),
        int(row[f"u{g}"]),
        float(weight),
        float(row[f"ww{g}"]),
        np.array([p.centre + float(m) for p, m in zip(figure.parts, means, strict=True)]),
        _centred(units, means),
        _centred(rows, means)[1:, 1:],
    )


Exact = list[list[Fraction]]


def _square(k: int, value: Callable[[int, int], Fraction]) -> Exact:
    """Return a symmetric matrix from the function of its upper half."""
    return [[value(min(i, h), max(i, h)) for h in range(k)] for i in range(k)]


def _centred(products: Exact, means: Sequence[Fraction]) -> np.ndarray:
    """Return the products of deviations from the means; worked out exactly, nothing cancels."""
    m, p = [Fraction(0), *means], products
    n = range(len(p))
    return np.array(
        [
            [float(p[i][h] - m[i] * p[0][h] - m[h] * p[i][0] + m[i] * m[h] * p[0][0]) for h in n]
            for i in n
        ]
    )


def crossing_of(
    plan: Plan, figures: Sequence[Figure], keys: Sequence[str]
) -> list[dict[tuple[Any, ...], np.ndarray]]:
    """Return products of a unit's sums in one arm with those in another; none where none cross.

    Returns
    -------
    list of dict
        For each figure, values of the keys and of the other arm → array of shape (1 + k, 1 + k),
        of weights and of weighted values less their ``centre``.
    """
    if not plan.crossing:
        return [{} for _ in figures]
    same, arm = [*keys[:-1], "unit"], keys[-1]
    one, bounds = _per_unit(plan, figures, keys)
    other = one.rename({f"other_{c}": c for c in one.columns if c not in same})
    joined = one.inner_join(other, same)
    joined = joined.filter(joined[arm] != joined[f"other_{arm}"])
    asked = {
        f"x{j}_{i}_{h}": (joined[a] * joined[f"other_{b}"], bounds[a] * bounds[b])
        for j, figure in enumerate(figures)
        for i, a in enumerate(_sums_of(figure, j))
        for h, b in enumerate(_sums_of(figure, j))
    }
    found = exact_sums(plan.con, joined, asked, [*keys, f"other_{arm}"])
    return [
        {
            tuple(row[key] for key in (*keys, f"other_{arm}")): np.array(
                [[float(row[f"x{j}_{i}_{h}"]) for h in n] for i in n]
            )
            for row in found
        }
        for j, n in enumerate(range(1 + len(figure.parts)) for figure in figures)
    ]
