"""What each segment is: size, sales, response and the four axes, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab import plots
from promolab.checks import along
from promolab.display import Ranged
from promolab.errors import InputError
from promolab.profiles import AXES, build_profiles, customer_frame, numeric
from promolab.results import Facts, Result, drawn_by, words_of
from promolab.segmentation.groups.measures import grouped_mean
from promolab.segmentation.groups.preparation import APART
from promolab.segmentation.groups.rfm import in_a_sentence
from promolab.stats import part_of_total, share_interval
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    from promolab.segmentation.response_rates import SegmentResponse


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
        return row.assign(segment=in_a_sentence(row["segment"].iloc[0]))

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
        scores = made[list(AXES)].to_numpy(dtype=float)
        far = len(made) > 1 and not np.isnan(scores).all()
        place = np.nanargmax(np.abs(scores - 50).round(9)) if far else 0
        row, axis = divmod(int(place), len(AXES))
        long = self.frame.melt(["segment", "customers"], list(AXES), "axis", "score")
        worth = self.frame.dropna(subset=["sales_per_customer"])
        colours = plots.segment_colours(made["segment"])
        return {
            "does": words_of(__name__, "SegmentProfile").say("respond"),
            "stated": bool(self.basis),
            "sold": len(sale) > 0,
            "apart": far,
            "k": int((~self.frame["segment"].isin(APART)).sum()),
            "responds": response,
            "sells": sale,
            "far": in_a_sentence(made["segment"].iloc[row]) if far else "",
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
            "shades": [colours.get(name, plots.MUTED) for name in worth["segment"]],
        }

    plot_size_value = drawn_by(
        "plot_size_value", "Draw each segment's customers against its sales per customer."
    )


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
    labels = np.asarray(along(features, segment, "segment", "features"), dtype=object)
    frame = customer_frame(features)
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
