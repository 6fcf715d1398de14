"""Promotions that are running: redemptions so far against those expected by now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign._clock import moment_of, shifted
from promolab.campaign._outcomes import answers_of, contacts_before, responses_between
from promolab.campaign.attribution import response_spans
from promolab.campaign.outlook import PREDICTION_LEVEL
from promolab.campaign.pace import Pace
from promolab.campaign.running_result import Running, RunningPromotion
from promolab.campaign.schedule import promotion_name
from promolab.contract.operations import read_operations
from promolab.results import Estimate
from promolab.wording import answer_to

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["follow_running"]

FEWEST = 5  # past promotions of a kind; with fewer, the band of all is narrower and truer
PAST = "past promotions"


def follow_running(
    shop: Shop,
    as_of: Any,
    predicted: Mapping[Any, Estimate] | None = None,
    *,
    predicted_by: str = "the prediction made before it started",
) -> Running:
    """Compare the redemptions of running promotions with those expected by now.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        UTC if it has no zone; nothing at or after it is read.
    predicted : mapping of promotion_id to Estimate, optional
        Redeemers expected in total of all who were contacted, with the prediction interval, as an
        earlier week told them (`promolab.campaign.outlook.expected_of`). A promotion without one is
        compared with what past ones brought per contact.
    predicted_by : str
        Where these come from, in words.

    Returns
    -------
    Running
        The first to end first. Expected by now is the total times the share of redeemers that past
        promotions had by this part of their window, or, without a prediction, the contacts times
        the redeemers per contact that they had by then. Past promotions are those of its type, else
        of its kind, else all: the first of these that holds five. Intervals (90 %) hold what
        promotions differ by and the noise of the count; `promolab.campaign.pace` states them.

    Raises
    ------
    DataError
        If the shop lacks promotions, exposures or responses.
    InputError
        If ``as_of`` is no single moment.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> found = follow_running(shop, datetime(2017, 10, 30, 4))["16"]
    >>> found.day, found.days, found.observed, found.word
    (27, 33, 18, 'inside its band')
    """
    shop.require("response models")
    now = moment_of(as_of)
    promotions = _promotions(shop, now)
    runs = promotions[promotions["ends_at"] > now]
    if runs.empty:
        return Running(now, ())
    attribution = read_operations(shop.settings).attribution
    spans = response_spans(promotions, attribution, shop.zone, ("redeem",))
    responses = responses_between(shop, spans, now)
    contacts = contacts_before(shop, promotions, now)
    answers = answers_of(contacts, responses)
    first = answers.loc[answers["redeem"] > 0, ["promotion_id", "customer_id"]]
    first = first.merge(responses, on=["promotion_id", "customer_id"])
    promotions = promotions.merge(spans[["promotion_id", "high"]], on="promotion_id")
    promotions["contacts"] = (
        promotions["promotion_id"].map(answers.groupby("promotion_id").size()).fillna(0).astype(int)
    )
    rows = [
        _follow(p, promotions, first, now, shop.zone, predicted or {}, predicted_by)
        for p in promotions[promotions["ends_at"] > now].itertuples()
    ]
    return Running(now, tuple(rows))


def _promotions(shop: Shop, now: datetime) -> pd.DataFrame:
    """Return the promotions of the shop's life that started before ``now``, the next to end first.

    Of one that started before the data do, the first redemptions are not known.
    """
    table = shop.promotions.filter(shop.promotions.starts_at < now)
    known = ["promotion_id", "kind", "starts_at", "ends_at"]
    known += [c for c in ("type",) if c in table.columns]
    found = table.select(*known).execute()
    found["type"] = found["type"].fillna("") if "type" in found else ""
    opened = shop.settings.life()[0] or shop.span()[0]
    found = found[(found["starts_at"] >= opened) | (found["ends_at"] > now)]
    found = found.assign(whole=found["starts_at"] >= opened, text=found["promotion_id"].astype(str))
    return found.sort_values(["ends_at", "text"], ignore_index=True)


def _past(own: Any, promotions: pd.DataFrame, now: datetime) -> tuple[pd.DataFrame, str]:
    """Return the past promotions to compare with, and what they are, in words."""
    done = promotions[(promotions["high"] <= now) & promotions["whole"]]
    done = done[(done["ends_at"] <= now) & (done["contacts"] > 0)]
    for column, words in (("type", f"of its type ({own.type})"), ("kind", "of its kind")):
        like = done[done[column] == getattr(own, column)]
        if len(like) >= FEWEST and getattr(own, column):
            return like, f"{PAST} {words}"
    return done, PAST


def _follow(
    own: Any,
    promotions: pd.DataFrame,
    first: pd.DataFrame,
    now: datetime,
    zone: str,
    predicted: Mapping[Any, Estimate],
    predicted_by: str,
) -> RunningPromotion:
    past, words = _past(own, promotions, now)
    pace = Pace.of(past, first)
    start = own.starts_at.to_pydatetime()
    local = pd.DatetimeIndex([start, own.ends_at, now], tz="UTC").tz_convert(zone)
    local = local.tz_localize(None)
    days = int(np.ceil((local[1] - local[0]) / pd.Timedelta(days=1)))
    ends = pd.to_datetime([*(shifted(start, d, zone) for d in range(days + 1)), now])
    ends = ends.unique().sort_values()
    part = ((ends - own.starts_at) / (own.high - own.starts_at)).to_numpy().clip(0.0, 1.0)
    total = predicted.get(own.promotion_id, predicted.get(str(own.promotion_id)))
    if total is None:
        band, total = pace.from_contacts(own.contacts, part)
        source = f"what {len(past)} {words} brought per contact" if len(past) else "nothing yet"
    else:
        band = pace.from_total(total, own.contacts, part)
        done = answer_to(past["kind"]).done
        source = f"{predicted_by}, and how fast {len(past)} {words} were {done}"
    times = np.sort(first.loc[first["promotion_id"] == own.promotion_id, "first_ts"].to_numpy())
    so_far = np.searchsorted(times, ends.to_numpy(), side="left").astype(float)
    curve = band.assign(at=ends, day=(ends - own.starts_at) / pd.Timedelta(days=1))
    curve["observed"] = np.where(ends <= pd.Timestamp(now), so_far, np.nan)
    by_now = curve[curve["at"] == now].iloc[0]
    return RunningPromotion(
        promotion_id=own.promotion_id,
        name=promotion_name(own.kind, own.promotion_id),
        starts_at=start,
        ends_at=own.ends_at.to_pydatetime(),
        day=min(int((local[2] - local[0]) / pd.Timedelta(days=1)) + 1, days),
        days=days,
        contacts=int(own.contacts),
        observed=len(times),
        expected=Estimate(
            float(by_now["expected"]), float(by_now["ci_low"]), float(by_now["ci_high"]), len(past)
        ),
        expected_total=total,
        source=source,
        level=PREDICTION_LEVEL,
        curve=curve[["day", "at", "observed", "expected", "ci_low", "ci_high"]],
        kind=str(own.kind),
    )
