"""What a selection of features kept and what it cost: a table, sentences and two figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.results import Result, plain
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.metrics.comparison import AucComparison
    from promolab.model.importance_result import Importance
    from promolab.model.stability import Stability

__all__ = ["Selection"]

KEPT_BY = {
    "either": "picked in at least {} of the halves or important out of time",
    "both": "picked in at least {} of the halves and important out of time",
    "stable": "picked in at least {} of the halves",
    "important": "important out of time",
}


@dataclass(frozen=True)
class Selection(Result):
    """Features kept, and what doing without the others costs.

    Parameters
    ----------
    table : DataFrame
        feature, frequency (share of the halves of the customers that picked it), stable, importance
        (fall of the AUC out of time when it is shuffled), ci_low, ci_high, important, kept; those
        kept first.
    rule : str
        What keeps a feature.
    stability : Stability
    importance : Importance or None
        None where the history is too short to cut twice; ``why`` says it.
    why : str
    cost, cost_within : AucComparison
        AUC with the features kept (a) against all (b), over all rows and within promotions; the
        latter None where no promotion has both outcomes.
    moment : Timestamp
        Promotions over by then chose; those starting from it on measured.
    promotions_before, promotions_after : int
    """

    table: pd.DataFrame = field(repr=False)
    rule: str
    stability: Stability = field(repr=False)
    importance: Importance | None = field(repr=False)
    why: str = field(repr=False)
    cost: AucComparison
    cost_within: AucComparison | None
    moment: pd.Timestamp
    promotions_before: int
    promotions_after: int

    @property
    def kept(self) -> list[str]:
        """Names of the features kept, sorted."""
        return sorted(self.table.loc[self.table["kept"], "feature"])

    def to_frame(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return what was kept, what it cost and how it was decided, as plain values."""
        return {
            "kept": self.kept,
            "of": len(self.table),
            "rule": self.rule,
            "moment": plain(self.moment),
            "promotions_before": self.promotions_before,
            "promotions_after": self.promotions_after,
            "expected_false": plain(self.stability.bound),
            "cost": self.cost.to_dict(),
            "cost_within": self.cost_within.to_dict() if self.cost_within else None,
        }

    def summary(self) -> str:
        """Say what was kept, by what, and what it cost in AUC on promotions that had no say."""
        how = KEPT_BY[self.rule] if self.importance else KEPT_BY["stable"]
        by = how.format(percent(self.stability.threshold, decimals=0))
        text = (
            f"{count(len(self.kept))} of {plural(len(self.table), 'feature')} kept: {by}, on the "
            f"{plural(self.promotions_before, 'promotion')} over before {self.moment:%d %b %Y}. "
            f"{self._finding()} (AUC {self.cost.auc_a:.3f} against {self.cost.auc_b:.3f}, "
            f"difference {_points(self.cost)}"
        )
        if self.cost_within:
            text += f"; within promotions {_points(self.cost_within)}"
        return (
            f"{text}), on the {plural(self.promotions_after, 'promotion')} from then on, which had "
            "no say in the choice."
        )

    def _finding(self) -> str:
        if self.cost.ci_high < 0:
            return "Doing without the others costs AUC"
        if self.cost.ci_low > 0:
            return "Doing without the others gains AUC"
        inside = self.cost_within
        if inside and (inside.ci_high < 0 or inside.ci_low > 0):
            verb = "costs" if inside.ci_high < 0 else "gains"
            return f"Doing without the others {verb} AUC within promotions"
        return "What doing without the others costs cannot be told from nothing"

    def plot(
        self, ax: Axes | None = None, *, most: int = 15, labels: Mapping[str, str] | None = None
    ) -> Axes:
        """Draw how often each feature was picked, those kept in colour."""
        from promolab import plots

        shown = self.table.head(max(most, len(self.kept)))  # none of those kept is left out
        ax = plots.bars(
            [(labels or {}).get(f, f) for f in shown["feature"]],
            shown["frequency"],
            text=[_row_words(row) for row in shown.to_dict("records")],
            colours=[plots.COLOURS[0] if k else plots.MUTED for k in shown["kept"]],
            ax=ax,
        )
        plots.reference_line(ax, "vertical", self.stability.threshold)
        ax.set_xlim(0, 1)
        return plots.finish(
            ax,
            title=f"{count(len(self.kept))} of {plural(len(self.table), 'feature')} kept; AUC "
            f"{_points(self.cost)} against all of them",
            subtitle=f"picked by a sparse model in this share of {self.stability.halves} halves of "
            f"{plural(self.stability.clusters, 'customer')} (line: enough; blue, on top: kept); "
            "right: fall of the AUC out of time when shuffled. Chosen on the "
            f"{plural(self.promotions_before, 'promotion')} over before {self.moment:%d %b %Y}; "
            f"AUC of the {count(self.promotions_after)} after",
            xlabel="picked in",
            percent_x=True,
        )

    def plot_cost(self, ax: Axes | None = None) -> Axes:
        """Draw the differences in AUC with their intervals."""
        from promolab import plots

        found = [("over all contacts", self.cost), ("within promotions", self.cost_within)]
        shown = [(name, c) for name, c in found if c is not None]
        ax = plots.intervals(
            [name for name, _ in shown],
            [c.difference for _, c in shown],
            [c.ci_low for _, c in shown],
            [c.ci_high for _, c in shown],
            reference=0.0,
            text=[f"{c.auc_a:.3f} against {c.auc_b:.3f}" for _, c in shown],
            ax=ax,
        )
        return plots.finish(
            ax,
            title=self._finding(),
            subtitle=f"AUC with the {plural(len(self.kept), 'feature')} kept minus that with all "
            f"{count(len(self.table))}; {percent(self.cost.level, decimals=0)} intervals; "
            f"{plural(self.promotions_after, 'promotion')} starting from {self.moment:%d %b %Y} "
            f"({plural(self.cost.n, 'contact')})",
            xlabel="difference in AUC",
        )


def _points(c: AucComparison) -> str:
    return number(c.difference, c.ci_low, c.ci_high, decimals=3)


def _row_words(row: dict[Any, Any]) -> str:
    if row["importance"] != row["importance"]:
        return ""
    return number(row["importance"], row["ci_low"], row["ci_high"], decimals=3)
