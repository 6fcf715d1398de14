"""Where the customers of one week's segments are in another week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.profiles import customer_frame
from promolab.results import Estimate, Result, words_of
from promolab.segmentation.groups.preparation import APART
from promolab.stats import hide_few, share_interval

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
    least : int
        Fewer customers are not shown (`promolab.stats.hide_few`).
    """

    frame: pd.DataFrame = field(repr=False)
    order: tuple[str, ...]
    since: str
    same_fit: bool
    stayed: Estimate
    appeared: int
    gone: int
    agreement: Estimate = NOTHING
    least: int = 1

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

    def facts(self) -> dict[str, Any]:
        """Return how many stayed, the largest moves, and all cells, names in words."""
        sizes = self.matrix().sum(axis=1)
        wide = self.matrix().rename_axis("before").reset_index()
        cells = wide.melt("before", var_name="now", value_name="customers")
        cells["share"] = cells["customers"] / cells["before"].map(sizes)
        cells["percent"] = 100 * cells["share"]
        cells["size"] = cells["before"].map(sizes)
        cells = hide_few(cells, self.least, ["share", "percent"], ["before", "now"])
        moves = self.moves().merge(cells.loc[~cells["hidden"], ["before", "now"]])
        case = "same" if self.same_fit else "anew"
        return {
            "few": bool(cells["hidden"].any()),
            "case": case if self.stayed.n else "nobody",
            "dated": bool(self.since),
            "top": _named(moves.head(3)),
            "known": self.stayed.n,
            "cells": _named(cells),
        }


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with segments called as the language that is spoken calls them."""
    return rows.assign(before=rows["before"].map(_called), now=rows["now"].map(_called))


def _called(name: str) -> str:
    if name in (APPEARED, GONE):
        return words_of(__name__, "Migration").word(name)
    return name


def segment_migration(
    before: pd.DataFrame,
    now: pd.DataFrame,
    *,
    since: str = "",
    same_fit: bool = True,
    order: Sequence[str] = (),
    least: int = 1,
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
    least : int
        Fewer customers are not shown; `frame` holds them.

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
        sides.append(frame.rename(columns={"segment": what}).astype({what: object}))
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
    there = (set(pairs["before"]) | set(pairs["now"])) - {APPEARED, GONE}
    first = [name for name in order if name in there]
    names = (*first, *sorted(there - set(first), key=lambda name: (name in APART, name)))
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
        least=least,
    )
