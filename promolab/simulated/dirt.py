"""Dirt of realistic kinds: rows soiled on request, and the list of what was done to which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.simulated.world import BEGIN

if TYPE_CHECKING:
    import pyarrow as pa


Values = Callable[[Any], Any]
"""From the values of the rows soiled (an Arrow array) to what stands there instead."""


@dataclass(frozen=True)
class Stain:
    """One kind of dirt.

    Parameters
    ----------
    what : str
        What is wrong, in words.
    table, column : str
        Where; no column where the whole row is written twice.
    rule : str
        The rule of `promolab.clean` that quarantines such a row, or the flag that marks it;
        empty where cleaning keeps it as it is.
    values : callable, optional
        What is written instead; None writes the whole row once more.
    kind : str, optional
        Soil only rows of this kind.
    """

    what: str
    table: str
    column: str
    rule: str
    values: Values | None
    kind: str = ""


def _nothing(old: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(len(old), old.type)


def _always(value: Any) -> Values:
    def same(old: Any) -> Any:
        import pyarrow as pa

        return pa.array([value] * len(old), old.type)

    return same


def _negative(old: Any) -> Any:
    import pyarrow.compute as pc

    return pc.negate(pc.max_element_wise(pc.abs(old), 1.0))


def _blank_before(old: Any) -> Any:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(" ", old, "")


def _later(days: int) -> Values:
    def moved(old: Any) -> Any:
        import pyarrow.compute as pc

        return pc.add(old, timedelta(days=days))

    return moved


_TWICE = "written twice"
_PAST, _AHEAD = -3650, 3650

STAINS: tuple[Stain, ...] = (
    Stain(_TWICE, "events", "", "duplicate", None, "view"),  # equal lines of an order are pieces
    Stain("no customer", "events", "customer_id", "missing_key", _nothing),
    Stain("no time", "events", "ts", "missing_key", _nothing),
    Stain("unknown kind", "events", "kind", "unknown_kind", _always("wishlist")),
    Stain("ten years too early", "events", "ts", "outside_life", _later(_PAST)),
    Stain("ten years too late", "events", "ts", "outside_life", _later(_AHEAD)),
    Stain("time 0", "events", "ts", "outside_life", _always(datetime(1970, 1, 1))),
    Stain("amount below 0", "events", "amount", "negative_amount", _negative, "purchase"),
    Stain("units below 0", "events", "quantity", "negative_quantity", _negative, "purchase"),
    Stain("discount below 0", "events", "discount", "negative_discount", _negative, "purchase"),
    Stain("amount NaN", "events", "amount", "not_finite", _always(float("nan")), "purchase"),
    Stain("absurd units", "events", "quantity", "odd_unit", _always(99_999.0), "purchase"),
    Stain("no units", "events", "quantity", "zero_quantity", _always(0.0), "purchase"),
    Stain("unknown product", "events", "product_id", "unknown_product", _always(9_999_999)),
    Stain("no product", "events", "product_id", "", _nothing, "purchase"),
    Stain("no order", "events", "order_id", "", _nothing, "purchase"),
    Stain(_TWICE, "exposures", "", "duplicate", None),
    Stain("unknown promotion", "exposures", "promotion_id", "unknown_promotion", _always("X99")),
    Stain("blank before", "exposures", "promotion_id", "unknown_promotion", _blank_before),
    Stain("ten years too late", "exposures", "ts", "outside_life", _later(_AHEAD)),
    Stain(_TWICE, "responses", "", "duplicate", None),
    Stain("unknown promotion", "responses", "promotion_id", "unknown_promotion", _always("X99")),
    Stain("unknown kind", "responses", "kind", "unknown_kind", _always("bounced")),
    Stain("no customer", "responses", "customer_id", "missing_key", _nothing),
    Stain("ten years too early", "responses", "ts", "outside_life", _later(_PAST)),
    Stain(_TWICE, "customers", "", "duplicate", None),
    Stain("no customer", "customers", "customer_id", "missing_key", _nothing),
    Stain("joined in 1900", "customers", "since", "", _always(datetime(1900, 1, 1))),
    Stain("joined in the future", "customers", "since", "", _always(BEGIN + timedelta(9_999))),
    Stain(_TWICE, "reviews", "", "duplicate", None),
    Stain("rating 0", "reviews", "rating", "", _always(0)),
    Stain("no words", "reviews", "text", "", _always("   ")),
)
"""Every kind of dirt; decisions, their propensities and the promotions stay clean, for effects
stand on them."""


def soil(
    rng: np.random.Generator, name: str, table: pa.Table, share: float
) -> tuple[pa.Table, list[tuple[int, Stain]]]:
    """Soil a share of a table's rows, each in one way, as many in each way as possible.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    name : str
        The table's name.
    table : pyarrow Table
        Its rows.
    share : float
        Share of rows to soil.

    Returns
    -------
    table : pyarrow Table
        The rows, some of them soiled; those written twice stand at the end once more.
    done : list of (int, Stain)
        Row (from 0) and what was done to it; of those written twice, the row at the end.
    """
    stains = [stain for stain in STAINS if stain.table == name]
    each = round(share * table.num_rows / max(len(stains), 1))
    if each == 0:
        return table, []
    free = rng.permutation(table.num_rows)
    kinds = np.asarray(table["kind"]) if "kind" in table.column_names else None
    done: list[tuple[int, Stain]] = []
    # Those that need rows of one kind choose first.
    twice = []
    for stain in sorted(stains, key=lambda stain: not stain.kind):
        fits = kinds[free] == stain.kind if stain.kind and kinds is not None else slice(None)
        rows = np.sort(free[fits][:each])
        free = free[~np.isin(free, rows)]
        if stain.values is None:
            twice.append((stain, rows))
            continue
        table = _replaced(table, stain, rows)
        done += [(int(row), stain) for row in rows]
    for stain, rows in twice:
        done += [(table.num_rows + place, stain) for place in range(len(rows))]
        table = _with_copies(table, rows)
    return table, done


def _replaced(table: pa.Table, stain: Stain, rows: np.ndarray) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if stain.values is None:
        return table
    column = table[stain.column].combine_chunks()
    mask = np.zeros(len(column), dtype=bool)
    mask[rows] = True
    values = stain.values(column.take(pa.array(rows))).cast(column.type)
    changed = pc.replace_with_mask(column, pa.array(mask), values)
    return table.set_column(table.column_names.index(stain.column), stain.column, changed)


def _with_copies(table: pa.Table, rows: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([table, table.take(pa.array(rows))])
