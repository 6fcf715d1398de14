"""Why a product is recommended, in words that a customer's own purchases bear out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.recommend.purchases import Purchases
from promolab.wording import plural

NEAR = 0.1
"""Cosine of two products' buyers from which on they are said to be bought by the same people."""
COMMON = 0.25
"""A brand or department that more of all products share is no reason…"""
FEW = 10
"""… but where these are so few products."""
PLAIN = "sells well"


def every(days: float) -> str:
    """Say how often something happens.

    Examples
    --------
    >>> every(1.2), every(7), every(23), every(400)
    ('every day', 'every week', 'every 3 weeks', 'every 13 months')
    """
    if days >= 60:
        return f"every {round(days / 30.44)} months"
    if days >= 6:
        weeks = round(days / 7)
        return "every week" if weeks <= 1 else f"every {weeks} weeks"
    return "every day" if days < 1.5 else f"every {round(days)} days"


def reasons_for(
    own: pd.DataFrame, asked: pd.DataFrame, near: sparse.csr_matrix, past: Purchases
) -> np.ndarray:
    """Return a reason for each recommended product.

    Parameters
    ----------
    own : DataFrame
        ``row, product, orders, days``: what each customer ordered, how often, and the days from
        the first to the last order.
    asked : DataFrame
        ``row, product``: what is recommended to whom.
    near : csr_matrix
        Products × products, the nearest by who bought them.
    past : Purchases
        The products and what is known of them.

    Returns
    -------
    ndarray of str
        "bought every 3 weeks", "others who buy 1029", "same brand as 1029", "sells well".
    """
    labels = _labels(past)
    found = _again(own, asked)
    left = np.flatnonzero(found == "")
    found[left] = _together(own, asked.iloc[left], near, labels)
    for name in past.attributes.columns:
        left = np.flatnonzero(found == "")
        found[left] = _alike(own, asked.iloc[left], _telling(past.attributes[name]), labels)
    found[found == ""] = PLAIN
    return found


def _telling(values: pd.Series) -> pd.Series:
    """Return the values that few products share: a brand of half of them is no reason."""
    many = values.map(values.value_counts())
    return values.where(many <= max(COMMON * len(values), FEW))


def _labels(past: Purchases) -> np.ndarray:
    """Return what to call each product: its id, and its narrowest group where one is known."""
    ids = past.products.astype(str).astype(object)
    for name in ("type", "category"):
        if name in past.attributes.columns:
            group = past.attributes[name]
            return np.where(group.notna(), ids + " (" + group.astype(str) + ")", ids)
    return ids


def _again(own: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
    """Say how often a product was ordered before, where it was."""
    told = asked.merge(own, on=["row", "product"], how="left")
    orders = told["orders"].fillna(0).to_numpy(int)
    gap = told["days"].to_numpy() / np.maximum(orders - 1, 1)
    steady = (orders >= 3) & (gap > 0)
    gaps, at = np.unique(np.where(steady, gap.round(1), 0.0), return_inverse=True)
    rhythm = np.array([f"bought {every(g)}" for g in gaps], dtype=object)[at]
    most = int(orders.max(initial=1))
    times = ["", "bought once", *(f"bought {plural(n, 'time')}" for n in range(2, most + 1))]
    return np.where(steady, rhythm, np.array(times, dtype=object)[orders])


def _together(
    own: pd.DataFrame, asked: pd.DataFrame, near: sparse.csr_matrix, labels: np.ndarray
) -> np.ndarray:
    """Name the own product whose buyers buy this one most often, where there is one."""
    if asked.empty or own.empty:
        return np.full(len(asked), "", dtype=object)
    rows = max(int(own["row"].max()), int(asked["row"].max())) + 1
    held = sparse.csr_matrix(
        (np.ones(len(own)), (own["row"], own["product"])), (rows, near.shape[1])
    )
    both = near[asked["product"].to_numpy()].multiply(held[asked["row"].to_numpy()]).tocsr()
    closest = np.asarray(both.argmax(axis=1)).ravel()
    how = both.max(axis=1).toarray().ravel()
    return np.where(how >= NEAR, "others who buy " + labels[closest], "")


def _alike(
    own: pd.DataFrame, asked: pd.DataFrame, values: pd.Series, labels: np.ndarray
) -> np.ndarray:
    """Name the product of the same brand or category that the customer orders most."""
    mine = own.assign(value=values.to_numpy()[own["product"]]).dropna(subset="value")
    mine = mine.sort_values(["row", "orders", "product"], ascending=[True, False, True])
    mine = mine.drop_duplicates(["row", "value"])[["row", "value", "product"]]
    told = asked.assign(value=values.to_numpy()[asked["product"]])
    told = told.merge(mine.rename(columns={"product": "like"}), on=["row", "value"], how="left")
    known = told["like"].notna().to_numpy() & told["value"].notna().to_numpy()
    like = told["like"].fillna(0).to_numpy(int)
    words = f"same {values.name} as " + labels[like]
    return np.where(known, words, "")
