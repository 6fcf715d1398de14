"""Flags: remarks on events that are kept, and left out only where they would mislead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from promolab.contract import Shop
from promolab.contract.rules import MONEY_KINDS

__all__ = ["FLAGS", "ODD_QUANTITY", "Flag", "count_flags", "with_flags"]

ODD_QUANTITY = 100
"""Units of one order line above which the unit is taken for an odd one, such as fuel's."""


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
        f"more than {ODD_QUANTITY} units on one line: an odd unit, such as fuel",
        ("quantity",),
        lambda t, _: _of_money(t) & (t.quantity > ODD_QUANTITY),
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
