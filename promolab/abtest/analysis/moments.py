"""Counts, sums and products of an experiment's columns, added up in the engine.

Sums are exact and come out the same on any number of threads: each term is a float times a power of
two that makes it a whole number of 62 bits, and whole numbers add up in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        With the columns of `KEYS`, ``weight`` and those that `Part.values` are bound to.
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


class _Terms:
    """Sums to ask for: each a whole number, with the power of two that it was multiplied by."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.power: dict[str, int] = {}

    def add(self, name: str, values: ibis.Value, bound: float) -> None:
        scaled, self.power[name] = fixed(values, bound)
        self.asked[name] = scaled.sum().cast("decimal(38, 0)")

    def read(self, row: Mapping[str, Any], name: str) -> Fraction:
        """Return a sum, exactly."""
        value = row[name]
        missing = value is None or value != value
        return Fraction(0) if missing else Fraction(int(value)) / Fraction(2) ** self.power[name]


def fixed(values: ibis.Value, bound: float) -> tuple[ibis.Value, int]:
    """Return values as whole numbers below 2⁶², and the power of two they were multiplied by."""
    import ibis

    power = min(BITS - math.frexp(bound)[1], 1000) if bound > 0 else 0
    return (values * ibis.literal(2.0**power, "float64")).cast("int64"), power


