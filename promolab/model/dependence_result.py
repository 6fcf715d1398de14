"""How the chance goes with one feature: a table, a sentence and a figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.model.explanation_result import written
from promolab.results import Estimate, Result, plain
from promolab.wording import percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Dependence"]


@dataclass(frozen=True)
class Dependence(Result):
    """The mean probability if everybody had the same value of one feature.

    Parameters
    ----------
    feature : str
    table : DataFrame
        value (missing: nan or None), probability, ci_low, ci_high, share (of the rows with a level,
        or missing; nan for a number).
    numeric : bool
        Whether the feature is a number.
    marks : tuple of float
        A number's deciles: where the data lie.
    change : Estimate
        Probability at ``high`` minus that at ``low``.
    low, high : int
        Rows of the table that are compared: a number's values nearest to its outer deciles (where
        nothing changes between these, the lowest and the highest), of levels the least and the
        most likely.
    outcome : str
    n, clusters : int
        Rows averaged over, and customers.
    level : float
        Confidence level.
    """

    feature: str
    table: pd.DataFrame = field(repr=False)
    numeric: bool
    marks: tuple[float, ...] = field(repr=False)
    change: Estimate
    low: int
    high: int
    outcome: str
    n: int
    clusters: int
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, the change and the curve as plain values."""
        return {**super().to_dict(), "curve": plain(self.table.to_dict("records"))}

    def summary(self) -> str:
        """Say what the chance is at both ends."""
        return f"{self._finding(self.feature)} (average over {plural(self.n, 'contact')})."

    def _finding(self, name: str) -> str:
        ends = [self.table.iloc[k] for k in (self.low, self.high)]
        low, high = (written(row["value"]) for row in ends)
        chances = [percent(row["probability"], row["ci_low"], row["ci_high"]) for row in ends]
        if self.change.value == 0:
            return f"P({self.outcome}) does not change with {name}: {chances[0]}"
        if not self.numeric:
            each = f"{chances[0]} ({low}) to {chances[1]} ({high})"
            return f"P({self.outcome}) by {name} goes from {each}"
        way = "rises" if self.change.value > 0 else "falls"
        return (
            f"P({self.outcome}) {way} from {chances[0]} to {chances[1]} as {name} goes from {low} "
            f"to {high}"
        )

    def plot(self, ax: Axes | None = None, *, label: str | None = None, most: int = 15) -> Axes:
        """Draw the curve with its band and the deciles of the data, or a row per level."""
        from promolab import plots

        name = label or self.feature
        known = self.table[self.table["value"].notna()]
        missing = self.table[self.table["value"].isna()]
        what = (
            f"mean prediction if all {plural(self.n, 'contact')} had the same {name}; "
            f"{percent(self.level, decimals=0)} intervals over customers, the model as it is"
        )
        if self.numeric:
            ax = plots.curve(
                known["value"],
                known["probability"],
                low=known["ci_low"],
                high=known["ci_high"],
                ax=ax,
            )
            shown = [m for m in self.marks if known["value"].min() <= m <= known["value"].max()]
            ax.xaxis.remove_overlapping_locs = False  # a decile may fall on a labelled tick
            ax.set_xticks(shown, minor=True)
            ax.tick_params(
                axis="x", which="minor", length=9, width=1.4, direction="in", bottom=True
            )
            ax.set_ylim(bottom=0)
            what += "; ticks inside: deciles of the contacts"
            for _, row in missing.iterrows():
                chance = percent(row["probability"], row["ci_low"], row["ci_high"])
                what += f"; missing ({percent(row['share'], decimals=0)}): {chance}"
        else:
            rows = self.table.head(most).sort_values("probability", ascending=False, kind="stable")
            ax = plots.intervals(
                [written(v) for v in rows["value"]],
                rows["probability"],
                rows["ci_low"],
                rows["ci_high"],
                text=[percent(s, decimals=1) for s in rows["share"]],
                ax=ax,
            )
            ax.set_xlim(left=0)
            left = len(self.table) - len(rows)
            what += "; right: share of contacts" + (
                f"; {plural(left, 'level')} not drawn" if left else ""
            )
        words = {"xlabel": name} if self.numeric else {"xlabel": f"P({self.outcome})"}
        return plots.finish(
            ax,
            title=self._finding(name),
            subtitle=what,
            ylabel=f"P({self.outcome})" if self.numeric else "",
            percent_x=not self.numeric,
            percent_y=self.numeric,
            **words,
        )
