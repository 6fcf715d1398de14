"""Names of segments in a shopkeeper's words, from what sets each apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from promolab.glossary import label
from promolab.profiles import numeric
from promolab.segmentation.groups.preparation import OTHERS, standardise
from promolab.stats import too_few


@dataclass(frozen=True)
class Theme:
    """One thing that can set a segment apart, and the words for it.

    Parameters
    ----------
    features : tuple of str
        Features that tell it, the first that is there is used; a leading ``-`` turns it round.
    high, low : tuple of (adjective, noun), or None
        The words for more and for less than the average customer; None: nothing worth a name.
    """

    features: tuple[str, ...]
    high: tuple[str, str]
    low: tuple[str, str] | None


_FEATURES = {
    "recency": ("away_times", "recency_days"),  # by their own rhythm, where it was worked out
    "tenure": ("tenure_days",),
    "frequency": ("orders_84d", "-days_between_orders", "orders"),
    "spend": ("amount_84d", "amount"),
    "basket": ("average_order_amount",),
    "breadth": ("category_entropy", "categories"),
    "times of day": ("evening_share",),
    "days": ("weekend_share",),
    "price": ("price_level", "average_item_price"),
    "brands": ("private_label_share",),
    "discounts": ("discount_share",),
    "coupons": ("coupon_order_share",),
    "response": ("response_rate",),
}
_HIGH = {
    "recency": ("Lapsed", "lapsed customers"),
    "tenure": ("Long-standing", "long-standing customers"),
    "frequency": ("Frequent", "regulars"),
    "spend": ("High-spending", "big spenders"),
    "basket": ("Big-basket", "big-basket shoppers"),
    "breadth": ("Wide-ranging", "all-round shoppers"),
    "times of day": ("Evening", "evening shoppers"),
    "days": ("Weekend", "weekend shoppers"),
    "price": ("Premium", "premium buyers"),
    "brands": ("Own-brand", "own-brand buyers"),
    "discounts": ("Bargain-hunting", "bargain hunters"),
    "coupons": ("Coupon-using", "coupon users"),
    "response": ("Responsive", "promotion fans"),
}
_LOW = {
    "recency": ("Recently seen", "recent visitors"),
    "tenure": ("New", "newcomers"),
    "frequency": ("Occasional", "occasional visitors"),
    "spend": ("Low-spending", "light buyers"),
    "basket": ("Small-basket", "small-basket shoppers"),
    "breadth": ("Few-category", "few-category shoppers"),
    "times of day": ("Daytime", "daytime shoppers"),
    "days": ("Weekday", "weekday shoppers"),
    "price": ("Thrifty", "thrifty buyers"),
    "brands": ("Big-brand", "big-brand buyers"),
    "discounts": ("Full-price", "full-price buyers"),
}
THEMES = tuple(Theme(told, _HIGH[name], _LOW.get(name)) for name, told in _FEATURES.items())
"""The phrase table. Of two themes the earlier one gives the adjective, the later one the noun:
*Lapsed* + *bargain hunters*."""

MIN_DEVIATION = 0.3
"""Standard deviations from the average customer from which on a theme is worth a name."""

COMMON = "Typical shoppers"


def _feature_of(theme: Theme, features: pd.DataFrame) -> tuple[str, int] | None:
    """Return the feature that tells a theme here, and whether it is turned round (-1)."""
    there = [f for f in theme.features if f.lstrip("-") in features]
    return (there[0].lstrip("-"), -1 if there[0].startswith("-") else 1) if there else None


def theme_deviations(features: pd.DataFrame, codes: np.ndarray) -> np.ndarray:
    """Return how far each segment's mean lies from the average customer, in standard deviations.

    Skewed features are unskewed first, as for the segments themselves, so that a mean of theirs may
    be on the other side of the shop's: what mean and median do not both bear out is 0.

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
        found = _feature_of(theme, features)
        if found:
            columns[:, position] = found[1] * standardise(numeric(features, found[0]))
    deviations = (member.T @ columns) / member.sum(axis=0)[:, None]
    sides = _sides(features, codes)
    return np.where(np.sign(deviations) == sides, deviations, 0.0)


