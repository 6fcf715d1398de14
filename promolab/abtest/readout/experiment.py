"""An experiment read out: the numbers of `promolab.abtest.analysis`, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promolab.abtest.analysis import ArmComparison, Measured, Metric, measure_arms
from promolab.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects import Check


@dataclass(frozen=True)
class ExperimentReadout(Result):
    """What an experiment showed; made by `promolab.analyze_experiment`.

    Parameters
    ----------
    measured : Measured
        The numbers: rows, sample ratio, arms, sizes, segments, notes.
    """

    measured: Measured

    @property
    def rows(self) -> tuple[ArmComparison, ...]:
        """One comparison per metric and arm; none where the sample ratio stops the readout."""
        return self.measured.rows

    @property
    def sample_ratio(self) -> Check:
        """Whether the arms came as often as planned."""
        return self.measured.sample_ratio

    @property
    def n(self) -> Mapping[str, int]:
        """Customers by arm."""
        return self.measured.n

    @property
    def shares(self) -> Mapping[str, float]:
        """Planned share of each arm."""
        return self.measured.shares

    @property
    def level(self) -> float:
        """Confidence level."""
        return self.measured.level

    def to_frame(self) -> pd.DataFrame:
        """Return one row per comparison."""
        return self.measured.to_frame()

    def summary(self) -> str:
        """Return what was found, in sentences."""
        return self.measured.summary()


def analyze_experiment(
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
    guardrails: Iterable[str] = (),
    segments: str | None = None,
    money: Any = None,
    level: float = 0.95,
    multiplicity: str = "holm",
    sequential: int | None = None,
    assigned: Any = None,
) -> ExperimentReadout:
    """Read an experiment: every arm against the control, in every metric, read by assignment.

    Parameters
    ----------
    data : DataFrame, Ibis table, path or Experiment
        One row per customer, with the arm and the outcomes; a path to parquet or csv may have
        ``*``.
    metrics : mapping of str to Metric or str
        Name → `promolab.abtest.Metric`, or a column's name.
    arm, customer : str
        Columns of the arm and of the customer.
    control : object, optional
        The arm to compare with; by default ``control``, ``holdout`` or ``none``, whichever is
        there, else the first in the order of the texts.
    cluster : str, optional
        Column of what was assigned together, such as the household.
    propensity : str or mapping of arm to str, optional
        Column of the chance of the arm that a customer got, where chances differ; or that of each
        arm.
    shares : mapping of arm to float, optional
        Planned share of each arm; they add up to 1.
    earlier : mapping of str to str, optional
        Metric → column of the same from before the arms were drawn (CUPED).
    guardrails : iterable of str
        Metrics that must not get worse.
    segments : str, optional
        Column by which customers are told apart.
    money : object, optional
        What makes profit and cost.
    level : float
        Confidence level.
    multiplicity : {"holm", "benjamini-hochberg", "none"}
        What several comparisons do to p values.
    sequential : int, optional
        Customers at which a confidence sequence is narrowest; the experiment may then be looked at
        at any time.
    assigned : DataFrame, Ibis table or path, optional
        Who was assigned to which arm. Those without outcomes count, with 0.

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
    found = measure_arms(
        data,
        metrics,
        arm=arm,
        control=control,
        customer=customer,
        cluster=cluster,
        propensity=propensity,
        shares=shares,
        earlier=earlier,
        segments=segments,
        level=level,
        sequential=sequential,
        assigned=assigned,
    )
    return ExperimentReadout(found)
