"""What the last forecasts said, and what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from promolab.campaign.outlook import PREDICTION_LEVEL
from promolab.campaign.schedule import promotion_name
from promolab.results import Estimate, Result
from promolab.wording import answer_to, count, is_one, percent, plural

__all__ = ["RECOMPUTED", "TrackRecord", "track_record"]

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
        `promolab.campaign.outlook_coverage.OutlookCoverage.table`: each promotion that is over,
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
