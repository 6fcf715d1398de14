"""What promotions take off the lines of orders, by their terms and by how they combine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from promolab.checks import columns_there
from promolab.errors import InputError
from promolab.promotions.terms import Promotion

GIVEN_IN = ("limited_time_discount", "full_reduction", "coupon", "recommendation")
"""The order in which those that stack come off."""
_HALF_CENT = 0.005


def taken_off(
    lines: pd.DataFrame, live: pd.DataFrame, promotions: Mapping[Any, Promotion]
) -> pd.DataFrame:
    """Work out what promotions take off each line of orders.

    Of the promotions that live for an order, those that do not stack compete: the one that takes
    most off the order counts (of equal ones the earlier, then the first by id). Those that stack
    come after it: limited-time discounts, full reductions, coupons, each on what is left, which
    must reach its threshold. Money is rounded to cents line by line.

    Parameters
    ----------
    lines : DataFrame
        order, product_id and price (money at list price, of all units), a row per order line.
    live : DataFrame
        order and promotion_id: what the order's customer may use in it; a coupon only where it is
        handed in.
    promotions : mapping
        promotion_id → `Promotion` (`promolab.promotions.read_promotions`).

    Returns
    -------
    DataFrame
        line (place in ``lines``, from 0), promotion_id, discount (> 0); by line, then as they come
        off.

    Raises
    ------
    InputError
        A column is missing, or ``live`` names a promotion that is not given.

    Examples
    --------
    >>> from datetime import datetime
    >>> from promolab.promotions import Coupon, FullReduction, LimitedTimeDiscount
    >>> window = {"starts_at": datetime(2024, 1, 1), "ends_at": datetime(2024, 1, 8)}
    >>> offers = [
    ...     LimitedTimeDiscount(promotion_id="L", rate=0.1, products=frozenset("x"), **window),
    ...     FullReduction(promotion_id="F", threshold=50, reduction=5, steps=0, **window),
    ...     Coupon(promotion_id="C", rate=0.1, **window),
    ... ]
    >>> lines = pd.DataFrame({"order": 1, "product_id": ["x", "y"], "price": [80.0, 40.0]})
    >>> live = pd.DataFrame({"order": 1, "promotion_id": ["L", "F", "C"]})
    >>> taken_off(lines, live, {p.promotion_id: p for p in offers})
       line promotion_id  discount
    0     0            F      6.67
    1     0            C      7.33
    2     1            F      3.33
    3     1            C      3.67
    """
    columns_there(lines, ("order", "product_id", "price"), "lines")
    columns_there(live, ("order", "promotion_id"), "live")
    if unknown := sorted(set(live["promotion_id"]) - set(promotions), key=str):
        raise InputError(f"live names promotion {unknown[0]!r}, whose terms are not given")
    keys = pd.Index(lines["order"].unique())
    order = keys.get_indexer(lines["order"])
    price, product = lines["price"].to_numpy(float), lines["product_id"].to_numpy()
    has = {one: keys.get_indexer(mine) for one, mine in live.groupby("promotion_id")["order"]}

    def rows_of(promotion: Promotion) -> np.ndarray:
        holds = np.zeros(len(keys) + 1, dtype=bool)  # one more: orders without a line
        holds[has[promotion.promotion_id]] = True
        holds[-1] = False
        rows = np.flatnonzero(holds[order])
        if promotion.products:
            rows = rows[pd.Series(product[rows]).isin(promotion.products).to_numpy()]
        return rows

    rivals, after = in_turn(
        [p for one, p in promotions.items() if one in has and p.stated], lambda p: p
    )
    left, found = price.copy(), []
    best, winner = np.zeros(len(keys)), np.full(len(keys), -1)
    tried = []
    for place, promotion in enumerate(rivals):
        rows = rows_of(promotion)
        off = _off(promotion, order[rows], price[rows])
        total = np.round(np.bincount(order[rows], weights=off, minlength=len(keys)), 2)
        winner, best = np.where(total > best, place, winner), np.maximum(total, best)
        tried.append((rows, off))
    for place, (rows, off) in enumerate(tried):
        wins = winner[order[rows]] == place
        left[rows[wins]] -= off[wins]
        found.append((rivals[place], rows[wins], off[wins]))
    for promotion in after:
        rows = rows_of(promotion)
        off = _off(promotion, order[rows], left[rows])
        left[rows] -= off
        found.append((promotion, rows, off))
    return _frame(found)


Row = TypeVar("Row")


def in_turn(
    rows: Iterable[Row], promotion: Callable[[Row], Promotion]
) -> tuple[list[Row], list[Row]]:
    """Return those that compete, by start and id, and those that come after, as they come off."""

    def told(row: Row) -> tuple[datetime, str]:
        return promotion(row).starts_at, str(promotion(row).promotion_id)

    offers = sorted(rows, key=told)
    after = [row for row in offers if promotion(row).stacking]
    after.sort(key=lambda row: GIVEN_IN.index(promotion(row).kind))
    return [row for row in offers if not promotion(row).stacking], after


def _off(promotion: Promotion, order: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return what one promotion takes off lines, by what is left to pay for them.

    A line's price is known to the cent: an order reaches a threshold where its lines may add up to
    it.
    """
    _, order = np.unique(order, return_inverse=True)
    rest = np.bincount(order, weights=left)
    whole = promotion.off(rest, rest + _HALF_CENT * np.bincount(order))
    part = np.divide(left, rest[order], out=np.zeros_like(left), where=rest[order] > 0)
    return _cents(np.minimum(whole, rest)[order] * part)


def _cents(money: np.ndarray) -> np.ndarray:
    """Round halves up, as tills do, whatever floats make of them."""
    return np.asarray(np.floor(100 * money + 0.5 + 1e-7) / 100)


def _frame(found: list[tuple[Promotion, np.ndarray, np.ndarray]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"line": rows, "promotion_id": promotion.promotion_id, "discount": off})
        for promotion, rows, off in found
    ]
    if not parts:
        return pd.DataFrame({"line": [], "promotion_id": [], "discount": []})
    table = pd.concat(parts, ignore_index=True)
    table = table[table["discount"] > 0]
    return table.sort_values("line", kind="stable", ignore_index=True)
