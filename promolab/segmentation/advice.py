"""One line per segment, "so do this", by stated rules from what its customers did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.language import speaking
from promolab.profiles import median_interval, numeric
from promolab.results import Result, words_of
from promolab.segmentation.description import MIN_CONTACTS, put, rates_of, segment_sizes
from promolab.segmentation.groups.measures import grouped_mean
from promolab.segmentation.groups.preparation import NO_HISTORY, NO_PURCHASES, NOISE
from promolab.wording import number, percent

if TYPE_CHECKING:
    from promolab.segmentation.response_rates import SegmentResponse


MORE = 1.2
"""A figure counts as more or less than the shop's if its interval is wholly beyond it and it
differs by at least a fifth; a share by at least 3 points as well, a price level by 0.05."""
SHARE_STEP = 0.03
PRICE_STEP = 0.05
LATE_DAYS = 28


RULES: tuple[tuple[str, ...], ...] = (
    ("late", "coupons"),
    ("late", "answers"),
    ("late",),
    ("answers", "coupons"),
    ("answers",),
    ("frequent", "no coupons"),
    ("frequent", "coupons"),
    ("frequent", "dear"),
    ("silent",),
    ("rare", "coupons"),
    ("rare", "cheap"),
    ("rare",),
    ("coupons",),
    ("dear",),
    ("cheap",),
    ("frequent",),
    (),
)
"""What is done with a segment whose figures give all these signs, by the first rule that fits; its
words stand in the room's file.

