"""The same segments at several times: who stayed, and where the others went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.results import Result
from promolab.segmentation.migration import APPEARED, GONE, Migration, segment_migration
from promolab.segmentation.preparation import APART
from promolab.wording import number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SegmentTrack", "flow_of", "segment_track"]


@dataclass(frozen=True)
class SegmentTrack(Result):
    """Segments of the same customers at several times.

    Parameters
    ----------
    table : DataFrame
        One row per step: ``before, now, customers`` known at both times, ``stayed`` (share in the
        same segment, 0–1) and ``agreement`` (adjusted Rand index), each with ``…_low, …_high``.
    times : tuple of str
        The times, the earliest first.
    steps : tuple of Migration
        From each time to the next.
    note : str
        What a reader must know, else empty.
    """

    table: pd.DataFrame = field(repr=False)
    times: tuple[str, ...]
    steps: tuple[Migration, ...] = field(repr=False)
    note: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per step."""
        return self.table.copy()

    def summary(self) -> str:
        """Return how many stayed from each time to the next, and how alike the groups are."""
        told = "; ".join(
            f"{row['before']} to {row['now']}: "
            f"{percent(row['stayed'], row['stayed_low'], row['stayed_high'])} of "
            f"{plural(row['customers'], 'customer')} stayed, adjusted Rand index "
            f"{number(row['agreement'], row['agreement_low'], row['agreement_high'], decimals=2)}"
            for row in self.table.to_dict("records")
        )
        return f"{told}. The segments are the same ones at each time. {self.note}".rstrip()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw where customers went from each time to the next and return the Axes."""
        return flow_of(self.steps, self.times, ax)


def flow_of(steps: Sequence[Migration], times: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw migrations one after the other as streams; a stream has the colour of its origin."""
    from promolab import plots
    from promolab.plots.flows import alluvial

    order = list(dict.fromkeys(name for step in steps for name in step.order))
    names = [*order, APPEARED, GONE]
    moves = [
        step.matrix().reindex(index=names, columns=names, fill_value=0).to_numpy() for step in steps
    ]
    there = sum(move.sum(axis=0) + move.sum(axis=1) for move in moves) > 0
    names = [name for name, used in zip(names, there, strict=True) if used]
    moves = [move[np.ix_(there, there)] for move in moves]
    # A segment keeps the colour that it has on the other figures.
    colours = plots.segment_colours(name for name in order if name not in APART)
    colours |= dict.fromkeys((*APART, APPEARED, GONE), plots.MUTED)
    ax = alluvial(times, names, moves, colours=colours, ax=ax)
    stayed = steps[-1].stayed
    share = percent(stayed.value, stayed.ci_low, stayed.ci_high)
    return plots.finish(
        ax,
        title=f"{share} of customers are in the segment of {times[-2]}",
        subtitle=f"customers; a stream has the colour of where it comes from, pale where they "
        f"stayed; n = {plural(stayed.n, 'customer')}",
    )


def segment_track(
    segments: Mapping[str, pd.DataFrame], *, order: Sequence[str] = (), note: str = ""
) -> SegmentTrack:
    """Follow customers through the same segments at several times.

    Parameters
    ----------
    segments : mapping of str to DataFrame
        By time, the earliest first: ``customer_id, segment``, made by the same `Segmenter`
        (`assign`).
    order : sequence of str
        Segments in the order to show them.
    note : str
        Shown with the result.

    Raises
    ------
    InputError
        If there are fewer than two times, or a table cannot be read.

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": [1, 2, 3], "segment": ["a", "a", "b"]})
    >>> now = pd.DataFrame({"customer_id": [1, 2, 3], "segment": ["a", "b", "b"]})
    >>> segment_track({"W43": before, "W44": now}).table["stayed"].round(2).tolist()
    [0.67]
    """
    times = tuple(segments)
    if len(times) < 2:
        raise InputError(f"segments are of {plural(len(times), 'time')}; expected two or more")
    frames = list(segments.values())
    steps = tuple(
        segment_migration(frames[i], frames[i + 1], since=times[i], order=order)
        for i in range(len(times) - 1)
    )
    rows = [
        {"before": times[i], "now": times[i + 1], "customers": step.stayed.n}
        | {
            f"{name}{end}": getattr(figure, part)
            for name, figure in (("stayed", step.stayed), ("agreement", step.agreement))
            for end, part in (("", "value"), ("_low", "ci_low"), ("_high", "ci_high"))
        }
        for i, step in enumerate(steps)
    ]
    return SegmentTrack(pd.DataFrame(rows), times, steps, note)
