"""How the week's segments answered promotions, each customer in the segment of that time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, fold, join
from promolab.features import build_features
from promolab.results import Result, words_of
from promolab.segmentation.groups.preparation import NO_HISTORY
from promolab.segmentation.response_rates import SegmentResponse, segment_response
from promolab.segmentation.segmenter import Segmenter

if TYPE_CHECKING:
    from promolab.contract import Shop


MOST_CUSTOMERS = 20_000
CLICKED = "clicked"


@dataclass(frozen=True)
class SegmentHistory(Result):
    """How the same segments answered before.

    Parameters
    ----------
    response : SegmentResponse or None
        Answers to promotions that are over, by the segment at each one's start: what ``response
        rate`` means of a segment, on every page.
    clicks : SegmentResponse or None
        The same of clicks; None where the shop records none.
    why : str
        Why there is none; empty where there is, or where nobody was asked.
    """

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
        """Return who answers more or less."""
        return self.why if self.response is None else self.response.summary()

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
    answers: pd.DataFrame,
    *,
    outcome: str = "redeemed",
) -> SegmentHistory:
    """Compare how the week's segments answered, each customer in the segment of that time.

    Parameters
    ----------
    shop : Shop
        Where their features come from.
    segmenter : Segmenter
        The segments in use.
    customers : iterable of ids
        Whom to look back at, such as `sample_customers`.
    answers : DataFrame
        One row per contact of theirs: ``promotion_id, customer_id, starts_at``, the outcome and
        ``clicked`` (`promolab.campaign.past.past_answers`).
    outcome : str
        The column of ``answers`` that says who answered.

    Returns
    -------
    SegmentHistory
        Whoever had no history at a promotion's start is in *No history* then.
    """
    if not segmenter.has_centres or segmenter.k_ < 2:
        return SegmentHistory(None, None, _says("one"))
    if answers.empty:
        return SegmentHistory(None)
    import ibis

    asked = answers.rename(columns={"starts_at": "as_of"})[["customer_id", "as_of"]]
    asked = asked.drop_duplicates().astype({"as_of": "datetime64[us]"})
    then = build_features(shop, ibis.memtable(asked)).execute()
    then["segment"] = segmenter.predict(then)
    called = {}
    if shop.has("promotions"):
        told = shop.promotions.select("promotion_id", "kind").execute()
        called = {p: shop.promotion_name(k, p) for p, k in told.to_numpy().tolist()}
    many, known = len(pd.Index(list(customers))), len(segmenter.assignments())
    said = _says("drawn", ids=many) if many < known else ""
    then = then[["customer_id", "as_of", "segment"]]
    response, clicks = (
        _answered(answers, then, segmenter, column, said, called) if column in answers else None
        for column in (outcome, CLICKED)
    )
    return SegmentHistory(response, clicks)


def _says(line: str, **facts: Any) -> str:
    return words_of(__name__, "SegmentHistory", **facts).say(line)


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
