"""What each segment is: size, sales, response and the four axes, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab import plots
from promolab.display import Ranged
from promolab.errors import InputError, nearest
from promolab.profiles import AXES, build_profiles, customer_frame, numeric
from promolab.results import Facts, Result, drawn_by, words_of
from promolab.segmentation.groups.measures import difference_interval, grouped_mean
from promolab.segmentation.groups.naming import segment_words
from promolab.segmentation.groups.preparation import APART
from promolab.segmentation.groups.rfm import in_a_sentence
from promolab.stats import part_of_total, share_interval
from promolab.wording import count, decimals_for, number, percent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.segmentation.response_rates import SegmentResponse


_SHARES = ("share_customers", "response_rate")


@dataclass(frozen=True)
class ProfilePair(Result):
    """The profiles of two segments, and by how much they differ.

    Parameters
    ----------
    frame : DataFrame
        One row per figure that both have: ``figure``, ``first, second``,
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

    def facts(self) -> dict[str, Any]:
        """Return the figures told apart, the clearest first, and those shared."""
        rows = self.frame.assign(kind=self.frame["figure"].map(_kind), clear=_clarity(self.frame))
        apart = rows[rows["apart"]].sort_values("clear", ascending=False, kind="stable")
        in_scores = apart[apart["figure"].isin(list(AXES))]
        case = "none" if rows.empty else "apart" if len(apart) else "alike"
        # What is neither a score nor a share does not fit on an axis to 100.
        drawn = rows[rows["figure"] != "sales_per_customer"].copy()
        scale = np.where(drawn["kind"] == "share", 100.0, 1.0)
        for side in ("first", "second", "difference"):
            for end in ("", "_low", "_high"):
                drawn[f"{side}{end}"] *= scale
        shades = plots.segment_colours({*self.segments, self.first, self.second})
        names = [segment_words(name) for name in (self.first, self.second)]
        return {
            "one": in_a_sentence(names[0]),
            "other": names[1],
            "names": [
                f"{name} ({count(n)})" for name, n in zip(names, self.customers, strict=True)
            ],
            "case": case,
            "clearest": apart.head(3),
            "scored": len(in_scores) > 0,
            "stated": bool(self.basis),
            "most": str(in_scores["figure"].iloc[0]) if len(in_scores) else "",
            "alike": rows.loc[~rows["apart"], "figure"].tolist() if case == "apart" else [],
            "drawn": drawn,
            "colours": [shades[self.first], shades[self.second]],
        }


def _kind(figure: str) -> str:
    kinds = {"sales_per_customer": "money"} | dict.fromkeys(_SHARES, "share")
    return kinds.get(figure, "score")


def _clarity(rows: pd.DataFrame) -> np.ndarray:
    """How many widths of its interval each difference lies from 0, to tell which come first."""
    width = (rows["difference_high"] - rows["difference_low"]).to_numpy(dtype=float)
    far = rows["difference"].abs().to_numpy(dtype=float) / np.where(width > 0, width, np.inf)
    return np.asarray(far.round(9))


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
    figures = ["share_customers", "sales_per_customer", *AXES, "response_rate"]
    by_name = {str(row["segment"]): row for row in profile.frame.to_dict("records")}
    first, second = by_name[a], by_name[b]
    rows = []
    for name in figures:
        parts = [name, f"{name}_low", f"{name}_high"]
        ends = [[float(of[part]) for part in parts] for of in (first, second)]
        if not np.isfinite(ends).all():
            continue
        shares = name == "share_customers"  # more in one are fewer in the other
        against = float(shares_against(ends[0][0], ends[1][0])) if shares else 0.0
        low, high = map(float, difference_interval(ends[0], ends[1], against))
        rows.append([name, *ends[0], *ends[1], ends[0][0] - ends[1][0], low, high])
    columns = [f"{s}{e}" for s in ("first", "second", "difference") for e in ("", "_low", "_high")]
    found = pd.DataFrame(rows, columns=["figure", *columns])
    found["apart"] = (found["difference_low"] > 0) | (found["difference_high"] < 0)
    sizes = (int(first["customers"]), int(second["customers"]))
    made = tuple(name for name in names if name not in APART)
    return ProfilePair(found, a, b, sizes, profile.basis, made)


