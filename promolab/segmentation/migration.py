"""Where the customers of one week's segments are in another week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.profiles import customer_frame
from promolab.results import Estimate, Result, plain
from promolab.segmentation.agreement import agreement
from promolab.segmentation.intervals import wilson
from promolab.segmentation.preparation import APART
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["APPEARED", "GONE", "Migration", "segment_migration"]

APPEARED = "Not there before"
GONE = "No longer there"
NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True)
class Migration(Result):
    """Where the customers of earlier segments are now.

    Parameters
    ----------
    table : DataFrame
        One row per pair of segments with customers: ``before, now, customers, customers_before``
        (of the segment before), ``share`` (of them, 0–1) and its ends ``share_low, share_high``
        (95 %, Wilson). ``before`` of customers who were not known then is `APPEARED`, ``now`` of
        those who are not known any more `GONE`.
    order : tuple of str
        Segments in the order in which they are drawn.
    since : str
        When the earlier segments were, such as an ISO week.
    same_fit : bool
        Whether the segments are the same ones: only then does a move say something of a customer.
    stayed : Estimate
        Share of the customers known at both times who are in the segment of the same name.
    appeared, gone : int
        Customers known only now, and only before.
    agreement : Estimate
        Adjusted Rand index of the two groupings of the customers known at both times, whatever the
        groups are called.
    """

    table: pd.DataFrame = field(repr=False)
    order: tuple[str, ...]
    since: str
    same_fit: bool
    stayed: Estimate
    appeared: int
    gone: int
    agreement: Estimate = NOTHING

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair of segments with customers, in the order of the segments."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar fields and the table as plain values."""
        return super().to_dict() | {"moves": plain(self.table.to_dict("records"))}

    def matrix(self) -> pd.DataFrame:
        """Return the customers of each pair: segments before as rows, now as columns."""
        found = self.table.pivot_table(
            index="before", columns="now", values="customers", aggfunc="sum", fill_value=0
        )
        rows = [name for name in (*self.order, APPEARED) if name in found.index]
        columns = [name for name in (*self.order, GONE) if name in found.columns]
        return found.loc[rows, columns].astype(int)

    def moves(self) -> pd.DataFrame:
        """Return the rows of customers who changed their segment, the most first."""
        rows = self.table
        moved = rows[
            (rows["before"] != rows["now"]) & (rows["before"] != APPEARED) & (rows["now"] != GONE)
        ]
        return moved.sort_values(
            ["customers", "before", "now"], ascending=[False, True, True], ignore_index=True
        )

    def summary(self) -> str:
        """Return how many stayed, the largest moves, and who came and went."""
        when = self.since or "before"
        if not self.stayed.n:
            return f"Nobody in today's segments was in one of {when}."
        moves = self.moves()
        told = "; ".join(
            f"{count(row['customers'])} from {row['before']} to {row['now']} "
            f"({percent(row['share'], row['share_low'], row['share_high'])} of these)"
            for row in moves.head(3).to_dict("records")
        )
        alike = percent(self.stayed.value, self.stayed.ci_low, self.stayed.ci_high)
        text = (
            f"{alike} of {plural(self.stayed.n, 'customer')} are in the same segment as in {when}. "
            if self.same_fit
            else f"The segments of {when} were made anew since, so a move may be no more than a "
            f"new name: {alike} of {plural(self.stayed.n, 'customer')} are in a segment of the "
            "same name. "
        )
        text += f"Largest moves: {told}." if told else "Nobody moved."
        came = plural(self.appeared, "customer") if self.appeared else "Nobody"
        went = count(self.gone) if self.gone else "nobody"
        index = number(
            self.agreement.value, self.agreement.ci_low, self.agreement.ci_high, decimals=2
        )
        alike = f" Whatever they are called, the groups agree by {index} (adjusted Rand index)."
        return f"{text} {came} appeared, {went} went.{alike if self.agreement.n else ''}"

    def plot_flow(self, ax: Axes | None = None) -> Axes:
        """Draw where customers went as streams and return the Axes."""
        from promolab.segmentation.track import flow_of

        return flow_of((self,), (self.since or "the earlier week", "now"), ax)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the share of each earlier segment that is in each segment now; return the Axes."""
        from promolab import plots

        cells = self.matrix()
        sizes = cells.sum(axis=1)
        share = cells.div(sizes, axis=0)
        text = [
            [
                "" if n == 0 else f"{percent(s, decimals=0)}\n{count(n)}"
                for n, s in zip(row, shares, strict=True)
            ]
            for row, shares in zip(cells.to_numpy(), share.to_numpy(), strict=True)
        ]
        ax = plots.heat_map(
            100 * share.to_numpy(),
            [f"{name} ({count(sizes[name])})" for name in cells.index],
            list(cells.columns),
            text=text,
            label="% of the segment before",
            ax=ax,
        )
        alike = percent(self.stayed.value, self.stayed.ci_low, self.stayed.ci_high)
        return plots.finish(
            ax,
            title=f"{alike} of customers are where they were in {self.since or 'the earlier week'}",
            subtitle="share of the segment before (row, n), and customers",
            xlabel="segment now",
        )


def segment_migration(
    before: pd.DataFrame,
    now: pd.DataFrame,
    *,
    since: str = "",
    same_fit: bool = True,
    order: Sequence[str] = (),
) -> Migration:
    """Compare the segments of customers at two times.

    Parameters
    ----------
    before, now : DataFrame
        ``customer_id, segment``, as `Segmenter.assignments` returns them.
    since : str
        When the earlier ones were.
    same_fit : bool
        Whether the segments are the same ones at both times.
    order : sequence of str
        Segments in the order to show them; the rest follows by name, groups apart last.

    Returns
    -------
    Migration
        Each customer is in one pair: the rows add up to the customers before and now.

    Raises
    ------
    InputError
        If a customer is in two segments, or a column is missing.

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": [1, 2, 3], "segment": ["a", "a", "b"]})
    >>> now = pd.DataFrame({"customer_id": [1, 2, 4], "segment": ["a", "b", "b"]})
    >>> moves = segment_migration(before, now, since="2017-W43")
    >>> moves.matrix().loc["a"].tolist(), moves.appeared, moves.gone
    ([1, 1, 0], 1, 1)
    """
    sides = []
    for frame, what in ((before, "before"), (now, "now")):
        frame = customer_frame(frame, what)[["customer_id", "segment"]]
        sides.append(frame.rename(columns={"segment": what}))
    kinds = [pd.api.types.is_numeric_dtype(side["customer_id"]) for side in sides]
    if kinds[0] != kinds[1]:  # ids were read as numbers at one time, as text at the other
        sides = [side.astype({"customer_id": str}) for side in sides]
    both = sides[0].merge(sides[1], on="customer_id", how="outer")
    known = both["before"].notna() & both["now"].notna()
    n, same = int(known.sum()), int((both["before"] == both["now"])[known].sum())
    cells = pd.crosstab(both["before"][known], both["now"][known]).to_numpy()
    value = np.array([same / n if n else np.nan])
    low, high = wilson(value, np.array([float(n)])) if n else (value, value)
    both = both.fillna({"before": APPEARED, "now": GONE})
    pairs = both.groupby(["before", "now"], as_index=False).agg(customers=("customer_id", "size"))
    pairs["customers_before"] = pairs.groupby("before")["customers"].transform("sum")
    share = (pairs["customers"] / pairs["customers_before"]).to_numpy(dtype=float)
    ends = wilson(share, pairs["customers_before"].to_numpy(dtype=float))
    pairs = pairs.assign(share=share, share_low=ends[0], share_high=ends[1])
    names = _ordered(pairs, order)
    place = {name: position for position, name in enumerate((*names, APPEARED, GONE))}
    pairs = pairs.sort_values(
        ["before", "now"], key=lambda column: column.map(place), ignore_index=True
    )
    return Migration(
        pairs,
        names,
        since,
        same_fit,
        Estimate(float(value[0]), float(low[0]), float(high[0]), n),
        appeared=int((both["before"] == APPEARED).sum()),
        gone=int((both["now"] == GONE).sum()),
        agreement=agreement(cells) if n else NOTHING,
    )


def _ordered(pairs: pd.DataFrame, order: Sequence[str]) -> tuple[str, ...]:
    there = (set(pairs["before"]) | set(pairs["now"])) - {APPEARED, GONE}
    first = [name for name in order if name in there]
    return tuple(first + sorted(there - set(first), key=lambda name: (name in APART, name)))
