"""The week's segments as of earlier times: where customers came from, and how they answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, fold, join
from promolab.features import build_features
from promolab.results import Result, words_of
from promolab.segmentation.groups.preparation import NO_HISTORY
from promolab.segmentation.migration import SegmentTrack, segment_track
from promolab.segmentation.response_rates import SegmentResponse, segment_response
from promolab.segmentation.segmenter import Segmenter

if TYPE_CHECKING:
    from promolab.contract import Shop


MOST_CUSTOMERS = 20_000
CLICKED = "clicked"


@dataclass(frozen=True)
class SegmentHistory(Result):
    """The same segments at earlier times: where customers came from, and how they answered.

    Parameters
    ----------
    track : SegmentTrack or None
        Customers weeks before and now.
    response : SegmentResponse or None
        Answers to promotions that are over, by the segment at each one's start: what ``response
        rate`` means of a segment, on every page.
    clicks : SegmentResponse or None
        The same of clicks; None where the shop records none.
    why : str
        Why customers cannot be followed; empty where they can.
    """

    track: SegmentTrack | None
    response: SegmentResponse | None
    clicks: SegmentResponse | None = None
    why: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per segment and promotion; none where no answer is known."""
        if self.response is not None:
            return self.response.to_frame()
        kinds = {"segment": object, "promotion_id": object, "rate": float}
        return pd.DataFrame(columns=list(kinds)).astype(kinds)

    def summary(self) -> str:
        """Return where customers came from, and who answers more or less."""
        told = [part.summary() for part in (self.track, self.response) if part is not None]
        return " ".join(told) or self.why

    def to_table(self, which: str = "table") -> Html:
        """Return what each segment answered, clicks behind a line that opens."""
        answers, clicks = (
            [] if found is None else [found.to_table()] for found in (self.response, self.clicks)
        )
        title = words_of(__name__, "SegmentHistory").say("clicks")
        return join([*answers, fold(title, clicks)])

    def rates(self) -> pd.DataFrame:
        """Return segment and click rate with its interval; without rows where none is recorded."""
        parts = {"rate": "click_rate", "rate_low": "click_rate_low", "rate_high": "click_rate_high"}
        if self.clicks is None:
            return pd.DataFrame({"segment": []} | {name: [] for name in parts.values()})
        return self.clicks.segments[["segment", *parts]].rename(columns=parts)


def sample_customers(customers: Iterable[Any], seed: int = 0, most: int | None = None) -> pd.Index:
    """Return the customers in order; of more than ``most``, so many drawn at random.

    Parameters
    ----------
    customers : iterable of ids
    seed : int
        Start of the random numbers.
    most : int, optional
        20,000 by default: more tell nothing new of a segment, and take their time.

    Examples
    --------
    >>> sample_customers([3, 1, 2, 1]).tolist(), len(sample_customers(range(90), most=20))
    ([1, 2, 3], 20)
    """
    ids: pd.Index = pd.Index(list(customers)).unique().sort_values()
    if len(ids) <= (most := most or MOST_CUSTOMERS):
        return ids
    return ids.take(np.sort(np.random.default_rng(seed).choice(len(ids), most, replace=False)))


def segment_history(
    shop: Shop,
    segmenter: Segmenter,
    customers: Iterable[Any],
    as_of: datetime,
    answers: pd.DataFrame | None = None,
    *,
    outcome: str = "redeemed",
    weeks: Sequence[int] = (8, 4),
) -> SegmentHistory:
    """Put customers into the week's segments as of earlier times, from what was known then.

    Parameters
    ----------
    shop : Shop
        Where their features come from.
    segmenter : Segmenter
        The segments in use.
    customers : iterable of ids
        Whom to look back at, such as `sample_customers`.
    as_of : datetime
        When the segments are of.
    answers : DataFrame, optional
        One row per contact: ``promotion_id, customer_id, starts_at``, the outcome and ``clicked``
        (`promolab.campaign.past.past_answers`).
    outcome : str
        The column of ``answers`` that says who answered.
    weeks : sequence of int
        How many weeks to look back, the most first.

    Returns
    -------
    SegmentHistory
        Whoever had no history at a time is in *No history* then.
    """
    if not segmenter.has_centres or segmenter.k_ < 2:
        return SegmentHistory(None, None, None, _says("one"))
    import ibis

    ids = pd.Index(list(customers))
    times = {_says("weeks", weeks=w): pd.Timestamp(as_of) - pd.Timedelta(weeks=w) for w in weeks}
    wanted = [pd.DataFrame({"customer_id": ids, "as_of": moment}) for moment in times.values()]
    if answers is not None and len(answers):
        wanted.append(answers.rename(columns={"starts_at": "as_of"})[["customer_id", "as_of"]])
    asked = pd.concat(wanted, ignore_index=True).drop_duplicates()
    asked["as_of"] = asked["as_of"].astype("datetime64[us]")
    then = build_features(shop, ibis.memtable(asked)).execute()
    then["segment"] = segmenter.predict(then)
    then = then[["customer_id", "as_of", "segment"]]
    called = {}
    if shop.has("promotions"):
        told = shop.promotions.select("promotion_id", "kind").execute()
        called = {p: shop.promotion_name(k, p) for p, k in told.to_numpy().tolist()}
    frames = {when: _named(then[then["as_of"] == moment], ids) for when, moment in times.items()}
    frames = {when: f for when, f in frames.items() if (f["segment"] != NO_HISTORY).any()}
    now = segmenter.assignments()
    said = _says("drawn", ids=len(ids)) if len(ids) < len(now) else ""
    response = clicks = track = None
    if answers is not None and len(answers):
        response = _answered(answers, then, segmenter, outcome, said, called)
        if CLICKED in answers:
            clicks = _answered(answers, then, segmenter, CLICKED, said, called)
    if frames:
        frames[_says("now")] = _named(now, ids)
        track = segment_track(frames, order=segmenter.names_, note=said)
    why = "" if frames else _says("short")
    return SegmentHistory(track, response, clicks, why)


def _says(line: str, **facts: Any) -> str:
    return words_of(__name__, "SegmentHistory", **facts).say(line)


def _named(frame: pd.DataFrame, ids: pd.Index) -> pd.DataFrame:
    there = frame.set_index("customer_id")["segment"].reindex(ids)
    return there.fillna(NO_HISTORY).rename_axis("customer_id").reset_index()


def _answered(
    answers: pd.DataFrame,
    then: pd.DataFrame,
    segmenter: Segmenter,
    outcome: str,
    said: str,
    called: Mapping[Any, str],
) -> SegmentResponse:
    """Return what segments answered, each customer in the segment at the promotion's start."""
    started = then.rename(columns={"as_of": "starts_at"})
    rows = answers.merge(started, on=["customer_id", "starts_at"], how="left")
    known = _says("known", made_in=segmenter.made_in or "", dated=bool(segmenter.made_in))
    names = rows["segment"].fillna(NO_HISTORY).to_numpy(dtype=object)
    known = f"{known} {said}".rstrip()
    found = segment_response(rows, names, outcome, order=segmenter.names_, known=known)
    return replace(found, names=called)
