"""Which segments a list of customers holds more of, and less of, than all customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from promolab import plots
from promolab.checks import along
from promolab.errors import InputError
from promolab.results import Result
from promolab.stats import normal_quantile
from promolab.wording import count, plural


@dataclass(frozen=True)
class SegmentMap(Result):
    """Customers on a plane: the first two principal components of what the segments look at.

    Parameters
    ----------
    points : DataFrame
        ``customer_id, x, y, segment``; coordinates in standard deviations.
    shares : tuple of two floats
        Share of the differences between customers along x and along y (0–1).
    directions : tuple of two lists of (str, str)
        The features that each direction mostly follows, and whether up or down.
    """

    points: pd.DataFrame
    shares: tuple[float, float]
    directions: tuple[list[tuple[str, str]], list[tuple[str, str]]]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per customer."""
        return self.points.copy()

    def facts(self) -> dict[str, Any]:
        """Return how much of the differences the map shows, and what its directions are."""
        ways = [[{"way": w, "feature": f} for f, w in direction] for direction in self.directions]
        return {
            "shown": sum(self.shares),
            "across": ways[0],
            "up": ways[1],
            "shares_x": self.shares[0],
            "shares_y": self.shares[1],
            "colours": plots.segment_colours(self.points["segment"]),
        }

    @property
    def axis_words(self) -> tuple[str, str]:
        """What the map's two directions follow, in words."""
        told = self._facts
        return told.say("x"), told.say("y")


def segment_map(
    customer_id: pd.Series, matrix: np.ndarray, columns: tuple[str, ...], segment: np.ndarray
) -> SegmentMap:
    """Return the map of customers, shape (n,), by their standardised features, shape (n, d)."""
    n, d = matrix.shape
    centred = matrix - matrix.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred) if d else (np.zeros(0), np.zeros((0, 0)))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    # An eigenvector has no sign of its own: the largest loading is made positive.
    largest = np.abs(vectors).round(9).argmax(axis=0) if d else np.zeros(0, dtype=int)
    vectors = vectors * np.where(vectors[largest, np.arange(d)] < 0, -1, 1)
    places = np.zeros((n, 2))
    places[:, : min(d, 2)] = (centred @ vectors)[:, :2]
    shares = np.zeros(2)
    shares[: min(d, 2)] = (values / (values.sum() or 1.0))[:2]
    ways = [_direction(vectors[:, i], columns) if i < d else [] for i in range(2)]
    points = {"x": places[:, 0], "y": places[:, 1], "segment": segment}
    return SegmentMap(
        pd.DataFrame({"customer_id": customer_id.to_numpy(), **points}),
        (float(shares[0]), float(shares[1])),
        (ways[0], ways[1]),
    )


def _direction(loadings: np.ndarray, columns: tuple[str, ...]) -> list[tuple[str, str]]:
    order = np.argsort(-np.abs(loadings).round(9), kind="stable")[:2]
    return [(columns[i], "higher" if loadings[i] > 0 else "lower") for i in order]


@dataclass(frozen=True)
class SegmentIndex(Result):
    """How a list of customers is made up, against all customers.

    Parameters
    ----------
    frame : DataFrame
        One row per segment, the most over-represented first: ``segment, customers, selected,
        share_all, share_selected`` (0–1), ``index`` (the one share over the other, 1 = as among
        all) with ``index_low, index_high``, and ``verdict``: over, under or as among all.
    customers, selected : int
        All customers, and those in the list.
    """

    frame: pd.DataFrame
    customers: int
    selected: int

    def facts(self) -> dict[str, Any]:
        """Return the segments that stand out, with their index, and the most frequent one."""
        rows = self.frame
        over = rows[rows["verdict"] == "over"].sort_values(
            ["index", "segment"], ascending=[False, True], kind="stable"
        )
        under = rows[rows["verdict"] == "under"].sort_values(["index", "segment"], kind="stable")
        top = rows.sort_values(["selected", "segment"], ascending=[False, True]).iloc[0]
        return {
            "two_over": over.head(2),
            "one_under": under.head(1),
            "top": top["segment"],
            "top_share": float(top["share_selected"]),
            "case": "some" if self.stands_out else "none",
        }

    @property
    def stands_out(self) -> bool:
        """Whether a segment does, beyond what chance would do."""
        return bool(self.frame["verdict"].isin(["over", "under"]).any())

    def most(self) -> str:
        """Return the list's most frequent segment, and its share of the list."""
        return self._facts.say("most_of")

    def line(self) -> str:
        """Return the two most over-represented segments and the most under-represented one."""
        return self._facts.say("in_a_line").strip()


