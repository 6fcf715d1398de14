"""Promotions that other tables name by a code: of a voucher typed in at the checkout, say."""

from __future__ import annotations

from typing import Any

from promolab.errors import DataError, nearest
from promolab.sources.mapping import Part


def by_code(part: Part, table: Any, promotions: Any) -> Any:
    """Put a promotion's id in the place of a code that the table of promotions lists.

    A code that several promotions use in turn is that of the one that started last by then; a code
    that none lists stays, so that it is counted as that of an unknown promotion.

    Parameters
    ----------
    part : Part
        What ``shop.toml`` says of the table.
    table : ibis Table
        In the contract's columns, the code in that of the promotion.
    promotions : ibis Table
        Those of the shop; None where there are none.

    Returns
    -------
    ibis Table

    Raises
    ------
    DataError
        If there are no promotions, or they do not have the column.
    """
    how = part.columns.get("promotion_id")
    if how is None or how.in_promotions is None:
        return table
    listed = () if promotions is None else promotions.columns
    column = {c.lower(): c for c in listed}.get(how.in_promotions.lower())
    if column is None:
        there = nearest(how.in_promotions, list(listed)) if listed else "there are no promotions"
        raise DataError(
            f"{part.where} promotion_id in_promotions: promotions has no column "
            f"{how.in_promotions!r}; {there}"
        )

    codes = _codes(promotions, column)
    mine = table.mutate(_code=_as_code(table.promotion_id))
    both = mine.left_join(
        codes,
        [
            mine._code == codes.code,
            codes.low.isnull() | (mine.ts >= codes.low),
            codes.high.isnull() | (mine.ts < codes.high),
        ],
    )
    found = both.listed
    if found.type().is_string():
        found = found.coalesce(both.promotion_id)
    named = both.mutate(promotion_id=found).select(*table.columns)
    # What was written in two ways is one by now.
    return named.distinct() if part.distinct else named


def _codes(promotions: Any, column: str) -> Any:
    """Return code, listed (the promotion's id), low and high: whose the code is, and when."""
    import ibis

    codes = promotions.select("promotion_id", "starts_at", code=_as_code(promotions[column]))
    codes = codes.filter(codes.code.notnull() & (codes.code != ""))
    turns = ibis.window(group_by="code", order_by=["starts_at", "promotion_id"])
    return codes.select(
        "code",
        listed=codes.promotion_id,
        low=ibis.ifelse(ibis.row_number().over(turns) > 0, codes.starts_at, None),
        high=codes.starts_at.lead().over(turns),
    )


def _as_code(value: Any) -> Any:
    """Return a code as it is compared: customers type it in either case."""
    return value.cast("string").strip().upper()