MIN_CONTACTS = 30
"""Contacts from which on a segment may be called the one that responds most."""

SEGMENT_FORMATS: dict[str, Any] = {"customers": count}
SEGMENT_FORMATS |= dict.fromkeys(("share_sales", "response_rate", "click_rate"), Ranged(percent))
SEGMENT_FORMATS |= dict.fromkeys(AXES, Ranged(partial(number, decimals=0)))
"""How the figures of a profile are written in a table."""


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
    basis: str = ""

    def _made(self) -> pd.DataFrame:
        """The segments that were made, without the named groups apart; all if there is none."""
        made = self.frame[~self.frame["segment"].isin(APART)]
        return self.frame if made.empty else made

    def _top(self, column: str) -> pd.DataFrame:
        """The segment highest in a share, as a row; none where no one stands out."""
        rows = self._made().dropna(subset=[column])
        rows = rows[rows["contacts"] >= MIN_CONTACTS] if column == "response_rate" else rows
        if len(rows) < 2 or not rows[column].max() > 0:
            return rows[:0]
        row = rows.iloc[[int(rows[column].to_numpy().argmax())]]
        ends = [100 * row[f"{column}{end}"].iloc[0] for end in ("_low", "_high")]
        coarse = ends[1] > ends[0] and decimals_for(*ends) <= 0
        named = in_a_sentence(segment_words(row["segment"].iloc[0]))
        return row.assign(segment=named, digits="coarse" if coarse else "fine")

    def finding(self, verb: str = "") -> str:
        """Return which segment stands out, in a line: it responds most, or brings most sales.

        Parameters
        ----------
        verb : str
            What customers do about the shop's promotions; "respond" by default.
        """
        facts = Facts(self._room_words, self.facts() | ({"does": verb} if verb else {}), self)
        return facts.say("response") or facts.say("sale")

    def facts(self) -> dict[str, Any]:
        """Return the segments that stand out, and what the figures draw."""
        made, (response, sale) = self._made(), map(self._top, ("response_rate", "share_sales"))
        largest = made.iloc[[int(made["customers"].to_numpy().argmax())]]
        largest = largest.assign(segment=largest["segment"].map(segment_words))
        scores = made[list(AXES)].to_numpy(dtype=float)
        far = len(made) > 1 and not np.isnan(scores).all()
        place = np.nanargmax(np.abs(scores - 50).round(9)) if far else 0
        row, axis = divmod(int(place), len(AXES))
        named = self.frame.assign(segment=self.frame["segment"].map(segment_words))
        long = named.melt(["segment", "customers"], list(AXES), "axis", "score")
        worth = named.dropna(subset=["sales_per_customer"])
        colours = plots.segment_colours(made["segment"])
        shades = {segment_words(name): colour for name, colour in colours.items()}
        return {
            "does": words_of(__name__, "SegmentProfile").say("respond"),
            "stated": bool(self.basis),
            "named": named,
            "sold": len(sale) > 0,
            "apart": far,
            "k": int((~self.frame["segment"].isin(APART)).sum()),
            "responds": response,
            "sells": sale,
            "large": largest[:0] if len(response) or len(sale) else largest,
            "far": in_a_sentence(segment_words(made["segment"].iloc[row])) if far else "",
            "far_axis": list(AXES)[axis],
            "far_score": float(scores[row, axis]) if far else np.nan,
            "scores": long.assign(
                row=long["segment"] + " (" + long["customers"].map(count) + ")",
                axis=long["axis"].map(words_of(__name__, "SegmentProfile").word),
            ),
            "worth": worth.assign(
                percent=100 * worth["share_customers"],
                each=worth["sales_per_customer"],
                area=worth["share_sales"].clip(lower=0),
            ),
            "shades": [shades.get(name, plots.MUTED) for name in worth["segment"]],
        }

    plot_size_value = drawn_by(
        "plot_size_value", "Draw each segment's customers against its sales per customer."
    )

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
    basis: str = "",
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
