"""The RFM grid: recency × frequency and money, with the names that marketers know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.language import ENGLISH, language
from promolab.profiles import numeric
from promolab.results import Result
from promolab.segmentation.groups.preparation import NO_PURCHASES, has_history
from promolab.stats import hide_few, part_of_total, share_interval

RFM_COLUMNS = ("recency_days", "orders", "amount")

RFM_ORDER: tuple[str, ...] = (
    "Champions",
    "Loyal",
    "Potential loyalists",
    "New",
    "Promising",
    "Needs attention",
    "About to sleep",
    "Cannot lose",
    "At risk",
    "Hibernating",
    "Lost",
)
"""The segments of the grid, from the best to those that are gone."""

# Rows: recency score 5 (bought last) … 1; columns: frequency-and-money score 1 … 5.
_ROWS = (
    ("New", "Potential loyalists", "Potential loyalists", "Champions", "Champions"),
    ("Promising", "Potential loyalists", "Potential loyalists", "Loyal", "Loyal"),
    ("About to sleep", "About to sleep", "Needs attention", "Loyal", "Loyal"),
    ("Hibernating", "Hibernating", "At risk", "At risk", "Cannot lose"),
    ("Lost", "Hibernating", "At risk", "At risk", "Cannot lose"),
)

RFM_GRID: Mapping[tuple[int, int], str] = {
    (5 - i, 1 + j): name for i, row in enumerate(_ROWS) for j, name in enumerate(row)
}
"""(recency score, frequency-and-money score) → segment; 5 is the best fifth, 1 the worst.

