"""What shuffling features cost: a table, a sentence and a figure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.results import Estimate, Result, plain
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

__all__ = ["Importance"]


@dataclass(frozen=True)
class Importance(Result):
    """By how much a model's quality falls when a feature is shuffled.

    Parameters
    ----------
    table : DataFrame
        feature (or family), columns (what was shuffled together), importance (fall of the AUC, rise
        of a loss), ci_low, ci_high, std_error, shuffled (within promotions, between them, over all
        rows); the most important first.
    metric, words : str
        What was measured, by its name and in words.
    whole : Estimate
        The metric with nothing shuffled.
    n, positives, clusters : int
        Rows measured on, positive ones, independent units.
    repeats : int
        Shuffles of each feature.
    level : float
        Confidence level.
    moment : Timestamp, optional
        Out of time: the model learned from promotions over by then and was measured on later ones.
    promotions_before, promotions_after : int
        How many those were.
    """

    table: pd.DataFrame = field(repr=False)
    metric: str
    words: str
    whole: Estimate
    n: int
    positives: int
    clusters: int
    repeats: int
    level: float
    moment: pd.Timestamp | None = None
    promotions_before: int = 0
    promotions_after: int = 0

    def about(self, moment: pd.Timestamp, before: int, after: int) -> Importance:
        """Return the same, with when it was measured."""
        return replace(self, moment=moment, promotions_before=before, promotions_after=after)

    def to_frame(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return the settings and the importance of each feature as plain values."""
        each = {
            str(row["feature"]): Estimate(
                row["importance"], row["ci_low"], row["ci_high"], self.n
            ).to_dict()
            for row in self.table.to_dict("records")
        }
        return {**super().to_dict(), "moment": plain(self.moment), "features": each}

    @property
    def when(self) -> str:
        """What it was measured on, in words."""
        if self.moment is None:
            return f"{plural(self.n, 'contact')}"
        return (
            f"{plural(self.promotions_after, 'promotion')} starting from "
            f"{self.moment:%d %b %Y} ({plural(self.n, 'contact')}), by a model of the "
            f"{count(self.promotions_before)} over before"
        )

    def _sure(self) -> str:
        sure = int((self.table["ci_low"] > 0).sum())
        verb = "matters" if sure == 1 else "matter"
        return f"{count(sure)} of {plural(len(self.table), 'feature')} {verb} beyond noise"

    def summary(self) -> str:
        """Say what matters most and how many features cannot be told from none."""
        top = self.table.iloc[0]
        fall = number(top["importance"], top["ci_low"], top["ci_high"])
        verb = "falls" if self.metric.startswith("auc") else "rises"
        whole = number(self.whole.value, self.whole.ci_low, self.whole.ci_high)
        return (
            f"{top['feature']} matters most: shuffled, the {self.words} of {whole} {verb} by "
            f"{fall}. {self._sure()} "
            f"(on {self.when})."
        )

    def plot(
        self, ax: Axes | None = None, *, most: int = 15, labels: Mapping[str, str] | None = None
    ) -> Axes:
        """Draw the most important features with their intervals."""
        from promolab import plots

        shown = self.table.head(most)
        names = [(labels or {}).get(f, f) for f in shown["feature"]]
        ends = shown["importance"], shown["ci_low"], shown["ci_high"]
        between = shown["shuffled"].str.startswith("between")
        marked = [f"{n} *" if b else n for n, b in zip(names, between, strict=True)]
        ax = plots.intervals(marked, *ends, reference=0.0, ax=ax)
        verb = "fall" if self.metric.startswith("auc") else "rise"
        inside = "" if (self.table["shuffled"] == "over all rows").all() else " within promotions"
        star = " (* between them: the interval leaves out what promotions differ by)"
        return plots.finish(
            ax,
            title=f"Most important: {names[0]}; {self._sure()}",
            subtitle=f"{verb} of the {self.words} when a feature is shuffled{inside}"
            f"{star if between.any() else ''}; {percent(self.level, decimals=0)} intervals; "
            f"{self.when}",
            xlabel=f"{verb} of the {self.words}"
            + (f", the {len(shown)} largest" if len(shown) < len(self.table) else ""),
        )
