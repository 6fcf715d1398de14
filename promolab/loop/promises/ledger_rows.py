"""Rows of forecasts and outcomes as a ledger keeps them, and the two side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from promolab.stats import normal_quantile

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


TOTALS = (REDEMPTIONS, SPEND, PROFIT)
"""What a week promises as a whole; a rate says the same as the count it is made from."""
_SAID = ("value", "ci_low", "ci_high", "readout_low", "readout_high", "level", "n")
_CAME = ("value", "ci_low", "ci_high", "level", "state", "known_at", "identification")


def join_outcomes(predictions: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Set what was said beside what came.

    Parameters
    ----------
    predictions, outcomes : DataFrame
        As a ledger keeps them; any number of weeks.

    Returns
    -------
    DataFrame
        week, promotion_id, segment, measure; said with its interval ``said_low``, ``said_high``,
        readout_low, readout_high, n; came with ``came_low``, ``came_high``; state, ``kept``
        (whether what came lies in the interval of the readout; missing where either is not known or
        the week is not settled), ``off`` and its standard deviation ``spread`` (by how much what
        came was more than said: of counts and costs as a logarithm) and ``shared`` (what of it is
        the error of the expected value). Rows of which nothing came yet are left out.
    """
    keys = list(KEYS)
    said = predictions[[*keys, *_SAID]].rename(
        columns={"value": "said", "ci_low": "said_low", "ci_high": "said_high"}
    )
    came = outcomes[[*keys, *_CAME]].rename(
        columns={
            "value": "came", "ci_low": "came_low", "ci_high": "came_high", "level": "came_level",
        }
    )  # fmt: skip
    rows = said.merge(came, on=keys, how="inner")
    numbers = [str(c) for c in rows if str(c).startswith(("said", "came", "readout", "level"))]
    rows[numbers] = rows[numbers].astype(float)
    inside = rows["came"].between(rows["readout_low"], rows["readout_high"])
    known = rows[["came", "readout_low", "readout_high"]].notna().all(axis=1)
    known &= rows["state"] == SETTLED
    rows["kept"] = inside.astype("boolean").where(known)
    return rows.assign(**_errors(rows)).sort_values(keys, kind="stable", ignore_index=True)


def _errors(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return off, spread and shared of each row."""
    logs = (rows["measure"] != PROFIT).to_numpy()

    def on_scale(name: str) -> np.ndarray:
        values = rows[name].to_numpy(dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Half of one for none: a count of 0 has no logarithm.
            return np.where(logs, np.log(np.maximum(values, 0.5)), values)

    quantile = np.array([normal_quantile(x) if x > 0 else np.nan for x in rows["level"]])
    middle = (on_scale("readout_high") + on_scale("readout_low")) / 2
    return {
        "off": on_scale("came") - middle,
        "spread": (on_scale("readout_high") - on_scale("readout_low")) / 2 / quantile,
        "shared": (on_scale("said_high") - on_scale("said_low")) / 2 / quantile,
    }


def whole_weeks(rows: pd.DataFrame, measure: str = "") -> pd.DataFrame:
    """Return the rows of whole plans, of one measure or of `TOTALS`, in order of time.

    Parameters
    ----------
    rows : DataFrame
        By `join_outcomes`.
    measure : str
    """
    mine = (rows["promotion_id"] == ALL) & (rows["segment"] == ALL)
    mine &= rows["measure"] == measure if measure else rows["measure"].isin(TOTALS)
    return rows[mine].sort_values(["week", "measure"], kind="stable", ignore_index=True)
