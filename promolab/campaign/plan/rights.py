"""Who may be contacted: consent, complaints, contact limits and earlier promotions, as of a date.

Each function asks the engine for the customers concerned and returns them as a pandas Index or
Series by customer; nothing at or after the decision is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.past.schedule import shifted
from promolab.folder import read_suppressions

if TYPE_CHECKING:
    from promolab.contract import ContactLimit, ContactRules, Shop
    from promolab.folder import RunFolder


SUPPRESSIONS = "suppressions"
"""Table of a shop beside the contract's: refusals that `promolab.serve` was told."""


def same_channel(channel: str) -> str:
    """Return a channel as it is compared: ``E-Mail `` and ``e-mail`` are one."""
    return channel.strip().lower()


def contacts_before(shop: Shop, as_of: datetime, planned: pd.DataFrame | None = None) -> Any:
    """Return the contacts made before a decision, and those that released plans still owe.

    Parameters
    ----------
    shop : Shop
        Its `exposures`; where there are none nobody was contacted.
    as_of : datetime
        The decision.
    planned : DataFrame, optional
        customer_id, promotion_id (missing where nobody knows it), ts, perhaps channel: contacts of
        released plans, earlier and later ones. One of a customer and promotion that `exposures`
        already holds is that contact, and counts once.

    Returns
    -------
    ibis Table or None
        customer_id, promotion_id, ts, channel (as compared; the exposure's, else the promotion's,
        else the shop's, else null).
    """
    import ibis

    made = None
    if shop.has("exposures"):
        rows = shop.exposures.filter(shop.exposures.ts < ibis.literal(as_of).cast("timestamp"))
        made = _with_channel(shop, rows)
    if planned is None or planned.empty:
        return made
    columns = [c for c in ("customer_id", "promotion_id", "ts", "channel") if c in planned]
    rows = ibis.memtable(planned[columns].reset_index(drop=True))
    types = {"customer_id": shop.events.customer_id.type(), "ts": "timestamp", "channel": "string"}
    if shop.has("promotions"):
        types["promotion_id"] = shop.promotions.promotion_id.type()
    rows = rows.cast({name: types[name] for name in columns if name in types})
    if made is None:
        return _with_channel(shop, rows)
    owed = _with_channel(shop, rows.anti_join(made, ["customer_id", "promotion_id"]))
    return made.union(owed.cast(made.schema()))


def _with_channel(shop: Shop, rows: Any) -> Any:
    import ibis

    own = rows.channel if "channel" in rows.columns else ibis.null("string")
    rows = rows.select("customer_id", "promotion_id", "ts", own=own)
    said = ibis.null("string")
    if shop.has("promotions", "channel"):
        promotions = shop.promotions.select("promotion_id", of_promotion="channel")
        rows = rows.left_join(promotions, "promotion_id").select(
            *[rows[c] for c in rows.columns], promotions.of_promotion
        )
        said = rows.of_promotion
    if shop.settings.channel:
        said = ibis.coalesce(said, ibis.literal(shop.settings.channel))
    channel = ibis.coalesce(rows.own, said)
    return rows.select(
        "customer_id", "promotion_id", "ts", channel=channel.cast("string").strip().lower()
    )


def _channel_is(rows: Any, channel: str) -> Any:
    """Return which rows are of a channel; one whose channel is not known may be of any."""
    return rows.channel.isnull() | (rows.channel == same_channel(channel))


def contacts_within(
    contacts: Any, limit: ContactLimit, sends_at: datetime, zone: str
) -> pd.Series[int]:
    """Count each customer's contacts that a limit looks at; who had none is left out.

    One more contact at the sending lies in many spans of the limit's days: that which ends with it,
    and those which end with a contact after it that is promised already. The fullest one counts.
    A contact whose channel is not known counts against the limit of every channel.
    """
    import ibis

    since, until = (shifted(sends_at, days, zone) for days in (-limit.days, limit.days))
    since, until = (ibis.literal(moment).cast("timestamp") for moment in (since, until))
    rows = contacts.filter((contacts.ts > since) & (contacts.ts < until))
    if limit.channel is not None:
        rows = rows.filter(_channel_is(rows, limit.channel))
    later = rows.ts > ibis.literal(sends_at).cast("timestamp")
    rows = rows.select("customer_id", "ts", later=later)
    found: pd.DataFrame = rows.order_by("customer_id", "ts").execute()
    if not found["later"].any():
        return found.groupby("customer_id").size()
    return _fullest(found, limit.days, sends_at, zone)


