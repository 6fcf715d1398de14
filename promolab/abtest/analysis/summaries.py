"""A first look at the columns: who is there, what is missing, how large values are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promolab.abtest.analysis.tables import Opened
from promolab.effects import arm_name
from promolab.errors import InputError, nearest
from promolab.wording import plural

if TYPE_CHECKING:
    import ibis

USUAL_CONTROLS = ("control", "holdout", "none")


@dataclass(frozen=True)
class Looked:
    """What is known of a column.

    Parameters
    ----------
    missing : dict of str to int
        Rows without a value, by arm.
    low, high : float
        Smallest and largest value; nan without any.
    other : int
        Values that are neither 0 nor 1.
    same : bool
        Whether all rows of each arm have the same value.
    """

    missing: dict[str, int]
    low: float
    high: float
    other: int
    same: bool
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


def look(opened: Opened, columns: Sequence[str], control: Any) -> tuple[Arms, dict[str, Looked]]:
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
    aggregates = {"rows": base.count(), "gone": base.gone.sum()}
    for i in range(len(columns)):
        v = base[f"v{i}"]
        aggregates |= {
            f"n{i}": v.count(),
            f"low{i}": v.min(),
            f"high{i}": v.max(),
            f"other{i}": ((v != 0) & (v != 1)).sum(),
        }
    found = opened.con.execute(base.group_by("arm").agg(**aggregates))
    if not len(found):
        raise InputError("data has no rows; give a row per customer who was assigned")
    found = found.fillna({f"other{i}": 0 for i in range(len(columns))})
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
    arms = _arms(raw, found, opened, control)
    return arms, {c: _looked(c, found, i, raw) for i, c in enumerate(columns)}


def _arms(raw: dict[Any, str], found: Any, opened: Opened, control: Any) -> Arms:
    names = sorted(raw.values())
    control = opened.control if control is None else control
    if control is None:
        usual = [name for name in USUAL_CONTROLS if name in names]
        if not usual:
            raise InputError(
                f"which arm is the control? None of {', '.join(names)} is called so; name it as "
                "control="
            )
        control = usual[0]
    first = arm_name(control)
    if first not in names:
        raise InputError(f"control = {first!r} is an arm with nobody; {nearest(first, names)}")
    if len(names) < 2:
        raise InputError(f"every row has the arm {first!r}: there is nothing to compare")
    rows = dict(zip(raw.values(), map(int, found["rows"]), strict=True))
    return Arms((first, *(name for name in names if name != first)), raw, rows)


def _looked(column: str, found: Any, i: int, raw: dict[Any, str]) -> Looked:
    names = list(raw.values())
    lows, highs = found[f"low{i}"].astype(float), found[f"high{i}"].astype(float)
    low, high = float(lows.min()), float(highs.max())
    if math.isinf(low) or math.isinf(high):
        raise InputError(f"the column {column!r} holds infinity; expected finite numbers")
    missing = (found["rows"] - found[f"n{i}"]).astype(int).tolist()
    return Looked(
        dict(zip(names, missing, strict=True)),
        low,
        high,
        int(found[f"other{i}"].sum()),
        bool((lows == highs).all()),
        dict(zip(names, zip(lows, highs, strict=True), strict=True)),
    )


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