def _sides(features: pd.DataFrame, codes: np.ndarray) -> np.ndarray:
    """Return 1 or -1 where mean and median of a segment lie above or below all customers', else 0.

    A median that is the shop's own stands against neither.
    """
    sides = np.zeros((codes.max() + 1, len(THEMES)))
    inside = codes >= 0
    for position, theme in enumerate(THEMES):
        found = _feature_of(theme, features)
        if found is None:
            continue
        values = pd.Series(numeric(features, found[0]))
        by = values[inside].groupby(codes[inside])
        apart = {
            name: getattr(by, name)().reindex(range(len(sides))).to_numpy()
            - getattr(values, name)()
            for name in ("mean", "median")
        }
        above = (apart["mean"] > 0) & (apart["median"] >= 0)
        below = (apart["mean"] < 0) & (apart["median"] <= 0)
        sides[:, position] = found[1] * (above.astype(float) - below)
    return sides


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


def untrue_names(features: pd.DataFrame, codes: np.ndarray, names: Sequence[str]) -> list[str]:
    """Say which names claim what is not so of the customers who are in the segments now.

    Parameters
    ----------
    features : DataFrame of n rows
    codes : ndarray of shape (n,)
        Segment of each row, a position in ``names``; -1 is in none.
    names : sequence of str
        As `name_segments` gave them, to these customers or to others.

    Returns
    -------
    list of str
        A sentence for each name that no longer fits.

    Examples
    --------
    >>> features = pd.DataFrame({"recency_days": [3.0, 4.0, 90.0]})
    >>> untrue_names(features, np.array([0, 0, 1]), ["Lapsed customers", "Recent visitors"])[0]
    'The name “Lapsed customers” no longer fits: its customers are below average in days since ...'
    """
    if not len(codes) or codes.max() < 0:
        return []
    sides, said = _sides(features, codes), []
    for row, name in zip(sides, names, strict=False):
        for theme, side in zip(THEMES, row, strict=True):
            found = _feature_of(theme, features)
            claimed = _claim(theme, name)
            if found and claimed and side == -claimed:
                where = "below" if side * found[1] < 0 else "above"
                said.append(
                    f"The name “{name}” no longer fits: its customers are {where} average in "
                    f"{label(found[0])}."
                )
    return said


def _claim(theme: Theme, name: str) -> int:
    """Return 1 or -1 where a name says more or less of a theme, 0 where it says nothing of it."""
    for phrase, side in ((theme.high, 1), (theme.low, -1)):
        if phrase is not None:
            adjective, noun = (word.lower() for word in phrase)
            if name.lower().startswith(f"{adjective} ") or name.lower().split(" (")[0].endswith(
                noun
            ):
                return side
    return 0


def pooled_segments(segments: Iterable[str], customers: Iterable[Any], least: int) -> pd.Series:
    """Return segments as whoever is not of the house may see them: each of ``least`` customers.

    Parameters
    ----------
    segments : iterable of str, n of them
        The segment of each row.
    customers : iterable of ids, n of them
        Whose row it is; a customer may have several.
    least : int
        Customers that a segment holds at least.

    Returns
    -------
    Series of str, n of them
        Those of fewer are *Smaller segments* together; where these are still too few, the smallest
        other one (of equals the first by name) takes them in, and is called so.

    Examples
    --------
    >>> names = ["Loyal"] * 5 + ["Lost"] * 3 + ["New"] * 2 + ["At risk"]
    >>> pooled_segments(names, range(11), 3).unique().tolist()
    ['Loyal', 'Lost', 'Smaller segments']
    >>> pooled_segments(names[:9], range(9), 3).unique().tolist()
    ['Loyal', 'Lost and others']
    """
    rows = pd.DataFrame({"segment": [*segments], "customer": [*customers]}, dtype=object)
    sizes = rows.groupby("segment")["customer"].nunique().sort_values(kind="stable")
    small = sizes[too_few(sizes, least)]
    if small.empty or len(sizes) == 1:
        return rows["segment"]
    called = OTHERS if small.max() < least else f"{small.index[-1]} and others"
    return rows["segment"].mask(rows["segment"].isin(small.index), called)


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
    return np.asarray(position[codes])
