"""What customers bought in spans of time: margin, sales, orders. All products count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promolab.contract import read_operations
from promolab.errors import DataError
from promolab.features.lines import order_lines
from promolab.features.point_in_time import fixed, joined
from promolab.wording import count

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop

__all__ = ["OUTCOMES", "outcomes_between", "placed_lines", "whole_margin_rate"]

OUTCOMES = ("margin", "sales", "purchases", "orders_placed")
"""What `outcomes_between` can count; `orders` is a feature, of the time before."""


def whole_margin_rate(shop: Shop) -> float | None:
    """Return the margin rate that the shop states for everything it sells, if it states one."""
    rate = read_operations(shop.settings).economics.margin_rate
    return None if rate.assumed else float(rate.value)


def placed_lines(shop: Shop) -> Any:
    """Return signed lines with ``placed``, when what they belong to was bought.

    What comes back counts where it was bought, if its order is known, else when it came back.

    Returns
    -------
    ibis Table
        customer_id, ts, placed, order_id, single_ts, product_id, bought, amount, discount.
    """
    import ibis

    columns = ("customer_id", "ts", "order_id", "single_ts", "product_id", "bought")
    lines = order_lines(shop).select(*columns, "amount", "discount")
    keys = ["customer_id", "order_id"]
    bought, back = lines.filter(lines.bought), lines.filter(~lines.bought)
    orders = bought.semi_join(back, keys)
    orders = orders.group_by(keys).aggregate(first_ts=orders.ts.min())
    known = joined(back, orders, keys)
    placed = ibis.least(known.first_ts.fill_null(known.ts), known.ts)
    known = known.mutate(placed=placed).drop("first_ts")
    return bought.mutate(placed=bought.ts).union(known.select(*bought.columns, "placed"))


def outcomes_between(shop: Shop, spans: pd.DataFrame, *, margin: bool = True) -> Any:
    """Return what each customer bought in each span; who bought nothing has no row.

    Parameters
    ----------
    shop : Shop
        With purchases; for the margin also ``products.margin_rate``, or a rate of its own.
    spans : DataFrame
        span (a number), low, high (UTC): bought at low ≤ ts < high; what came back before high is
        taken off.
    margin : bool
        Whether to count it.

    Returns
    -------
    ibis Table
        span, customer_id; margin = Σ (amount + discount) · margin rate − discount, before any cost
        of contacts; sales = Σ amount, both of all products; orders_placed, those that were not
        wholly returned; purchases, 1 if there is such an order, else 0.

    Raises
    ------
    DataError
        If lines have a product without a margin rate, and the shop states none.
    """
    import ibis

    table = ibis.memtable(spans[["span", "low", "high"]])
    lines = placed_lines(shop)
    rows = lines.join(table, [lines.placed >= table.low, lines.placed < table.high])
    rows = rows.filter(rows.ts < rows.high)
    if margin:
        rows = _with_margin(shop, rows)
    sums = ["amount", "margin"] if margin else ["amount"]
    orders = rows.group_by("span", "customer_id", "order_id", "single_ts").aggregate(
        bought=rows.bought.any(),
        gross=ibis.ifelse(rows.bought, rows.amount, 0).sum(),
        **{name: rows[name].sum() for name in sums},
    )
    returned = orders.gross > orders.amount
    kept = (orders.bought & ~(returned & (orders.amount <= 0))).cast("int64")
    found = orders.group_by("span", "customer_id").aggregate(
        **{
            name: orders[old].sum().cast("float64")
            for name, old in (("margin", "margin"), ("sales", "amount"))
            if old in sums
        },
        orders_placed=kept.sum(),
        purchases=kept.max(),
    )
    return found


def _with_margin(shop: Shop, rows: Any) -> Any:
    """Add the margin of each line, in fixed point: sums of floats change with the threads."""
    import ibis

    stated = whole_margin_rate(shop)
    default = ibis.null("float64") if stated is None else ibis.literal(stated)
    if shop.has("products", "margin_rate"):
        products = shop.products.group_by("product_id").aggregate(
            margin_rate=shop.products.margin_rate.cast("float64").max()
        )
        # A stored NaN is a missing rate as well.
        own = products.margin_rate
        products = products.mutate(margin_rate=ibis.ifelse(own.isnan(), None, own))
        rows = joined(rows, products, ["product_id"])
        rows = rows.mutate(rate=rows.margin_rate.fill_null(default)).drop("margin_rate")
    else:
        rows = rows.mutate(rate=default)
    if stated is None:
        _check_rates(shop, rows)
    amount, discount = rows.amount.cast("float64"), rows.discount.cast("float64")
    return rows.mutate(margin=fixed((amount + discount) * rows.rate - discount, 6))


def _check_rates(shop: Shop, rows: Any) -> None:
    without = rows.aggregate(n=rows.count(), known=rows.rate.count()).execute().iloc[0]
    n, lacking = int(without["n"]), int(without["n"] - without["known"])
    if lacking:
        raise DataError(
            f"{count(lacking)} of {count(n)} order lines in the windows have no margin rate: "
            f"{shop.settings.name} states none in products.margin_rate for them and none for all. "
            "Write margin_rate = 0.3, or what it is, in shop.toml, or ask for other outcomes: "
            'outcomes=["sales", "purchases", "orders_placed"]'
        )