def _selection(selected: Any, customer_id: Any | None, n: int) -> np.ndarray:
    chosen = np.asarray(selected)
    if chosen.dtype == bool:
        if chosen.shape != (n,):
            raise InputError(
                f"selected has shape {chosen.shape}; expected one flag per customer ({count(n)})"
            )
        return chosen
    if customer_id is None:
        raise InputError(
            f"selected holds {chosen.dtype} values and segment no customer_id; expected a boolean "
            "array, or segment as the frame of Segmenter.assignments() and selected as ids"
        )
    ids = pd.Index(customer_id)
    unknown = int((~pd.Index(chosen).isin(ids)).sum())
    if unknown:
        raise InputError(
            f"{plural(unknown, 'selected customer')} of {count(len(chosen))} are in no segment; "
            "expected customers that the segments know"
        )
    return np.asarray(ids.isin(chosen))


def segment_index(
    segment: pd.DataFrame | Sequence[str] | np.ndarray,
    selected: Any,
    *,
    level: float = 0.95,
) -> SegmentIndex:
    """Compare the segments of a list of customers with those of all customers.

    Parameters
    ----------
    segment : array of str of shape (n,), or DataFrame
        Segment of every customer; as a DataFrame with ``customer_id`` and ``segment``
        (`Segmenter.assignments`).
    selected : array
        Boolean of shape (n,): who is in the list; or the ids in it, where ``segment`` is a frame.
    level : float
        Level of the intervals.

    Raises
    ------
    InputError
        If lengths differ, ids are unknown, or the list is empty.

    Notes
    -----
    The index is (in the list and the segment / in the list) / (in the segment / all); its interval
    is the delta method's on the log, customers drawn independently (Katz et al. 1978, for a
    part of the whole). Where no one of a segment is selected, half a customer in each cell gives
    the upper end.

    Examples
    --------
    >>> result = segment_index(["a"] * 50 + ["b"] * 50, [True] * 30 + [False] * 60 + [True] * 10)
    >>> result.frame[["segment", "index"]].values.tolist()
    [['a', 1.5], ['b', 0.5]]
    """
    ids = None
    if pd.api.types.is_bool_dtype(selected):
        selected = along(segment, selected, "selected", "segment")
    if isinstance(segment, pd.DataFrame):
        ids, segment = segment["customer_id"], segment["segment"].to_numpy()
    names = np.asarray(segment, dtype=object)
    chosen = _selection(selected, ids, len(names))
    if not chosen.any():
        raise InputError("selected is empty; expected at least one customer in the list")
    counts = pd.crosstab(names, chosen).reindex(columns=[False, True], fill_value=0)
    inside = counts[True].to_numpy(dtype=float)
    size = inside + counts[False].to_numpy(dtype=float)
    total, listed = float(len(names)), float(chosen.sum())
    index = (inside / listed) / (size / total)
    low, high = _index_interval(inside, size, listed, total, level)
    verdict = np.where(low > 1, "over", np.where(high < 1, "under", "as among all"))
    table = pd.DataFrame(
        {
            "segment": counts.index.to_numpy(dtype=object),
            "customers": size.astype(int),
            "selected": inside.astype(int),
            "share_all": size / total,
            "share_selected": inside / listed,
            "index": index,
            "index_low": low,
            "index_high": high,
            "verdict": verdict,
        }
    )
    table = table.sort_values(
        ["index", "segment"], ascending=[False, True], kind="stable", ignore_index=True
    )
    return SegmentIndex(table, int(total), int(listed))


def _index_interval(
    inside: np.ndarray, size: np.ndarray, listed: float | np.ndarray, total: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Delta-method interval of log(inside · total / (size · listed)) under multinomial cells."""
    empty = inside == 0
    half = np.where(empty, 0.5, 0.0)
    a = inside + half
    in_segment, in_list, n = size + 2 * half, listed + 2 * half, total + 4 * half
    own = 1 / a - 1 / in_segment - 1 / in_list
    variance = a * own**2 + (in_segment - a) / in_segment**2 + (in_list - a) / in_list**2 - 1 / n
    width = normal_quantile(level) * np.sqrt(np.maximum(variance, 0))
    centre = np.log(a * n / (in_segment * in_list))
    return np.where(empty, 0.0, np.exp(centre - width)), np.exp(centre + width)
