"""Segment × promotion: how many of each segment answered, and where that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.results import Estimate, Result
from promolab.wording import capital, count, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MIN_CUSTOMERS", "SegmentResponse"]

MIN_CUSTOMERS = 30
"""A cell with fewer customers is shown, and not tested."""
SHOWN = 12
_EVERY = "All promotions"


@dataclass(frozen=True)
class SegmentResponse(Result):
    """How many of each segment answered each promotion.

    Parameters
    ----------
    table : DataFrame
        One row per segment and promotion with customers: ``segment, promotion_id, contacts,
        customers, responses``, ``rate`` with ``rate_low, rate_high``, ``promotion_rate``,
        ``difference`` (rate − promotion's rate) with its ends, ``p_value`` and ``p_adjusted``
        (Benjamini & Hochberg 1995; nan below `MIN_CUSTOMERS`), ``verdict``: more, less, as all, or
        too few. Rates are shares (0–1).
    segments : DataFrame
        The same of each segment over all promotions together, against the rate that its customers
        would have if each promotion did with them as with all: ``expected``.
    outcome : str
        What counts as an answer.
    overall : Estimate
        The rate of all.
    q : float
        Share of false findings that is borne among the cells that stand out.
    level : float
        Level of the intervals.
    left_out : int
        Rows whose outcome was not known yet.
    known : str
        From when the segments are.
    """

    table: pd.DataFrame = field(repr=False)
    segments: pd.DataFrame = field(repr=False)
    outcome: str
    overall: Estimate
    q: float
    level: float
    left_out: int
    known: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per segment and promotion."""
        return self.table.copy()

    def found(self) -> pd.DataFrame:
        """Return the cells that stand out, the surest first."""
        rows = self.table[self.table["verdict"].isin(["more", "less"])]
        return rows.sort_values(
            ["p_adjusted", "segment", "promotion_id"], kind="stable", ignore_index=True
        )

    def summary(self) -> str:
        """Return how many cells stand out, the surest of them, and what that does not say."""
        tested = int(self.table["p_value"].notna().sum())
        found = self.found()
        head = (
            f"{capital(self.outcome)}: {percent(*_three(self.overall))} of "
            f"{plural(self.overall.n, 'contact')}. "
        )
        told = "; ".join(
            f"{row['segment']} in promotion {row['promotion_id']}: "
            f"{percent(row['rate'], row['rate_low'], row['rate_high'])} against "
            f"{percent(row['promotion_rate'], decimals=0)}"
            for row in found.head(3).to_dict("records")
        )
        text = (
            f"Of {plural(tested, 'cell')} with {MIN_CUSTOMERS} customers or more, "
            f"{count(len(found)) if len(found) else 'none'} "
            f"{'stands' if len(found) < 2 else 'stand'} out from the promotion's own rate, at a "
            f"false discovery rate of {percent(self.q, decimals=0)} (Benjamini–Hochberg)"
            if tested
            else f"No segment has {MIN_CUSTOMERS} customers in a promotion: no cell is tested"
        )
        left = (
            f" {plural(self.left_out, 'contact')} not over yet left out." if self.left_out else ""
        )
        end = " A rate says who answered, not what the promotion caused."
        promotions = self.table["promotion_id"].nunique()
        if promotions > SHOWN:
            end += f" The figure shows the {SHOWN} largest of {plural(promotions, 'promotion')}."
        over_all = self._over_all()
        return f"{head}{over_all}{text}{f': {told}' if told else ''}. {self.known}{left}{end}"

    def _over_all(self) -> str:
        rows = self.segments[self.segments["verdict"].isin(["more", "less"])].to_dict("records")
        told = "; ".join(
            f"{row['segment']} answer {row['verdict']}, "
            f"{percent(row['rate'], row['rate_low'], row['rate_high'])} where "
            f"{percent(row['expected'], decimals=0)} is expected of their promotions"
            for row in rows
        )
        return f"Over all promotions {told}. " if told else ""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw promotions × segments as a heat map of the difference; return the Axes.

        The largest promotions are shown, all segments; the last row is all promotions.
        """
        from promolab import plots
        from promolab.plots.panels import roomy

        rows, names = self._shown(), self.segments["segment"].tolist()
        every = self.segments.assign(promotion_id=_EVERY)
        drawn = pd.concat([self.table, every], ignore_index=True)
        drawn["words"] = [_cell(row) for row in drawn.to_dict("records")]
        few = drawn["customers"] < MIN_CUSTOMERS
        drawn["points"] = (100 * drawn["difference"]).mask(few)
        place = pd.Index([*rows, _EVERY], dtype=object).get_indexer(
            pd.Index(drawn["promotion_id"], dtype=object)
        )
        drawn = drawn[place >= 0]
        where = place[place >= 0], pd.Index(names).get_indexer(drawn["segment"])
        values = np.full((len(rows) + 1, len(names)), np.nan)
        words = np.full(values.shape, "", dtype=object)
        values[where], words[where] = drawn["points"], drawn["words"]
        rates = self.table.groupby("promotion_id")["promotion_rate"].first().to_dict()
        labels = [f"{p} ({percent(rates[p], decimals=0)})" for p in rows]
        labels.append(f"{_EVERY} ({percent(self.overall.value, decimals=0)})")
        ax = plots.heat_map(
            values,
            labels,
            names,
            text=words,
            centre=0,
            label="points above or below the promotion's own rate",
            ax=roomy(len(labels), len(names)) if ax is None else ax,
        )
        return plots.finish(
            ax,
            title=self._finding(),
            subtitle="rate (customers), beside each promotion its own; ▲▼ stands out; grey: below "
            f"{MIN_CUSTOMERS}",
        )

    def _shown(self) -> list[Any]:
        sizes = self.table.groupby("promotion_id")["contacts"].sum().reset_index()
        sizes = sizes.sort_values(["contacts", "promotion_id"], ascending=[False, True])
        return sorted(sizes["promotion_id"].head(SHOWN).tolist())

    def _finding(self) -> str:
        rows = self.segments[self.segments["verdict"].isin(["more", "less"])]
        if rows.empty:
            return "No segment answers more or less than others over all promotions"
        row = rows.iloc[int(rows["difference"].abs().round(9).to_numpy().argmax())]
        figure = percent(row["rate"], row["rate_low"], row["rate_high"])
        would = percent(row["expected"], decimals=0)
        return f"{row['segment']} answer {row['verdict']}: {figure}, {would} expected"


def _cell(row: Mapping[Any, Any]) -> str:
    mark = {"more": " ▲", "less": " ▼"}.get(row["verdict"], "")
    return f"{percent(row['rate'], decimals=0)}{mark}\n({count(row['customers'])})"


def _three(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.ci_low, estimate.ci_high
