"""Two segments side by side: their profiles, and by how much they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.profiles import AXES
from promolab.results import Result
from promolab.segmentation.intervals import difference_interval
from promolab.segmentation.preparation import APART
from promolab.segmentation.rfm import in_a_sentence
from promolab.wording import number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from promolab.segmentation.description import SegmentProfile

__all__ = ["ProfilePair", "compare_segments", "shares_against"]

_SHARES = ("share_customers", "response_rate")


@dataclass(frozen=True)
class ProfilePair(Result):
    """The profiles of two segments, and by how much they differ.

    Parameters
    ----------
    table : DataFrame
        One row per figure that both have: ``figure`` and its ``label``, ``first, second``,
        ``difference`` (first − second), each with ``…_low, …_high`` (95 %), and ``apart``: whether
        the interval of the difference leaves out 0. Shares run from 0 to 1, scores from 0 to 100.
    first, second : str
        The two segments.
    customers : tuple of two int
        Their sizes.
    basis : str
        How the differences may be read.
    segments : tuple of str
        All segments, so that the two keep their colours.
    """

    table: pd.DataFrame = field(repr=False)
    first: str
    second: str
    customers: tuple[int, int]
    basis: str = ""
    segments: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per figure."""
        return self.table.copy()

    def summary(self) -> str:
        """Return the figures in which the two differ most clearly, and those they share."""
        names = f"{self.first} and {self.second}"
        if self.table.empty:
            return f"{names} have no figure in common."
        rows = self.table[self.table["apart"]].to_dict("records")
        if not rows:
            return f"{names} differ in none of {plural(len(self.table), 'figure')}. {self.basis}"
        told = "; ".join(
            f"{row['label'].lower()} {_written(row, 'first')} against {_written(row, 'second')}, "
            f"difference {_written(row, 'difference')}"
            for row in sorted(rows, key=_clarity, reverse=True)[:3]
        )
        alike = self.table.loc[~self.table["apart"], "label"].str.lower()
        same = f" Not told apart: {', '.join(alike)}." if len(alike) else ""
        return f"{in_a_sentence(self.first)} against {self.second}: {told}.{same} {self.basis}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the two profiles side by side, the differences beside them; return the Axes."""
        from promolab import plots
        from promolab.plots.pairs import legend_below, side_by_side

        # What is neither a score nor a share does not fit on an axis to 100.
        drawn = self.table[self.table["figure"] != "sales_per_customer"]
        scale = np.where(drawn["figure"].isin(_SHARES), 100.0, 1.0)
        series = [
            [scale * drawn[f"{side}{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high")]
            for side in ("first", "second")
        ]
        shades = plots.segment_colours({*self.segments, self.first, self.second})
        ax = side_by_side(
            drawn["label"].tolist(),
            series,
            [f"{self.first} ({self.customers[0]:,})", f"{self.second} ({self.customers[1]:,})"],
            colours=[shades[self.first], shades[self.second]],
            text=[f"difference {_written(row, 'difference')}" for row in drawn.to_dict("records")],
            ax=ax,
        )
        ax.set_xlim(0, 100)
        plots.finish(
            ax,
            title=self._finding(),
            subtitle="mean scores (0–100) and shares in percent, 95 % intervals; n in brackets",
            xlabel="score, or percent",
        )
        return legend_below(ax)

    def _finding(self) -> str:
        rows = self.table[self.table["apart"] & self.table["figure"].isin(list(AXES))]
        if rows.empty:
            return f"{self.first} and {self.second} look alike"
        row = max(rows.to_dict("records"), key=_clarity)
        return f"{self.first} and {self.second} differ most in {str(row['label']).lower()}"


def _clarity(row: Mapping[Any, Any]) -> float:
    """How many half-widths of its interval a difference lies from 0, to tell which come first."""
    width = row["difference_high"] - row["difference_low"]
    return round(abs(row["difference"]) / width, 9) if width > 0 else 0.0


def _written(row: Mapping[Any, Any], side: str) -> str:
    figures = row[side], row[f"{side}_low"], row[f"{side}_high"]
    if row["figure"] in _SHARES:
        if side == "difference":
            return number(*(100 * x for x in figures), unit="points")
        return percent(*figures)
    return number(*figures, decimals=None if row["figure"] == "sales_per_customer" else 0)


def shares_against(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """Return the correlation of two shares of one whole, −√(p q / ((1 − p)(1 − q))).

    Examples
    --------
    >>> shares_against(0.5, 0.5).item()
    -1.0
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    room = (1 - p) * (1 - q)
    return -np.sqrt(p * q / np.where(room > 0, room, np.inf))


def compare_segments(profile: SegmentProfile, a: str, b: str) -> ProfilePair:
    """Return the profiles of two segments side by side; `SegmentProfile.compare` is its door.

    Parameters
    ----------
    profile : SegmentProfile
        Of all segments.
    a, b : str
        Two of them.

    Returns
    -------
    ProfilePair
        Differences by the square-and-add rule on the two intervals (Zou & Donner 2008), which
        allows for the two shares of one whole being against each other.

    Raises
    ------
    InputError
        If there is no such segment, or both are the same.
    """
    names = profile.table["segment"].tolist()
    for name in (a, b):
        if name not in names:
            raise InputError(f"there is no segment {name!r}; {nearest(str(name), names)}")
    if a == b:
        raise InputError(f"{a!r} was given twice; expected two segments")
    figures = {"share_customers": "Share of customers", "sales_per_customer": "Sales per customer"}
    figures |= {name: axis.label for name, axis in AXES.items()}
    figures |= {"response_rate": "Response rate"}
    by_name = {str(row["segment"]): row for row in profile.table.to_dict("records")}
    first, second = by_name[a], by_name[b]
    rows = []
    for name, label in figures.items():
        parts = [name, f"{name}_low", f"{name}_high"]
        ends = [[float(of[part]) for part in parts] for of in (first, second)]
        if not np.isfinite(ends).all():
            continue
        shares = name == "share_customers"  # more in one are fewer in the other
        against = float(shares_against(ends[0][0], ends[1][0])) if shares else 0.0
        low, high = map(float, difference_interval(ends[0], ends[1], against))
        rows.append([name, label, *ends[0], *ends[1], ends[0][0] - ends[1][0], low, high])
    columns = [f"{s}{e}" for s in ("first", "second", "difference") for e in ("", "_low", "_high")]
    found = pd.DataFrame(rows, columns=["figure", "label", *columns])
    found["apart"] = (found["difference_low"] > 0) | (found["difference_high"] < 0)
    sizes = (int(first["customers"]), int(second["customers"]))
    made = tuple(name for name in names if name not in APART)
    return ProfilePair(found, a, b, sizes, profile.basis, made)