def exact_sums(
    con: Any,
    table: ibis.Table,
    values: Mapping[str, tuple[ibis.Value, float]],
    keys: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Add up columns, each given with how large it is at most, beside the rows that there are.

    Returns
    -------
    list of dict
        One per group of the keys: the keys, ``rows``, and a float per column.
    """
    terms = _Terms()
    for name, (column, bound) in values.items():
        terms.add(name, column, bound)
    asked = {"rows": table.count(), **terms.asked}
    grouped = table.group_by(*keys).agg(**asked) if keys else table.agg(**asked)
    return [
        row | {name: float(terms.read(row, name)) for name in values}
        for row in con.execute(grouped).to_dict("records")
    ]


def moments_of(
    plan: Plan, figures: Sequence[Figure], keys: Sequence[str]
) -> list[dict[tuple[Any, ...], Moments]]:
    """Add up every figure by ``keys`` (the arm the last of them), in one pass over the rows.

    Where units have several rows a second pass adds up the rows of each unit first.

    Returns
    -------
    list of dict
        For each figure, values of the keys → moments.
    """
    rows, units = _Terms(), _Terms()
    base = plan.base.select(*keys, **_columns(plan, figures))
    if plan.most == 1:
        for j, figure in enumerate(figures):
            _row_terms(rows, base, plan, j, figure, products=True)
        found = _asked(plan, base, keys, rows)
        return [_read(plan, j, f, found, found, rows, rows) for j, f in enumerate(figures)]
    for j, figure in enumerate(figures):
        _row_terms(rows, base, plan, j, figure, products=False)
    summed = _summed(plan, base, figures, keys)
    for j, figure in enumerate(figures):
        _unit_terms(units, summed, plan, j, figure)
    by_row, by_unit = _asked(plan, base, keys, rows), _asked(plan, summed, keys, units)
    return [_read(plan, j, f, by_row, by_unit, rows, units) for j, f in enumerate(figures)]


def _columns(plan: Plan, figures: Sequence[Figure]) -> dict[str, ibis.Value]:
    """Return centred columns, 0 where the row is left out, and weights of the rows that count."""
    import ibis

    columns: dict[str, ibis.Value] = {}
    if plan.weighted:
        columns["weight"] = plan.base.weight
    if plan.most > 1:
        columns["unit"] = plan.base.unit
    for j, figure in enumerate(figures):
        if not figure.whole:
            columns[f"g{j}"] = figure.present.ifelse(1.0, 0.0)
        for i, part in enumerate(figure.parts):
            value = part.values - ibis.literal(part.centre, "float64")
            value = value.fill_null(0.0)
            columns[f"v{j}_{i}"] = (
                value if figure.whole else figure.present.ifelse(value, ibis.literal(0.0))
            )
    return columns


def _weight(base: ibis.Table, plan: Plan, j: int, figure: Figure) -> ibis.Value | None:
    """Return the weight of each row in a figure; None where it is 1 everywhere."""
    weight = base.weight if plan.weighted else None
    if figure.whole:
        return weight
    present = base[f"g{j}"]
    return present if weight is None else weight * present


def _row_terms(
    terms: _Terms, base: ibis.Table, plan: Plan, j: int, figure: Figure, *, products: bool
) -> None:
    """Ask for weights, weighted sums and weighted products of rows; squares of weights as well."""
    w, most = _weight(base, plan, j, figure), plan.weighted or 1.0
    if w is not None:
        terms.add(f"{j}w", w, most)
        terms.add(f"{j}ww", w * w, most**2)
    if not figure.whole:
        terms.add(f"{j}n", base[f"g{j}"], 1.0)
    parts = [(base[f"v{j}_{i}"], part.bound) for i, part in enumerate(figure.parts)]
    for i, (value, bound) in enumerate(parts):
        weighed = value if w is None else w * value
        terms.add(f"{j}t{i}", weighed, most * bound)
        if products and plan.weighted:
            terms.add(f"{j}b{i}", w * weighed, most**2 * bound)
        for h, (other, far) in enumerate(parts[i:], start=i):
            terms.add(f"{j}r{i}_{h}", weighed * other, most * bound * far)
            if products and plan.weighted:
                both = weighed * (w * other)
                terms.add(f"{j}p{i}_{h}", both, most**2 * bound * far)


def _summed(
    plan: Plan, base: ibis.Table, figures: Sequence[Figure], keys: Sequence[str]
) -> ibis.Table:
    """Return one row per unit (and arm): sums of weights and of weighted values."""
    import ibis

    sums: dict[str, Any] = {}
    most = plan.weighted or 1.0
    for j, figure in enumerate(figures):
        w = _weight(base, plan, j, figure)
        sums[f"s{j}"] = base.count().cast("float64")
        asked = {} if w is None else {f"s{j}": (w, most)}
        for i, part in enumerate(figure.parts):
            value = base[f"v{j}_{i}"]
            asked[f"s{j}_{i}"] = (value if w is None else w * value, most * part.bound)
        for name, (values, bound) in asked.items():
            whole, power = fixed(values, bound)
            sums[name] = whole.sum().cast("float64") * ibis.literal(2.0**-power, "float64")
    return base.group_by(*keys, "unit").agg(**sums)


def _unit_terms(terms: _Terms, summed: ibis.Table, plan: Plan, j: int, figure: Figure) -> None:
    """Ask for the products of the units' sums, and how many units there are."""
    most = (plan.weighted or 1.0) * plan.most
    columns = [(summed[f"s{j}"], most)]
    columns += [(summed[f"s{j}_{i}"], most * part.bound) for i, part in enumerate(figure.parts)]
    terms.add(f"{j}u", (columns[0][0] > 0).ifelse(1.0, 0.0), 1.0)
    for i, (one, bound) in enumerate(columns):
        for h, (other, far) in enumerate(columns[i:], start=i):
            terms.add(f"{j}q{i}_{h}", one * other, bound * far)


def _asked(
    plan: Plan, table: ibis.Table, keys: Sequence[str], terms: _Terms
) -> dict[tuple[Any, ...], dict[str, Any]]:
    grouped = table.group_by(*keys).agg(rows=table.count(), **terms.asked)
    found = plan.con.execute(grouped)
    return {tuple(row[key] for key in keys): row for row in found.to_dict("records")}


def _read(
    plan: Plan,
    j: int,
    figure: Figure,
    by_row: dict[tuple[Any, ...], dict[str, Any]],
    by_unit: dict[tuple[Any, ...], dict[str, Any]],
    rows: _Terms,
    units: _Terms,
) -> dict[tuple[Any, ...], Moments]:
    return {
        key: _moments(plan, j, figure, row, by_unit[key], rows, units)
        for key, row in by_row.items()
    }


def _moments(
    plan: Plan,
    j: int,
    figure: Figure,
    row: dict[str, Any],
    unit: dict[str, Any],
    rows: _Terms,
    units: _Terms,
) -> Moments:
    k = len(figure.parts)
    everybody = Fraction(int(row["rows"]))
    counted = everybody if figure.whole else rows.read(row, f"{j}n")
    weighed = f"{j}w" in rows.power
    weight = rows.read(row, f"{j}w") if weighed else counted
    squares = rows.read(row, f"{j}ww") if weighed else counted
    sums = [rows.read(row, f"{j}t{i}") for i in range(k)]
    means = [t / weight if weight else Fraction(0) for t in sums]
    within = _square(k, lambda i, h: rows.read(row, f"{j}r{i}_{h}"))
    full = _bordered(weight, sums, within)
    if plan.most > 1:
        full = _square(1 + k, lambda i, h: units.read(unit, f"{j}q{i}_{h}"))
    elif plan.weighted:
        first = [rows.read(row, f"{j}b{i}") for i in range(k)]
        full = _bordered(squares, first, _square(k, lambda i, h: rows.read(row, f"{j}p{i}_{h}")))
    number = int(units.read(unit, f"{j}u")) if plan.most > 1 else int(counted)
    return Moments(
        int(counted),
        number,
        float(weight),
        float(squares),
        np.array([p.centre + float(m) for p, m in zip(figure.parts, means, strict=True)]),
        _floats(_centred(full, means)),
        _floats(_centred(_bordered(weight, sums, within), means))[1:, 1:],
    )


Exact = list[list[Fraction]]


def _square(k: int, value: Any) -> Exact:
    """Return a symmetric matrix from the function of its upper half."""
    return [[value(min(i, h), max(i, h)) for h in range(k)] for i in range(k)]


def _bordered(corner: Fraction, edge: Sequence[Fraction], inner: Exact) -> Exact:
    return [[corner, *edge], *([e, *line] for e, line in zip(edge, inner, strict=True))]


def _centred(products: Exact, means: Sequence[Fraction]) -> Exact:
    """Return the products of deviations from the means, exactly: nothing cancels."""
    m = [Fraction(0), *means]
    p = products

    def one(i: int, h: int) -> Fraction:
        return p[i][h] - m[i] * p[0][h] - m[h] * p[i][0] + m[i] * m[h] * p[0][0]

    return [[one(i, h) for h in range(len(p))] for i in range(len(p))]


def _floats(matrix: Exact) -> np.ndarray:
    return np.array([[float(x) for x in line] for line in matrix])


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
    base = plan.base.select(*keys, **_columns(plan, figures))
    one = _summed(plan, base, figures, keys)
    renamed = {f"other_{c}": c for c in one.columns if c not in (*keys[:-1], "unit")}
    other = one.rename(renamed)
    same = [*keys[:-1], "unit"]
    joined = one.inner_join(other, same)
    joined = joined.filter(joined[keys[-1]] != joined[f"other_{keys[-1]}"])
    terms = _Terms()
    most = (plan.weighted or 1.0) * plan.most
    for j, figure in enumerate(figures):
        names = [(f"s{j}", most)]
        names += [(f"s{j}_{i}", most * p.bound) for i, p in enumerate(figure.parts)]
        for i, (left, bound) in enumerate(names):
            for h, (right, far) in enumerate(names):
                terms.add(f"{j}x{i}_{h}", joined[left] * joined[f"other_{right}"], bound * far)
    found = _asked(plan, joined, [*keys, f"other_{keys[-1]}"], terms)
    return [
        {
            key: _floats(
                [
                    [terms.read(row, f"{j}x{i}_{h}") for h in range(1 + len(f.parts))]
                    for i in range(1 + len(f.parts))
                ]
            )
            for key, row in found.items()
        }
        for j, f in enumerate(figures)
    ]
