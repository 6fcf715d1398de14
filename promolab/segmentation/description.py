"""What each segment is: size, sales, response and the four axes, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, Ranged, table
from promolab.errors import InputError, nearest
from promolab.glossary import label
from promolab.language import _, marked
from promolab.profiles import AXES, build_profiles, customer_frame, numeric
from promolab.results import Result
from promolab.segmentation.groups.measures import difference_interval, grouped_mean
from promolab.segmentation.groups.preparation import APART
from promolab.segmentation.groups.rfm import in_a_sentence
from promolab.segmentation.naming import segment_words
from promolab.stats import part_of_total, share_interval
from promolab.wording import count, decimals_for, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from promolab.segmentation.response_rates import SegmentResponse


_SHARES = ("share_customers", "response_rate")


@dataclass(frozen=True)
class ProfilePair(Result):
    """The profiles of two segments, and by how much they differ.

    Parameters
    ----------
    frame : DataFrame
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

    frame: pd.DataFrame = field(repr=False)
    first: str
    second: str
    customers: tuple[int, int]
    basis: str = ""
    segments: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the figures in which the two differ most clearly, and those they share."""
        names = f"{self.first} and {self.second}"
        if self.frame.empty:
            return f"{names} have no figure in common."
        rows = self.frame[self.frame["apart"]].to_dict("records")
        if not rows:
            return f"{names} differ in none of {plural(len(self.frame), 'figure')}. {self.basis}"
        told = "; ".join(
            f"{row['label'].lower()} {_written(row, 'first')} against {_written(row, 'second')}, "
            f"difference {_written(row, 'difference')}"
            for row in sorted(rows, key=_clarity, reverse=True)[:3]
        )
        alike = self.frame.loc[~self.frame["apart"], "label"].str.lower()
        same = f" Not told apart: {', '.join(alike)}." if len(alike) else ""
        return f"{in_a_sentence(self.first)} against {self.second}: {told}.{same} {self.basis}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the two profiles side by side, the differences beside them; return the Axes."""
        from promolab import plots
        from promolab.plots import legend_below, side_by_side

        # What is neither a score nor a share does not fit on an axis to 100.
        drawn = self.frame[self.frame["figure"] != "sales_per_customer"]
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
        rows = self.frame[self.frame["apart"] & self.frame["figure"].isin(list(AXES))]
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
    return np.asarray(-np.sqrt(p * q / np.where(room > 0, room, np.inf)))


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
    names = profile.frame["segment"].tolist()
    for name in (a, b):
        if name not in names:
            raise InputError(f"there is no segment {name!r}; {nearest(str(name), names)}")
    if a == b:
        raise InputError(f"{a!r} was given twice; expected two segments")
    figures = {"share_customers": "Share of customers", "sales_per_customer": "Sales per customer"}
    figures |= {name: axis.label for name, axis in AXES.items()}
    figures |= {"response_rate": "Response rate"}
    by_name = {str(row["segment"]): row for row in profile.frame.to_dict("records")}
    first, second = by_name[a], by_name[b]
    rows = []
    for name, words in figures.items():
        parts = [name, f"{name}_low", f"{name}_high"]
        ends = [[float(of[part]) for part in parts] for of in (first, second)]
        if not np.isfinite(ends).all():
            continue
        shares = name == "share_customers"  # more in one are fewer in the other
        against = float(shares_against(ends[0][0], ends[1][0])) if shares else 0.0
        low, high = map(float, difference_interval(ends[0], ends[1], against))
        rows.append([name, words, *ends[0], *ends[1], ends[0][0] - ends[1][0], low, high])
    columns = [f"{s}{e}" for s in ("first", "second", "difference") for e in ("", "_low", "_high")]
    found = pd.DataFrame(rows, columns=["figure", "label", *columns])
    found["apart"] = (found["difference_low"] > 0) | (found["difference_high"] < 0)
    sizes = (int(first["customers"]), int(second["customers"]))
    made = tuple(name for name in names if name not in APART)
    return ProfilePair(found, a, b, sizes, profile.basis, made)


