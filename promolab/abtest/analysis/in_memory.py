"""Arms of a frame in memory, each metric with what every unit adds to its error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from promolab.abtest.analysis.measure import Metric
from promolab.effects import Difference, compare_arms

if TYPE_CHECKING:
    import pandas as pd


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

    What `measure_arms` adds up in the engine, by `promolab.effects.compare_arms`: the same figures,
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
