"""Names of segments in a shopkeeper's words, from what sets each apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from promolab.profiles import numeric
from promolab.segmentation.preparation import standardise

__all__ = ["MIN_DEVIATION", "THEMES", "Theme", "name_segments", "named_groups"]


@dataclass(frozen=True)
class Theme:
    """One thing that can set a segment apart, and the words for it.

    Parameters
    ----------
    name : str
        The theme.
    features : tuple of str
        Features that tell it, the first that is there is used; a leading ``-`` turns it round.
    high, low : tuple of (adjective, noun), or None
        The words for more and for less than the average customer; None: nothing worth a name.
    """

    name: str
    features: tuple[str, ...]
    high: tuple[str, str] | None
    low: tuple[str, str] | None


THEMES: tuple[Theme, ...] = (
    Theme(
        "recency",
        ("recency_days",),
        ("Lapsed", "lapsed customers"),
        ("Recently seen", "recent visitors"),
    ),
    Theme(
        "tenure",
        ("tenure_days",),
        ("Long-standing", "long-standing customers"),
        ("New", "newcomers"),
    ),
    Theme(
        "frequency",
        ("orders_84d", "-days_between_orders", "orders"),
        ("Frequent", "regulars"),
        ("Occasional", "occasional visitors"),
    ),
    Theme(
        "spend",
        ("amount_84d", "amount"),
        ("High-spending", "big spenders"),
        ("Low-spending", "light buyers"),
    ),
    Theme(
        "basket",
        ("average_order_amount",),
        ("Big-basket", "big-basket shoppers"),
        ("Small-basket", "small-basket shoppers"),
    ),
    Theme(
        "breadth",
        ("category_entropy", "categories"),
        ("Wide-ranging", "all-round shoppers"),
        ("Few-category", "few-category shoppers"),
    ),
    Theme(
        "times of day",
        ("evening_share",),
        ("Evening", "evening shoppers"),
        ("Daytime", "daytime shoppers"),
    ),
    Theme(
        "days",
        ("weekend_share",),
        ("Weekend", "weekend shoppers"),
        ("Weekday", "weekday shoppers"),
    ),
    Theme(
        "price",
        ("price_level", "average_item_price"),
        ("Premium", "premium buyers"),
        ("Thrifty", "thrifty buyers"),
    ),
    Theme(
        "brands",
        ("private_label_share",),
        ("Own-brand", "own-brand buyers"),
        ("Big-brand", "big-brand buyers"),
    ),
    Theme(
        "discounts",
        ("discount_share",),
        ("Bargain-hunting", "bargain hunters"),
        ("Full-price", "full-price buyers"),
    ),
    Theme("coupons", ("coupon_order_share",), ("Coupon-using", "coupon users"), None),
    Theme("response", ("response_rate",), ("Responsive", "promotion fans"), None),
)
"""The phrase table. Of two themes the earlier one gives the adjective, the later one the noun:
*Lapsed* + *bargain hunters*."""

MIN_DEVIATION = 0.3
"""Standard deviations from the average customer from which on a theme is worth a name."""

COMMON = "Typical shoppers"


def theme_deviations(features: pd.DataFrame, codes: np.ndarray) -> np.ndarray:
    """Return how far each segment's mean lies from the average customer, in standard deviations.

    Parameters
    ----------
    features : DataFrame of n rows
    codes : ndarray of shape (n,)
        Segment of each row, 0 … k−1; −1 is in none.

    Returns
    -------
    ndarray of shape (k, themes)
        0 where no feature tells the theme.
    """
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)
    columns = np.zeros((len(features), len(THEMES)))
    for position, theme in enumerate(THEMES):
        there = [f for f in theme.features if f.lstrip("-") in features]
        if there:
            sign = -1 if there[0].startswith("-") else 1
            columns[:, position] = sign * standardise(numeric(features, there[0].lstrip("-")))
    return (member.T @ columns) / member.sum(axis=0)[:, None]


def _candidates(deviations: np.ndarray) -> list[str]:
    """All names that fit one segment, the most telling first."""
    order = np.argsort(-np.abs(deviations).round(9), kind="stable")
    words: list[tuple[int, tuple[str, str]]] = []
    for position in order:
        deviation = deviations[position]
        phrase = THEMES[position].high if deviation > 0 else THEMES[position].low
        if abs(deviation) >= MIN_DEVIATION and phrase is not None:
            words.append((int(position), phrase))
    if not words:
        return [COMMON]
    if len(words) == 1:
        return [words[0][1][1].capitalize()]
    pairs = sorted(combinations(range(len(words)), 2), key=lambda pair: (sum(pair), pair))
    named = []
    for pair in pairs:
        (_, first), (_, second) = sorted(words[i] for i in pair)
        named.append(f"{first[0]} {second[1]}")
    return named


def name_segments(features: pd.DataFrame, codes: np.ndarray) -> list[str]:
    """Return one distinct name per segment.

    Parameters
    ----------
    features : DataFrame of n rows
        One row per customer.
    codes : ndarray of shape (n,)
        Segment of each row, 0 … k−1 in the order in which names are given out; −1 is in none.

    Returns
    -------
    list of str
        k names. Each joins the two themes of `THEMES` that deviate most from the average customer,
        where both deviate by at least `MIN_DEVIATION`; a name that is taken goes to the next pair.

    Examples
    --------
    >>> features = pd.DataFrame({
    ...     "recency_days": [90, 95, 3, 4], "discount_share": [0.5, 0.6, 0.05, 0.1]})
    >>> name_segments(features, np.array([0, 0, 1, 1]))
    ['Lapsed bargain hunters', 'Recently seen full-price buyers']
    """
    if len(codes) == 0 or codes.max() < 0:
        return []
    names: list[str] = []
    for row in theme_deviations(features, codes):
        fitting = _candidates(row)
        free = [name for name in fitting if name not in names]
        name, copy = (free or fitting)[0], 2
        while name in names:
            name, copy = f"{fitting[0]} ({copy})", copy + 1
        names.append(name)
    return names


def named_groups(features: pd.DataFrame, codes: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the segments' names and the codes in that order: the largest first, ties by name.

    Parameters
    ----------
    features : DataFrame of n rows
    codes : ndarray of shape (n,)
        Any whole numbers; −1 is in no segment and stays.
    """
    found = np.unique(codes[codes >= 0])
    if len(found) == 0:
        return [], codes
    sizes = np.array([(codes == c).sum() for c in found])
    first = np.array([np.argmax(codes == c) for c in found])
    given = found[np.lexsort((first, -sizes))]
    names = name_segments(features, _recoded(codes, given))
    size_of = dict(zip(found, sizes, strict=True))
    final = sorted(zip(given, names, strict=True), key=lambda pair: (-size_of[pair[0]], pair[1]))
    return [name for _, name in final], _recoded(codes, np.array([c for c, _ in final]))


def _recoded(codes: np.ndarray, order: np.ndarray) -> np.ndarray:
    position = np.full(codes.max() + 2, -1)
    position[order] = np.arange(len(order))
    return position[codes]