DESCRIPTIVE = "Descriptive: the groups were made from the same data."

MIN_CONTACTS = 30
"""Contacts from which on a segment may be called the one that responds most."""

SEGMENT_FORMATS: dict[str, Any] = {"customers": count}
SEGMENT_FORMATS |= dict.fromkeys(("share_sales", "response_rate", "click_rate"), Ranged(percent))
SEGMENT_FORMATS |= dict.fromkeys(AXES, Ranged(partial(number, decimals=0)))
"""How the figures of a profile are written in a table."""

_WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@dataclass(frozen=True)
class SegmentProfile(Result):
    """The profile of each segment.

    Parameters
    ----------
    frame : DataFrame
        One row per segment: ``segment, customers, share_customers, share_sales,
        sales_per_customer, contacts, response_rate``, the four axes (0–100), and the ends
        ``…_low``, ``…_high`` of their 95 % intervals. Shares and rates run from 0 to 1, but a share
        of net sales may be negative; a figure that the data do not give is nan.
    method : str
        How the segments were made.
    customers : int
        Customers in all segments.
    note : str
        What a reader must know, else empty.
    basis : str
        How the differences may be read.
    """

    frame: pd.DataFrame
    method: str
    customers: int
    note: str = ""
    basis: str = DESCRIPTIVE

    def _made(self) -> pd.DataFrame:
        """The segments that were made, without the named groups apart; all if there is none."""
        made = self.frame[~self.frame["segment"].isin(APART)]
        return self.frame if made.empty else made

    def _top(
        self, column: str, found: str, n_column: str, noun: str, verb: str = ""
    ) -> tuple[str, str]:
        """The segment highest in a share, as a finding and its n; empty where none stands out."""
        rows = self._made().dropna(subset=[column])
        rows = rows[rows[n_column] >= MIN_CONTACTS] if n_column == "contacts" else rows
        if len(rows) < 2 or not rows[column].max() > 0:
            return "", ""
        row = rows.iloc[int(rows[column].to_numpy().argmax())]
        figure = _share(row, column)
        segment = in_a_sentence(segment_words(row["segment"]))
        finding = _(found, segment=segment, figure=figure, redeem=verb)
        return finding, f" (n = {plural(row[n_column], noun)})"

    def _responds(self, verb: str = "respond") -> tuple[str, str]:
        return self._top(
            "response_rate",
            marked("{segment} {redeem} most: {figure}"),
            "contacts",
            "contact",
            verb,
        )

    def _sells(self) -> tuple[str, str]:
        return self._top(
            "share_sales", marked("{segment} bring most sales: {figure}"), "customers", "customer"
        )

    def _differs(self) -> str:
        """The score furthest from the middle customer, as a finding."""
        rows = self._made()
        scores = rows[list(AXES)].to_numpy(dtype=float)
        if len(rows) < 2 or np.isnan(scores).all():
            return "The four axes of each segment"
        place = np.unravel_index(np.nanargmax(np.abs(scores - 50).round(9)), scores.shape)
        axis = list(AXES.values())[place[1]].label.lower()
        name = in_a_sentence(rows["segment"].iloc[int(place[0])])
        return f"{name} stand out most: {number(scores[place], decimals=0)} of 100 in {axis}"

    def finding(self, verb: str = "respond") -> str:
        """Return which segment stands out, in a line: it responds most, or brings most sales.

        Parameters
        ----------
        verb : str
            What customers do about the shop's promotions.
        """
        return self._responds(verb)[0] or self._sells()[0]

    def summary(self) -> str:
        """Return how many segments there are and which one stands out."""
        n = int((~self.frame["segment"].isin(APART)).sum())
        words = _WORDS[n] if n < len(_WORDS) else count(n)
        found = " ".join(
            f"{finding}{size}." for finding, size in (self._responds(), self._sells()) if size
        )
        if not found:
            made = self._made()
            row = made.iloc[int(made["customers"].to_numpy().argmax())]
            found = f"{row['segment']}: {plural(row['customers'], 'customer')}."
        text = f"{words} {'segment' if n == 1 else 'segments'}; {found} {self.basis} {self.note}"
        return text.rstrip()

    def table(self) -> Html:
        """Return a row per segment, each figure with its interval."""
        names = ["segment", "customers", "share_sales", "response_rate", *AXES]
        return table(
            self.frame,
            {name: label(name) for name in names} | {"response_rate": "response rate"},
            SEGMENT_FORMATS,
            caption="Largest first; 95 % intervals, descriptive. Axes from 0 to 100, 50 is the "
            "middle customer.",
            most=20,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw segments × axes as a heat map around the middle customer and return the Axes."""
        from promolab import plots

        values = self.frame[list(AXES)].to_numpy(dtype=float)
        text = [[number(v, decimals=0) for v in row] for row in values]
        labels = self.frame["segment"] + " (" + self.frame["customers"].map(count) + ")"
        ax = plots.heat_map(
            values,
            labels.tolist(),
            [axis.label for axis in AXES.values()],
            text=text,
            centre=50,
            label="mean score, 50 = the middle customer",
            ax=ax,
        )
        subtitle = f"mean score per segment (n), descriptive; {plural(self.customers, 'customer')}"
        return plots.finish(ax, title=self._differs(), subtitle=subtitle)

    def compare(self, a: str = "", b: str = "") -> ProfilePair | None:
        """Return the profiles of two segments side by side, with their differences.

        Parameters
        ----------
        a, b : str
            Names of two segments; by default the two largest, and None where there are not two.

        Raises
        ------
        InputError
            If there is no such segment, or both are the same.
        """
        if a or b:
            return compare_segments(self, a, b)
        made = self.frame[~self.frame["segment"].isin(APART)]
        order = made.sort_values(["customers", "segment"], ascending=[False, True])["segment"]
        return compare_segments(self, *order.head(2)) if len(order) > 1 else None

    def plot_size_value(self, ax: Axes | None = None) -> Axes:
        """Draw each segment's customers against its sales per customer and return the Axes.

        The area of a bubble is the segment's share of sales.
        """
        from promolab import plots

        rows = self.frame.dropna(subset=["sales_per_customer"])
        colours = plots.segment_colours(self._made()["segment"])
        ax = plots.bubbles(
            100 * rows["share_customers"].to_numpy(),
            rows["sales_per_customer"].to_numpy(),
            rows["share_sales"].clip(lower=0).to_numpy(),
            rows["segment"].tolist(),
            colours=[colours.get(name, plots.MUTED) for name in rows["segment"]],
            ax=ax,
        )
        return plots.finish(
            ax,
            title=self._sells()[0] or "How large each segment is, and what a customer of it brings",
            subtitle=f"area: share of sales; n = {plural(self.customers, 'customer')}, descriptive",
            xlabel="share of customers, %",
            ylabel="sales per customer",
        )


def _share(row: Any, name: str) -> str:
    """A share with its interval, in whole percent where the interval is wide."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    decimals = max(0, decimals_for(100 * low, 100 * high)) if high > low else None
    return percent(row[name], low, high, decimals=decimals)


def rates_of(names: Sequence[str], response: SegmentResponse | None) -> pd.DataFrame:
    """Return contacts and response rate with its interval of each segment; nan where unknown."""
    columns = {"rate": "response_rate", "rate_low": "response_rate_low"}
    columns |= {"rate_high": "response_rate_high"}
    if response is None:
        nothing = pd.DataFrame(np.nan, index=list(names), columns=list(columns.values()))
        return nothing.assign(contacts=0)
    rows = response.segments.set_index("segment").rename(columns=columns)
    rows = rows[["contacts", *columns.values()]].reindex(list(names))
    return rows.fillna({"contacts": 0}).astype({"contacts": int})


def put(table: Any, name: str, figures: Any) -> None:
    """Put a figure and the ends of its interval into three columns of a table."""
    table[name], table[f"{name}_low"], table[f"{name}_high"] = figures


def segment_sizes(
    features: Any,
    segment: Sequence[str] | np.ndarray,
    order: Sequence[str] | None,
    absent: Mapping[str, int] | None,
) -> tuple[pd.DataFrame, np.ndarray, dict[str, int]]:
    """Return the customers, the segment of each, and how large each segment is, in order."""
    frame, labels = customer_frame(features), np.asarray(segment, dtype=object)
    if labels.shape != (len(frame),):
        raise InputError(
            f"segment has shape {labels.shape}; expected one name per row of features "
            f"({count(len(frame))})"
        )
    absent = dict(absent or {})
    sizes = {str(name): int(n) for name, n in pd.Series(labels).value_counts().items()}
    names = list(order if order is not None else sorted(sizes, key=lambda s: (-sizes[s], s)))
    names += [name for name in absent if name not in names]
    return frame, labels, {name: sizes.get(name, 0) + absent.get(name, 0) for name in names}


def describe_segments(
    features: Any,
    segment: Sequence[str] | np.ndarray,
    *,
    order: Sequence[str] | None = None,
    absent: Mapping[str, int] | None = None,
    response: SegmentResponse | None = None,
    profiles: pd.DataFrame | None = None,
    method: str = "given",
    note: str = "",
    basis: str = DESCRIPTIVE,
) -> SegmentProfile:
    """Describe segments, whoever made them.

    Parameters
    ----------
    features : DataFrame or ibis.Table of n rows
        One row per customer.
    segment : array of str, shape (n,)
        The segment of each row.
    order : sequence of str, optional
        Segments in the order of the rows; by default the largest first, ties by name.
    absent : dict of str to int, optional
        Named groups of customers who are not in ``features``, and their sizes.
    response : SegmentResponse, optional
        What the segments answered: `segment_response`. Without it no response rate is told:
        today's segment and promotions that still run would give another one.
    profiles : DataFrame, optional
        What `promolab.build_profiles` returned for the same customers; computed by default.
    method, note, basis : str
        Shown with the result: how they were made, what a reader must know, how differences may be
        read.

    Returns
    -------
    SegmentProfile
        Intervals: share of customers by Wilson; share of sales by the linearised variance over
        customers, in Wilson's form; response rates as `segment_response` gives them; means of sales
        and axes by Student's t.

    Raises
    ------
    InputError
        If lengths differ.

    Examples
    --------
    >>> features = pd.DataFrame({"customer_id": [1, 2, 3], "amount": [60.0, 30.0, 10.0]})
    >>> profile = describe_segments(features, ["a", "b", "b"])
    >>> profile.frame[["segment", "share_sales"]].values.tolist()
    [['b', 0.4], ['a', 0.6]]
    """
    frame, labels, sizes = segment_sizes(features, segment, order, absent)
    names, total = list(sizes), sum(sizes.values())
    size = np.array(list(sizes.values()), dtype=float)
    member = (labels[:, None] == np.array(names, dtype=object)[None, :]).astype(float)
    table: dict[str, Any] = {"segment": names, "customers": size.astype(int)}
    share = size / max(total, 1)
    put(table, "share_customers", (share, *share_interval(share, 0.0, total)))
    amount = numeric(frame, "amount")
    shares = part_of_total(np.nan_to_num(amount), member)
    # Nothing is known of the sales of those who are not in the features.
    here = member.any(axis=0)
    put(table, "share_sales", [np.where(here, figure, np.nan) for figure in shares])
    put(table, "sales_per_customer", grouped_mean(amount, member))
    told = ["contacts", "response_rate", "response_rate_low", "response_rate_high"]
    rates = rates_of(names, response)
    table |= {name: rates[name].to_numpy() for name in told}
    scores = build_profiles(frame) if profiles is None else profiles
    if profiles is not None:
        scores = profiles.set_index("customer_id").reindex(frame["customer_id"])
    for axis in AXES:
        put(table, axis, grouped_mean(scores[axis].to_numpy(dtype=float), member))
    return SegmentProfile(pd.DataFrame(table), method, total, note, basis)
