"""The four axes of a profile and what each is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["AXES", "Axis", "Component"]


@dataclass(frozen=True)
class Component:
    """One ingredient of an axis.

    Parameters
    ----------
    name : str
        Its column in the profiles is ``<axis>_<name>``.
    feature : str
        The feature that is ranked.
    meaning : str
        What a high rank says.
    direction : {1, -1}
        1 where more of the feature ranks higher, −1 where less does.
    per : str, optional
        A feature to divide by before ranking.
    """

    name: str
    feature: str
    meaning: str
    direction: int = 1
    per: str | None = None


@dataclass(frozen=True)
class Axis:
    """One axis of a profile: its name in words, what a high score means, and its components."""

    label: str
    meaning: str
    components: tuple[Component, ...]


AXES: Mapping[str, Axis] = {
    "interests": Axis(
        "Interests",
        "how broadly and how deeply they buy across the assortment",
        (
            Component("breadth", "categories", "buys from many categories"),
            Component("variety", "category_entropy", "spreads purchases evenly over categories"),
            Component("depth", "products", "knows many products of a category", per="categories"),
            Component("browsing", "views_28d", "looked at many products in the last 28 days"),
        ),
    ),
    "purchasing_power": Axis(
        "Purchasing power",
        "how much they spend, and how little the price matters to them",
        (
            Component("spend", "amount_84d", "spent much in the last 84 days"),
            Component("basket", "average_order_amount", "spends much in one order"),
            Component("item_price", "average_item_price", "buys expensive items"),
            Component("price_level", "price_level", "picks the dearer products of a category"),
            Component("brands", "private_label_share", "buys few of the shop's own brands", -1),
        ),
    ),
    "loyalty": Axis(
        "Loyalty",
        "how recently, how often, how regularly and for how long they have been buying",
        (
            Component("recency", "recency_days", "bought lately", -1),
            Component("frequency", "orders_84d", "ordered often in the last 84 days"),
            Component("rhythm", "days_between_orders", "lets few days pass between orders", -1),
            Component("tenure", "tenure_days", "has been a customer for long"),
        ),
    ),
    "habits": Axis(
        "Habits",
        "how much offers, weekends and evenings shape what and when they buy",
        (
            Component("coupons", "coupon_order_share", "uses coupons in many orders"),
            Component("discounts", "discount_share", "buys much at a discount"),
            Component("response", "response_rate", "answers many of the promotions received"),
            Component("weekends", "weekend_share", "orders mostly on weekends"),
            Component("evenings", "evening_share", "orders mostly in the evening"),
        ),
    ),
}
"""The four axes of a profile, each with the components that its score is the mean of."""
