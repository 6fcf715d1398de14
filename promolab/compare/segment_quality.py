"""Whether a model is as good in every segment: ranking and calibration of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.inputs import check_present
from promolab.results import Result, drawn_by
from promolab.stats import holm, two_sided

if TYPE_CHECKING:
    from promolab.compare.backtest import Backtest


NONE = "no segment"
FEWEST = 10
"""Responses, and rows without one, from which on a segment is spoken of and drawn."""


@dataclass(frozen=True)
class SegmentQuality(Result):
    """How well responses of each segment were predicted.

    Parameters
    ----------
    frame : DataFrame
        segment, n, positives, customers, auc, auc_low, auc_high (rows of the segment among
        themselves; nan where nobody or everybody responded), expected (Σ p), observed, ratio
        (observed / expected), ratio_low, ratio_high, p_holm (of a ratio of 1, with all segments
        compared at once; Holm 1979); by the segments' names.
    level : float
        Confidence level; intervals are clustered by customer.
    """

    frame: pd.DataFrame = field(repr=False)
    level: float

    @property
    def large(self) -> pd.DataFrame:
        """Segments with enough responses, and rows without, to be spoken of."""
        rest = self.frame["n"] - self.frame["observed"]
        return self.frame[np.minimum(self.frame["observed"], rest) >= FEWEST]

    @property
    def apart(self) -> pd.DataFrame:
        """Large segments whose observed / expected is away from 1 with all compared (Holm)."""
        return self.large[self.large["p_holm"] < 1 - self.level]

    def facts(self) -> dict[str, Any]:
        """Return where the model ranks worst, and for whom its expectation does not hold."""
        large, few, off = self.large, len(self.frame) - len(self.large), self.apart
        sure = int((large["auc_low"] > 0.5).sum())
        held = "off" if len(off) else "shown" if few else "every"
        return {
            "total": self.frame["n"].sum(),
            "few": few,
            "fewest": FEWEST,
            "weakest": large.nsmallest(1, "auc"),
            "held": held if len(large) else "",
            "off": off,
            "ranked": "all" if sure == len(large) else "some",
            "sure": sure,
            "off_names": "some" if len(off) else "none",
            "names": off["segment"].tolist(),
        }

    plot_ratio = drawn_by("plot_ratio", "Draw observed against expected responses of each segment.")


def quality_by_segment(
    predicted: Backtest | pd.DataFrame, segments: pd.Series | pd.DataFrame, level: float = 0.95
) -> SegmentQuality:
    """Return how well responses were predicted in each segment.

    Parameters
    ----------
    predicted : Backtest or DataFrame
        A backtest, or its rows: customer_id, y, p, and promotion_id where segments go by promotion.
    segments : Series or DataFrame
        A segment per customer (index: customer), or a frame with customer_id, optionally
        promotion_id, and one column more: the segment. Those of before the promotion started: a
        segment made of later purchases would know what it is to explain.
    level : float
        Confidence level.

    Raises
    ------
    InputError
        Segments that are twice given for a customer, or belong to none of the rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"customer_id": [1, 2, 3, 4], "y": [0, 1, 1, 0],
    ...                      "p": [0.2, 0.6, 0.7, 0.3]})
    >>> found = quality_by_segment(rows, pd.Series({1: "a", 2: "a", 3: "b", 4: "b"}))
    >>> found.frame[["segment", "n", "observed"]].values.tolist()
    [['a', 2, 1], ['b', 2, 1]]
    """
    rows = predicted if isinstance(predicted, pd.DataFrame) else predicted.rows
    check_present(rows, ["customer_id", "y", "p"], "the predicted rows")
    if rows.empty:
        why = "" if isinstance(predicted, pd.DataFrame) else f": {predicted.summary()}"
        raise InputError(f"there are no predicted rows to cut into segments{why.rstrip('.')}")
    names = _segment_of(rows, segments)
    y, p, customer = (rows[c].to_numpy() for c in ("y", "p", "customer_id"))
    records = [
        _record(name, names == name, y, p, customer, level) for name in sorted(set(names), key=str)
    ]
    table = pd.DataFrame(records)
    table["p_holm"] = holm(table.pop("p_value").to_numpy())
    return SegmentQuality(table, level)


def _segment_of(rows: pd.DataFrame, segments: pd.Series | pd.DataFrame) -> np.ndarray:
    frame = segments
    if isinstance(segments, pd.Series):
        frame = segments.rename("segment").rename_axis("customer_id").reset_index()
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"segments are a {type(segments).__name__}; give a Series (index: customer) or a "
            "DataFrame with customer_id and the segment"
        )
    keys = [c for c in ("customer_id", "promotion_id") if c in frame.columns]
    others = [c for c in frame.columns if c not in keys]
    if keys[:1] != ["customer_id"] or (len(others) != 1 and "segment" not in others):
        raise InputError(
            "segments have columns "
            f"{', '.join(map(str, frame.columns))}; give customer_id, optionally promotion_id, and "
            "one column with the segment"
        )
    if frame.duplicated(keys).any():
        raise InputError(
            f"segments name a {' × '.join(k.removesuffix('_id') for k in keys)} twice; give one "
            "segment for each"
        )
    name = "segment" if "segment" in others else others[0]
    found = rows[keys].merge(frame[[*keys, name]], on=keys, how="left")[name]
    if found.isna().all():
        raise InputError("none of the predicted customers has a segment; are these their ids?")
    return found.astype(object).where(found.notna(), NONE).map(str).to_numpy(dtype=object)


def _record(
    name: str, mine: np.ndarray, y: np.ndarray, p: np.ndarray, customer: np.ndarray, level: float
) -> dict[str, Any]:
    from promolab.metrics import calibration, roc

    y, p, customer = y[mine], p[mine], customer[mine]
    both = 0 < y.sum() < len(y)
    area = roc(y, p, cluster=customer, level=level) if both else None
    ratio = calibration(y, p, cluster=customer, level=level).observed_expected
    return {
        "segment": name,
        "n": len(y),
        "customers": len(np.unique(customer)),
        "auc": area.auc if area else np.nan,
        "auc_low": area.ci_low if area else np.nan,
        "auc_high": area.ci_high if area else np.nan,
        "expected": float(p.sum()),
        "observed": int(y.sum()),
        "ratio": ratio.value,
        "ratio_low": ratio.ci_low,
        "ratio_high": ratio.ci_high,
        "p_value": _p_of_one(ratio.value, ratio.ci_low, ratio.ci_high, level),
    }


def _p_of_one(ratio: float, low: float, high: float, level: float) -> float:
    """Two-sided p-value of a ratio of 1, from its interval (symmetric in the logarithm)."""
    from math import log

    from promolab.stats import normal_quantile

    if not ratio > 0:
        return float(1 - level) if high < 1 else 1.0
    return float(two_sided(log(ratio), log(high / low) / 2 / normal_quantile(level)))