*late*: last order long ago; *frequent*, *rare*: orders; *dear*, *cheap*: price level; *coupons*,
*no coupons*: share of orders with one; *answers*, *silent*: response rate. Each against all
customers."""

_APART = {NOISE: "noise", NO_PURCHASES: "no purchases", NO_HISTORY: "no history"}
MIN_CUSTOMERS = 30


# figure, its column, the sign for more, the sign for less
_FIGURES = (
    ("recency_days", "late", ""),
    ("orders_84d", "frequent", "rare"),
    ("price_level", "dear", "cheap"),
    ("coupon_order_share", "coupons", "no coupons"),
    ("response_rate", "answers", "silent"),
)
_SHARES = ("coupon_order_share", "response_rate")
_FIGURE_OF = {sign: figure for figure, *signs in _FIGURES for sign in signs if sign}


@dataclass(frozen=True)
class SegmentAdvice(Result):
    """What to do with each segment, and why.

    Parameters
    ----------
    frame : DataFrame
        One row per segment: ``segment, customers, so_do_this, because, signs`` and the figures
        ``recency_days, orders_84d`` (medians), ``price_level, coupon_order_share`` (means),
        ``response_rate``, each with ``…_low, …_high`` (95 %); nan where unknown.
    shop : dict of str to float
        The same figures of all customers.
    """

    frame: pd.DataFrame = field(repr=False)
    shop: Mapping[str, float]

    def facts(self) -> dict[str, Any]:
        """Return the rows as readers call them."""
        rows = self.frame.assign(so_do_this=self.frame["so_do_this"].map(advice_words))
        signs = [tuple(filter(None, found.split(", "))) for found in self.frame["signs"]]
        rows["because"] = [
            _because(_line(row, found)[1], row, self.shop)
            for row, found in zip(_rows(self.frame), signs, strict=True)
        ]
        return {"rows": rows}


def segment_advice(
    features: Any,
    segment: Sequence[str] | np.ndarray,
    *,
    order: Sequence[str] | None = None,
    absent: Mapping[str, int] | None = None,
    response: SegmentResponse | None = None,
) -> SegmentAdvice:
    """Say in a line what to do with each segment, by `RULES`.

    Parameters
    ----------
    features : DataFrame or ibis.Table of n rows
        One row per customer; a figure that is absent gives no sign.
    segment : array of str, shape (n,)
        The segment of each row.
    order : sequence of str, optional
        Segments in the order of the rows; by default the largest first, ties by name.
    absent : dict of str to int, optional
        Named groups of customers who are not in ``features``, and their sizes.
    response : SegmentResponse, optional
        What the segments answered (`segment_response`); without it nothing is said of answers.

    Returns
    -------
    SegmentAdvice

    Raises
    ------
    InputError
        If the lengths differ.

    Examples
    --------
    >>> features = pd.DataFrame({
    ...     "customer_id": range(120), "recency_days": [3.0] * 80 + [90.0] * 40,
    ...     "coupon_order_share": [0.02, 0.04] * 40 + [0.3, 0.4] * 20})
    >>> advice = segment_advice(features, ["here"] * 80 + ["gone"] * 40)
    >>> advice.frame.set_index("segment").loc["gone", "so_do_this"]
    'Test winning them back with a coupon.'
    """
    frame, labels, sizes = segment_sizes(features, segment, order, absent)
    names = list(sizes)
    table = pd.DataFrame({"segment": names, "customers": list(sizes.values())})
    shop = _fill(table, frame, labels, names, response)
    rows = _rows(table)
    signs = [_signs(row, shop) for row in rows]
    lines = [_line(row, found) for row, found in zip(rows, signs, strict=True)]
    with speaking("en"):  # in tables, whatever the page speaks
        words = words_of(__name__, "SegmentAdvice")
        table.insert(2, "so_do_this", [words.word(code) for code, _ in lines])
        reasons = [_because(used, row, shop) for (_, used), row in zip(lines, rows, strict=True)]
        table.insert(3, "because", reasons)
    table.insert(4, "signs", [", ".join(found) for found in signs])
    return SegmentAdvice(table, shop)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _fill(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    labels: np.ndarray,
    names: list[str],
    response: SegmentResponse | None,
) -> dict[str, float]:
    """Put the figures of each segment into the table; return those of all customers."""
    member = labels[:, None] == np.array(names, dtype=object)[None, :]
    everyone = np.ones((len(frame), 1))
    shop: dict[str, float] = {}
    for column in ("recency_days", "orders_84d"):
        values = numeric(frame, column)
        places = [median_interval(values[inside]) for inside in member.T]
        put(table, column, np.array(places).reshape(-1, 3).T)
        shop[column] = median_interval(values)[0]
    for column in ("price_level", "coupon_order_share"):
        values = numeric(frame, column)
        # Both lie between 0 and 1, and so do the ends of their intervals.
        means = [np.clip(part, 0.0, 1.0) for part in grouped_mean(values, member.astype(float))]
        put(table, column, means)
        shop[column] = float(grouped_mean(values, everyone)[0][0])
    rates = rates_of(names, response)
    rates = rates.drop(columns="contacts").where(rates["contacts"] >= MIN_CONTACTS)
    put(table, "response_rate", rates.to_numpy(dtype=float).T)
    shop["response_rate"] = np.nan if response is None else response.overall.value
    return shop


def _signs(row: Mapping[str, Any], shop: Mapping[str, float]) -> tuple[str, ...]:
    found = []
    for name, more, less in _FIGURES:
        value, low, high, of = row[name], row[f"{name}_low"], row[f"{name}_high"], shop[name]
        factor, step = (1.0, PRICE_STEP) if name == "price_level" else (MORE, 0.0)
        if name in _SHARES:
            step = SHARE_STEP
        above = value >= max(of * factor, of + step) and low > of
        below = value <= min(of / factor, of - step) and high < of
        if above and (name != "recency_days" or value >= LATE_DAYS):
            found.append(more)
        elif below and less:
            found.append(less)
    return tuple(found)


def _line(row: Mapping[str, Any], signs: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the line's code, and the signs that it goes by."""
    if row["segment"] in _APART:
        return _APART[row["segment"]], ()
    if row["customers"] < MIN_CUSTOMERS:
        return "few", ()
    rule = next(rule for rule in RULES if set(rule) <= set(signs))
    return ", ".join(rule) or "average", rule


def advice_words(line: str) -> str:
    """Return what a table says to do with a segment in the language that is spoken."""
    words = words_of(__name__, "SegmentAdvice")
    known = {said["en"]: code for code, said in words.words["word"].items()}
    return words.word(known[line]) if line in known else line


def _because(used: tuple[str, ...], row: Mapping[str, Any], shop: Mapping[str, float]) -> str:
    """Say the figures that a line goes by, in the language that is spoken."""
    reasons = [
        {"by": name, "found": _figure(name, row), "everybody": _bare(name, shop[name])}
        for name in (_FIGURE_OF[sign] for sign in used)
    ]
    return words_of(__name__, "SegmentAdvice", reasons=reasons).say("reasons_said")


def _figure(name: str, row: Mapping[str, Any]) -> str:
    figures = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if name in _SHARES:
        return percent(*figures)
    return number(*figures, decimals=2 if name == "price_level" else 0)


def _bare(name: str, value: float) -> str:
    if name in _SHARES:
        return percent(value, decimals=0 if value >= 0.05 else 1)
    return number(value, decimals=2 if name == "price_level" else 0)
