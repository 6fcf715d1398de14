"""The rows in which predictions and outcomes are kept: columns, measures and their making."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

ALL = ""
"""Instead of a promotion: the whole plan. Instead of a segment: all customers."""
REDEMPTIONS, RATE, SPEND, PROFIT = "redemptions", "response_rate", "spend", "added_profit"
PROMISED_MEASURES = (REDEMPTIONS, RATE, SPEND, PROFIT)
"""Customers who respond and their share; discounts and contacts; margin less all costs."""
PER = {REDEMPTIONS: "total", RATE: "customer", SPEND: "total", PROFIT: "total"}
RANDOMISED, UNKNOWN, COUNTED = "randomised", "not identified", "counted"
"""What a row rests on: comparison by chance, nothing, or a count that needs no comparison."""
PROVISIONAL, SETTLED = "provisional", "settled"

KEYS = ("week", "promotion_id", "segment", "measure")
PREDICTION_COLUMNS = (
    *KEYS,
    *("value", "ci_low", "ci_high", "readout_low", "readout_high"),
    *("level", "n", "per", "identification"),
)
"""Columns of predictions; the first interval is of the expected value, the second holds what the
readout will show."""
OUTCOME_COLUMNS = (
    *KEYS,
    *("value", "ci_low", "ci_high", "level", "n", "identification", "state", "known_at"),
)
"""Columns of outcomes."""
_NUMBERS = ("value", "ci_low", "ci_high", "readout_low", "readout_high", "level")
_TEXTS = (*KEYS, "per", "identification", "state")


def typed(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table with these columns, in one order.

    Parameters
    ----------
    rows : iterable of dict
        What a row lacks is missing in it.
    columns : sequence of str
        `PREDICTION_COLUMNS` or `OUTCOME_COLUMNS`.

    Examples
    --------
    >>> row = {"week": "2024-W40", "measure": "spend", "value": 3}
    >>> typed([row], PREDICTION_COLUMNS)["value"].tolist()
    [3.0]
    """
    frame = pd.DataFrame(list(rows)).reindex(columns=list(columns))
    for name in columns:
        if name in _NUMBERS:
            frame[name] = frame[name].astype(float)
        elif name in _TEXTS:
            frame[name] = frame[name].astype(object).fillna("").astype(str)
    frame["n"] = frame["n"].fillna(0).astype("int64")
    if "known_at" in columns:
        frame["known_at"] = pd.to_datetime(frame["known_at"]).astype("datetime64[us]")
    order = {name: place for place, name in enumerate(PROMISED_MEASURES)}
    place = frame["measure"].map(order).fillna(len(order))
    frame = frame.assign(place=place).sort_values(
        ["week", "promotion_id", "segment", "place"], kind="stable", ignore_index=True
    )
    return frame.drop(columns="place")


def rates_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of redemptions as one of their share; of nobody there is none.

    Parameters
    ----------
    row : dict
        With ``n`` customers.
    """
    n = row["n"]
    shares = {k: v / n if n else np.nan for k, v in row.items() if k in _NUMBERS and k != "level"}
    return row | shares | {"measure": RATE, "per": PER[RATE]}