The usual grid of ten segments, with its emptiest corner (1, 1) named *Lost*."""

ASLEEP = ("Cannot lose", "At risk")
"""Segments of good customers who have not come back."""
RFM_GAPS = ("recency_days", "days_between_orders")

_PLURAL = ("Champions", "Potential loyalists")


def in_a_sentence(segment: str) -> str:
    """Return a segment's name as the subject of a sentence in the plural.

    Examples
    --------
    >>> in_a_sentence("At risk"), in_a_sentence("Champions")
    ('“At risk” customers', 'Champions')
    """
    alone = segment in RFM_ORDER and segment not in _PLURAL
    return f"“{segment}” customers" if alone and language() == ENGLISH else segment


def quintile_scores(values: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Return the fifth of ``reference`` in which each value lies, 1 (lowest) … 5 (highest).

    Parameters
    ----------
    values : ndarray of shape (n,)
    reference : ndarray of shape (m,), optional
        By default the values themselves.

    Returns
    -------
    ndarray of int of shape (n,)
        1 + ⌊5 · (share below + half of the share that is equal)⌋: equal values get equal scores,
        whatever the order of rows, so a fifth that is full of ties may stay empty.

    Examples
    --------
    >>> quintile_scores(np.array([1.0, 1.0, 1.0, 4.0, 5.0])).tolist()
    [2, 2, 2, 4, 5]
    """
    ordered = np.sort(values if reference is None else reference)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    # In whole numbers: 5 · (below + up_to) / (2 m), so that no rounding moves a boundary.
    return np.asarray(np.clip(1 + (5 * (below + up_to)) // (2 * len(ordered)), 1, 5))


def _rfm_values(features: pd.DataFrame) -> np.ndarray:
    missing = [c for c in RFM_COLUMNS if c not in features]
    if missing:
        raise InputError(
            f"features has no {', '.join(map(repr, missing))}; the RFM grid needs "
            "recency_days, orders and amount: choose method='kmeans', or add them"
        )
    recency, orders, amount = (numeric(features, c) for c in RFM_COLUMNS)
    return np.column_stack([-recency, orders, np.nan_to_num(amount)])


def rfm_scores(
    features: pd.DataFrame, reference: pd.DataFrame | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the recency score and the frequency-and-money score of customers who bought.

    Parameters
    ----------
    features : DataFrame of n rows
        Has ``recency_days``, ``orders`` and ``amount``.
    reference : DataFrame, optional
        The customers whose fifths are used; by default ``features``.

    Returns
    -------
    recency, frequency_money : ndarray of int of shape (n,)
        1 … 5 each. The second is the mean of the scores of orders and amount, halves rounded up.

    Raises
    ------
    InputError
        If one of the three columns is missing.

    References
    ----------
    Hughes, A. M. (1994), Strategic Database Marketing.

    Examples
    --------
    >>> features = pd.DataFrame({"recency_days": [1, 50], "orders": [9, 1], "amount": [90, 5]})
    >>> [score.tolist() for score in rfm_scores(features)]
    [[4, 2], [4, 2]]
    """
    values = _rfm_values(features)
    against = values if reference is None else _rfm_values(reference)
    r, f, m = (quintile_scores(values[:, i], against[:, i]) for i in range(3))
    return r, (f + m + 1) // 2


def rfm_segments(recency: np.ndarray, frequency_money: np.ndarray) -> np.ndarray:
    """Return the position in `RFM_ORDER` of the segment of each pair of scores."""
    table = np.zeros((6, 6), dtype=int)
    for (r, fm), name in RFM_GRID.items():
        table[r, fm] = RFM_ORDER.index(name)
    return np.asarray(table[recency, frequency_money])


def rfm_names(features: pd.DataFrame) -> np.ndarray:
    """Return the RFM segment of each row, shape (n,), in the fifths of all rows.

    Parameters
    ----------
    features : DataFrame of n rows
        A customer may have several, each from what was known at its time. Those who have bought
        nothing are in *No purchases yet*.

    Examples
    --------
    >>> features = pd.DataFrame({"recency_days": [1, 50], "orders": [9, 0], "amount": [90, 0]})
    >>> rfm_names(features).tolist()
    ['Needs attention', 'No purchases yet']
    """
    names = np.full(len(features), NO_PURCHASES, dtype=object)
    bought = has_history(features)
    if bought.any():
        codes = rfm_segments(*rfm_scores(features[bought]))
        names[bought] = np.array(RFM_ORDER, dtype=object)[codes]
    return names


@dataclass(frozen=True)
class RfmGrid(Result):
    """Customers and sales in each cell of the RFM grid.

    Parameters
    ----------
    cells : DataFrame of 25 rows
        ``recency_score, frequency_money_score, segment, customers, share_customers, share_sales``
        (0–1, sales nan where unknown) and the ends ``…_low``, ``…_high`` of their 95 % intervals.
    customers : int
        Customers in the grid.
    last_order, usual_gap : float
        Of the good customers who have not come back (*Cannot lose*, *At risk*): the median days
        since their last order and between their orders; nan where unknown.
    least : int
        Cells of fewer customers are not shown (`promolab.stats.hide_few`).
    """

    cells: pd.DataFrame
    customers: int
    last_order: float = np.nan
    usual_gap: float = np.nan
    least: int = 1

    def to_frame(self) -> pd.DataFrame:
        """Return the 25 cells."""
        return self.cells.copy()

    def facts(self) -> dict[str, Any]:
        """Return where the sales are, and how long good customers have stayed away."""
        by = self.cells.groupby("segment")[["customers", "share_sales"]].sum()
        top = by.sort_values(["share_sales", "customers"], ascending=False, kind="stable").index[0]
        away = by.reindex(list(ASLEEP)).sum()
        cells = self.cells.assign(percent=100 * self.cells["share_sales"])
        named = hide_few(cells, self.least, ["percent", "share_sales"])
        return {
            "top": in_a_sentence(top),
            "top_customers": int(by.loc[top, "customers"]),
            "top_sales": float(by.loc[top, "share_sales"]),
            "asleep": "some" if away["customers"] else "none",
            "away": int(away["customers"]),
            "away_sales": float(away["share_sales"]),
            "gap": None if np.isnan(self.usual_gap) else round(self.usual_gap),
            "days": 0 if np.isnan(self.last_order) else round(self.last_order),
            "named": named,
            "few": bool(named["hidden"].any()),
        }


def rfm_grid(features: pd.DataFrame, recency: np.ndarray, frequency_money: np.ndarray) -> RfmGrid:
    """Return the grid of customers with known scores; rows from recency 5, columns from 1."""
    r, fm = np.meshgrid(np.arange(5, 0, -1), np.arange(1, 6), indexing="ij")
    cell = (5 - recency) * 5 + frequency_money - 1
    member = (cell[:, None] == np.arange(25)).astype(float)
    n = len(features)
    amount = np.nan_to_num(numeric(features, "amount"))
    customers = member.sum(axis=0)
    share = customers / max(n, 1)
    low, high = share_interval(share, 0.0, n)
    sales, sales_low, sales_high = part_of_total(amount, member)
    cells = pd.DataFrame(
        {
            "recency_score": r.ravel(),
            "frequency_money_score": fm.ravel(),
            "segment": [
                RFM_GRID[key] for key in zip(r.ravel().tolist(), fm.ravel().tolist(), strict=True)
            ],
            "customers": customers.astype(int),
            "share_customers": share,
            "share_customers_low": low,
            "share_customers_high": high,
            "share_sales": sales,
            "share_sales_low": sales_low,
            "share_sales_high": sales_high,
        }
    )
    asleep = np.isin(cells["segment"].to_numpy()[cell], ASLEEP)
    medians = [float(pd.Series(numeric(features, c)[asleep]).median()) for c in RFM_GAPS]
    return RfmGrid(cells, n, medians[0], medians[1])