def _fullest(rows: pd.DataFrame, days: int, sends_at: datetime, zone: str) -> pd.Series[int]:
    """Return each customer's contacts in the fullest span of so many days that holds the sending.

    Days are counted by the clocks of the zone. ``rows``: customer_id, ts, later (than the sending).
    """
    local = rows["ts"].dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    own = pd.Timestamp(sends_at, tz="UTC").tz_convert(zone).tz_localize(None)
    ends = rows.assign(end=local.where(rows["later"], own))[["customer_id", "end"]]
    ends = pd.concat([ends, ends.assign(end=own)]).drop_duplicates()
    pairs = ends.merge(rows.assign(local=local)[["customer_id", "local"]], on="customer_id")
    inside = (pairs["local"] > pairs["end"] - pd.Timedelta(days=days)) & (
        pairs["local"] <= pairs["end"]
    )
    counts = inside.astype("int64").groupby([pairs["customer_id"], pairs["end"]]).sum()
    return counts.groupby("customer_id").max()


def in_touch_for(
    shop: Shop,
    contacts: Any,
    promotions: Iterable[str],
    sends_at: datetime,
    ends_at: datetime | None = None,
) -> pd.Index:
    """Return who was contacted for one of these promotions (as text), and it runs beside another.

    The other one is sent at ``sends_at`` and runs until ``ends_at`` (without end where that is not
    known): a contact made before counts while its promotion still runs then, a later one while the
    other still runs.
    """
    import ibis

    moment = ibis.literal(sends_at).cast("timestamp")
    rivals = shop.promotions.filter(
        shop.promotions.promotion_id.cast("string").isin(list(promotions))
    ).select("promotion_id", "ends_at")
    rows = contacts.join(rivals, "promotion_id")
    beside = rows.ends_at > moment
    if ends_at is not None:
        beside = beside & (rows.ts < ibis.literal(ends_at).cast("timestamp"))
    return _customers_of(rows.filter(beside))


def with_suppressions(run: RunFolder, shop: Shop) -> Shop:
    """Return the shop with the refusals on its reports folder's list, as ``suppressions``.

    Rights read them beside `contact_rights` and `responses`: who unsubscribed, or withdrew the
    right, is not contacted on that channel until consent that began later, and who complained on
    none in the quiet days.

    Parameters
    ----------
    run : RunFolder
        A week's folder; the list lies beside it.
    shop : Shop
    """
    import ibis

    rows = pd.DataFrame(read_suppressions(run.reports.path))
    if rows.empty:
        return shop
    rows["ts"] = pd.to_datetime(rows["ts"], utc=True, format="ISO8601").dt.tz_localize(None)
    rows = rows.astype({"customer_id": str, "channel": "string"})
    customer = shop.events.customer_id.type()
    if customer.is_integer():  # others are nobody's
        rows = rows[rows["customer_id"].str.fullmatch(r"-?\d{1,18}")]
    made = ibis.memtable(rows[["customer_id", "channel", "kind", "ts", "intact"]])
    listed = made.mutate(customer_id=made.customer_id.cast(customer), ts=made.ts.cast("timestamp"))
    return shop.with_tables({**shop.tables, SUPPRESSIONS: listed})


