"""Where the customers of one week's segments are in another week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.profiles import customer_frame
from promolab.results import Estimate, Result
from promolab.segmentation.groups.preparation import APART
from promolab.stats import share_interval
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


DRAWS = 1_000


def adjusted_rand(tables: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index (Hubert & Arabie 1985) of each table of counts.

    Parameters
    ----------
    tables : ndarray of shape (…, k, l)
        Customers in group i of the one and group j of the other.

    Returns
    -------
    ndarray of shape (…)
        1 where the groups are the same, 0 where they are no more alike than by chance; 1 where both
        have a single group, or each customer one of their own.

    Examples
    --------
    >>> adjusted_rand(np.array([[4, 0], [0, 4]])).item()
    1.0
    """
    counts = np.asarray(tables, dtype=float)
    both = _pairs(counts).sum(axis=(-2, -1))
    rows, columns = (_pairs(counts.sum(axis=axis)).sum(axis=-1) for axis in (-1, -2))
    total = _pairs(counts.sum(axis=(-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = rows * columns / total
        index = (both - chance) / ((rows + columns) / 2 - chance)
    return np.where(np.isfinite(index), index, 1.0)


def _pairs(n: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray:
    return n * (n - 1) / 2


def agreement(table: np.ndarray, seed: int = 0, level: float = 0.95) -> Estimate:
    """Return the adjusted Rand index of a table of counts with its bootstrap interval.

    Parameters
    ----------
    table : ndarray of shape (k, l)
        Customers in group i of the one and group j of the other.
    seed : int
        Start of the random numbers.
    level : float
        Level of the interval.

    Returns
    -------
    Estimate
        Customers are drawn 1,000 times with replacement, which draws the cells from a multinomial;
        the interval is the middle of the draws. nan without a customer.

    Examples
    --------
    >>> found = agreement(np.array([[40, 5], [3, 52]]))
    >>> found.ci_low < found.value < found.ci_high
    True
    """
    n = int(table.sum())
    if not n:
        return NOTHING
    draws = np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=DRAWS)
    ends = np.quantile(
        adjusted_rand(draws.reshape(-1, *table.shape)), [0.5 - level / 2, 0.5 + level / 2]
    )
    value = float(adjusted_rand(table))
    return Estimate(value, float(min(ends[0], value)), float(max(ends[1], value)), n)


APPEARED = "Not there before"
GONE = "No longer there"
NOTHING = Estimate(np.nan)


@dataclass(frozen=True)
class Migration(Result):
    """Where the customers of earlier segments are now.

    Parameters
    ----------
    frame : DataFrame
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

    frame: pd.DataFrame = field(repr=False)
    order: tuple[str, ...]
    since: str
    same_fit: bool
    stayed: Estimate
    appeared: int
    gone: int
    agreement: Estimate = NOTHING

    def matrix(self) -> pd.DataFrame:
        """Return the customers of each pair: segments before as rows, now as columns."""
        found = self.frame.pivot_table(
            index="before", columns="now", values="customers", aggfunc="sum", fill_value=0
        )
        rows = [name for name in (*self.order, APPEARED) if name in found.index]
        columns = [name for name in (*self.order, GONE) if name in found.columns]
        return found.loc[rows, columns].astype(int)

    def moves(self) -> pd.DataFrame:
        """Return the rows of customers who changed their segment, the most first."""
        rows = self.frame
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
        alike = percent(*self.stayed.ends)
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
        index = number(*self.agreement.ends, decimals=2)
        alike = f" Whatever they are called, the groups agree by {index} (adjusted Rand index)."
        return f"{text} {came} appeared, {went} went.{alike if self.agreement.n else ''}"

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
        alike = percent(*self.stayed.ends)
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
    stayed = same / n if n else np.nan
    low, high = share_interval(stayed, 0.0, n)
    both = both.fillna({"before": APPEARED, "now": GONE})
    pairs = both.groupby(["before", "now"], as_index=False).agg(customers=("customer_id", "size"))
    pairs["customers_before"] = pairs.groupby("before")["customers"].transform("sum")
    share = (pairs["customers"] / pairs["customers_before"]).to_numpy(dtype=float)
    ends = share_interval(share, 0.0, pairs["customers_before"])
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
        Estimate(stayed, float(low), float(high), n),
        appeared=int((both["before"] == APPEARED).sum()),
        gone=int((both["now"] == GONE).sum()),
        agreement=agreement(cells) if n else NOTHING,
    )


def _ordered(pairs: pd.DataFrame, order: Sequence[str]) -> tuple[str, ...]:
    there = (set(pairs["before"]) | set(pairs["now"])) - {APPEARED, GONE}
    first = [name for name in order if name in there]
    return tuple(first + sorted(there - set(first), key=lambda name: (name in APART, name)))


@dataclass(frozen=True)
class SegmentTrack(Result):
    """Segments of the same customers at several times.

    Parameters
    ----------
    frame : DataFrame
        One row per step: ``before, now, customers`` known at both times, ``stayed`` (share in the
        same segment, 0–1) and ``agreement`` (adjusted Rand index), each with ``…_low, …_high``.
    times : tuple of str
        The times, the earliest first.
    steps : tuple of Migration
        From each time to the next.
    note : str
        What a reader must know, else empty.
    """

    frame: pd.DataFrame = field(repr=False)
    times: tuple[str, ...]
    steps: tuple[Migration, ...] = field(repr=False)
    note: str = ""

    def summary(self) -> str:
        """Return how many stayed from each time to the next, and how alike the groups are."""
        told = "; ".join(
            f"{row['before']} to {row['now']}: "
            f"{percent(row['stayed'], row['stayed_low'], row['stayed_high'])} of "
            f"{plural(row['customers'], 'customer')} stayed, adjusted Rand index "
            f"{number(row['agreement'], row['agreement_low'], row['agreement_high'], decimals=2)}"
            for row in self.frame.to_dict("records")
        )
        return f"{told}. The segments are the same ones at each time. {self.note}".rstrip()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw where customers went from each time to the next and return the Axes."""
        return flow_of(self.steps, self.times, ax)


def flow_of(steps: Sequence[Migration], times: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw migrations one after the other as streams; a stream has the colour of its origin."""
    from promolab import plots
    from promolab.plots import alluvial

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
    share = percent(*stayed.ends)
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
    >>> segment_track({"W43": before, "W44": now}).frame["stayed"].round(2).tolist()
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
