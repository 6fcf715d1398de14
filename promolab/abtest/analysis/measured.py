"""The numbers of an experiment: every metric of every arm against the control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promolab.abtest.analysis.estimates import Levels, levels_of
from promolab.abtest.analysis.looks import Arms, Looked, caps_of, look, number_of
from promolab.abtest.analysis.measure import Metric, metrics_of
from promolab.abtest.analysis.moments import (
    Figure,
    Moments,
    Part,
    Plan,
    crossing_of,
    moments_of,
)
from promolab.abtest.analysis.one_customer import dominant_one
from promolab.abtest.analysis.rows import ArmComparison, Measured
from promolab.abtest.analysis.tables import Opened, opened, there
from promolab.abtest.analysis.units import (
    Chances,
    Units,
    chances_of,
    planned_shares,
    sample_ratio,
    units_of,
)
from promolab.abtest.sequential import confidence_sequence, enough, p_at_any_time
from promolab.checks import level_of, whole_number
from promolab.errors import InputError
from promolab.metrics import ArmMean, TwoArms, intervals_of, p_value, relative_lift
from promolab.results import Estimate
from promolab.wording import number, percent, plural


@dataclass(frozen=True)
class _Column:
    """One thing that is averaged: a metric as it is, or winsorised."""

    metric: str
    figure: Figure
    cap: float = math.nan


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
    earlier: Mapping[str, str] | None = None,
    segments: str | None = None,
    level: float = 0.95,
    sequential: int | None = None,
    assigned: Any = None,
) -> Measured:
    """Compare every arm with the control in every metric; parameters as `analyze_experiment` has.

    ``equal``: whether shares that are not stated are taken as equal (`sample_ratio`).

    Everything is counted and added up in the engine, in one pass over the rows (two where a unit
    has several), after a first look at what the columns hold; nobody's row is pulled.

    Notes
    -----
    Who does what. Read with tea-tasting 1.14: the means, ratios and adjusted means of rows that
    all weigh alike are the same to 1e-9 (a test compares them). Its θ has in it what the arms
    differ by, and its relative interval takes the mean of the earlier figure for known; it has no
    clusters, chances that differ, winsorised means or exact sums, so the numbers here are
    promolab's own: coefficients by `levels_of`, intervals by `promolab.metrics.intervals_of`, as
    `promolab.effects.compare_arms` has them.
    """
    level = level_of(level)
    if sequential is not None:
        whole_number("sequential", sequential, 1)
    wanted = metrics_of(metrics, earlier)
    used = _columns_of(wanted)
    before = [m.earlier for m in wanted.values() if m.earlier]
    source = opened(data, arm, customer, cluster, propensity, assigned, used, before)
    there(source.table, [*used, *filter(None, [segments])], "data")
    chances = source.chances.values() if isinstance(source.chances, Mapping) else [source.chances]
    names = list(dict.fromkeys([*used, *filter(None, chances)]))
    arms, looked = look(source, names, control)
    planned = planned_shares(shares, arms)
    units = units_of(source, arms)
    drawn = chances_of(source, arms, looked, planned)
    check = sample_ratio(source, arms, units, drawn, equal=equal)
    found = Measured(
        (), check, arms.names, arms.rows, units.counts, drawn.shares or planned, level=level,
        notes=source.notes,
    )  # fmt: skip
    if found.stopped:
        return found
    kinds = {name: _settled(name, metric, looked, arms) for name, metric in wanted.items()}
    plan, columns, uncut = _planned(source, units, drawn, kinds, looked, segments)
    shown = _Shown(kinds, arms, looked, level, sequential, plan.weighted > 0, plan.plain)
    notes = [*source.notes, *shown.notes(), *uncut]
    rows = _rows(shown, plan, columns, ["arm"])
    if not segments:
        return replace(found, rows=rows, notes=tuple(notes))
    apart = _rows(shown, plan, columns, ["segment", "arm"])
    notes += _without_rows(plan, segments, {row.segment for row in apart})
    return replace(found, rows=rows, segments=apart, notes=tuple(notes))


def _without_rows(plan: Plan, column: str, shown: set[str]) -> list[str]:
    """Say who is in no segment, and which segments have too few in an arm."""
    base = plan.base
    sizes = plan.con.execute(base.group_by("segment").agg(n=base.count()))
    nowhere = int(sizes["n"][sizes["segment"].isna()].sum())
    told = [f"{plural(nowhere, 'row')} without {column} are in no segment."] if nowhere else []
    few = sorted(set(sizes["segment"].dropna().map(str)) - shown)
    if few:
        names = ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        told.append(f"Too few in an arm to compare within {column} {names}.")
    return told


def _columns_of(metrics: Mapping[str, Metric]) -> list[str]:
    columns = (c for m in metrics.values() for c in (m.column, m.per, m.earlier) if c)
    return list(dict.fromkeys(columns))


def _settled(name: str, metric: Metric, looked: Mapping[str, Looked], arms: Arms) -> Metric:
    """Return a metric whose kind is known; refuse one without values."""
    for column in filter(None, (metric.column, metric.per, metric.earlier)):
        for arm, missing in looked[column].missing.items():
            if missing == arms.rows[arm]:
                raise InputError(
                    f"the metric {name!r} is all missing: no row of arm {arm!r} has a value in "
                    f"{column!r}"
                )
    seen = looked[metric.column]
    if metric.kind == "share" and seen.other:
        raise InputError(
            f"the metric {name!r} is a share, and {metric.column!r} holds values from "
            f"{seen.low:g} to {seen.high:g}; a share is made of 0 and 1"
        )
    alone = metric.earlier is None and metric.winsorise is None
    kind = metric.kind or ("share" if alone and not seen.other else "mean")
    return replace(metric, kind=kind)


def _planned(
    source: Opened,
    units: Units,
    drawn: Chances,
    kinds: Mapping[str, Metric],
    looked: Mapping[str, Looked],
    segments: str | None,
) -> tuple[Plan, list[_Column], list[str]]:
    """Return the rows as the engine adds them up, what is averaged, and what cannot be."""
    used = _columns_of(kinds)
    table = source.table
    keys = {"arm": table[source.arm], "unit": units.key}
    if segments:
        keys["segment"] = table[segments].cast("string")
    if drawn.weight is not None:
        keys["weight"] = drawn.weight
    place = {column: f"c{i}" for i, column in enumerate(used)}
    base = table.select(**keys, **{place[c]: number_of(table, c) for c in used})
    caps = caps_of(
        source, {n: (m.column, m.winsorise) for n, m in kinds.items() if m.winsorise is not None}
    )
    columns, notes = [], []
    for name, metric in kinds.items():
        parts = {
            role: Part(base[place[column]], looked[column].centre, looked[column].bound)
            for role, column in (
                ("outcome", metric.column),
                ("per", metric.per),
                ("earlier", metric.earlier),
            )
            if column is not None
        }
        gaps = [looked[c].missing for c in (metric.column, metric.per) if c]
        whole = not any(any(gap.values()) for gap in gaps)
        columns.append(_Column(name, Figure(**parts, whole=whole)))
        if name in caps and caps[name] > looked[metric.column].low:
            columns.append(_capped(columns[-1], caps[name]))
        elif name in caps:
            most = percent(metric.winsorise or 0.0, decimals=0)
            told = f"{most} of {metric.column} is {caps[name]:g} or less"
            notes.append(f"{name} is not winsorised: {told}, and nothing would be left.")
    return Plan(base, source.con, drawn.largest, units.most, units.crossing), columns, notes


def _capped(column: _Column, cap: float) -> _Column:
    import ibis

    outcome = column.figure.outcome
    least = ibis.literal(cap, "float64")
    cut = (outcome.values > least).ifelse(least, outcome.values)
    figure = replace(column.figure, outcome=replace(outcome, values=cut))
    return replace(column, figure=figure, cap=cap)


@dataclass(frozen=True)
class _Shown:
    """What turns moments into rows."""

    metrics: Mapping[str, Metric]
    arms: Arms
    looked: Mapping[str, Looked]
    level: float
    sequential: int | None
    weighted: bool
    plain: bool

    def notes(self) -> list[str]:
        """Say what is missing."""
        told = []
        for name, metric in self.metrics.items():
            gone = self._missing(metric)
            if any(gone.values()):
                by_arm = ", ".join(f"{arm} {gone[arm]:,}" for arm in self.arms.names)
                told.append(
                    f"{name} is missing in {plural(sum(gone.values()), 'row')} ({by_arm}), which "
                    "are left out: where an arm loses more of them than another, it is no longer "
                    "a comparison by chance."
                )
            if metric.earlier and (count := sum(self.looked[metric.earlier].missing.values())):
                told.append(
                    f"{metric.earlier} is missing in {plural(count, 'row')}, which count as "
                    "average ones before."
                )
        return told

    def _missing(self, metric: Metric) -> dict[str, int]:
        most = [self.looked[c].missing for c in (metric.column, metric.per) if c]
        return {arm: max(gap[arm] for gap in most) for arm in self.arms.names}

    def comparison(
        self, column: _Column, levels: Levels, plain: Levels | None, treated: str, segment: str
    ) -> ArmComparison:
        """Return one arm against the control."""
        metric, control = self.metrics[column.metric], self.arms.names[0]
        arms = levels.between(treated, control)
        share = metric.kind == "share"
        one, other, ends = intervals_of(arms, self.level, share=share)
        n = one.n + other.n
        times, p = None, p_value(arms, share=share)
        if self.sequential is not None:
            times, ends, p = self._sequence(arms)
        relative = relative_lift(arms, self.level, times)
        gone = self._missing(metric)
        unadjusted = None
        if plain is not None:
            before = plain.between(treated, control)
            bounds = before.interval(self.level)
            if self.sequential is not None:
                bounds = self._sequence(before)[1]
            unadjusted = Estimate(before.value, *bounds, n)
        return ArmComparison(
            column.metric,
            treated,
            control,
            str(metric.kind),
            one,
            other,
            Estimate(arms.value, *ends, n),
            relative,
            p,
            std_error=math.sqrt(arms.variance),
            degrees=arms.degrees,
            correlation=arms.correlation,
            unadjusted=unadjusted,
            cap=column.cap,
            missing=(gone[treated], gone[control]),
            segment=segment,
            level=self.level,
            why="" if segment else self._why(column, arms, levels, relative, treated),
        )

    def _sequence(self, arms: TwoArms) -> tuple[float, tuple[float, float], float]:
        """Return the errors that a confidence sequence is wide, its ends, and the p value."""
        n = arms.treated.units + arms.control.units
        tuned, error = float(self.sequential or n), math.sqrt(arms.variance)
        low, high = confidence_sequence(
            n, arms.value, arms.variance * n, level=self.level, tuned_for=tuned
        )
        ends = float(low[0]), float(high[0])
        if not all(map(_enough, (arms.treated, arms.control))):
            ends = -math.inf, math.inf
        if not math.isfinite(ends[1] - ends[0]) or not error:
            return math.inf, ends, 1.0
        away = abs(arms.value) / error
        return (
            (ends[1] - arms.value) / error,
            ends,
            p_at_any_time(away, n / tuned, 1 - self.level),
        )

    def _why(
        self, column: _Column, arms: TwoArms, levels: Levels, relative: Estimate, treated: str
    ) -> str:
        """Say what has to be said beside a row of everybody."""
        told, what = [], self.metrics[column.metric].column
        if math.isnan(relative.ci_low) and self.sequential is None:
            control = number(arms.control.value)
            below = arms.control.value < -2 * math.sqrt(arms.control.variance)
            why = "below 0" if below else "too near 0"
            told.append(f"The control's {what} is {control}, {why} for a part of it.")
        as_it_is = column.figure.earlier is None and math.isnan(column.cap)
        if self.plain and as_it_is and self.metrics[column.metric].kind == "mean":
            names, ends = (treated, self.arms.names[0]), self.looked[what].by_arm
            one = dominant_one(arms, levels.moments, ends, names, self.level)
            told += [] if one is None else [one.words()]
        return " ".join(told)


def _enough(arm: ArmMean) -> bool:
    """Return whether an arm may be looked at, by the rule of `monitor_experiment`."""
    square, spread = arm.value**2, (arm.units - 1) * arm.level_variance
    bought = arm.units * square / (square + spread) if square else 0.0
    return bool(enough(round(bought, 9), arm.units))


def _rows(
    shown: _Shown, plan: Plan, columns: list[_Column], keys: list[str]
) -> tuple[ArmComparison, ...]:
    figures = [column.figure for column in columns]
    base = plan.base.filter(plan.base.segment.notnull()) if len(keys) > 1 else plan.base
    plan = replace(plan, base=base)
    added, crossed = moments_of(plan, figures, keys), crossing_of(plan, figures, keys)
    rows: list[ArmComparison] = []
    for column, moments, crossing in zip(columns, added, crossed, strict=True):
        found = _of_figure(shown, column, moments, crossing)
        if math.isnan(column.cap):
            rows.extend(found)
        else:  # the figure before is the same metric as it is
            mine = len(rows) - len(found)
            rows[mine:] = [
                replace(raw, winsorised=cut, cap=cut.cap)
                for raw, cut in zip(rows[mine:], found, strict=True)
            ]
    return tuple(rows)


def _of_figure(
    shown: _Shown,
    column: _Column,
    moments: Mapping[tuple[Any, ...], Moments],
    crossing: Mapping[tuple[Any, ...], Any],
) -> list[ArmComparison]:
    """Return a row per segment (one of everybody) and arm."""
    raw = shown.arms.raw
    by_segment: dict[str, dict[str, Moments]] = {}
    for key, found in moments.items():
        segment = str(key[0]) if len(key) > 1 else ""
        by_segment.setdefault(segment, {})[raw[key[-1]]] = found
    rows = []
    for segment in sorted(by_segment):
        mine = by_segment[segment]
        if segment and any(a not in mine or mine[a].units < 2 for a in shown.arms.names):
            continue
        ordered = {arm: mine[arm] for arm in shown.arms.names}
        across = {
            (raw[key[-2]], raw[key[-1]]): products
            for key, products in crossing.items()
            if len(key) == 2 or str(key[0]) == segment
        }
        levels = levels_of(column.figure, ordered, across, weighted=shown.weighted)
        plain = None
        if column.figure.earlier is not None:
            plain = levels_of(
                column.figure, ordered, across, weighted=shown.weighted, adjusted=False
            )
        rows += [
            shown.comparison(column, levels, plain, arm, segment) for arm in shown.arms.names[1:]
        ]
    return rows
