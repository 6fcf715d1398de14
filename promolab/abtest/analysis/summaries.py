"""A first look at the columns: who is there, what is missing, how large values are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promolab.abtest.analysis.tables import Opened
from promolab.effects import arm_name
from promolab.errors import InputError, nearest
from promolab.wording import plural

if TYPE_CHECKING:
    import ibis
    import pandas as pd

USUAL_CONTROLS = ("control", "holdout", "none")


@dataclass(frozen=True)
class ColumnSummary:
    """What is known of a column.

    Parameters
    ----------
    missing : dict of str to int
        Rows without a value, by arm.
    low, high : float
        Smallest and largest value; nan without any.
    other : int
        Values that are neither 0 nor 1.
    by_arm : dict of str to tuple of float
        Smallest and largest value in each arm.
    """

    missing: dict[str, int]
    low: float
    high: float
    other: int
    by_arm: dict[str, tuple[float, float]]

    @property
    def centre(self) -> float:
        """The number nearest to 0 between both ends: values less it stay small, and exact."""
        return 0.0 if self.low <= 0 <= self.high else min(self.low, self.high, key=abs)

    @property
    def bound(self) -> float:
        """How far a value is from the centre at most."""
        return max(abs(self.low - self.centre), abs(self.high - self.centre))


@dataclass(frozen=True)
class Arms:
    """The arms of the data, the control first.

    Parameters
    ----------
    names : tuple of str
    raw : dict
        As the engine writes it → name.
    rows : dict of str to int
    """

    names: tuple[str, ...]
    raw: dict[Any, str]
    rows: dict[str, int]


def number_of(table: ibis.Table, column: str) -> ibis.Value:
    """Return a column as a float, null where it is missing or not a number.

    Raises
    ------
    InputError
        If it holds texts or times.
    """
    values = table[column]
    kind = values.type()
    if kind.is_boolean():
        values = values.cast("int8")
    elif not (kind.is_numeric() or kind.is_null()):
        raise InputError(f"the column {column!r} holds {kind}; expected numbers, or true and false")
    real = values.cast("float64")
    return real.isnan().ifelse(None, real) if kind.is_floating() else real


def summarise(
    opened: Opened, columns: Sequence[str], control: Any
) -> tuple[Arms, dict[str, ColumnSummary]]:
    """Look at arms and columns in one pass.

    Parameters
    ----------
    opened : Opened
    columns : sequence of str
        Those that hold numbers.
    control : object
        As asked for.

    Raises
    ------
    InputError
        Missing arms or customers, infinite values, no control, a single arm.
    """
    table = opened.table
    base = table.select(
        arm=table[opened.arm],
        gone=table[opened.customer].isnull(),
        **{f"v{i}": number_of(table, c) for i, c in enumerate(columns)},
    )
    found, summaries = by_arm(
        opened.con, base, {c: f"v{i}" for i, c in enumerate(columns)}, gone=base.gone.sum()
    )
    unknown = found["arm"].isna()
    if unknown.any():
        raise InputError(
            f"the column {opened.arm!r} has {plural(int(found['rows'][unknown].sum()), 'row')} "
            "without an arm; every customer was assigned"
        )
    if gone := int(found["gone"].sum()):
        raise InputError(
            f"the column {opened.customer!r} has {plural(gone, 'row')} without a customer"
        )
    raw = {arm: arm_name(arm) for arm in found["arm"].tolist()}
    rows = dict(zip(raw.values(), map(int, found["rows"]), strict=True))
    names = sorted(rows)
    first = control_of(names, opened.control if control is None else control)
    if len(names) < 2:
        raise InputError(f"every row has the arm {first!r}: there is nothing to compare")
    return Arms((first, *(name for name in names if name != first)), raw, rows), summaries


def control_of(names: Sequence[str], control: Any) -> str:
    """Return the control among the arms: the one named, else one that is called so.

    Raises
    ------
    InputError
        None is called so, or nobody is in the one named.
    """
    usual = [name for name in USUAL_CONTROLS if name in names]
    if control is None and not usual:
        raise InputError(
            f"which arm is the control? None of {', '.join(names)} is called so; name it as "
            "control="
        )
    first = usual[0] if control is None else arm_name(control)
    if first not in names:
        raise InputError(f"control = {first!r} is an arm with nobody; {nearest(first, names)}")
    return first


def by_arm(
    con: Any, base: ibis.Table, columns: Mapping[str, str], **more: ibis.Value
) -> tuple[pd.DataFrame, dict[str, ColumnSummary]]:
    """Return a row per arm with ``rows`` and what else is asked for, and what the columns hold.

    Parameters
    ----------
    con : ibis backend
    base : ibis.Table
        With ``arm`` and columns of floats.
    columns : mapping of str to str
        What each is called → its column.
    **more : ibis.Value
        Aggregates.
    """
    asked: dict[str, Any] = {"rows": base.count(), **more}
    for column in columns.values():
        v = base[column]
        asked |= {f"n{column}": v.count(), f"low{column}": v.min(), f"high{column}": v.max()}
        asked[f"other{column}"] = ((v != 0) & (v != 1)).sum().fill_null(0)
    found = con.execute(base.group_by("arm").agg(**asked))
    if not len(found):
        raise InputError("data has no rows; give a row per customer who was assigned")
    names = [arm_name(arm) for arm in found["arm"]]
    told = {}
    for called, column in columns.items():
        lows, highs = (found[f"{end}{column}"].astype(float) for end in ("low", "high"))
        low, high = float(lows.min()), float(highs.max())
        if math.isinf(low) or math.isinf(high):
            raise InputError(f"the column {called!r} holds infinity; expected finite numbers")
        missing = (found["rows"] - found[f"n{column}"]).astype(int)
        told[called] = ColumnSummary(
            dict(zip(names, missing, strict=True)),
            low,
            high,
            int(found[f"other{column}"].sum()),
            dict(zip(names, zip(lows, highs, strict=True), strict=True)),
        )
    return found, told


def caps_of(opened: Opened, wanted: dict[str, tuple[str, float]]) -> dict[str, float]:
    """Return quantiles of columns over all arms.

    Parameters
    ----------
    opened : Opened
    wanted : dict of str to tuple
        Key → column and quantile.
    """
    # One column at a time: an exact quantile holds its column in memory.
    return {
        key: float(opened.con.execute(number_of(opened.table, column).quantile(quantile)))
        for key, (column, quantile) in wanted.items()
    }
