"""What cleaning did, as a result: rows in, kept, quarantined and flagged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.results import Result
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["COUNTS", "CleaningReport"]

COUNTS = ("rows_in", "rows_dated_later", "rows_kept", "rows_quarantined")
"""The first is the sum of the others."""


@dataclass(frozen=True)
class CleaningReport(Result):
    """What cleaning did; rows in = rows dated later + rows kept + rows quarantined, per table.

    Parameters
    ----------
    rows : DataFrame
        table, and `COUNTS`; rows are dated later where the shop was cut by `known_by`.
    rules : DataFrame
        table, rule, action (``quarantined`` or ``flagged``), rows, meaning; rules that no row
        breaks are left out. A row has one quarantine rule at most and any number of flags.
    quarantine : ibis Table
        table, rule, row (the row as JSON), in a total order.
    notes : tuple of str
        Sentences on what was kept and is worth knowing.
    """

    rows: pd.DataFrame
    rules: pd.DataFrame
    quarantine: ir.Table = field(repr=False)
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per table and rule."""
        return self.rules

    def to_dict(self) -> dict[str, Any]:
        """Return `COUNTS` by table."""
        return {row["table"]: {c: int(row[c]) for c in COUNTS} for _, row in self.rows.iterrows()}

    @property
    def by_then(self) -> pd.DataFrame:
        """The rows of each table that were known by then: table, rows, rows_kept, rows_quarantined.

        Without those that are dated later, which change no figure.
        """
        known = self.rows.assign(rows=self.rows["rows_in"] - self.rows["rows_dated_later"])
        return known[["table", "rows", "rows_kept", "rows_quarantined"]]

    def summary(self) -> str:
        """Return in plain sentences how many rows were kept, quarantined and flagged."""
        rows_in, out = int(self.by_then["rows"].sum()), int(self.rows.rows_quarantined.sum())
        flagged = self.rules[self.rules.action == "flagged"]
        text = f"Of {plural(rows_in, 'row')} in {plural(len(self.rows), 'table')}, "
        if not out:
            text += "none was quarantined." if rows_in else "there was nothing to keep."
        else:
            share = percent(out / rows_in, decimals=2 if out / rows_in >= 0.0001 else 4)
            were = "was" if out == 1 else "were"
            text += f"{count(out)} ({share}) {were} quarantined and {count(rows_in - out)} kept."
        if len(flagged):
            named = ", ".join(
                f"{r.replace('_', ' ')} {count(n)}"
                for r, n in zip(flagged["rule"], flagged["rows"], strict=True)
            )
            text += f" Kept and flagged: {named}."
        return " ".join([text, *self.notes])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the rows by rule, the most first."""
        from promolab import plots

        shown = self.rules.sort_values(["rows", "table", "rule"], ascending=[False, True, True])
        colours = [plots.COLOURS[0 if a == "flagged" else 1] for a in shown["action"]]
        labels = [
            f"{rule} ({table})" for table, rule in zip(shown["table"], shown["rule"], strict=True)
        ]
        text = [f"{count(n)} {a}" for n, a in zip(shown["rows"], shown["action"], strict=True)]
        ax = plots.bars(
            labels or ["no rule is broken"],
            shown["rows"].tolist() or [0],
            text=text,
            colours=colours or None,
            ax=ax,
        )
        if len(shown) and shown["rows"].max() > 20 * shown["rows"].min():
            ax.set_xscale("log")
            ax.set_xlim(left=1)
        out, rows_in = int(self.rows["rows_quarantined"].sum()), int(self.by_then["rows"].sum())
        title = (
            f"{count(out) if out else 'None'} of {plural(rows_in, 'row')} "
            f"{'were' if out > 1 else 'was'} quarantined"
        )
        subtitle = "Rows by rule and table; flagged rows are kept"
        return plots.finish(ax, title=title, subtitle=subtitle, xlabel="rows")
