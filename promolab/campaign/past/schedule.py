"""Which promotions start, run, end and come, seen from the morning of a report."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.outcomes import answers_until
from promolab.campaign.past.outcomes import shifted as shifted
from promolab.errors import InputError, nearest
from promolab.promotions import moment_of, read_promotions
from promolab.results import words_of
from promolab.weeks import local_day

if TYPE_CHECKING:
    from promolab.contract import Shop


AHEAD = 28  # days after the week in which a promotion is "coming"
BACK = 8  # weeks in which a promotion that ended is still listed

LISTS = ("launching", "running", "ended", "coming")
"""The lists of promotions, in the order of `timeline`."""


def nothing_in(status: str) -> str:
    """Return what is said where one of the `LISTS` is empty."""
    return words_of(__name__, "empty_list", weeks=BACK).say(status)


def last_day(ends_at: Any, zone: str, *, year: bool = False) -> str:
    """Return the last local day of what ends at a moment, in words.

    Examples
    --------
    >>> last_day("2017-12-25 05:00", "America/New_York")
    '24 Dec'
    """
    end = pd.Timestamp(ends_at).to_pydatetime()
    return local_day(end - timedelta(seconds=1), zone, year=year)


def days_of(starts_at: Any, ends_at: Any, zone: str) -> str:
    """Return a promotion's first and last local day.

    Examples
    --------
    >>> days_of("2017-10-30 04:00", "2017-12-25 05:00", "America/New_York")
    '30 Oct – 24 Dec'
    """
    first = local_day(pd.Timestamp(starts_at).to_pydatetime(), zone, year=False)
    return f"{first} – {last_day(ends_at, zone)}"


def timeline(shop: Shop, as_of: Any, week: Any = None) -> pd.DataFrame:
    """List the promotions around a date, with what had happened before it.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        Nothing at or after it is read (UTC if it has no zone).
    week : datetime, optional
        The week's first moment, where the plan is made ahead of it; ``as_of`` by default.

    Returns
    -------
    DataFrame
        promotion_id, kind, name, status, starts_at, ends_at (UTC), day and days ("day 12 of 33"; 0
        before the start), contacts and redeemers (distinct customers, before ``as_of`` only: a
        promotion that starts in the week has as yet none), products (offered; missing if not
        known).
        ``status``: ``launching`` (starts within the week's 7 days), ``running`` (started earlier,
        not over at ``as_of``), ``ended`` (in the 8 weeks before), ``coming`` (starts in the 4 weeks
        after these 7 days). In this order, and by start and id.

    Raises
    ------
    DataError
        If the shop lacks promotions, exposures or responses.
    InputError
        If ``as_of`` is no single moment, or lies after ``week``.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> table = timeline(shop, datetime(2017, 10, 30, 4))
    >>> table.set_index("name").status[["Coupons 18", "Coupons 16", "Coupons 13"]].tolist()
    ['launching', 'running', 'ended']
    """
    shop.require("response models")
    now = moment_of(as_of)
    first = now if week is None else moment_of(week)
    if first < now:
        raise InputError(f"as_of {now} lies after the week's first moment {first}")
    table = shop.promotions.select("promotion_id", "kind", "starts_at", "ends_at").execute()
    table["status"] = _status(table, now, first, shop.zone)
    table = table[table["status"].notna()].reset_index(drop=True)
    table["name"] = [*map(shop.promotion_name, table["kind"], table["promotion_id"])]
    length = _days(table["starts_at"], table["ends_at"], shop.zone)
    table["days"] = np.ceil(length).astype(int)
    today = pd.Series(pd.Timestamp(now), index=table.index)
    elapsed = np.floor(_days(table["starts_at"], today, shop.zone)).astype(int) + 1
    table["day"] = elapsed.where(table["starts_at"] <= now, 0).clip(upper=table["days"])
    for column, counts in _counts(shop, table, now).items():
        found = table["promotion_id"].map(counts)
        table[column] = (found if column == "products" else found.fillna(0)).astype("Int64")
    order = pd.Categorical(table["status"], LISTS)
    table = table.assign(order=order.codes, text=table["promotion_id"].astype(str))
    table = table.sort_values(["order", "starts_at", "text"], ignore_index=True)
    columns = ["promotion_id", "kind", "name", "status", "starts_at", "ends_at", "day", "days"]
    table["terms"] = _terms(shop, table["promotion_id"])
    return pd.DataFrame(table[[*columns, "contacts", "redeemers", "products", "terms"]])


def _terms(shop: Shop, ids: pd.Series[Any]) -> list[str]:
    """Return what promotions take off; nothing of any where a face value cannot be."""
    try:
        told = read_promotions(shop, ids)
    except InputError:
        return [""] * len(ids)
    currency = shop.settings.currency
    return [told[one].face_value(currency) if told[one].stated else "" for one in ids]


def list_of(promotions: pd.DataFrame, status: str) -> tuple[pd.DataFrame, str]:
    """Return one of the four lists, and the sentence to say where it is empty.

    Parameters
    ----------
    promotions : DataFrame
        From `timeline`.
    status : str
        ``launching``, ``coming``, ``running`` or ``ended``.

    Returns
    -------
    DataFrame, str
        Its promotions; the sentence ("" where there are any).

    Examples
    --------
    >>> nothing = pd.DataFrame(columns=["promotion_id", "status"])
    >>> list_of(nothing, "launching")[1]
    'No promotion starts this week.'
    """
    if status not in LISTS:
        raise InputError(f"{status!r} is no list of promotions; {nearest(status, LISTS)}")
    rows = promotions[promotions["status"] == status].reset_index(drop=True)
    return rows, "" if len(rows) else nothing_in(status)


def _status(table: pd.DataFrame, now: datetime, first: datetime, zone: str) -> pd.Series[Any]:
    week, horizon = shifted(first, 7, zone), shifted(first, 7 + AHEAD, zone)
    starts, ends = table["starts_at"], table["ends_at"]
    status = pd.Series(None, index=table.index, dtype=object)
    status[(starts < first) & (ends > now)] = "running"
    status[(ends <= now) & (ends > shifted(now, -7 * BACK, zone))] = "ended"
    status[(starts >= first) & (starts < week)] = "launching"
    status[(starts >= week) & (starts < horizon)] = "coming"
    return status


def _days(earlier: pd.Series, later: pd.Series, zone: str) -> pd.Series:
    """Return the local days between, whole or not: the clocks' changes neither add nor take one."""

    def local(ts: pd.Series[pd.Timestamp]) -> pd.Series:
        return ts.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)

    return (local(later) - local(earlier)).dt.total_seconds() / 86_400


def _counts(shop: Shop, table: pd.DataFrame, now: datetime) -> dict[str, pd.Series[Any]]:
    by_promotion = answers_until(shop, table, now, ("redeem",))[0].groupby("promotion_id")["redeem"]
    counts = {
        "contacts": by_promotion.size(),
        "redeemers": by_promotion.agg(lambda n: int((n > 0).sum())),
        "products": pd.Series(dtype="Int64"),
    }
    if shop.has("promotion_products"):
        offers = shop.promotion_products
        offers = offers.group_by("promotion_id").aggregate(n=offers.product_id.nunique())
        counts["products"] = offers.execute().set_index("promotion_id")["n"]
    return counts
