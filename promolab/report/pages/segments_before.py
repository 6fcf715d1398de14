"""The week's segments as of earlier times: where customers came from, and how they answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promolab.campaign.past import (
    contacts_before,
    kinds_recorded,
    response_spans,
    responses_between,
)
from promolab.contract import read_operations
from promolab.features import build_features
from promolab.segmentation import (
    NO_HISTORY,
    Segmenter,
    SegmentResponse,
    SegmentTrack,
    segment_response,
    segment_track,
)
from promolab.wording import answer_to, capital, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop

__all__ = ["SegmentsBefore", "segments_before"]

WEEKS_BEFORE = (8, 4)
MOST_CUSTOMERS = 20_000
"""Of more customers, so many are drawn at random to look back at."""
CLICK, CLICKED = "click", "clicked"
_KEYS = ["promotion_id", "customer_id"]


@dataclass(frozen=True)
class SegmentsBefore:
    """The same segments at earlier times: where customers came from, and how they answered.

    Parameters
    ----------
    track : SegmentTrack or None
        Customers weeks before and now.
    response : SegmentResponse or None
        Redemptions (purchases, where there is nothing to redeem) of promotions that are over, by
        the segment at each one's start: what ``response rate`` means of a segment, on every page.
    clicks : SegmentResponse or None
        The same of clicks; None where the shop records none.
    why_no_track, why_no_response : str
        Why there is none; empty where there is one.
    """

    track: SegmentTrack | None
    response: SegmentResponse | None
    clicks: SegmentResponse | None = None
    why_no_track: str = ""
    why_no_response: str = ""

    def rates(self) -> pd.DataFrame:
        """Return segment and click rate with its interval; without rows where none is recorded."""
        import pandas as pd

        parts = {"rate": "click_rate", "rate_low": "click_rate_low", "rate_high": "click_rate_high"}
        if self.clicks is None:
            return pd.DataFrame({"segment": []} | {name: [] for name in parts.values()})
        return self.clicks.segments[["segment", *parts]].rename(columns=parts)

    def table(self) -> pd.DataFrame:
        """Return the response as a table; without rows where there is none."""
        import pandas as pd

        if self.response is not None:
            return self.response.to_frame()
        return pd.DataFrame({"segment": [], "promotion_id": [], "rate": []}).astype(
            {"segment": object, "promotion_id": object, "rate": float}
        )


def segments_before(
    shop: Shop,
    segmenter: Segmenter,
    features: pd.DataFrame,
    customers: Iterable[Any],
    *,
    seed: int = 0,
) -> SegmentsBefore:
    """Put customers into the week's segments as of earlier times, from what was known then.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses for the response.
    segmenter : Segmenter
        The segments in use.
    features : DataFrame
        The week's, with ``as_of``.
    customers : iterable of ids
        All customers.
    seed : int
        Start of the random numbers, where customers are drawn.

    Returns
    -------
    SegmentsBefore
        Whoever had no history at a time is in *No history* then.
    """
    if not segmenter.has_centres or segmenter.k_ < 2 or "as_of" not in features:
        why = "There are no two segments to follow."
        return SegmentsBefore(None, None, None, why, why)
    import ibis
    import pandas as pd

    as_of = pd.Timestamp(features["as_of"].iloc[0])
    ids, drawn = _looked_back_at(customers, seed)
    contacts, why = _contacts_over(shop, as_of, ids if drawn else None)
    times = {f"{w} weeks before": as_of - pd.Timedelta(weeks=w) for w in WEEKS_BEFORE}
    wanted = [pd.DataFrame({"customer_id": ids, "as_of": moment}) for moment in times.values()]
    if contacts is not None:
        started = contacts.rename(columns={"starts_at": "as_of"})
        wanted.append(started[["customer_id", "as_of"]])
    asked = pd.concat(wanted, ignore_index=True).drop_duplicates()
    asked["as_of"] = asked["as_of"].astype("datetime64[us]")
    then = build_features(shop, ibis.memtable(asked)).execute()
    then["segment"] = segmenter.predict(then)
    then = then[["customer_id", "as_of", "segment"]]
    frames = {when: _at(then, moment, ids) for when, moment in times.items()}
    frames = {when: f for when, f in frames.items() if (f["segment"] != NO_HISTORY).any()}
    frames["now"] = _named(segmenter.assignments(), ids)
    said = f"Of {plural(len(ids), 'customer')} drawn at random." if drawn else ""
    return SegmentsBefore(
        segment_track(frames, order=segmenter.names_, note=said) if len(frames) > 1 else None,
        *_answers(contacts, then, segmenter, said),
        "" if len(frames) > 1 else "The shop's history is too short to look back.",
        why,
    )


def _looked_back_at(customers: Iterable[Any], seed: int) -> tuple[pd.Index, bool]:
    import numpy as np
    import pandas as pd

    ids = pd.Index(list(customers)).unique().sort_values()
    if len(ids) <= MOST_CUSTOMERS:
        return ids, False
    rows = np.random.default_rng(seed).choice(len(ids), MOST_CUSTOMERS, replace=False)
    return ids[np.sort(rows)], True


def _contacts_over(
    shop: Shop, as_of: pd.Timestamp, ids: pd.Index | None
) -> tuple[pd.DataFrame | None, str]:
    """Return each contact of promotions that are over, and whether it was answered in time.

    Answered is what the read-out of ended promotions counts: a redemption, or a purchase where
    there is nothing to redeem. A click is told apart. Of promotions that started before the data
    do, answers are known in part only.
    """
    import ibis
    import pandas as pd

    lacking = shop.lacks("response models")
    if lacking:
        return None, f"{capital(lacking)}."
    now = as_of.to_pydatetime()
    columns = ["promotion_id", "kind", "starts_at", "ends_at"]
    promotions = shop.promotions.select(*columns).execute()
    attribution = read_operations(shop.settings).attribution
    spans = response_spans(promotions, attribution, shop.zone, ("redeem",))
    spans = pd.concat([spans, spans.assign(kind=CLICK, counted=CLICK)], ignore_index=True)
    until = promotions["promotion_id"].map(spans.groupby("promotion_id")["high"].max())
    over = (until <= as_of) & (promotions["ends_at"] <= as_of)
    over &= promotions["starts_at"] >= shop.span()[0]
    promotions = promotions[over]
    if ids is not None:  # before anything is read: contacts may be far more than those drawn
        drawn = ibis.memtable(pd.DataFrame({"customer_id": ids}))
        part = {"exposures": shop.exposures.semi_join(drawn, "customer_id")}
        shop = shop.with_tables({**shop.tables, **part})
    rows = contacts_before(shop, promotions, now)
    if rows.empty:
        return None, "No promotion is over yet, so nothing is known of any answer."
    spans = spans[spans["promotion_id"].isin(promotions["promotion_id"])]
    answers = responses_between(shop, spans, now)
    rows = rows[_KEYS].merge(promotions[["promotion_id", "starts_at"]], on="promotion_id")
    answered = answer_to(promotions["kind"]).past
    for kind, name in (("redeem", answered), (CLICK, CLICKED)):
        mine = answers.loc[answers["kind"] == kind, _KEYS].assign(**{name: 1})
        rows = rows.merge(mine, on=_KEYS, how="left").fillna({name: 0})
    if CLICK not in kinds_recorded(shop, now):
        rows = rows.drop(columns=CLICKED)
    rows["starts_at"] = rows["starts_at"].astype("datetime64[us]")
    return rows.sort_values(_KEYS, ignore_index=True), ""


def _at(then: pd.DataFrame, moment: pd.Timestamp, ids: pd.Index) -> pd.DataFrame:
    return _named(then[then["as_of"] == moment], ids)


def _named(frame: pd.DataFrame, ids: pd.Index) -> pd.DataFrame:
    there = frame.set_index("customer_id")["segment"].reindex(ids)
    return there.fillna(NO_HISTORY).rename_axis("customer_id").reset_index()


def _answers(
    contacts: pd.DataFrame | None, then: pd.DataFrame, segmenter: Segmenter, said: str
) -> tuple[SegmentResponse | None, SegmentResponse | None]:
    """Return what segments answered, and what they clicked; None what is not known."""
    if contacts is None:
        return None, None
    started = then.rename(columns={"as_of": "starts_at"})
    rows = contacts.merge(started, on=["customer_id", "starts_at"], how="left")
    made = f"in {segmenter.made_in}" if segmenter.made_in else "this week"
    known = (
        "Each customer counts in the segment where the features as of the promotion's start put "
        f"them. The segments' borders were drawn {made}. {said}"
    )
    names = rows["segment"].fillna(NO_HISTORY).to_numpy(dtype=object)
    told: dict[str, Any] = {"order": segmenter.names_, "known": known.rstrip()}
    outcome = next(str(c) for c in contacts if c not in (*_KEYS, "starts_at", CLICKED))
    clicks = segment_response(rows, names, CLICKED, **told) if CLICKED in contacts else None
    return segment_response(rows, names, outcome, **told), clicks
