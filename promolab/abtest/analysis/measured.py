"""The numbers of an experiment: every metric of every arm against the control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promolab.abtest.analysis.comparison import ArmComparison, Measured
from promolab.abtest.analysis.estimates import Levels, dominant_one, levels_of
from promolab.abtest.analysis.metric import MEAN, SHARE, Metric, metrics_of
from promolab.abtest.analysis.moments import Figure, Moments, Part, Plan, crossing_of, moments_of
from promolab.abtest.analysis.summaries import Arms, ColumnSummary, caps_of, number_of, summarise
from promolab.abtest.analysis.tables import opened, there
from promolab.abtest.analysis.units import chances_of, planned_shares, sample_ratio, units_of
from promolab.abtest.sequential import confidence_sequence, enough, p_at_any_time
from promolab.checks import level_of, whole_number
from promolab.errors import InputError
from promolab.results import Estimate
from promolab.stats import ArmMean, TwoArms, intervals_of, p_value, relative_lift
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
    promolab's own: coefficients by `levels_of`, intervals by `promolab.stats.intervals_of`, as
    `promolab.effects.compare_arms` has them.
    """
    level = level_of(level)
    if sequential is not None:
        whole_number("sequential", sequential, 1)
    wanted = metrics_of(metrics, earlier)
    used = list(dict.fromkeys(c for metric in wanted.values() for c in metric.columns))
    before = [m.earlier for m in wanted.values() if m.earlier]
    source = opened(data, arm, customer, cluster, propensity, assigned, used, before)
    there(source.table, [*used, *filter(None, [segments])], "data")
    chances = source.chances.values() if isinstance(source.chances, Mapping) else [source.chances]
    arms, looked = summarise(source, list(dict.fromkeys([*used, *filter(None, chances)])), control)
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
    table, place = source.table, {column: f"c{i}" for i, column in enumerate(used)}
    keys = {"arm": table[source.arm], "unit": units.key}
    keys |= {"segment": table[segments].cast("string")} if segments else {}
    keys |= {} if drawn.weight is None else {"weight": drawn.weight}
    base = table.select(**keys, **{place[c]: number_of(table, c) for c in used})
    plan = Plan(base, source.con, drawn.largest, units.most, units.crossing)
    kinds = {name: _settled(name, metric, looked, arms) for name, metric in wanted.items()}
    read = _Reading(kinds, arms, looked, plan, level, sequential)
    caps = caps_of(
        source, {n: (m.column, m.winsorise) for n, m in kinds.items() if m.winsorise is not None}
    )
    figures, uncut = read.figures(place, caps)
    rows = read.rows(figures, ["arm"])
    apart: tuple[ArmComparison, ...] = ()
    notes = [*source.notes, *read.notes(), *uncut]
    if segments:
        apart = read.rows(figures, ["segment", "arm"])
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


def _settled(name: str, metric: Metric, looked: Mapping[str, ColumnSummary], arms: Arms) -> Metric:
    """Return a metric whose kind is known; refuse one without values."""
    for column in metric.columns:
        for arm, missing in looked[column].missing.items():
            if missing == arms.rows[arm]:
                raise InputError(
                    f"the metric {name!r} is all missing: no row of arm {arm!r} has a value in "
                    f"{column!r}"
                )
    seen = looked[metric.column]
    if metric.kind == SHARE and seen.other:
        raise InputError(
            f"the metric {name!r} is a share, and {metric.column!r} holds values from "
            f"{seen.low:g} to {seen.high:g}; a share is made of 0 and 1"
        )
    alone = metric.earlier is None and metric.winsorise is None
    return replace(metric, kind=metric.kind or (SHARE if alone and not seen.other else MEAN))


