"""The numbers of an experiment: every metric of every arm against the control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promolab.abtest.chances import chances_of, planned_shares, sample_ratio
from promolab.abtest.comparison import MEAN, SHARE, ArmComparison, Measured, Metric, metrics_of
from promolab.abtest.estimates import Figure, Levels, levels_of, sums_of
from promolab.abtest.rows import Rows, opened, read_rows, there
from promolab.abtest.sequential import confidence_sequence, enough, p_at_any_time
from promolab.checks import level_of, whole_number
from promolab.errors import InputError
from promolab.results import Estimate
from promolab.stats import (
    ArmMean,
    TwoArms,
    all_shares,
    difference_of,
    intervals_of,
    p_value,
    relative_lift,
)
from promolab.wording import number, percent, plural


def measure_arms(
    data: Any,
    metrics: Mapping[str, Metric | str] | str,
    *,
    arm: str = "arm",
    control: Any = None,
    customer: str = "customer_id",
    cluster: str | None = None,
    propensity: str | Mapping[Any, str] | None = None,
    shares: Mapping[Any, float] | None = None,
    equal: bool = False,
    segments: str | None = None,
    level: float = 0.95,
    sequential: int | None = None,
) -> Measured:
    """Compare every arm with the control in every metric; parameters as `analyze_experiment` has.

    ``equal``: whether shares that are not stated are taken as equal (`sample_ratio`).

    Sums are exact, so that neither the order of rows nor threads show in any digit.

    Notes
    -----
    Who does what. Read with tea-tasting 1.14: the means, ratios and adjusted means of rows that
    all weigh alike are the same to 1e-9 (a test compares them). Its θ has in it what the arms
    differ by, and its relative interval takes the mean of the earlier figure for known; it has no
    clusters, chances that differ, winsorised means or exact sums, so the numbers here are
    promolab's own: coefficients by `levels_of`, intervals by `promolab.stats.intervals_of`, as
    `promolab.effects.compare_arms` has them.
    """
    level = level_of(level)
    if sequential is not None:
        whole_number("sequential", sequential, 1)
    wanted = metrics_of(metrics)
    used = list(dict.fromkeys(c for metric in wanted.values() for c in metric.columns))
    source = opened(data, arm, customer, cluster, propensity, used)
    there(source.table, [*used, *filter(None, [segments])], "data")
    chances = source.chances.values() if isinstance(source.chances, Mapping) else [source.chances]
    columns = list(dict.fromkeys([*used, *filter(None, chances)]))
    rows = read_rows(source, columns, control, segments)
    planned = planned_shares(shares, rows.names)
    drawn = chances_of(source, rows, planned)
    check = sample_ratio(source, rows, drawn, equal=equal)
    found = Measured(
        (), check, rows.names, rows.by_arm(), rows.units_by_arm(), drawn.shares or planned,
        level=level, notes=source.notes,
    )  # fmt: skip
    if found.stopped:
        return found
    rows = replace(rows, weight=drawn.weight)
    kinds = {name: _settled(name, metric, rows) for name, metric in wanted.items()}
    read = _Reading(kinds, rows, level, sequential)
    figures, uncut = read.figures()
    compared, apart = read.compared(figures), read.by_segment(figures)
    notes = [*source.notes, *read.notes(), *uncut]
    if segments:
        notes += _without_rows(rows, segments, {row.segment for row in apart})
    return replace(found, rows=compared, segments=apart, notes=tuple(notes))


def _without_rows(rows: Rows, column: str, shown: set[str]) -> list[str]:
    """Say who is in no segment, and which segments have too few in an arm."""
    nowhere = int((rows.segment < 0).sum())
    told = [f"{plural(nowhere, 'row')} without {column} are in no segment."] if nowhere else []
    if few := sorted(set(rows.segments) - shown):
        names = ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        told.append(f"Too few in an arm to compare within {column} {names}.")
    return told


def _settled(name: str, metric: Metric, rows: Rows) -> Metric:
    """Return a metric whose kind is known; refuse one without values."""
    sizes = rows.by_arm()
    for column in metric.columns:
        for arm, missing in rows.missing[column].items():
            if missing == sizes[arm]:
                raise InputError(
                    f"the metric {name!r} is all missing: no row of arm {arm!r} has a value in "
                    f"{column!r}"
                )
    values = rows.columns[metric.column]
    shares = all_shares(values[~np.isnan(values)])
    if metric.kind == SHARE and not shares:
        raise InputError(
            f"the metric {name!r} is a share, and {metric.column!r} holds values from "
            f"{np.nanmin(values):g} to {np.nanmax(values):g}; a share is made of 0 and 1"
        )
    alone = metric.earlier is None and metric.winsorise is None
    return replace(metric, kind=metric.kind or (SHARE if alone and shares else MEAN))


Capped = tuple[Figure, float]
"""A figure, and the outcome from which on it is cut off beside it (nan: it is not)."""


@dataclass(frozen=True)
class _Reading:
    """What turns rows into comparisons."""

    metrics: Mapping[str, Metric]
    rows: Rows
    level: float
    sequential: int | None

    def figures(self) -> tuple[dict[str, Capped], list[str]]:
        """Return each metric's figure and cap, and what is said of those not cut off."""
        found: dict[str, Capped] = {}
        notes = []
        for name, metric in self.metrics.items():
            y, per, earlier = (
                None if column is None else self.rows.columns[column]
                for column in (metric.column, metric.per, metric.earlier)
            )
            assert y is not None
            if earlier is not None:
                # A missing one counts as the number nearest to 0 between both ends.
                nearest = np.clip(0.0, np.nanmin(earlier), np.nanmax(earlier))
                earlier = np.where(np.isnan(earlier), nearest, earlier)
            found[name] = Figure(y, per, earlier), math.nan
            if metric.winsorise is None:
                continue
            cap = float(np.nanquantile(y, metric.winsorise))
            if cap > np.nanmin(y):
                found[name] = found[name][0], cap
            else:
                most = percent(metric.winsorise, decimals=0)
                told = f"{most} of {metric.column} is {cap:g} or less"
                notes.append(f"{name} is not winsorised: {told}, and nothing would be left.")
        return found, notes

    def compared(self, figures: Mapping[str, Capped]) -> tuple[ArmComparison, ...]:
        """Return a comparison per metric and arm."""
        return tuple(
            row for name, each in figures.items() for row in self._compared(name, *each, self.rows)
        )

    def by_segment(self, figures: Mapping[str, Capped]) -> tuple[ArmComparison, ...]:
        """Return a comparison per metric, segment and arm; none of segments with too few."""
        parts = [(name, mine, self.rows.only(mine)) for name, mine in self.rows.by_segment()]
        found: list[ArmComparison] = []
        for name, (whole, cap) in figures.items():
            for segment, mine, rows in parts:
                figure = whole.only(mine)
                there, arms = figure.present, range(len(rows.names))
                if all(rows.counted(there & (rows.code == arm))[1] >= 2 for arm in arms):
                    found += self._compared(name, figure, cap, rows, segment)
        return tuple(found)

    def _compared(
        self, name: str, figure: Figure, cap: float, rows: Rows, segment: str = ""
    ) -> list[ArmComparison]:
        """Return a comparison per arm, with that of outcomes cut off at a cap beside it."""
        found = self._by_arm(name, figure, rows, segment)
        if math.isnan(cap):
            return found
        cut = replace(figure, outcome=np.minimum(figure.outcome, cap))
        lower = self._by_arm(name, cut, rows, segment, cap)
        return [
            replace(raw, winsorised=one, cap=cap) for raw, one in zip(found, lower, strict=True)
        ]

    def _by_arm(
        self, name: str, figure: Figure, rows: Rows, segment: str, cap: float = math.nan
    ) -> list[ArmComparison]:
        sums, weighted = sums_of(figure, rows), rows.weight is not None
        levels = levels_of(figure, *sums, weighted=weighted)
        as_it_is = self.metrics[name].kind == MEAN and figure.earlier is None and math.isnan(cap)
        alone = as_it_is and rows.unit is None and not weighted and not segment
        return [
            self._comparison(name, cap, levels, arm, segment, figure if alone else None)
            for arm in rows.names[1:]
        ]

    def _missing(self, metric: Metric) -> dict[str, int]:
        most = [self.rows.missing[c] for c in (metric.column, metric.per) if c]
        return {arm: max(gap[arm] for gap in most) for arm in self.rows.names}

    def notes(self) -> list[str]:
        """Say what is missing."""
        told = []
        for name, metric in self.metrics.items():
            gone = self._missing(metric)
            if any(gone.values()):
                by_arm = ", ".join(f"{arm} {gone[arm]:,}" for arm in self.rows.names)
                told.append(
                    f"{name} is missing in {plural(sum(gone.values()), 'row')} ({by_arm}), which "
                    "are left out: where an arm loses more of them than another, it is no longer "
                    "a comparison by chance."
                )
            if metric.earlier and (count := sum(self.rows.missing[metric.earlier].values())):
                told.append(
                    f"{metric.earlier} is missing in {plural(count, 'row')}, which count as "
                    "average ones before."
                )
        return told

    def _comparison(
        self,
        name: str,
        cap: float,
        levels: Levels,
        treated: str,
        segment: str,
        alone: Figure | None,
    ) -> ArmComparison:
        """Return one arm against the control."""
        metric, control = self.metrics[name], self.rows.names[0]
        arms, share = levels.between(treated, control), metric.kind == SHARE
        one, other, ends = intervals_of(arms, self.level, share=share)
        n = one.n + other.n
        error, times, p = math.sqrt(arms.variance), None, p_value(arms, share=share)
        if self.sequential is not None:
            error = math.sqrt(variance_of_both(arms))
            times, ends, p = self._sequence(arms, error)
        relative = relative_lift(arms, self.level, times)
        why = "" if segment else self._why(metric.column, arms, relative, treated, alone)
        gone = self._missing(metric)
        return ArmComparison(
            name,
            treated,
            control,
            str(metric.kind),
            one,
            other,
            Estimate(arms.value, *ends, n),
            relative,
            p,
            std_error=error,
            degrees=arms.degrees,
            correlation=arms.correlation,
            cap=cap,
            missing=(gone[treated], gone[control]),
            segment=segment,
            level=self.level,
            why=why,
        )

    def _sequence(self, arms: TwoArms, error: float) -> tuple[float, tuple[float, float], float]:
        """Return how many Welch errors a confidence sequence is wide, its ends, and the p value."""
        n = arms.treated.units + arms.control.units
        tuned = float(self.sequential or n)
        low, high = confidence_sequence(
            n, arms.value, error**2 * n, level=self.level, tuned_for=tuned
        )
        ends = float(low[0]), float(high[0])
        if not all(map(_enough, (arms.treated, arms.control))):
            ends = -math.inf, math.inf
        if not math.isfinite(ends[1] - ends[0]) or not arms.variance:
            return math.inf, ends, 1.0
        p = p_at_any_time(abs(arms.value) / error, n / tuned, 1 - self.level)
        return (ends[1] - arms.value) / math.sqrt(arms.variance), ends, p

    def _why(
        self,
        column: str,
        arms: TwoArms,
        relative: Estimate,
        treated: str,
        alone: Figure | None,
    ) -> str:
        """Say what has to be said beside a row; of a plain mean, that one customer makes it up."""
        told = []
        if math.isnan(relative.ci_low) and self.sequential is None:
            below = arms.control.value < -2 * math.sqrt(arms.control.variance)
            why = "below 0" if below else "too near 0"
            control = number(arms.control.value)
            told.append(f"The control's {column} is {control}, {why}: no percentage is given.")
        if alone is not None:
            code, place = self.rows.code, self.rows.names.index(treated)
            pair = alone.present & np.isin(code, (0, place))
            y, mine = alone.outcome[pair], code[pair] == place
            one = difference_of(y, mine, None, self.level, share=False).dominant
            told += [] if one is None else [one.words()]
        return " ".join(told)


def variance_of_both(arms: TwoArms) -> float:
    """Return the variance of a difference that is looked at on the way.

    A small arm without its largest outcomes yet has a low mean and a low variance at once; that of
    both arms together, at their sizes, does not fall for it. The larger of Welch's and this.
    """
    n1, n0 = arms.treated.units, arms.control.units
    pooled = n1 / n0 * arms.treated.variance + n0 / n1 * arms.control.variance
    return max(arms.variance, pooled - 2 * arms.covariance)


def _enough(arm: ArmMean) -> bool:
    """Return whether an arm's sum may be taken to be normal, so that it may be looked at."""
    square, spread = arm.value**2, (arm.units - 1) * arm.level_variance
    bought = arm.units * square / (square + spread) if square else 0.0
    return bool(enough(round(bought, 9), arm.units))
