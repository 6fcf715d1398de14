"""What is measured in an experiment, and what arms differ by in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.checks import choice, real_number, share, text
from promolab.effects import Check
from promolab.errors import InputError
from promolab.results import Estimate, Result

if TYPE_CHECKING:
    import pandas as pd

SHARE, MEAN, RATIO = KINDS = ("share", "mean", "ratio")
GOOD = ("up", "down")
HOLM, FDR, ALONE = CORRECTIONS = ("holm", "benjamini-hochberg", "none")
"""What several comparisons do to p values."""


@dataclass(frozen=True)
class Metric:
    """One figure that arms are compared in.

    Parameters
    ----------
    column : str
        Outcome of each customer: booleans, 0 and 1, or amounts; 0 for one who did nothing.
    kind : {"share", "mean", "ratio"}, optional
        ``share`` of customers whose outcome is 1, ``mean`` of the outcome, or ``ratio`` of its sum
        to that of ``per``. By default ``ratio`` where ``per`` is given, else ``share`` where every
        outcome is 0 or 1, else ``mean``.
    per : str, optional
        Column of the denominator, such as orders for revenue per order; the customer stays the
        unit that varies.
    earlier : str, optional
        Column of a figure from before the arms were drawn: the comparison is adjusted for it
        (CUPED). Means and ratios alone.
    winsorise : float, optional
        Quantile, such as 0.99, at which large outcomes are cut off, for a second comparison beside
        that of the raw means. Means alone.
    good : {"up", "down"}
        Whether more of it is better.
    margin : float, optional
        By how much it may be worse, in its own unit, and still count as not worse
        (non-inferiority); above 0.
    worth : float, optional
        The smallest gain worth finding, in its own unit, such as the effect that the experiment
        was planned for: an interval that excludes it says stop. Above 0.

    Raises
    ------
    InputError
        An unknown kind, a ratio without ``per``, a share with ``earlier``, a quantile that is none.

    Examples
    --------
    >>> Metric("revenue", per="orders").kind
    'ratio'
    """

    column: str
    kind: str | None = None
    per: str | None = None
    earlier: str | None = None
    winsorise: float | None = None
    good: str = "up"
    margin: float | None = None
    worth: float | None = None

    def __post_init__(self) -> None:
        text("column", self.column)
        choice("good", self.good, GOOD)
        if self.kind is None and self.per is not None:
            object.__setattr__(self, "kind", "ratio")
        if self.kind is not None:
            choice("kind", self.kind, KINDS)
        if (self.per is None) == (self.kind == "ratio"):
            raise InputError(
                f"the metric of {self.column!r} has kind = {self.kind!r} and per = {self.per!r}; "
                "a ratio needs the column of its denominator as per=, and nothing else has one"
            )
        if self.kind == "share" and self.earlier is not None:
            raise InputError(
                f"the metric of {self.column!r} is a share with earlier = {self.earlier!r}; "
                "earlier figures adjust means: say kind='mean', or leave them out"
            )
        if self.winsorise is not None:
            share("winsorise", self.winsorise, zero=False, one=False, hint=", such as 0.99")
            if self.kind in ("share", "ratio"):
                raise InputError(
                    f"the metric of {self.column!r} is a {self.kind} with winsorise = "
                    f"{self.winsorise:g}; only means have outcomes to cut off"
                )
        for name in ("margin", "worth"):
            if getattr(self, name) is not None:
                real_number(name, getattr(self, name), above=0)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [c for c in (self.column, self.per, self.earlier) if c is not None]


def metrics_of(metrics: Mapping[str, Metric | str] | str) -> dict[str, Metric]:
    """Return the metrics by name; a column's name alone is a metric of that column.

    Parameters
    ----------
    metrics : mapping of str to Metric or str, or a column's name

    Examples
    --------
    >>> metrics_of("spend")["spend"].column
    'spend'
    """
    if isinstance(metrics, str):
        metrics = {metrics: metrics}
    if not isinstance(metrics, Mapping) or not metrics:
        raise InputError(
            f"metrics = {metrics!r}; expected at least one metric by its name, as "
            "{'spend': 'amount'} or {'spend': Metric('amount')}"
        )
    found = {}
    for name, one in metrics.items():
        if not isinstance(one, (str, Metric)):
            raise InputError(f"metrics[{name!r}] = {one!r}; expected a Metric or a column's name")
        found[text("a metric's name", name)] = Metric(one) if isinstance(one, str) else one
    return found


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
    winsorised: ArmComparison | None = None
    cap: float = math.nan
    missing: tuple[int, int] = (0, 0)
    segment: str = ""
    level: float = 0.95
    why: str = ""


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