@dataclass(frozen=True)
class _Reading:
    """What turns rows into moments, and moments into comparisons."""

    metrics: Mapping[str, Metric]
    arms: Arms
    looked: Mapping[str, ColumnSummary]
    plan: Plan
    level: float
    sequential: int | None

    def figures(
        self, place: Mapping[str, str], caps: Mapping[str, float]
    ) -> tuple[list[tuple[str, float, Figure]], list[str]]:
        """Return each metric's figure and, beside it, that of outcomes cut off at a cap (else nan).

        And which metrics have none, since nothing would be left.
        """
        import ibis

        found, notes = [], []
        for name, metric in self.metrics.items():
            roles = {"outcome": metric.column, "per": metric.per, "earlier": metric.earlier}
            parts = {
                role: Part(self.plan.base[place[c]], self.looked[c].centre, self.looked[c].bound)
                for role, c in roles.items()
                if c is not None
            }
            figure = Figure(**parts, whole=not any(self._missing(metric).values()))
            found.append((name, math.nan, figure))
            if name not in caps:
                continue
            if caps[name] > self.looked[metric.column].low:
                values, cap = parts["outcome"].values, ibis.literal(caps[name], "float64")
                cut = replace(parts["outcome"], values=(values > cap).ifelse(cap, values))
                found.append((name, caps[name], replace(figure, outcome=cut)))
            else:
                most = percent(metric.winsorise or 0.0, decimals=0)
                told = f"{most} of {metric.column} is {caps[name]:g} or less"
                notes.append(f"{name} is not winsorised: {told}, and nothing would be left.")
        return found, notes

    def rows(
        self, figures: list[tuple[str, float, Figure]], keys: list[str]
    ) -> tuple[ArmComparison, ...]:
        """Return a comparison per metric, segment (where it is a key) and arm."""
        base = self.plan.base
        base = base.filter(base.segment.notnull()) if "segment" in keys else base
        plan = replace(self.plan, base=base)
        alone = [figure for _, _, figure in figures]
        added, crossed = moments_of(plan, alone, keys), crossing_of(plan, alone, keys)
        rows: list[ArmComparison] = []
        for (name, cap, figure), moments, crossing in zip(figures, added, crossed, strict=True):
            found = [
                self._comparison(name, cap, figure, levels, arm, segment)
                for segment, levels in self._levels(figure, moments, crossing)
                for arm in self.arms.names[1:]
            ]
            if not math.isnan(cap):  # the figure before is the same metric as it is
                mine = rows[len(rows) - len(found) :]
                del rows[len(rows) - len(found) :]
                found = [
                    replace(raw, winsorised=cut, cap=cap)
                    for raw, cut in zip(mine, found, strict=True)
                ]
            rows += found
        return tuple(rows)

    def _levels(
        self,
        figure: Figure,
        moments: Mapping[tuple[Any, ...], Moments],
        crossing: Mapping[tuple[Any, ...], Any],
    ) -> list[tuple[str, tuple[Levels, Levels | None]]]:
        """Return the arms of everybody or of each segment, and without the earlier figure."""
        raw, weighted = self.arms.raw, self.plan.weighted > 0
        by_segment: dict[str, dict[str, Moments]] = {}
        for key, found in moments.items():
            segment = str(key[0]) if len(key) > 1 else ""
            by_segment.setdefault(segment, {})[raw[key[-1]]] = found
        told = []
        for segment, mine in sorted(by_segment.items()):
            if segment and any(a not in mine or mine[a].units < 2 for a in self.arms.names):
                continue
            ordered = {arm: mine[arm] for arm in self.arms.names}
            across = {
                (raw[key[-2]], raw[key[-1]]): products
                for key, products in crossing.items()
                if len(key) == 2 or str(key[0]) == segment
            }
            levels, plain = (
                levels_of(figure, ordered, across, weighted=weighted, adjusted=adjusted)
                for adjusted in (True, False)
            )
            told.append((segment, (levels, plain if figure.earlier is not None else None)))
        return told

    def _missing(self, metric: Metric) -> dict[str, int]:
        most = [self.looked[c].missing for c in (metric.column, metric.per) if c]
        return {arm: max(gap[arm] for gap in most) for arm in self.arms.names}

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

    def _comparison(
        self,
        name: str,
        cap: float,
        figure: Figure,
        levels: tuple[Levels, Levels | None],
        treated: str,
        segment: str,
    ) -> ArmComparison:
        """Return one arm against the control."""
        adjusted, plain = levels
        metric, control = self.metrics[name], self.arms.names[0]
        arms, share = adjusted.between(treated, control), metric.kind == SHARE
        one, other, ends = intervals_of(arms, self.level, share=share)
        n = one.n + other.n
        times, p = None, p_value(arms, share=share)
        if self.sequential is not None:
            times, ends, p = self._sequence(arms)
        relative = relative_lift(arms, self.level, times)
        unadjusted = None
        if plain is not None:
            before = plain.between(treated, control)
            fixed = self.sequential is None
            bounds = before.interval(self.level) if fixed else self._sequence(before)[1]
            unadjusted = Estimate(before.value, *bounds, n)
        why = ""
        if not segment:
            as_it_is = metric.kind == MEAN and figure.earlier is None and math.isnan(cap)
            moments = adjusted.moments if self.plan.plain and as_it_is else None
            why = self._why(metric.column, arms, relative, treated, moments)
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
            std_error=math.sqrt(arms.variance),
            degrees=arms.degrees,
            correlation=arms.correlation,
            unadjusted=unadjusted,
            cap=cap,
            missing=(gone[treated], gone[control]),
            segment=segment,
            level=self.level,
            why=why,
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
        p = p_at_any_time(abs(arms.value) / error, n / tuned, 1 - self.level)
        return (ends[1] - arms.value) / error, ends, p

    def _why(
        self,
        column: str,
        arms: TwoArms,
        relative: Estimate,
        treated: str,
        moments: Mapping[str, Moments] | None,
    ) -> str:
        """Say what has to be said beside a row; by moments, that one customer makes it up."""
        told = []
        if math.isnan(relative.ci_low) and self.sequential is None:
            below = arms.control.value < -2 * math.sqrt(arms.control.variance)
            why = "below 0" if below else "too near 0"
            control = number(arms.control.value)
            told.append(f"The control's {column} is {control}, {why}: no percentage is given.")
        if moments is not None:
            names, ends = (treated, self.arms.names[0]), self.looked[column].by_arm
            one = dominant_one(arms, moments, ends, names, self.level)
            told += [] if one is None else [one.words()]
        return " ".join(told)


def _enough(arm: ArmMean) -> bool:
    """Return whether an arm may be looked at, by the rule of `monitor_experiment`."""
    square, spread = arm.value**2, (arm.units - 1) * arm.level_variance
    bought = arm.units * square / (square + spread) if square else 0.0
    return bool(enough(round(bought, 9), arm.units))
