"""Whether as many answer as was predicted, and whether that gets worse as time goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import level_of
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.stats import t_quantile, wilson
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


FEWEST = 4
"""Promotions from which a trend can be told."""
MOST = 40
"""Promotions of the figure: more cannot be told from one another."""
MONTH = 28.0  # days
_RATIO = ("ratio", "ratio_low", "ratio_high")
COLUMNS = ("promotion_id", "starts_at", "contacts", "expected", "observed", *_RATIO)
UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class CalibrationTrack(Result):
    """Answers that came against those predicted, promotion by promotion.

    Made by `calibration_track`.

    Parameters
    ----------
    frame : DataFrame
        One row per past promotion, the earliest first: promotion_id, starts_at, contacts, expected
        (sum of the chances), observed, ratio (observed ÷ expected) and its interval.
    ratio : Estimate
        Observed ÷ expected of all together; the interval is of promotions that differ.
    trend : Estimate
        By what share the ratio changes in four weeks; nan below four promotions.
    level : float
    """

    frame: pd.DataFrame = field(repr=False)
    ratio: Estimate = UNKNOWN
    trend: Estimate = UNKNOWN
    level: float = 0.95

    ALT = "Answers that came ÷ those predicted, promotion by promotion, with intervals."

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    def to_dict(self) -> dict[str, Any]:
        """Return ratio and trend with their intervals."""
        return {"ratio": self.ratio.to_dict(), "trend": self.trend.to_dict()}

    def summary(self) -> str:
        """Say how many came of those predicted, and whether that changes."""
        if not self:
            return "No past promotion was predicted out of time, so no calibration can be followed."
        return (
            f"{self.finding()} {self.verdict()} These are bare chances: forecasts (page 04 and the "
            "track record of the first page) correct them by what earlier promotions brought, and "
            "count only promotions with three before them, so that their sums differ."
        )

    def finding(self) -> str:
        """Say how many answered of those predicted."""
        if not self:
            return self.summary()
        n = plural(len(self.frame), "past promotion")
        ratio = number(*self.ratio.ends, decimals=2)
        came, predicted = self.frame["observed"].sum(), self.frame["expected"].sum()
        told = (
            f"In {n}, each predicted from those over before it, {count(came)} answered where the "
            f"chances add up to {count(predicted)}: a ratio of {ratio} (1 is right; the interval "
            "is that of a mean over promotions, which differ; page 04's takes these as they are)."
        )
        off = ""
        if self.ratio.ci_high < 1 or self.ratio.ci_low > 1:
            side = "high" if self.ratio.value < 1 else "low"
            off = f" The chances are too {side}; forecasts of how many answer correct for that."
        return f"{told}{off}"

    def verdict(self) -> str:
        """Say whether the ratio changes as time goes by."""
        if not self.trend.n:
            return f"A trend can be told from {FEWEST} promotions on."
        change = percent(*self.trend.ends)
        if self.trend.ci_low > 0 or self.trend.ci_high < 0:
            return f"That ratio changes by {change} in four weeks, beyond chance."
        return f"That ratio changes by {change} in four weeks, which chance alone could have made."

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the ratio of each promotion by its start, with intervals, against 1.

        Of many, those of which most answers were expected: they tell most, and the subtitle says
        how many are left out.
        """
        from promolab import plots

        if not self:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        rows = self.frame.nlargest(MOST, "expected").sort_index()
        left = len(self.frame) - len(rows)
        shown = plural(len(rows), "promotion")
        if left:
            shown += f" of most expected answers ({count(left)} smaller ones left out)"
        ax = plots.points(
            _side_by_side(rows["starts_at"]),
            rows["ratio"],
            low=rows["ratio_low"],
            high=rows["ratio_high"],
            colour=plots.COLOURS[0],
            ax=ax,
        )
        plots.reference_line(ax, "horizontal", 1.0)
        ax.xaxis_date()
        # One promotion of few answers may have an interval that hides all others.
        ax.set_ylim(0, min(float(rows["ratio_high"].max()) * 1.05, 4.0))
        for text in ax.get_xticklabels():
            text.set_rotation(30)
        return plots.finish(
            ax,
            title=self.verdict().rstrip(".").replace("That ratio", "Came ÷ predicted"),
            subtitle=f"Answers that came ÷ those predicted, {shown}, "
            f"{percent(self.level, decimals=0)} intervals; dashed: as predicted",
            xlabel="start of the promotion",
            ylabel="came ÷ predicted",
        )


