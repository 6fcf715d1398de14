"""Flags: remarks on events that are kept, and left out only where they would mislead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from promolab.contract import Shop
from promolab.contract.rules import MONEY_KINDS

__all__ = ["FLAGS", "ODD_TIMES", "Flag", "count_flags", "with_flags"]

ODD_TIMES = 100
"""How many times the usual quantity a line holds whose unit is taken for an odd one."""


@dataclass(frozen=True)
class Flag:
    """A remark on rows of ``events`` that are kept.

    Parameters
    ----------
    name, meaning : str
        What stands in the column ``flags``, and what it says.
    columns : tuple of str
        Columns of ``events`` without which the flag is never set.
    holds : callable
        ``(events, shop) -> boolean expression``; None where the shop lacks what it takes.
    """

    name: str
    meaning: str
    columns: tuple[str, ...]
    holds: Callable[[Any, Shop], Any]


def _of_money(events: Any) -> Any:
    return events.kind.isin(MONEY_KINDS)


def _unknown_product(events: Any, shop: Shop) -> Any:
    if "products" not in shop.tables:
        return None
    return events.product_id.notin(shop.products.product_id)


def _odd_unit(events: Any, shop: Shop) -> Any:
    """Flag lines above the shop's own limit, or far above what is usual.

    What is usual is the upper quartile: of the lines of a product, and of these quartiles over all
    products. A line is odd above `ODD_TIMES` the first (a slip of the pen), and where it and its
    product are both above `ODD_TIMES` the second (a unit like no other's, such as fuel in
    millilitres). Wholesale, where hundreds are usual, is neither. Up to a quarter of a product's
    lines, and of the products, may be odd before the quartiles are.
    """
    import ibis

    limit = shop.settings.odd_quantity
    if limit is not None:
        return _of_money(events) & (events.quantity > limit)
    product = events.product_id if "product_id" in events.columns else ibis.null("string")
    product = product.cast("string").fill_null("")
    # Rows cannot be looked up by two columns: the two as one text.
    line = product + " × " + events.quantity.cast("string")
    known = _of_money(events) & (events.quantity > 0)
    lines = events.filter(known).select(product=product, line=line, quantity=events.quantity)
    usual = lines.group_by("product").aggregate(usual=lines.quantity.quantile(0.75))
    most = ODD_TIMES * usual.usual.quantile(0.75).as_scalar()
    lines = lines.join(usual, "product")
    odd = lines.filter(
        (lines.quantity > ODD_TIMES * lines.usual)
        | (ibis.least(lines.quantity, lines.usual) > most)
    )
    return known & line.isin(odd.line)


def _extreme_customer(events: Any, shop: Shop) -> Any:
    """Flag customers whose orders per local day with an order exceed the shop's limit."""
    bought = events.filter(events.kind == "purchase")
    order = bought.order_id if "order_id" in events.columns else bought.ts.cast("string")
    orders = bought.select(
        customer_id=bought.customer_id,
        order=order.cast("string").fill_null(bought.ts.cast("string")),
        day=shop.local(bought.ts).date(),
    ).distinct()
    days = orders.group_by(["customer_id", "day"]).aggregate(orders=lambda t: t.count())
    customers = days.group_by("customer_id").aggregate(mean=lambda t: t.orders.mean())
    extreme = customers.filter(customers["mean"] > shop.settings.extreme_orders_per_day)
    return events.customer_id.isin(extreme.customer_id)


FLAGS: tuple[Flag, ...] = (
    Flag(
        "odd_unit",
        "far more units on one line than is usual: an odd unit, such as fuel's, or a slip",
        ("quantity",),
        _odd_unit,
    ),
    Flag(
        "zero_quantity",
        "no units",
        ("quantity",),
        lambda t, _: _of_money(t) & (t.quantity == 0),
    ),
    Flag(
        "zero_amount",
        "no money",
        ("amount",),
        lambda t, _: _of_money(t) & (t.amount == 0),
    ),
    Flag(
        "unknown_product",
        "a product that the table products does not have",
        ("product_id",),
        _unknown_product,
    ),
    Flag(
        "extreme_customer",
        "a customer with more orders a day than people place: a robot, a shop's own card",
        (),
        _extreme_customer,
    ),
)


def with_flags(events: Any, shop: Shop) -> Any:
    """Return events with the text column ``flags``: names joined by ``;``, empty where none."""
    import ibis

    text = ibis.literal("")
    for flag in FLAGS:
        if set(flag.columns) <= set(events.columns):
            holds = flag.holds(events, shop)
            if holds is not None:
                text = text + ibis.ifelse(holds.fill_null(False), f";{flag.name}", "")
    return events.mutate(flags=text.substr(1))


def count_flags(events: Any) -> dict[str, int]:
    """Return the rows that carry each flag; flags that no row carries are left out."""
    flags = events.filter(events.flags != "").flags.value_counts(name="n").to_pyarrow().to_pylist()
    counts = {flag.name: 0 for flag in FLAGS}
    for row in flags:
        for flag in row["flags"].split(";"):
            counts[flag] += int(row["n"])
    return {flag: n for flag, n in counts.items() if n}
