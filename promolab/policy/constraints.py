"""Limits as a shop states them, by name or in a table, made into those that are solved for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import column_of, columns_there, file_there, is_number, labelled, refuse
from promolab.errors import InputError, nearest
from promolab.policy.frontier import Limits
from promolab.policy.options import Options

SCOPES = ("budget", "contacts", "promotion", "group", "customer")
"""What a limit may be of."""
UNNAMED = ("budget", "contacts")
"""Of these there is one, whose unit stays empty."""

Bounds = dict[tuple[str, str], tuple[float, float]]


def read_constraints(
    source: str | Path | pd.DataFrame, known: Iterable[Any] | None = None
) -> pd.DataFrame:
    """Read limits from a table with the columns ``scope, unit, min, max``.

    A row limits the ``budget`` (``max``, in money), all ``contacts``, a ``promotion`` (how many
    customers get it), a ``group`` (how many of its customers get any) or a ``customer`` (``max``,
    the contacts left to that one). ``unit`` names which, and is empty for budget and contacts; an
    end that is empty is none.

    Parameters
    ----------
    source : str, Path or DataFrame
        A file such as ``constraints.csv``, or its rows.
    known : iterable of id, optional
        The promotions that there are, offered now or not; by default any may be named.

    Returns
    -------
    DataFrame
        ``scope, unit`` as text, ``min, max`` as numbers, missing where there is none.

    Raises
    ------
    InputError
        A column that is not there, an unknown scope or promotion, an end that is no number from 0
        on, a ``min`` above its ``max``, or a unit twice; the row is named.

    Examples
    --------
    >>> read_constraints(pd.DataFrame({"scope": ["promotion"], "unit": ["mail"], "max": [100]}))
           scope  unit  min    max
    0  promotion  mail  NaN  100.0
    """
    if isinstance(source, pd.DataFrame):
        name, table = "constraints", source.astype(object).copy()
    else:
        path = file_there(source, "; give a table with the columns scope, unit, min, max")
        name, table = path.name, pd.read_csv(path, dtype=str).astype(object)
    columns_there(table, ("scope",), name)
    table = table.reindex(columns=["scope", "unit", "min", "max"]).reset_index(drop=True)
    table["unit"] = table["unit"].where(table["unit"].notna(), "").astype(str)
    seen: set[tuple[str, str]] = set()
    ids = None if known is None else {str(one) for one in known}
    for row, (scope, unit, low, high) in enumerate(table.itertuples(index=False)):
        where = f"{name}, row {row + 1}"
        if scope not in SCOPES:
            raise InputError(f"{where}: there is no scope {scope!r}; {nearest(str(scope), SCOPES)}")
        if (unit == "") != (scope in UNNAMED):
            told = "stays empty" if scope in UNNAMED else "must say which"
            raise InputError(f"{where}: unit is {unit!r}; of the scope {scope!r} it {told}")
        if scope == "promotion" and ids is not None and unit not in ids:
            raise InputError(f"{where}: there is no promotion {unit!r}; {nearest(unit, ids)}")
        if (scope, unit) in seen:
            raise InputError(f"{where}: {scope} {unit!r} is there twice; give each one row")
        seen.add((scope, unit))
        ends = [_end(f"{where}: {end}", value) for end, value in (("min", low), ("max", high))]
        if ends[0] is not None and scope in ("budget", "customer"):
            raise InputError(f"{where}: of the scope {scope!r} only max can be given, min is {low}")
        _check_ends(f"{where}: {scope} {unit!r}", *ends)
        table.loc[row, ["min", "max"]] = [np.nan if end is None else end for end in ends]
    return table.astype({"scope": str, "min": float, "max": float})


def _end(name: str, value: Any) -> float | None:
    """Return a number from 0 on, None where nothing is given."""
    if value is None or value != value or value == "":
        return None
    try:
        given = float(value)
    except (TypeError, ValueError):
        raise refuse(name, value, "a number from 0 on") from None
    if not is_number(given) or given < 0:
        raise refuse(name, value, "a number from 0 on")
    return given


def _check_ends(what: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        raise InputError(
            f"{what} has at least {least:g} and at most {most:g}: {least - most:g} apart; "
            "lower the one or raise the other"
        )


def limits_of(
    options: Options, budget: float, capacity: Any, groups: Any, floors: Any, constraints: Any
) -> tuple[Options, Limits]:
    """Make limits of what the caller of `allocate` states, and take out who has no contact left.

    Parameters
    ----------
    options : Options
    budget : float
    capacity, groups, floors, constraints
        As in `allocate`.

    Raises
    ------
    InputError
        A promotion or group that is not there, limits of wrong shape or sign.
    """
    bounds: Bounds = {}
    stated = _stated(options, capacity, floors, constraints)
    for scope, unit, least, most in stated:  # of two on the same, both hold
        low, high = bounds.get((scope, unit), (0.0, np.inf))
        bounds[scope, unit] = max(low, least), min(high, most)
        _check_ends(f"{scope} {unit!r}", *bounds[scope, unit])
    budget = min(budget, bounds.pop(("budget", ""), (0.0, np.inf))[1])
    of_one = {
        unit: bounds.pop((scope, unit))[1] for scope, unit in [*bounds] if scope == "customer"
    }
    if none_left := {one for one, most in of_one.items() if most < 1}:
        may = ~pd.Index(options.customers).astype(str).isin(none_left)[:, None]
        open_to = True if options.eligible is None else options.eligible
        options = replace(options, eligible=np.broadcast_to(may & open_to, options.value.shape))
    known = list(options.promotions)
    codes, groups = _groups(options, groups)
    usage, of_group = [], []
    for scope, unit in bounds:
        if scope == "promotion" and unit not in known:
            raise InputError(f"there is no promotion {unit!r} to limit; {nearest(unit, known)}")
        if scope == "group" and unit not in groups:
            advice = nearest(unit, groups) if groups else "give the customers' groups"
            raise InputError(f"there is no group {unit!r} to limit; {advice}")
        usage.append([float(scope != "promotion" or unit == name) for name in known])
        of_group.append(groups.index(unit) if scope == "group" else -1)
    ends = np.array(list(bounds.values())).reshape(-1, 2)
    return options, Limits(
        budget,
        tuple(bounds),
        np.array(usage).reshape(-1, len(known)),
        np.array(of_group, dtype=int),
        np.ceil(ends[:, 0]),
        np.floor(ends[:, 1]),
        codes,
    )


def _stated(
    options: Options, capacity: Any, floors: Any, constraints: Any
) -> Iterator[tuple[str, str, float, float]]:
    """Yield scope, unit, least and most of every limit, by name or in a table.

    A number alone is a promotion's most, and a group's least.
    """
    if constraints is not None:
        table = read_constraints(constraints).fillna({"min": 0.0, "max": np.inf})
        yield from table.itertuples(index=False, name=None)
    for scope, name, given in (
        ("promotion", "capacity", capacity),
        ("group", "floors", floors),
    ):
        if given is not None and not (labelled(given) or isinstance(given, Mapping)):
            if scope == "group":
                raise InputError(
                    f"floors is a {type(given).__name__}; give a least number by group"
                )
            ends_of_all = column_of(name, given, len(options.promotions), of="promotions")
            given = dict(zip(options.promotions, ends_of_all, strict=True))
        for unit, ends in () if given is None else given.items():
            pair = ends if isinstance(ends, (tuple, list)) and len(ends) == 2 else None
            low, high = pair or ((None, ends) if scope == "promotion" else (ends, None))
            least, most = (_end(f"{name} of {str(unit)!r}", end) for end in (low, high))
            yield scope, str(unit), least or 0.0, np.inf if most is None else most


def _groups(options: Options, groups: Any) -> tuple[np.ndarray | None, list[str]]:
    if groups is None:
        return None, []
    column = column_of("groups", groups, len(options.customers))
    codes, names = pd.factorize(column, sort=True)
    return codes.astype(np.int32), [str(name) for name in names]
