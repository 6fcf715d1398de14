"""Scores of every customer on the four axes, as percentile ranks.

A score says where a customer stands among the customers of the same frame, so it needs no unit and
no threshold: each component is a percentile rank, an axis is the mean of its components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.wording import plural


@dataclass(frozen=True)
class Component:
    """One ingredient of an axis.

    Parameters
    ----------
    name : str
        Its column in the profiles is ``<axis>_<name>``.
    feature : str
        The feature that is ranked.
    direction : {1, -1}
        1 where more of the feature ranks higher, −1 where less does.
    per : str, optional
        A feature to divide by before ranking.
    """

    name: str
    feature: str
    direction: int = 1
    per: str | None = None


@dataclass(frozen=True)
class Axis:
    """One axis of a profile: its name in words, and its components."""

    label: str
    components: tuple[Component, ...]


AXES: Mapping[str, Axis] = {
    "interests": Axis(
        "Interests",
        # how broadly and how deeply they buy across the assortment
        (
            Component("breadth", "categories"),  # buys from many categories
            Component("variety", "category_entropy"),  # spreads purchases evenly over categories
            Component("depth", "products", per="categories"),  # knows many products of a category
            Component("browsing", "views_28d"),  # looked at many products in the last 28 days
        ),
    ),
    "purchasing_power": Axis(
        "Purchasing power",
        # how much they spend, and how little the price matters to them
        (
            Component("spend", "amount_84d"),  # spent much in the last 84 days
            Component("basket", "average_order_amount"),  # spends much in one order
            Component("item_price", "average_item_price"),  # buys expensive items
            Component("price_level", "price_level"),  # picks the dearer products of a category
            Component("brands", "private_label_share", -1),  # buys few of the shop's own brands
        ),
    ),
    "loyalty": Axis(
        "Loyalty",
        # how recently, how often, how regularly and for how long they have been buying
        (
            Component("recency", "recency_days", -1),  # bought lately
            Component("frequency", "orders_84d"),  # ordered often in the last 84 days
            Component("rhythm", "days_between_orders", -1),  # lets few days pass between orders
            Component("tenure", "tenure_days"),  # has been a customer for long
        ),
    ),
    "habits": Axis(
        "Habits",
        # how much offers, weekends and evenings shape what and when they buy
        (
            Component("coupons", "coupon_order_share"),  # uses coupons in many orders
            Component("discounts", "discount_share"),  # buys much at a discount
            Component("response", "response_rate"),  # answers many of the promotions received
            Component("weekends", "weekend_share"),  # orders mostly on weekends
            Component("evenings", "evening_share"),  # orders mostly in the evening
        ),
    ),
}
"""The four axes of a profile, each with the components that its score is the mean of."""


def customer_frame(table: Any, what: str = "features") -> pd.DataFrame:
    """Return ``table`` as a DataFrame with one row per customer.

    Parameters
    ----------
    table : DataFrame or ibis.Table
        Has ``customer_id``. A DataFrame keeps its row order; an Ibis table, which has none, is
        executed once and sorted by ``customer_id``.
    what : str
        Its name in messages.

    Raises
    ------
    InputError
        If it is no table, lacks ``customer_id``, or has a customer twice or without an id.

    Examples
    --------
    >>> customer_frame(pd.DataFrame({"customer_id": [7, 3]})).customer_id.tolist()
    [7, 3]
    """
    if isinstance(table, pd.DataFrame):
        frame = table.reset_index(drop=True)
    elif hasattr(table, "execute"):
        frame = table.execute()
        if "customer_id" in frame:
            frame = frame.sort_values("customer_id", kind="stable", ignore_index=True)
    else:
        raise InputError(f"{what} is a {type(table).__name__}; expected a DataFrame or Ibis table")
    if "customer_id" not in frame:
        raise InputError(
            f"{what} has no column 'customer_id'; {nearest('customer_id', map(str, frame))}"
        )
    if frame["customer_id"].isna().any():
        raise InputError(f"{what}.customer_id is missing in some rows; every row needs a customer")
    repeated = int(frame["customer_id"].duplicated().sum())
    if repeated:
        raise InputError(
            f"{what} repeats customers in {plural(repeated, 'row')}; "
            "expected one row per customer, at one as_of"
        )
    return frame


def numeric(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as floats of shape (n,), nan where it is absent, null or infinite.

    Raises
    ------
    InputError
        If the column holds text.

    Examples
    --------
    >>> numeric(pd.DataFrame({"orders": [3, None]}), "orders").tolist()
    [3.0, nan]
    """
    if column not in frame:
        return np.full(len(frame), np.nan)
    try:
        values = pd.to_numeric(frame[column]).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"features.{column} is not numeric ({error}); expected numbers") from error
    return np.where(np.isfinite(values), values, np.nan)