def _side_by_side(times: pd.Series[Any]) -> np.ndarray:
    """Return moments as matplotlib counts them (days), equal ones a little apart."""
    from matplotlib.dates import date2num

    place = times.groupby(times).cumcount()
    place -= place.groupby(times).transform("mean")
    days = np.asarray(date2num(pd.to_datetime(times).to_numpy()))
    return np.asarray(days + place.to_numpy() * max(np.ptp(days) / 60, 0.2))


def calibration_track(backtest: pd.DataFrame, *, level: float = 0.95) -> CalibrationTrack:
    """Set the answers that came beside those predicted, promotion by promotion.

    Parameters
    ----------
    backtest : DataFrame
        One row per contact that a model predicted without having seen it: promotion_id, starts_at,
        y (0 or 1), p (``tables/backtest.parquet``).
    level : float

    Returns
    -------
    CalibrationTrack

    Notes
    -----
    Of each promotion Wilson's interval of its rate ÷ the mean chance. Ratio and trend are of
    log(observed ÷ expected), weighted by its precision, their errors scaled up by how much more
    promotions differ than chance explains (Birge 1932), with Student's quantile: a customer who is
    in several promotions counts through what these have in common.

    Examples
    --------
    >>> rows = pd.DataFrame({"promotion_id": np.repeat(range(6), 100), "p": 0.2})
    >>> rows["starts_at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows.promotion_id, "D")
    >>> rows["y"] = (np.arange(600) % 5 == 0).astype(int)
    >>> round(calibration_track(rows).ratio.value, 6)
    1.0
    """
    level_of(level)
    if backtest.empty:
        return CalibrationTrack(pd.DataFrame(columns=list(COLUMNS)), level=level)
    groups = backtest.groupby(["starts_at", "promotion_id"], observed=True, sort=True)
    frame = groups.agg(contacts=("y", "size"), expected=("p", "sum"), observed=("y", "sum"))
    frame = frame.reset_index()
    low, high = wilson(frame["observed"], frame["contacts"], level)
    mean = (frame["expected"] / frame["contacts"]).clip(lower=1e-12)
    frame["ratio"] = frame["observed"] / frame["expected"].clip(lower=1e-12)
    frame["ratio_low"], frame["ratio_high"] = low / mean, high / mean
    ratio, trend = _in_logs(frame, level)
    return CalibrationTrack(frame[list(COLUMNS)], ratio, trend, level)


def _in_logs(frame: pd.DataFrame, level: float) -> tuple[Estimate, Estimate]:
    """Return the ratio of all together, and by what share it changes in four weeks."""
    came, told = frame["observed"].to_numpy(float), frame["expected"].to_numpy(float)
    logs = np.log((came + 0.5) / (told + 0.5))
    weight = told + 0.5  # the precision by what was predicted, not by what came
    days = (frame["starts_at"] - frame["starts_at"].min()).dt.total_seconds().to_numpy() / 86_400
    whole = float(came.sum() / max(told.sum(), 1e-12))
    level_ = _fitted(np.ones((len(logs), 1)), logs, weight, level)
    half = level_[1] if level_ is not None else math.nan
    ratio = Estimate(whole, whole * math.exp(-half), whole * math.exp(half), len(frame))
    design = np.column_stack([np.ones(len(logs)), days / MONTH])
    slope = _fitted(design, logs, weight, level) if len(frame) >= FEWEST else None
    if slope is None:
        return ratio, UNKNOWN
    ends = (math.expm1(slope[0] + step) for step in (0.0, -slope[1], slope[1]))
    return ratio, Estimate.of(ends, len(frame))


def _fitted(
    design: np.ndarray, y: np.ndarray, weight: np.ndarray, level: float
) -> tuple[float, float] | None:
    """Return the last coefficient and half of its interval; None where it cannot be told."""
    free = len(y) - design.shape[1]
    inner = design.T @ (weight[:, None] * design)
    if free < 1 or np.linalg.matrix_rank(inner) < len(inner):
        return None
    inverse = np.linalg.inv(inner)
    slopes = inverse @ (design.T @ (weight * y))
    spread = float((weight * (y - design @ slopes) ** 2).sum() / free)
    error = math.sqrt(inverse[-1, -1] * max(spread, 1.0))
    return float(slopes[-1]), float(t_quantile(level, free)) * error
