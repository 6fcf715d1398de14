"""The first page of a shop without promotions: its sales, who comes back, what more would tell."""

from __future__ import annotations

import math

import pandas as pd

from promolab.contract import Shop
from promolab.report.page import Html, Tile, beside, join, picture, say, table
from promolab.sales import YEAR, Cohorts, WeeklySales
from promolab.wording import count, money, percent, plural

__all__ = ["more_would_tell", "sales_block", "sales_tiles"]

_MORE = (
    (("promotions", "exposures", "responses"), "who is likely to answer what starts, how many to "
     "expect, what it costs, and what became of past promotions"),
    (("promotion_products",), "what the products of a promotion cost in discounts"),
    (("decisions",), "what promotions themselves add: who was held back by which chance"),
    (("contact_rights",), "who may be contacted, before anything is sent"),
    (("products",), "interests and price level of each customer"),
)  # fmt: skip


def sales_tiles(sales: WeeklySales) -> list[Tile]:
    """Return the tiles above the fold: sales, orders, basket and repeat customers of last week.

    Parameters
    ----------
    sales : WeeklySales
        Of `promolab.sales.weekly_sales`.
    """
    basket, repeat = sales.basket, sales.repeat_rate
    currency, days = sales.currency, sales.days
    words = {
        "Sales": (money(sales.at("sales"), currency=currency), sales.at("sales"), "sales"),
        "Orders": (count(sales.at("orders")), sales.at("orders"), "orders"),
        "Sales per order": (
            money(basket.value, basket.ci_low, basket.ci_high, currency=currency),
            basket.value,
            "basket",
        ),
        "Repeat rate": (
            percent(repeat.value, repeat.ci_low, repeat.ci_high),
            repeat.value,
            "repeat_rate",
        ),
    }
    notes = {
        "Sales": f"{days}, net of returns",
        "Orders": f"by {plural(sales.at('customers'), 'customer')}",
        "Sales per order": f"of {plural(basket.n, 'order')}",
        "Repeat rate": f"of {plural(repeat.n, 'customer')}, those who had ordered before",
    }
    return [
        Tile(
            label,
            text,
            value if math.isfinite(value) else None,
            "; ".join([notes[label], *filter(None, (sales.change_words(n, a) for a in (1, YEAR)))]),
        )
        for label, (text, value, n) in words.items()
    ]


def sales_block(sales: WeeklySales, cohorts: Cohorts) -> Html:
    """Return the trend of sales beside the customers of each month.

    Parameters
    ----------
    sales : WeeklySales
        Of `promolab.sales.weekly_sales`.
    cohorts : Cohorts
        Of `promolab.sales.monthly_cohorts`.
    """
    trend = join(
        [
            say("Trend", kind="h2"),
            say(sales.trend_sentence()),
            picture(sales.plot(), f"Sales by week. {sales.trend_sentence()}")
            if len(sales.table) > 1
            else Html(""),
        ]
    )
    back = join(
        [
            say("Who comes back", kind="h2"),
            say(cohorts.summary()),
            picture(cohorts.plot(), f"Customers by month of first order. {cohorts.summary()}")
            if len(cohorts.table)
            else Html(""),
        ]
    )
    return beside([trend, back])


def more_would_tell(shop: Shop) -> Html:
    """Return what tables the shop does not have would add to its page.

    Parameters
    ----------
    shop : Shop
        Whose tables count.
    """
    rows = [
        (", ".join(name.replace("_", " ") for name in names if not shop.has(name)), told)
        for names, told in _MORE
        if not all(shop.has(name) for name in names)
    ]
    return join(
        [
            say("What more tables would tell", kind="h2"),
            table(
                pd.DataFrame(rows, columns=["tables", "adds"]),
                {"tables": "tables that would have to be there", "adds": "what they would add"},
                caption="The most useful first.",
            ),
        ]
    )
