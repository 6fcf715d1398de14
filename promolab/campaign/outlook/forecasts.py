"""How fast past promotions were redeemed, and what that lets expect of one that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook.expected import PREDICTION_LEVEL
from promolab.campaign.past.schedule import promotion_name
from promolab.metrics import past_ratios
from promolab.results import Estimate, Result
from promolab.wording import answer_to, count, is_one, percent, plural

__all__ = ["RECOMPUTED", "Pace", "TrackRecord", "track_record"]


RECOMPUTED = "recomputed"
"""Source of a forecast that no earlier report made: from what was known at the start."""


@dataclass(frozen=True)
class TrackRecord(Result):
    """Forecasts of promotions that are over beside what came; made by `track_record`.

    Parameters
    ----------
    table : DataFrame
        A row per promotion, the latest start first: promotion_id, name, starts_at, contacts,
        expected,
        ci_low, ci_high (90 % prediction interval; nan where there was none), observed, inside
        (missing without an interval), source (the week whose report said so, or `RECOMPUTED`).
    kinds : tuple of str
        Kinds of the promotions: choose the words.
    """

    table: pd.DataFrame = field(repr=False)
    kinds: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        return self.table

    def summary(self) -> str:
        """Say how often what came fell into the interval, and by how much all missed together."""
        told = self.table[self.table["inside"].notna()]
        words = answer_to(self.kinds)
        if told.empty:
            return f"No forecast of {words.noun}s with an interval can be held against what came."
        hits = int(told["inside"].astype(bool).sum())
        level = percent(PREDICTION_LEVEL, decimals=0)
        expected = plural(told["expected"].sum(), words.noun)
        return (
            f"{count(hits)} of {plural(len(told), 'forecast')} held in the {level} interval; in "
            f"all {expected} {'was' if is_one(expected) else 'were'} expected and "
            f"{count(told['observed'].sum())} came. {self._made()}"
        )

    @property
    def told(self) -> int:
        """How many of the forecasts earlier reports made."""
        return int((self.table["source"] != RECOMPUTED).sum())

    def _made(self) -> str:
        own = self.told
        if own == len(self.table):
            return "Each was in the report of the week in which it started."
        rest = "recomputed from what was known at each start"
        if not own:
            return f"No earlier report of this folder made one: {rest}."
        return f"{count(own)} of them by earlier reports, the others {rest}."


def track_record(
    coverage: pd.DataFrame,
    kinds: Mapping[Any, str],
    told: Mapping[Any, tuple[str, Estimate]] | None = None,
) -> TrackRecord:
    """Set past forecasts beside what came: those that earlier reports made, else recomputed ones.

    Parameters
    ----------
    coverage : DataFrame
        `promolab.campaign.outlook.OutlookCoverage.table`: each promotion that is over,
        forecast from those over before it.
    kinds : mapping of promotion_id to str
        Kinds of the promotions: they make their names.
    told : mapping of promotion_id to (str, Estimate), optional
        The week whose report forecast a promotion, and what it expected of those contacted.

    Returns
    -------
    TrackRecord

    Examples
    --------
    >>> row = {"promotion_id": 7, "starts_at": pd.Timestamp("2017-05-01"), "known": 4}
    >>> row |= {"contacts": 90, "expected": 9.0, "ci_low": 4.0, "ci_high": 20.0, "observed": 21}
    >>> coverage = pd.DataFrame([row | {"inside": False}])
    >>> found = track_record(coverage, {7: "coupon"})
    >>> found.table[["name", "expected", "inside", "source"]].values.tolist()
    [['Coupons 7', 9.0, False, 'recomputed']]
    >>> said = {7: ("2017-W18", Estimate(15.0, 8.0, 25.0, 4))}
    >>> track_record(coverage, {7: "coupon"}, said).summary()[:40]
    '1 of 1 forecast held in the 90 % interva'
    """
    of = {str(key): kind for key, kind in kinds.items()}
    named = [promotion_name(of.get(str(i), ""), i) for i in coverage["promotion_id"]]
    table = coverage.drop(columns="known").assign(source=RECOMPUTED, name=named)
    by_text = {str(key): value for key, value in (told or {}).items()}
    rows = [_as_told(row, by_text) for row in table.to_dict("records")]
    found = pd.DataFrame(rows, columns=table.columns)
    found = found.assign(text=found["promotion_id"].astype(str))
    found = found.sort_values(["starts_at", "text"], ascending=[False, True], ignore_index=True)
    here = {of[i] for i in found["text"] if i in of}
    return TrackRecord(found.drop(columns="text"), tuple(sorted(here)))


def _as_told(row: dict[Any, Any], told: Mapping[str, tuple[str, Estimate]]) -> dict[Any, Any]:
    if str(row["promotion_id"]) not in told:
        return row
    week, e = told[str(row["promotion_id"])]
    known = e.ci_low == e.ci_low
    inside = e.ci_low <= row["observed"] <= e.ci_high if known else pd.NA
    said = {"expected": e.value, "ci_low": e.ci_low, "ci_high": e.ci_high, "inside": inside}
    return row | said | {"source": week}


@dataclass(frozen=True)
class Pace:
    """When the redeemers of past promotions redeemed.

    Parameters
    ----------
    contacts : array, shape (k,)
        Customers contacted for each promotion.
    promotion : array of int, shape (r,)
        Position of each redeemer's promotion.
    part : array, shape (r,)
        The part of its window (0–1) that was over when the redeemer first redeemed.
    """

    contacts: np.ndarray = field(repr=False)
    promotion: np.ndarray = field(repr=False)
    part: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, past: pd.DataFrame, first: pd.DataFrame) -> Pace:
        """Read the pace of past promotions.

        Parameters
        ----------
        past : DataFrame
            promotion_id, starts_at, high (end of the window), contacts.
        first : DataFrame
            promotion_id, first_ts: one row per redeemer.
        """
        known = past.reset_index(drop=True).reset_index(names="position")
        rows = first.merge(known, on="promotion_id")
        part = (rows["first_ts"] - rows["starts_at"]) / (rows["high"] - rows["starts_at"])
        return cls(
            known["contacts"].to_numpy(dtype=float),
            rows["position"].to_numpy(dtype=int),
            part.to_numpy(dtype=float),
        )

    def redeemed_by(self, parts: np.ndarray) -> np.ndarray:
        """Return the redeemers of each promotion before these parts of its window; (k, len(parts)).

        Examples
        --------
        >>> pace = Pace(np.array([10.0]), np.array([0, 0]), np.array([0.1, 0.6]))
        >>> pace.redeemed_by(np.array([0.1, 0.5, 1.0])).tolist()
        [[0.0, 1.0, 2.0]]
        """
        before = self.part[:, None] < np.asarray(parts)[None, :]
        counts = np.zeros((len(self.contacts), len(parts)))
        np.add.at(counts, self.promotion, before.astype(float))
        return counts

    def from_contacts(self, contacts: float, parts: np.ndarray) -> tuple[pd.DataFrame, Estimate]:
        """Return the redeemers expected by each part of the window, and in total, per contact made.

        Of past promotions the redeemers by then over their contacts, Σc ÷ Σn: a mean, large
        promotions weighing more. `promolab.metrics.pooling` has the interval.

        Returns
        -------
        DataFrame, Estimate
            expected, ci_low, ci_high by part; the same at the window's end. nan without past
            promotions; the ends are nan with fewer than three.
        """
        steps = np.append(np.asarray(parts, dtype=float), 1.0)
        counts, n = self.redeemed_by(steps), self.contacts
        rows = [_scaled(counts[:, j], n, contacts) for j in range(len(steps))]
        table = _band(rows, steps, contacts)
        end = table.iloc[-1]
        total = Estimate(
            float(end["expected"]), float(end["ci_low"]), float(end["ci_high"]), len(n)
        )
        return table.iloc[:-1].reset_index(drop=True), total

    def from_total(self, total: Estimate, contacts: float, parts: np.ndarray) -> pd.DataFrame:
        """Return the redeemers expected by each part of the window, of a total that was predicted.

        The share of redeemers by then is estimated over past promotions as in `from_contacts`, with
        the redeemers of each in the place of its contacts. The interval adds, on the scale of
        logarithms, the distances of its ends for the total and for the share; the share's own noise
        is 1 ÷ (E + ½) − 1 ÷ (T + ½), for the total T holds that of the whole count already.

        Returns
        -------
        DataFrame
            expected, ci_low, ci_high by part.
        """
        counts = self.redeemed_by(np.append(np.asarray(parts, dtype=float), np.inf))
        redeemers = counts[:, -1]
        counts = counts[redeemers > 0]
        rows = [_share_of(counts[:, j], redeemers[redeemers > 0], total) for j in range(len(parts))]
        return _band(rows, np.asarray(parts, dtype=float), contacts)


_UNKNOWN = (float("nan"), float("nan"), float("nan"))


def _scaled(counts: np.ndarray, of: np.ndarray, mine: float) -> tuple[float, float, float]:
    if not of.sum():
        return _UNKNOWN
    past = past_ratios(counts, of)
    e = past.predict(1 / (mine * past.mean() + 0.5), level=PREDICTION_LEVEL)
    return mine * e.value, mine * e.ci_low, mine * e.ci_high


def _share_of(
    counts: np.ndarray, redeemers: np.ndarray, total: Estimate
) -> tuple[float, float, float]:
    if not len(redeemers):
        return _UNKNOWN
    noise = max(1 - counts.sum() / redeemers.sum(), 1e-9)
    past = past_ratios(counts, redeemers, variance=lambda expected: noise / (expected + 0.5))
    expected = total.value * min(past.mean(), 1.0)
    own = max(1 / (expected + 0.5) - 1 / (total.value + 0.5), 0.0)
    share = past.predict(own, level=PREDICTION_LEVEL)
    if not (expected > 0 and total.ci_low > 0 and share.ci_low > 0):
        return expected, np.nan, np.nan
    down, up = (
        np.hypot(np.log(a / total.value), np.log(b / share.value))
        for a, b in ((total.ci_low, share.ci_low), (total.ci_high, share.ci_high))
    )
    return expected, expected * np.exp(-down), expected * np.exp(up)


def _band(
    rows: list[tuple[float, float, float]], parts: np.ndarray, contacts: float
) -> pd.DataFrame:
    """Return the rows as a table that never falls, from 0 at the start to everybody at most.

    What has been redeemed stays redeemed: there are no fewer than the lowest expected earlier, and
    no more than the highest expected later.
    """
    values = np.minimum(np.array(rows, dtype=float).reshape(-1, 3), contacts)
    values[parts <= 0] = np.where(np.isnan(values[parts <= 0]), np.nan, 0.0)
    low = np.maximum.accumulate(values[:, 1])
    high = np.minimum.accumulate(values[::-1, 2])[::-1]
    expected = np.maximum.accumulate(values[:, 0])
    told = ~np.isnan(low)
    expected[told] = np.clip(expected[told], low[told], np.maximum(high, low)[told])
    return pd.DataFrame({"expected": expected, "ci_low": low, "ci_high": np.maximum(high, low)})
