"""Scores of every customer on the four axes, as percentile ranks.

A score says where a customer stands among the customers of the same frame, so it needs no unit and
no threshold: each component is a percentile rank, an axis is the mean of its components.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.profiles.axes import AXES, Component
from promolab.profiles.columns import customer_frame, numeric

__all__ = ["build_profiles"]


def _percentile(values: np.ndarray) -> np.ndarray:
    """Mid-percentile ranks, 0–100: the share below plus half of the share that is equal."""
    series = pd.Series(values)
    return (100 * (series.rank(method="average") - 0.5) / series.count()).to_numpy()


def _component(frame: pd.DataFrame, component: Component) -> np.ndarray:
    values = component.direction * numeric(frame, component.feature)
    if component.per is not None:
        divisor = numeric(frame, component.per)
        values = values / np.where(divisor > 0, divisor, np.nan)
    return _percentile(values)


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
    if demographics is not None:
        profiles = _attach(profiles, customer_frame(demographics, "demographics"), "demographics")
    return profiles
