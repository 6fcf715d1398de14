"""What arms differ by: one metric of one arm, all of an experiment, and of a frame in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.abtest.analysis.metric import Metric
from promolab.effects import Check, Difference, compare_arms
from promolab.results import Estimate, Result
from promolab.wording import number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ArmComparison(Result):
    """One metric of one arm against the control, read by assignment.

    Parameters
    ----------
    metric, arm, control : str
        Which.
    kind : {"share", "mean", "ratio"}
    treated, baseline : Estimate
        The arm's figure and the control's; adjusted for the earlier figure where there is one.
    difference : Estimate
        The first less the second, in the metric's unit (shares 0–1).
    relative : Estimate
        The difference as a part of the control's figure (0.1 is +10 %); without ends where the
        control's figure is too near 0, which ``why`` says.
    p : float
        Two-sided, of no difference.
    p_adjusted : float
        The same for the number of comparisons; nan until they are known.
    std_error, degrees : float
        Of the difference.
    correlation : float
        Of outcome and earlier figure within the arms; 0 without one.
    unadjusted : Estimate or None
        The difference without the earlier figure.
    winsorised : ArmComparison or None
        The comparison of outcomes cut off at ``cap``; its interval is that of the winsorised
        difference, not of the raw one.
    cap : float
        Where outcomes are cut off; nan where they are not.
    missing : tuple of int
        Rows without the figure, of the arm and of the control; they are left out.
    segment : str
        Of which segment; empty of everybody.
    level : float
        Confidence level.
    why : str
        What has to be said beside it.
    """

    metric: str
    arm: str
    control: str
    kind: str
    treated: Estimate
    baseline: Estimate
    difference: Estimate
    relative: Estimate
    p: float
    p_adjusted: float = math.nan
    std_error: float = math.nan
    degrees: float = math.inf
    correlation: float = 0.0
    unadjusted: Estimate | None = None
    winsorised: ArmComparison | None = None
    cap: float = math.nan
    missing: tuple[int, int] = (0, 0)
    segment: str = ""
    level: float = 0.95
    why: str = ""

    def summary(self) -> str:
        """Return the difference in a sentence."""
        e = self.difference
        told = number(*e.ends)
        return f"{self.metric}, {self.arm} − {self.control}: {told}."


@dataclass(frozen=True)
class Measured(Result):
    """The numbers of an experiment, before anything is made of them.

    Parameters
    ----------
    rows : tuple of ArmComparison
        One per metric and arm other than the control, in the order of both; none where the sample
        ratio is refused.
    sample_ratio : Check
        Whether the arms came as often as planned.
    arms : tuple of str
        The control first.
    n : dict of str to int
        Rows by arm.
    units : dict of str to int
        Independent units by arm: clusters where there are some, else customers.
    shares : dict of str to float
        Planned share of each arm; empty where none was stated.
    segments : tuple of ArmComparison
        The rows of each segment, where a column of segments was given.
    level : float
        Confidence level.
    notes : tuple of str
        What has to be said beside the figures: missing values, customers without outcomes.
    """

    rows: tuple[ArmComparison, ...]
    sample_ratio: Check
    arms: tuple[str, ...]
    n: Mapping[str, int]
    units: Mapping[str, int]
    shares: Mapping[str, float]
    segments: tuple[ArmComparison, ...] = ()
    level: float = 0.95
    notes: tuple[str, ...] = field(default=())

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def stopped(self) -> bool:
        """Whether the arms came so unlike planned that nothing is compared."""
        return self.sample_ratio.verdict == "refused"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per comparison: of everybody, then of the segments."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in (*self.rows, *self.segments)])

    def summary(self) -> str:
        """Return the sample ratio, every comparison and the notes, in sentences."""
        return " ".join(
            [self.sample_ratio.sentence, *(r.summary() for r in self.rows), *self.notes]
        )


def _flat(row: ArmComparison) -> dict[str, Any]:
    """Return a row's figures, each in a column of its own."""
    told: dict[str, Any] = {
        name: getattr(row, name) for name in ("metric", "arm", "control", "segment", "kind")
    }
    told |= {"n": row.difference.n, "treated": row.treated.value, "baseline": row.baseline.value}
    figures = {"difference": row.difference, "relative": row.relative}
    if row.winsorised is not None:
        figures["winsorised"] = row.winsorised.difference
    for name, e in figures.items():
        told |= {name: e.value, f"{name}_low": e.ci_low, f"{name}_high": e.ci_high}
    told |= {"p": row.p, "p_adjusted": row.p_adjusted, "std_error": row.std_error}
    return told | {"correlation": row.correlation, "missing": sum(row.missing)}


def compare_rows(
    rows: pd.DataFrame,
    metrics: Mapping[str, Metric],
    *,
    control: str,
    arm: str = "arm",
    cluster: str | None = None,
    weight: str | None = None,
    level: float = 0.95,
) -> dict[str, Difference]:
    """Compare the one other arm of a frame with its control, in every metric.

    What `measure_arms` tells, by `promolab.effects.compare_arms`: the same figures,
    and beside them what each unit adds, which pooling over several experiments of the same
    customers needs, and the one customer who makes up most of the variance. Rows may weigh by other
    than one over their chance, so as to stand for those in the other arm.

    Parameters
    ----------
    rows : DataFrame
        One row per customer.
    metrics : mapping of str to Metric
        Shares and means.
    control, arm : str
        The control, and the column of the arms.
    cluster, weight : str, optional
        Columns of who was drawn together, and of the weights.
    level : float
        Confidence level.

    Raises
    ------
    InputError
        As `promolab.effects.compare_arms` raises it.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"arm": ["held", "sent"] * 3, "spend": [1.0, 3.0, 2.0, 5.0, 3.0, 4.0]})
    >>> found = compare_rows(rows, {"spend": Metric("spend", "mean")}, control="held")
    >>> found["spend"].estimate.value
    2.0
    """
    return {
        name: compare_arms(
            rows[metric.column],
            rows[arm],
            control=control,
            cluster=None if cluster is None else rows[cluster],
            weight=None if weight is None else rows[weight],
            earlier=None if metric.earlier is None else rows[metric.earlier],
            kind=metric.kind,
            level=level,
        )
        for name, metric in metrics.items()
    }
