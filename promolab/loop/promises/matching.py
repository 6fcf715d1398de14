"""Predictions beside what came of them, a row each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from promolab.loop.promises.rows import ALL, KEYS, PROFIT, REDEMPTIONS, SETTLED, SPEND
from promolab.stats import normal_quantile

TOTALS = (REDEMPTIONS, SPEND, PROFIT)
"""What a week promises as a whole; a rate says the same as the count it is made from."""
_SAID = ("value", "ci_low", "ci_high", "readout_low", "readout_high", "level", "n")
_CAME = ("value", "ci_low", "ci_high", "level", "state", "known_at", "identification")


def matched(predictions: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
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
        By `matched`.
    measure : str
    """
    mine = (rows["promotion_id"] == ALL) & (rows["segment"] == ALL)
    mine &= rows["measure"] == measure if measure else rows["measure"].isin(TOTALS)
    return rows[mine].sort_values(["week", "measure"], kind="stable", ignore_index=True)