def _suppressed(shop: Shop, as_of: datetime, kind: str, channel: str | None) -> pd.Series[Any]:
    """Return when each customer on the list last refused, before the decision."""
    import ibis

    if not shop.has(SUPPRESSIONS):
        return pd.Series(dtype="datetime64[us]")
    rows = shop[SUPPRESSIONS]
    rows = rows.filter((rows.kind == kind) & (rows.ts < ibis.literal(as_of).cast("timestamp")))
    if channel is not None:
        rows = rows.filter(_channel_is(rows, channel))
    last = rows.group_by("customer_id").aggregate(ts=rows.ts.max()).order_by("customer_id")
    return pd.Series(last.execute().set_index("customer_id")["ts"])


def _last(*times: pd.Series[Any]) -> pd.Series[Any]:
    """Return the latest time of each customer."""
    some = [each for each in times if len(each)] or [times[0]]
    found: pd.Series[Any] = pd.concat(some).groupby(level=0).max()
    return found


def quiet_after_complaint(shop: Shop, as_of: datetime, sends_at: datetime, days: int) -> pd.Index:
    """Return who complained in the days before the sending; they hear nothing on any channel."""
    import ibis

    if not days:
        return pd.Index([])
    since = shifted(sends_at, -days, shop.zone)
    listed = _suppressed(shop, as_of, "complaint", None)
    listed = listed[listed > since]
    if not shop.has("responses"):
        return listed.index
    rows = shop.responses.filter(
        (shop.responses.kind == "complaint")
        & (shop.responses.ts < ibis.literal(as_of).cast("timestamp"))
        & (shop.responses.ts > ibis.literal(since).cast("timestamp"))
    )
    return _customers_of(rows).append(listed.index) if len(listed) else _customers_of(rows)


def unsubscribed(shop: Shop, as_of: datetime, channel: str | None) -> pd.Series[Any]:
    """Return when each customer last unsubscribed from a channel, before the decision.

    By the table of responses, and by the list of the reports folder. The channel is that of the
    exposures to the promotion, else the promotion's, else the shop's; where none is known the
    customer unsubscribed from every channel. ``channel`` None, of a promotion whose channel is not
    known, takes in every unsubscribe.
    """
    import ibis

    listed = _suppressed(shop, as_of, "unsubscribe", channel)
    if not shop.has("responses"):
        return listed
    moment = ibis.literal(as_of).cast("timestamp")
    responses = shop.responses
    left = responses.filter((responses.kind == "unsubscribe") & (responses.ts < moment))
    left = left.select("customer_id", "promotion_id", "ts")
    if shop.has("exposures", "channel"):
        seen = shop.exposures.filter(shop.exposures.ts < moment)
        seen = seen.select("customer_id", "promotion_id", "channel").distinct()
        keys = ["customer_id", "promotion_id"]
        left = left.left_join(seen, keys).select(*[left[c] for c in left.columns], seen.channel)
    rows = _with_channel(shop, left)
    if channel is not None:
        rows = rows.filter(_channel_is(rows, channel))
    last = rows.group_by("customer_id").aggregate(ts=rows.ts.max()).order_by("customer_id")
    return _last(pd.Series(last.execute().set_index("customer_id")["ts"]), listed)


def consent(shop: Shop, as_of: datetime, channel: str | None) -> pd.DataFrame:
    """Return what `contact_rights` says of each customer on a channel, as of the decision.

    Returns
    -------
    DataFrame
        By customer_id: granted, refused (bool; both where rows contradict each other) and since
        (when the latest consent began; missing where it is not stated).
    """
    import ibis

    moment = ibis.literal(as_of).cast("timestamp")
    rows = shop.contact_rights
    since = rows.since if "since" in rows.columns else ibis.null("timestamp")
    rows = rows.mutate(since=since.cast("timestamp"))
    rows = rows.filter(rows.since.isnull() | (rows.since <= moment))
    if channel is not None:
        rows = rows.filter(rows.channel.strip().lower() == same_channel(channel))
    begun = ibis.ifelse(rows.allowed, rows.since, ibis.null("timestamp"))
    said = rows.group_by("customer_id").aggregate(
        granted=rows.allowed.any().fill_null(False),
        refused=(~rows.allowed).any().fill_null(False),
        since=begun.max(),
    )
    return pd.DataFrame(said.order_by("customer_id").execute()).set_index("customer_id")


