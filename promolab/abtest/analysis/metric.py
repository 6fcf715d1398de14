"""What is measured in an experiment: a column, how it is averaged and which way is good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from promolab.checks import choice, real_number, share, text
from promolab.errors import InputError
from promolab.results import Result

SHARE, MEAN, RATIO = KINDS = ("share", "mean", "ratio")
GOOD = ("up", "down")
HOLM, FDR, ALONE = CORRECTIONS = ("holm", "benjamini-hochberg", "none")
"""What several comparisons do to p values."""


@dataclass(frozen=True)
class Metric(Result):
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
    >>> Metric("revenue", per="orders").kind, Metric("bought", kind="share").summary()
    ('ratio', 'The share of customers with bought; more is better.')
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

    def summary(self) -> str:
        """Return what is measured, in a sentence."""
        what = {
            "share": f"The share of customers with {self.column}",
            "ratio": f"{self.column} per {self.per}",
        }.get(str(self.kind), f"The mean of {self.column}")
        return f"{what}; {'more' if self.good == 'up' else 'less'} is better."


def metrics_of(
    metrics: Mapping[str, Metric | str] | str, earlier: Mapping[str, str] | None = None
) -> dict[str, Metric]:
    """Return the metrics by name; a column's name alone is a metric of that column.

    Parameters
    ----------
    metrics : mapping of str to Metric or str, or a column's name
    earlier : mapping of str to str, optional
        Metric → its column from before.

    Examples
    --------
    >>> metrics_of("spend", earlier={"spend": "spend_before"})["spend"].earlier
    'spend_before'
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
    for name, column in (earlier or {}).items():
        choice("a metric of earlier", name, found)
        found[name] = replace(found[name], earlier=text(f"earlier[{name!r}]", column))
    return found
