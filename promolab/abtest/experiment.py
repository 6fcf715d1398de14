"""An experiment read out: its numbers, by segment too, and what they amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.abtest.comparison import (
    ALONE,
    CORRECTIONS,
    HOLM,
    ArmComparison,
    Measured,
    Metric,
    metrics_of,
)
from promolab.abtest.decision import (
    Case,
    ExperimentVerdict,
    Guardrail,
    adjusted,
    change_of,
    guardrail_of,
    judge_experiment,
    mismatch,
    p_of_gain,
    state_of,
    with_adjusted,
)
from promolab.abtest.measured import measure_arms
from promolab.abtest.profit import PROFIT, ArmMoney, MoneyTerms, money_of, money_terms
from promolab.checks import choice
from promolab.effects import spoken
from promolab.errors import InputError
from promolab.results import Estimate, Result, plain
from promolab.wording import capital


@dataclass(frozen=True)
class SegmentEffects(Result):
    """One metric by segment, every arm against the control; made by `segment_effects`.

    Parameters
    ----------
    metric, kind : str
        What is measured.
    frame : DataFrame
        A row per arm and segment: ``arm, segment, n, value, ci_low, ci_high, p, p_adjusted`` (for
        all segments of all arms).
    differ : DataFrame
        A row per arm: ``arm, q, degrees, p, p_adjusted``: whether the effect is the same in all
        segments (Cochran's Q).
    level : float
        Confidence level.

    References
    ----------
    Cochran (1954), Biometrics 10; Holm (1979), Scandinavian Journal of Statistics 6.
    """

    metric: str
    kind: str
    frame: pd.DataFrame = field(repr=False)
    differ: pd.DataFrame = field(repr=False)
    level: float = 0.95

    def facts(self) -> dict[str, Any]:
        """Return each arm's segments that have an effect of their own, and all as plain values."""
        alpha = 1 - self.level
        effects: dict[str, Any] = {}
        for row in self.frame.to_dict("records"):
            effects.setdefault(str(row.pop("arm")), {})[str(row.pop("segment"))] = plain(row)
        arms = []
        for arm, test in self.differ.set_index("arm").iterrows():
            rows = self.frame[(self.frame["arm"] == arm) & (self.frame["p_adjusted"] <= alpha)]
            shown = [
                {"segment": row.segment} | change_of(_estimate(row), self.kind)
                for row in rows.itertuples()
            ]
            told = {"arm": spoken(arm), "p_adjusted": float(test["p_adjusted"])}
            told |= {"differs": bool(test["p_adjusted"] <= alpha)}
            arms.append(told | {"shown": shown[:3], "more": max(len(shown) - 3, 0)})
        return {
            "called": spoken(self.metric),
            "arms": arms,
            "effects": effects,
            "tests": {str(r.pop("arm")): plain(r) for r in self.differ.to_dict("records")},
        }


def _estimate(row: Any) -> Estimate:
    return Estimate(row.value, row.ci_low, row.ci_high, row.n)


def segment_effects(
    rows: Sequence[ArmComparison], metrics: Mapping[str, Metric], metric: str
) -> SegmentEffects | None:
    """Return the effects of one metric by segment; None without segments.

    Parameters
    ----------
    rows : sequence of ArmComparison
        Of segments; others are left out.
    metrics : mapping of str to Metric
    metric : str
        The one to look at: more would call for more caution.
    """
    from scipy.stats import chi2

    mine = [row for row in rows if row.metric == metric and row.segment]
    if not mine:
        return None
    frame = pd.DataFrame(
        {"arm": row.arm, "segment": row.segment}
        | {"n": row.difference.n, "std_error": row.std_error}
        | dict(zip(("value", "ci_low", "ci_high"), row.difference.ends, strict=True))
        | {"p": p_of_gain(row, metrics[metric])}
        for row in mine
    )
    frame["p_adjusted"] = adjusted(frame["p"].to_list())
    tests = []
    for arm, part in frame.groupby("arm", sort=False):
        known = part[part["std_error"] > 0]
        weight = 1 / np.square(known["std_error"].to_numpy())
        value = known["value"].to_numpy()
        middle = float(weight @ value / weight.sum()) if len(known) else np.nan
        q, degrees = float(weight @ np.square(value - middle)), len(known) - 1
        p = float(chi2.sf(q, degrees)) if degrees > 0 else np.nan
        tests.append({"arm": arm, "q": q, "degrees": degrees, "p": p})
    differ = pd.DataFrame(tests)
    differ["p_adjusted"] = adjusted(differ["p"].to_list())
    return SegmentEffects(
        metric, mine[0].kind, frame.drop(columns="std_error"), differ, mine[0].level
    )


@dataclass(frozen=True, kw_only=True)
class ExperimentReadout(Measured):
    """What an experiment showed; made by `promolab.analyze_experiment`.

    Beside its numbers (rows, sample_ratio, arms, n, units, shares, segments, level, notes):

    Parameters
    ----------
    metrics : mapping of str to Metric
        What was measured, guardrails included.
    verdict : ExperimentVerdict
        Ship, stop or go on; no verdict where the arms are not as large as planned.
    guardrails : tuple of Guardrail
        One per guardrail and arm.
    by_segment : SegmentEffects or None
        The first deciding metric by segment.
    money : tuple of ArmMoney
        What each arm earned; empty where ``money`` was not given.
    deciding : tuple of str
        The metrics that the verdict rests on.
    multiplicity : str
        How p values are adjusted for their number.
    """

    metrics: Mapping[str, Metric]
    verdict: ExperimentVerdict
    guardrails: tuple[Guardrail, ...] = ()
    by_segment: SegmentEffects | None = None
    money: tuple[ArmMoney, ...] = ()
    deciding: tuple[str, ...] = ()
    multiplicity: str = HOLM

    @property
    def judgement(self) -> str:
        """The verdict; before it, that the arms hardly came as planned, or were not checked."""
        doubted = self.sample_ratio.verdict in ("warning", "not possible")
        return f"{self.sample_ratio.sentence} " * doubted + self.verdict.summary()

    def facts(self) -> dict[str, Any]:
        """Return the comparisons as they are shown, and what ``metrics.json`` holds of them."""
        ratio, corrected = self.sample_ratio, self.multiplicity != ALONE
        return {
            "compared": self._compared,
            "sizes": [{"arm": spoken(arm), "size": n} for arm, n in self.n.items()],
            "judged": self.verdict.summary().split(";")[0].rstrip("."),
            "correction": self.multiplicity.title() if len(self.rows) > 1 and corrected else "",
            "ratio": {"verdict": ratio.verdict, "sentence": ratio.sentence},
            "by_metric": self._by_metric,
            "kept": [one.to_dict() for one in self.guardrails],
            "by_arm": {one.arm: one.to_dict() for one in self.money},
        }

    def _compared(self) -> pd.DataFrame:
        """Return each comparison and, below it, that of outcomes cut off."""
        states = {(g.metric, g.arm): f"guardrail {g.state}" for g in self.guardrails}
        told = []
        for row in self.rows:
            state = states.get((row.metric, row.arm)) or state_of(row, self.metrics[row.metric])
            for one in (row, row.winsorised):
                if one is None:
                    continue
                lift = one.relative * 100
                p = one.p_adjusted if math.isfinite(one.p_adjusted) else one.p
                beside: dict[str, Any] = {
                    "called": spoken(row.metric),
                    "arm": spoken(row.arm),
                    "kind": row.kind,
                }
                beside |= {"p": p, "cap": row.cap, "is_cut": one is not row}
                figures = {"difference": one.difference, "relative": one.relative, "lift": lift}
                figures |= {"treated": one.treated, "baseline": one.baseline}
                for name, e in figures.items():
                    ends = (name, f"{name}_low", f"{name}_high")
                    beside |= dict(zip(ends, e.ends, strict=True))
                told.append(beside | {"state": state if one is row else "beside it"})
        return pd.DataFrame(told)

    def _by_metric(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for row in self.rows:
            told: dict[str, Any] = {"kind": row.kind}
            for name in ("difference", "relative", "treated", "baseline"):
                told[name] = getattr(row, name).to_dict()
            told |= {"p": plain(float(row.p)), "p_adjusted": plain(float(row.p_adjusted))}
            told |= {"why": row.why} if row.why else {}
            if row.winsorised is not None:
                told["winsorised"] = row.winsorised.difference.to_dict()
            found.setdefault(row.metric, {})[row.arm] = told
        return found

    def summary(self) -> str:
        """Return the verdict, what each arm earned, and what has to be said beside it."""
        if self.stopped:
            return self.judgement
        said = [self.judgement, *(one.summary() for one in self.money)]
        if self.by_segment is not None:
            said.append(self.by_segment.summary())
        beside = (
            f"{capital(spoken(row.metric))}, {spoken(row.arm)}: {row.why}"
            for row in self.rows
            if row.why and row.metric in self.deciding
        )
        return " ".join([*said, *beside, *self.notes])


def analyze_experiment(
    data: Any,
    metrics: Mapping[str, Metric | str] | str,
    *,
    arm: str = "arm",
    control: Any = None,
    customer: str = "customer_id",
    cluster: str | None = None,
    propensity: str | Mapping[Any, str] | None = None,
    shares: Mapping[Any, float] | str | None = None,
    guardrails: Iterable[str] | Mapping[str, Metric | str] = (),
    segments: str | None = None,
    money: Mapping[str, Any] | None = None,
    primary: str | None = None,
    level: float = 0.95,
    multiplicity: str = HOLM,
    sequential: int | None = None,
    weeks: float = math.nan,
    early: str = "",
) -> ExperimentReadout:
    """Read an experiment: every arm against the control, in every metric, read by assignment.

    Parameters
    ----------
    data : DataFrame, Ibis table, path or Experiment
        One row per customer who was assigned, with the arm and the outcomes (0 for one who did
        nothing); a path to parquet or csv may have ``*``.
    metrics : mapping of str to Metric or str
        Name → `promolab.abtest.Metric`, or a column's name.
    arm, customer : str
        Columns of the arm and of the customer.
    control : object, optional
        The arm to compare with; by default the one called ``control``, ``holdout`` or ``none``.
    cluster : str, optional
        Column of what was assigned together, such as the household.
    propensity : str or mapping of arm to str, optional
        Column of the chance of the arm that a customer got, where chances differ; or that of each
        arm.
    shares : mapping of arm to float, or "unknown", optional
        Planned share of each arm; they add up to 1. Without them equal ones are assumed, if every
        arm holds between 0.5 and 2 times an equal share; else, and where they are ``"unknown"``,
        the readout begins with that the sample ratio was not checked.
    guardrails : iterable of str, or mapping of str to Metric or str
        Metrics that must not get worse: names of some of ``metrics``, or further ones. Each is
        judged by its whole interval against its ``margin``, and is in no family of p values.
    segments : str, optional
        Column by which customers are told apart.
    money : mapping, optional
        ``margin``: column of the margin, discounts taken off; ``discount``: column of the
        discounts; ``contact_cost``: a number for everybody outside the control, or a column;
        ``earlier``: the margin from before; ``currency``; ``worth``: the smallest extra profit per
        customer worth finding. Makes the metric ``profit``.
    primary : str, optional
        The metric that decides; by default ``profit`` where there is ``money``, else all that are
        no guardrails.
    level : float
        Confidence level.
    multiplicity : {"holm", "benjamini-hochberg", "none"}
        What several comparisons do to p values: those of the deciding metrics over all arms, and
        those of the others.
    sequential : int, optional
        Customers at which a confidence sequence is narrowest; the experiment may then be looked at
        at any time. Nothing is told before 100 customers and 5 % of that number, nor before 10 of
        each arm count in a metric ((Σ y)² ÷ Σ y²: of shares those who did it) or 1,000 are there.
    weeks : float
        How long it has run; then the verdict counts in weeks, too.
    early : str
        Why it is too early to ship, such as that it has not ended; harm stops it all the same.

    Returns
    -------
    ExperimentReadout

    Raises
    ------
    InputError
        What cannot be read as an experiment, in a sentence.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": range(1000), "arm": ["holdout"] * 100 + ["send"] * 900})
    >>> rows["bought"] = [1] * 5 + [0] * 95 + [1] * 99 + [0] * 801
    >>> read = analyze_experiment(rows, {"conversion": "bought"}, control="holdout")
    >>> [round(x, 3) for x in read.rows[0].difference.ends]
    [0.06, -0.005, 0.096]
    """
    choice("multiplicity", multiplicity, CORRECTIONS)
    if isinstance(shares, str):
        choice("shares", shares, ["unknown"])
    wanted, guarded = _all_metrics(metrics, guardrails)
    terms = None if money is None else money_terms(money)
    if terms is not None:
        if PROFIT in wanted:
            raise InputError("metrics has a 'profit' of its own, which money= makes; rename it")
        data = terms.added_to(data)
        wanted |= terms.metrics
    usual = (PROFIT,) if terms else tuple(name for name in wanted if name not in guarded)
    if not usual:
        raise InputError("every metric is a guardrail; name at least one that is to get better")
    if primary is not None:
        choice("primary", primary, [name for name in wanted if name not in guarded])
    found = measure_arms(
        data,
        wanted,
        arm=arm,
        control=control,
        customer=customer,
        cluster=cluster,
        propensity=propensity,
        shares=None if isinstance(shares, str) else shares,
        equal=shares is None,
        segments=segments,
        level=level,
        sequential=sequential,
    )
    return _judged(found, wanted, guarded, usual if primary is None else (primary,), terms,
                   multiplicity, weeks, early, sequential)  # fmt: skip


def _all_metrics(
    metrics: Mapping[str, Metric | str] | str,
    guardrails: Iterable[str] | Mapping[str, Metric | str],
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """Return all metrics by name, and the names of those that are guardrails."""
    wanted = metrics_of(metrics)
    if isinstance(guardrails, Mapping) and guardrails:
        if both := [name for name in guardrails if name in wanted]:
            raise InputError(
                f"{both[0]!r} is a metric and a guardrail; name it once, or give guardrails as a "
                "list of names"
            )
        return wanted | metrics_of(guardrails), tuple(guardrails)
    named = (guardrails,) if isinstance(guardrails, str) else tuple(guardrails)
    for name in named:
        choice("a guardrail", name, wanted)
    return wanted, named


def _judged(
    found: Measured,
    metrics: Mapping[str, Metric],
    guarded: Sequence[str],
    deciding: Sequence[str],
    terms: MoneyTerms | None,
    multiplicity: str,
    weeks: float,
    early: str,
    sequential: int | None,
) -> ExperimentReadout:
    """Judge the numbers; nothing is compared where the sample ratio is refused."""
    if found.stopped:
        verdict = mismatch(found.sample_ratio.sentence)
        return ExperimentReadout(
            **vars(found), metrics=metrics, verdict=verdict, multiplicity=multiplicity
        )
    money: tuple[ArmMoney, ...] = ()
    shown = dict(metrics)
    if terms is not None:
        rows, apart = (tuple(map(terms.shifted, part)) for part in (found.rows, found.segments))
        found = replace(found, rows=rows, segments=apart)
        arms = {arm: found.n[arm] for arm in found.arms[1:]}
        money = money_of({(r.metric, r.arm): r for r in rows}, arms, terms)
        shown = {n: m for n, m in metrics.items() if n == PROFIT or n not in terms.metrics}
    seen = {arm: found.units[arm] + found.units[found.control] for arm in found.arms[1:]}
    parts = {arm: n / sequential for arm, n in seen.items()} if sequential else None
    mine = [row for row in found.rows if row.metric in shown]
    rows = with_adjusted(mine, shown, deciding, guarded, multiplicity, parts)
    apart = tuple(row for row in found.segments if row.metric in shown)
    kept = tuple(guardrail_of(row, metrics[row.metric]) for row in rows if row.metric in guarded)
    case = Case(rows, metrics, deciding, kept, money, found.n, weeks, early, sequential or 0)
    return ExperimentReadout(
        **vars(replace(found, rows=rows, segments=apart)),
        metrics=shown,
        verdict=judge_experiment(case),
        guardrails=kept,
        by_segment=segment_effects(apart, metrics, deciding[0]),
        money=money,
        deciding=tuple(deciding),
        multiplicity=multiplicity,
    )