def _component(frame: pd.DataFrame, component: Component) -> np.ndarray:
    """Return mid-percentile ranks, 0–100: the share below plus half of the share that is equal."""
    values = component.direction * numeric(frame, component.feature)
    if component.per is not None:
        divisor = numeric(frame, component.per)
        values = values / np.where(divisor > 0, divisor, np.nan)
    ranks = pd.Series(values).rank(method="average")
    return (100 * (ranks - 0.5) / ranks.count()).to_numpy()


def _top_categories(favourites: pd.DataFrame, keep: int = 3) -> pd.DataFrame:
    """Each customer's ``keep`` first categories in one text, by share or amount, ties by name."""
    for column in ("customer_id", "category"):
        if column not in favourites:
            raise InputError(
                f"favourites has no column {column!r}; {nearest(column, map(str, favourites))}"
            )
    order = [c for c in ("share", "amount", "orders") if c in favourites][:1]
    ranked = favourites.dropna(subset=["category"]).sort_values(
        ["customer_id", *order, "category"], ascending=[True, *[False] * len(order), True]
    )
    ranked = ranked.drop_duplicates(["customer_id", "category"])
    head = ranked.groupby("customer_id", sort=True).head(keep)
    texts = head.astype({"category": str}).groupby("customer_id")["category"].agg(" · ".join)
    return texts.rename("favourite_categories").reset_index()


def _attach(profiles: pd.DataFrame, extra: pd.DataFrame, what: str) -> pd.DataFrame:
    taken = sorted(map(str, (set(extra) & set(profiles)) - {"customer_id"}))
    if taken:
        raise InputError(f"{what} has columns that profiles have too: {taken}; rename them")
    left, right = profiles["customer_id"], extra["customer_id"]
    if pd.api.types.is_numeric_dtype(left) != pd.api.types.is_numeric_dtype(right) and len(extra):
        raise InputError(
            f"{what}.customer_id is {right.dtype}, features.customer_id is {left.dtype}; "
            "expected one type of id"
        )
    if not len(extra):
        extra = extra.astype({"customer_id": left.dtype})
    return profiles.merge(extra, on="customer_id", how="left", validate="1:1")


def build_profiles(
    features: Any,
    demographics: Any | None = None,
    favourites: Any | None = None,
    value: Any | None = None,
) -> pd.DataFrame:
    """Score every customer on the four axes of `AXES`.

    Parameters
    ----------
    features : DataFrame or ibis.Table
        One row per customer at one ``as_of``; any feature may be absent or null.
    demographics : DataFrame or ibis.Table, optional
        ``customer_id`` and any attributes; they are attached as they are.
    favourites : DataFrame or ibis.Table, optional
        Rows of ``customer_id, category`` and ``share``, ``amount`` or ``orders``; the three first
        of each customer become ``favourite_categories``.
    value : CustomerValue, optional
        Whose figures of each customer are attached; what has none, such as a page's reason why
        nothing is known, attaches none.

    Returns
    -------
    DataFrame
        In the row order of ``features``: ``customer_id``, ``as_of`` where given, the four axes,
        their components ``<axis>_<component>``, ``favourite_category``, and what was attached.
        Scores run from 0 to 100; 50 is the middle customer.

    Raises
    ------
    InputError
        If a customer has two rows, a feature is not numeric, or ids are of different types.

    Notes
    -----
    A component is the mid-percentile rank ``100 · (rank − ½) / n`` among customers who have the
    feature (ties share the mean rank, a single customer stands at 50); an axis is the mean of the
    components that the customer has, and null if there is none.

    Examples
    --------
    >>> features = pd.DataFrame({"customer_id": [1, 2], "recency_days": [3, 40]})
    >>> build_profiles(features)[["customer_id", "loyalty"]].values.tolist()
    [[1.0, 75.0], [2.0, 25.0]]
    """
    frame = customer_frame(features)
    parts = {
        f"{name}_{component.name}": _component(frame, component)
        for name, axis in AXES.items()
        for component in axis.components
    }
    components = pd.DataFrame(parts, index=frame.index)
    profiles = frame[[c for c in ("customer_id", "as_of") if c in frame]].copy()
    for name, axis in AXES.items():
        columns = [f"{name}_{component.name}" for component in axis.components]
        profiles[name] = components[columns].mean(axis=1)
    profiles = pd.concat([profiles, components], axis=1)
    top = frame["top_category"] if "top_category" in frame else pd.Series(None, frame.index, object)
    profiles["favourite_category"] = top
    if favourites is not None:
        table = favourites if isinstance(favourites, pd.DataFrame) else favourites.execute()
        profiles = _attach(profiles, _top_categories(table), "favourites")
    told = getattr(value, "frame", None)
    if told is not None:
        profiles = _attach(profiles, told.drop(columns="orders"), "value")
    if demographics is not None:
        profiles = _attach(profiles, customer_frame(demographics, "demographics"), "demographics")
    return profiles
