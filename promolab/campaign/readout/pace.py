"""How fast past promotions were answered: what to expect by each part of a window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from promolab.metrics import past_ratios
from promolab.promotions import PREDICTION_LEVEL
from promolab.results import Estimate


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
    types : tuple of str
        Of each promotion; empty where they are not told apart.
    own : str
        The type of the promotion to come.
    """

    contacts: np.ndarray = field(repr=False)
    promotion: np.ndarray = field(repr=False)
    part: np.ndarray = field(repr=False)
    types: tuple[str, ...] = ()
    own: str = ""

    @classmethod
    def of(cls, past: pd.DataFrame, first: pd.DataFrame, own: str = "") -> Pace:
        """Read the pace of past promotions.

        Parameters
        ----------
        past : DataFrame
            promotion_id, starts_at, high (end of the window), contacts.
        first : DataFrame
            promotion_id, first_ts: one row per redeemer.
        own : str
            Its type, if the past ones are of several: ``past.type``.
        """
        known = past.reset_index(drop=True).reset_index(names="position")
        rows = first.merge(known, on="promotion_id")
        part = (rows["first_ts"] - rows["starts_at"]) / (rows["high"] - rows["starts_at"])
        return cls(
            known["contacts"].to_numpy(dtype=float),
            rows["position"].to_numpy(dtype=int),
            part.to_numpy(dtype=float),
            tuple(known["type"]) if own else (),
            own,
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
        promotions weighing more, drawn to the type's own as far as that is known.
        `promolab.metrics.pooling` has the interval.

        Returns
        -------
        DataFrame, Estimate
            expected, ci_low, ci_high by part; the same at the window's end. nan without past
            promotions; the ends are nan with fewer than three.
        """
        steps = np.append(np.asarray(parts, dtype=float), 1.0)
        counts, n = self.redeemed_by(steps), self.contacts
        rows = [self._scaled(counts[:, j], contacts) for j in range(len(steps))]
        table = _band(rows, steps, contacts)
        end = table.iloc[-1]
        total = Estimate.of(end, len(n))
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

    def _scaled(self, counts: np.ndarray, mine: float) -> tuple[float, float, float]:
        if not self.contacts.sum():
            return _UNKNOWN
        past = past_ratios(counts, self.contacts, self.types or None)
        own = 1 / (mine * past.mean(self.own) + 0.5)
        return (past.predict(own, self.own, level=PREDICTION_LEVEL) * mine).ends


_UNKNOWN = (float("nan"), float("nan"), float("nan"))


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