def no_right(
    shop: Shop, as_of: datetime, sends_at: datetime, channel: str | None, rules: ContactRules
) -> tuple[pd.DataFrame | None, pd.Index]:
    """Return the consent on a channel, if it was checked, and who is unsubscribed from it.

    Consent that began after the unsubscribe ends it, and so do the quiet days, if the shop states
    some.
    """
    said = consent(shop, as_of, channel) if shop.has("contact_rights") else None
    left = unsubscribed(shop, as_of, channel)
    if rules.quiet_days_after_unsubscribe is not None:
        left = left[left > shifted(sends_at, -rules.quiet_days_after_unsubscribe, shop.zone)]
    left = _last(left, _suppressed(shop, as_of, "right", channel))
    if said is not None:
        left = left[~(said["since"].reindex(left.index) > left)]
    return said, left.index


def never_contacted(shop: Shop, never: Sequence[str]) -> pd.Index:
    """Return the customers whose status is never contacted, whatever its case."""
    if not shop.has("customers", "status") or not never:
        return pd.Index([])
    table = shop.customers
    low = [status.strip().lower() for status in never]
    rows = table.filter(table.status.cast("string").strip().lower().isin(low))
    return _customers_of(rows)


def _customers_of(rows: Any) -> pd.Index:
    found: pd.Index = pd.Index(rows.select("customer_id").distinct().execute()["customer_id"])
    return found


def clusters(shop: Shop, customers: pd.Index) -> pd.Series[Any] | None:
    """Return the cluster of each customer, missing where there is none; None without any."""
    if not shop.has("customers", "cluster_id"):
        return None
    # As text: whole numbers with gaps would become floats.
    table = shop.customers.select(
        "customer_id", cluster_id=shop.customers.cluster_id.cast("string")
    )
    found = table.execute()
    found = found.dropna().drop_duplicates("customer_id").set_index("customer_id")["cluster_id"]
    return found.reindex(customers) if len(found) else None


def quarantined_customers(shop: Shop, quarantine: pd.DataFrame) -> list[str]:
    """Return the ids, as text, of customers whose row was quarantined and is nowhere else.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    quarantine : DataFrame
        table, rule, row (JSON): `promolab.clean`'s quarantine; its rows of customers suffice.
    """
    import json

    rows = quarantine.loc[quarantine["table"] == "customers", "row"]
    found = (json.loads(row).get("customer_id") for row in rows)
    ids = {str(customer) for customer in found if customer is not None}
    if not ids or not shop.has("customers"):
        return sorted(ids)
    kept = shop.customers.customer_id.cast("string")
    known = shop.customers.filter(kept.isin(sorted(ids))).select(id=kept).execute()["id"]
    return sorted(ids - set(known))


def usual_contacts(shop: Shop, as_of: datetime, promotions: pd.DataFrame) -> list[int]:
    """Return, per promotion, how many customers past ones of its type contacted, in the median.

    Of its type, else of its kind, else all that started before the decision; 0 where there are
    none.
    """
    import ibis

    if not shop.has("exposures"):
        return [0] * len(promotions)
    moment = ibis.literal(as_of).cast("timestamp")
    made = shop.exposures.filter(shop.exposures.ts < moment)
    made = made.select("customer_id", "promotion_id").distinct()
    made = made.group_by("promotion_id").aggregate(contacts=made.count())
    labels = [name for name in ("type", "kind") if name in shop.promotions.columns]
    past = shop.promotions.filter(shop.promotions.starts_at < moment)
    past = past.select("promotion_id", *labels).join(made, "promotion_id").execute()

    def usual(promotion: dict[Any, Any]) -> int:
        for name in labels:
            like = past.loc[past[name] == promotion[name], "contacts"]
            if len(like):
                return int(like.median())
        return int(past["contacts"].median()) if len(past) else 0

    return [usual(row) for row in promotions.to_dict("records")]
