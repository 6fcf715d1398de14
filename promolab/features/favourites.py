"""What each customer spends most on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from promolab.contract import Shop
from promolab.features.point_in_time import fixed

__all__ = ["favourite_categories"]


def favourite_categories(shop: Shop, as_of: datetime) -> Any:
    """Return each customer's three largest categories by amount before a moment.

    Parameters
    ----------
    shop : Shop
        The shop.
    as_of : datetime
        UTC without a zone.

    Returns
    -------
    ibis Table or None
        customer_id, category, amount; None where the shop knows no categories or amounts.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> favourite_categories(shop, datetime(2017, 10, 30, 4)).columns
    ('customer_id', 'category', 'amount')
    """
    import ibis

    if shop.lacks("interests and price level") or not shop.has("events", "amount"):
        return None
    events = shop.events.filter((shop.events.ts < as_of) & (shop.events.kind == "purchase"))
    products = shop.products.select("product_id", "category").distinct(on="product_id")
    lines = events.join(products, "product_id")
    lines = lines.filter(lines.category.notnull())
    spent = lines.group_by("customer_id", "category").aggregate(amount=fixed(lines.amount).sum())
    rank = ibis.row_number().over(
        ibis.window(group_by="customer_id", order_by=[spent.amount.desc(), spent.category])
    )
    top = spent.mutate(rank=rank).filter(ibis._.rank < 3).drop("rank")
    return top.mutate(amount=top.amount.cast("float64")).order_by("customer_id", "category")
