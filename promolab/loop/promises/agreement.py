"""The planner's own calibration: what came over what was said, all weeks together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, Ranged, table
from promolab.errors import InputError
from promolab.loop.promises.alarm import MEASURE_WORDS
from promolab.loop.promises.matching import TOTALS, whole_weeks
from promolab.loop.promises.rows import SETTLED
from promolab.results import Estimate, Result
from promolab.stats import t_quantile, wilson
from promolab.wording import number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 4
"""Settled weeks from which on a correction is told."""


@dataclass(frozen=True)
class PlannerCalibration(Result):
    """What came over what was said; made by `planner_calibration`.

    Parameters
    ----------
    frame : DataFrame
        A row per measure: measure, weeks, ratio with ``ratio_low`` and ``ratio_high`` (nan with
        fewer than two weeks), multiply (by what to multiply the next forecasts; 1 where the ratio
        may be chance), kept, of (whole weeks inside the readout's interval, of so many), share with
        ``share_low`` and ``share_high``.
    level : float
        Of the intervals of the ratio and the share.
    said_level : float
        Of the intervals that were promised.
    """

    ALT = "What came over what was said, with intervals, by measure."

    frame: pd.DataFrame = field(repr=False)
    level: float = 0.95
    said_level: float = 0.9

    def __bool__(self) -> bool:
        """Whether enough weeks are settled to tell how far the planner misses."""
        return bool(self.frame["ratio_low"].notna().any())

    @property
    def corrections(self) -> dict[str, float]:
        """By what to multiply the next forecasts, of measures that miss beyond chance."""
        rows = self.frame[self.frame["multiply"] != 1.0]
        return dict(zip(rows["measure"], rows["multiply"], strict=True))

    def share(self, measure: str) -> Estimate:
        """Return the share of whole weeks inside the readout's interval."""
        row = self.frame[self.frame["measure"] == measure].iloc[0]
        return Estimate(row["share"], row["share_low"], row["share_high"], int(row["of"]))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by measure."""
        from promolab.results import plain

        return {"level": self.level, **plain(self.frame.set_index("measure").to_dict("index"))}

    def summary(self) -> str:
        """Say by how much the planner misses, and what to do about it."""
        rows = self.frame[self.frame["ratio_low"].notna()]
        if rows.empty:
            return "Fewer than two settled weeks: how far the planner misses cannot be told yet."
        words = []
        for row in rows.to_dict("records"):
            name = MEASURE_WORDS[row["measure"]]
            ratio = number(row["ratio"], row["ratio_low"], row["ratio_high"])
            text = f"Of {name} came {ratio} times what was said"
            if row["multiply"] != 1.0:
                words.append(f"{text}: multiply the next forecasts by {number(row['multiply'])}.")
            else:
                words.append(f"{text}, which may be chance: leave forecasts as they are.")
        return " ".join(words)

    def table(self) -> Html:
        """Return a row per measure."""
        rows = self.frame.assign(
            what=[MEASURE_WORDS[m] for m in self.frame["measure"]],
            held=[
                f"{int(k)} of {int(n)}: {percent(s, low, high)}" if n else "–"
                for k, n, s, low, high in self.frame[
                    ["kept", "of", "share", "share_low", "share_high"]
                ].itertuples(index=False)
            ],
        )
        return table(
            rows,
            {
                "what": "what was promised",
                "weeks": "settled weeks",
                "ratio": f"came ÷ said [{percent(self.level, decimals=0)}]",
                "multiply": "multiply next by",
                "held": f"inside the {percent(self.said_level, decimals=0)} interval",
            },
            {"weeks": str, "ratio": Ranged(number), "multiply": number, "held": str},
            caption="Whole weeks that are settled. A factor of 1 leaves the forecast as it is: the "
            "difference may be chance.",
            otherwise=self.summary(),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what came over what was said, by measure.

        Raises
        ------
        InputError
            No week is settled.
        """
        from promolab import plots

        rows = self.frame
        if rows.empty:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        ax = plots.intervals(
            [MEASURE_WORDS[m] for m in rows["measure"]],
            rows["ratio"], rows["ratio_low"], rows["ratio_high"], reference=1.0, ax=ax,
        )  # fmt: skip
        sure = bool(self.corrections)
        return plots.finish(
            ax,
            title="The planner misses by more than chance"
            if sure
            else "What came agrees with what was said",
            subtitle=f"what came over what was said, {percent(self.level, decimals=0)} intervals; "
            f"{plural(int(rows['weeks'].max()) if len(rows) else 0, 'settled week')}",
            xlabel="came ÷ said (1: as promised)",
        )


def planner_calibration(
    rows: pd.DataFrame, *, level: float = 0.95, fewest: int = FEWEST
) -> PlannerCalibration:
    """Compare what came with what was said over all settled weeks.

    The ratio is the slope of what came on what was said through the origin, weeks weighted by how
    sure what came is; where weeks differ by more than that says, its error grows in proportion.

    Parameters
    ----------
    rows : DataFrame
        By `promolab.loop.promises.matching.matched`.
    level : float
        Of the intervals.
    fewest : int
        Settled weeks from which on a correction is told.
    """
    found = []
    for measure in TOTALS:
        mine = whole_weeks(rows, measure)
        mine = mine[(mine["state"] == SETTLED) & mine["came"].notna() & mine["said"].notna()]
        if mine.empty:
            continue
        ratio = _slope(mine, level)
        kept = mine["kept"].dropna().astype(bool)
        low, high = wilson(int(kept.sum()), len(kept), level) if len(kept) else (np.nan, np.nan)
        beyond = len(mine) >= fewest and (ratio.ci_low > 1 or ratio.ci_high < 1)
        sensible = beyond and ratio.value > 0
        found.append(
            {
                "measure": measure,
                "weeks": len(mine),
                **dict(zip(("ratio", "ratio_low", "ratio_high"), ratio.ends, strict=True)),
                "multiply": ratio.value if sensible else 1.0,
                "kept": int(kept.sum()),
                "of": len(kept),
                "share": float(kept.mean()) if len(kept) else math.nan,
                "share_low": float(low),
                "share_high": float(high),
            }
        )
    columns = ["measure", "weeks", "ratio", "ratio_low", "ratio_high", "multiply"]
    columns += ["kept", "of", "share", "share_low", "share_high"]
    said = float(rows["level"].iloc[0]) if len(rows) else 0.9
    return PlannerCalibration(pd.DataFrame(found, columns=columns), level, said)


def _slope(rows: pd.DataFrame, level: float) -> Estimate:
    """Return the slope through the origin of what came on what was said."""
    said, came = rows["said"].to_numpy(dtype=float), rows["came"].to_numpy(dtype=float)
    half = (rows["came_high"] - rows["came_low"]).to_numpy(dtype=float) / 2
    weight = np.where(half > 0, 1 / np.maximum(half, 1e-300) ** 2, 0.0)
    if not (weight > 0).any() or not (weight @ said**2 > 0):
        weight = np.ones(len(said))
    bottom = float(weight @ said**2)
    if bottom <= 0:
        return Estimate(math.nan, n=len(rows))
    value = float(weight @ (said * came)) / bottom
    if len(rows) < 2:
        return Estimate(value, n=len(rows))
    from promolab.stats import normal_quantile

    quantile = normal_quantile(float(rows["came_level"].iloc[0]))
    excess = float(weight @ (came - value * said) ** 2) * quantile**2 / (len(rows) - 1)
    error = math.sqrt(max(excess, 1.0) / bottom) / quantile
    wide = float(t_quantile(level, len(rows) - 1)) * error
    return Estimate(value, value - wide, value + wide, len(rows))
