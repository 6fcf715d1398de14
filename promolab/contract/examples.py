"""Example rows of a failing check: a few of the rows that it counts."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.contract.checks import (
    _FIRST,
    Finding,
    _measures,
    _with_first_response,
    structure,
)
from promolab.contract.rules import context_of, hash_of
from promolab.contract.shop import Shop
from promolab.contract.table_holdings import rows_of
from promolab.contract.tables import TABLES
from promolab.wording import counted

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["example_rows"]


def example_rows(
    shop: Shop, finding: Finding, most: int = 5, now: datetime | None = None
) -> list[dict[str, Any]]:
    """Return rows that a check found, in the contract's columns and the first in their order.

    Parameters
    ----------
    shop : Shop
        The shop that was checked.
    finding : Finding
        What `promolab.contract.checks.check` found in it.
    most : int
        Rows to return.
    now : datetime, optional
        The clock that the check went by; by default the present.

    Returns
    -------
    list of dict
        Column to value; empty where the check is not about rows. Rows equal to each other, or with
        one key, stand together.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract.settings import Settings
    >>> from promolab.contract.shop import Shop
    >>> when = pd.to_datetime(["2017-03-01", None])
    >>> events = pd.DataFrame({"customer_id": ["A", "B"], "ts": when, "kind": "view"})
    >>> con = ibis.duckdb.connect()
    >>> shop = Shop({"events": con.create_table("events", events)}, Settings(zone="UTC"))
    >>> shop.check().findings[0].check
    'missing_key'
    >>> example_rows(shop, shop.check().findings[0])
    [{'customer_id': 'B', 'ts': None, 'kind': 'view'}]
    """
    if finding.rows == 0 or finding.table not in shop.tables:
        return []
    found = _failing(shop, finding, now)
    if found is None:
        return []
    there = shop.tables[finding.table].columns
    columns = [column.name for column in TABLES[finding.table] if column.name in there]
    first = [name for name in (_TWINS,) if name in found.columns]
    rows = found.order_by([*first, *columns]).limit(most).select(*columns)
    return rows_of(rows.to_pyarrow())


_TWINS = "_twins"


def _failing(shop: Shop, finding: Finding, now: datetime | None) -> ir.Table | None:
    broken = {found.table for found in structure(shop)}
    name = finding.table
    if name in broken:
        return None
    context = context_of(shop, now)
    if "promotions" in broken:
        context = context.with_promotions(None)
    table = _with_first_response(shop, name, broken)
    for measure in _measures(shop, name, context, broken):
        if measure.check != finding.check:
            continue
        # The check may have added to its sentence which words they are.
        if not finding.sentence.startswith(counted(measure.sentence, finding.rows)):
            continue  # the same check of another column
        if measure.check == "duplicate":
            return _alike(table, hash_of(table, shop.tables[name].columns))
        if measure.check == "repeated_key":
            return _alike(table, table[TABLES[name].key[0]])
        if isinstance(measure.rows, partial):  # `_where` counts the rows of a condition
            failing = table.filter(measure.rows.args[0](table).fill_null(False))
            return failing.drop(_FIRST) if _FIRST in failing.columns else failing
    return None


def _alike(table: ir.Table, value: Any) -> ir.Table:
    """Return the rows of the first few values that several rows share."""
    marked = table.mutate(**{_TWINS: value})
    sizes = marked.group_by(_TWINS).aggregate(n=marked.count())
    shared = sizes.filter(sizes.n > 1, sizes[_TWINS].notnull())
    few = shared.order_by(_TWINS).limit(2).select(_TWINS)
    return marked.semi_join(few, _TWINS)
