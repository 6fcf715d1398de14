"""Which promotions start, run, end and come, seen from the morning of a report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from promolab.campaign._outcomes import responses_in_windows
from promolab.errors import InputError
from promolab.features.point_in_time import read_as_of

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["moment_of", "promotion_name", "shifted", "timeline"]

_KINDS = {
    "coupon": "Coupons",
    "recommendation": "Recommendation",
    "limited_time_discount": "Discount",
    "full_reduction": "Spend-and-save",
}
AHEAD = 28  # days after the week in which a promotion is "coming"


def promotion_name(kind: str, promotion_id: Any) -> str:
    """Return what readers call a promotion: its kind in words, and its id.

    Examples
    --------
    >>> promotion_name("coupon", 13), promotion_name("full_reduction", "P7")
    ('Coupons 13', 'Spend-and-save P7')
    """
    words = _KINDS.get(str(kind), str(kind).replace("_", " ").capitalize())
    return f"{words} {promotion_id}"


def moment_of(as_of: Any) -> datetime:
    """Return one moment as UTC without a zone.

    Raises
    ------
    InputError
        If ``as_of`` is a table or no time.
    """
    moment = read_as_of(as_of)
    if not isinstance(moment, datetime):
        raise InputError("as_of is a table; give one moment, such as week.start(shop.zone)")
    return moment


def shifted(moment: datetime, days: int, zone: str) -> datetime:
    """Return the same time of day some days on, by the clocks of a zone.

    Examples
    --------
    >>> shifted(datetime(2017, 10, 30, 4), 7, "America/New_York")
    datetime.datetime(2017, 11, 6, 5, 0)
    """
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return (local + timedelta(days=days)).astimezone(UTC).replace(tzinfo=None)


def timeline(shop: Shop, as_of: Any, weeks: int = 8) -> pd.DataFrame:
    """List the promotions around a date, with what had happened before it.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        The week's first moment (UTC if it has no zone).
    weeks : int
        How many weeks back an ended promotion is still listed.

    Returns
    -------
    DataFrame
        promotion_id, name, status, starts_at, ends_at (UTC), day and days ("day 12 of 33"; 0 before
        the start), contacts and redeemers (distinct customers, before ``as_of`` only: a promotion
        that starts in the week has as yet none), products (offered; missing if not known).
        ``status``: ``launching`` (starts within 7 days from ``as_of``), ``running``, ``ended``,
        ``coming`` (starts in the 4 weeks after these 7 days). In this order, and by start and id.

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
    >>> table = timeline(shop, datetime(2017, 10, 30, 4))
    >>> table.set_index("name").status[["Coupons 18", "Coupons 16", "Coupons 13"]].tolist()
    ['launching', 'running', 'ended']
    """
    shop.require("response models")
    now = moment_of(as_of)
    table = shop.promotions.select("promotion_id", "kind", "starts_at", "ends_at").execute()
    table["status"] = _status(table, now, weeks, shop.zone)
    table = table[table["status"].notna()].reset_index(drop=True)
    table["name"] = [
        promotion_name(k, i) for k, i in zip(table["kind"], table["promotion_id"], strict=True)
    ]
    length = _days(table["starts_at"], table["ends_at"], shop.zone)
    table["days"] = np.ceil(length).astype(int)
    today = pd.Series(pd.Timestamp(now), index=table.index)
    elapsed = np.floor(_days(table["starts_at"], today, shop.zone)).astype(int) + 1
    table["day"] = elapsed.where(table["starts_at"] <= now, 0).clip(upper=table["days"])
    for column, counts in _counts(shop, table, now).items():
        found = table["promotion_id"].map(counts)
        table[column] = (found if column == "products" else found.fillna(0)).astype("Int64")
    order = pd.Categorical(table["status"], ["launching", "running", "ended", "coming"])
    table = table.assign(order=order.codes, text=table["promotion_id"].astype(str))
    table = table.sort_values(["order", "starts_at", "text"], ignore_index=True)
    columns = ["promotion_id", "name", "status", "starts_at", "ends_at", "day", "days"]
    return table[[*columns, "contacts", "redeemers", "products"]]


def _status(table: pd.DataFrame, now: datetime, weeks: int, zone: str) -> pd.Series:
    week, horizon = shifted(now, 7, zone), shifted(now, 7 + AHEAD, zone)
    starts, ends = table["starts_at"], table["ends_at"]
    status = pd.Series(None, index=table.index, dtype=object)
    status[(starts < now) & (ends > now)] = "running"
    status[(ends <= now) & (ends > shifted(now, -7 * weeks, zone))] = "ended"
    status[(starts >= now) & (starts < week)] = "launching"
    status[(starts >= week) & (starts < horizon)] = "coming"
    return status


def _days(earlier: pd.Series, later: pd.Series, zone: str) -> pd.Series:
    """Return the local days between, whole or not: the clocks' changes neither add nor take one."""

    def local(ts: pd.Series) -> pd.Series:
        return ts.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)

    return (local(later) - local(earlier)).dt.total_seconds() / 86_400


def _counts(shop: Shop, table: pd.DataFrame, now: datetime) -> dict[str, pd.Series]:
    answers = responses_in_windows(shop, table, now)
    by_promotion = answers.groupby("promotion_id")["redemptions"]
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
