"""The numbers of an experiment: every metric of every arm against the control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from promolab.abtest.analysis.measure import Metric, metrics_of
from promolab.abtest.analysis.rows import ArmComparison, Measured
from promolab.checks import columns_there, level_of
from promolab.effects import Check, compare_arms
from promolab.results import Estimate


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
    earlier: Mapping[str, str] | None = None,
    segments: str | None = None,
    level: float = 0.95,
    sequential: int | None = None,
    assigned: Any = None,
) -> Measured:
    """Compare every arm with the control in every metric; see `promolab.analyze_experiment`."""
    level = level_of(level)
    wanted = metrics_of(metrics, earlier)
    columns_there(data, [arm, customer], "data")
    arms = sorted(map(str, data[arm].unique()))
    control = str(arms[0] if control is None else control)
    arms = [control, *(a for a in arms if a != control)]
    n = data[arm].astype(str).value_counts().to_dict()
    rows = []
    for name, metric in wanted.items():
        for treated in arms[1:]:
            found = compare_arms(
                data[metric.column],
                data[arm].astype(str),
                control=control,
                treated=treated,
                cluster=data[cluster or customer],
                earlier=None if metric.earlier is None else data[metric.earlier],
                kind=metric.kind,
                level=level,
            )
            assert found.treated is not None and found.control is not None
            base = found.control.value
            rows.append(
                ArmComparison(
                    name,
                    treated,
                    control,
                    found.kind,
                    found.treated,
                    found.control,
                    found.estimate,
                    Estimate(
                        found.estimate.value / base if base else math.nan,
                        math.nan,
                        math.nan,
                        found.estimate.n,
                    ),
                    found.p_value,
                    std_error=float(np.linalg.norm(found.scores)),
                    correlation=found.correlation,
                    level=level,
                )
            )
    check = Check("sample ratio", "not possible", "The chances of the arms are not stated.")
    planned = {str(a): float(s) for a, s in (shares or {}).items()}
    return Measured(tuple(rows), check, tuple(arms), n, n, planned, level=level)
