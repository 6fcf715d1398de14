"""What the tables say of rights and contacts, read once from the engine; and kindred look-ups.

Nothing at or after the decision is read. The rules are those of `promolab.campaign.plan.rights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.schedule import shifted
from promolab.campaign.plan.rights import EVERY, Rights, known_rows, whole_time
from promolab.folder import read_suppressions

if TYPE_CHECKING:
    from promolab.contract import ContactRules, Shop
    from promolab.folder import RunFolder


SUPPRESSIONS = "suppressions"
"""Table of a shop beside the contract's: refusals that `promolab.serve` was told."""
_SAID = ["customer_id", "channel", "kind", "ts"]


def rights_of(
    shop: Shop,
    customers: pd.Index,
    as_of: datetime,
    sends_at: datetime,
    rules: ContactRules,
    planned: pd.DataFrame | None = None,
) -> Rights:
    """Read what is known of customers' rights and contacts.

    Parameters
    ----------
    shop : Shop
        Cleaned; perhaps `with_suppressions`.
    customers : Index of n ids
    as_of, sends_at : datetime
        The decision, which reads nothing later, and the sending, from which days are counted.
    rules : ContactRules
    planned : DataFrame, optional
        As of `contacts_before`.
    """
    contacts = _contacts(shop, as_of, sends_at, rules, planned)
    said = pd.concat([_responded(shop, as_of), _listed(shop, as_of)])
    complained = said["kind"] == "complaint"

    def rows(names: str, found: pd.DataFrame) -> dict[str, np.ndarray]:
        return _rows(f"who {names}", found, customers)

    return Rights(
        rules=rules,
        zone=shop.zone,
        customers=len(customers),
        as_of=whole_time(as_of),
        sends_at=whole_time(sends_at),
        states_consent=shop.has("contact_rights"),
        consents=rows("channel allowed since", _consents(shop)),
        refusals=rows("channel kind ts", said[~complained]),
        complaints=rows("ts", said[complained]),
        contacts=None if contacts is None else rows("channel ts promotion ends_at", contacts),
    )


def _rows(names: str, found: pd.DataFrame, customers: pd.Index) -> dict[str, np.ndarray]:
    """Return a table's rows of the customers as arrays: times as whole numbers, texts as texts."""
    if found.empty:
        return known_rows(names, [])
    found = found.assign(who=customers.get_indexer(pd.Index(found["customer_id"])))
    found = found[found["who"] >= 0]
    for name in {"ts", "since", "ends_at"} & set(names.split()):  # a missing time is the earliest
        found[name] = pd.to_datetime(found[name]).to_numpy("M8[us]").view("int64")
    for name in {"channel", "promotion"} & set(names.split()):
        found[name] = found[name].astype(object).where(found[name].notna(), EVERY)
    return known_rows(names, [found[name].to_numpy() for name in names.split()])


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


def _with_channel(shop: Shop, rows: Any, *more: str) -> Any:
    import ibis

    own = rows.channel if "channel" in rows.columns else ibis.null("string")
    rows = rows.select("customer_id", "promotion_id", "ts", *more, own=own)
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
    kept = ("customer_id", "promotion_id", "ts", *more)
    return rows.select(*kept, channel=channel.cast("string").strip().lower())


def _contacts(
    shop: Shop,
    as_of: datetime,
    sends_at: datetime,
    rules: ContactRules,
    planned: pd.DataFrame | None,
) -> pd.DataFrame | None:
    """Return the contacts that a limit or an exclusion may ask for; None where none is known."""
    import ibis

    made = contacts_before(shop, as_of, planned)
    if made is None:
        return None
    days = max((limit.days for limit in rules.limits), default=0)
    since, until = (shifted(sends_at, n, shop.zone) for n in (-days, days))
    since, until = (ibis.literal(moment).cast("timestamp") for moment in (since, until))
    asked = (made.ts > since) & (made.ts < until)
    if rivals := sorted({one for group in rules.exclusive for one in group}):
        asked = asked | made.promotion_id.cast("string").isin(rivals)
    made = made.filter(asked)
    ends = ibis.null("timestamp")
    if shop.has("promotions"):
        promotions = shop.promotions.select("promotion_id", "ends_at")
        made = made.left_join(promotions, "promotion_id").drop("promotion_id_right")
        ends = made.ends_at
    found: pd.DataFrame = made.mutate(ends_at=ends).execute()
    return found.assign(promotion=found["promotion_id"].astype("string"))


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

    rows = pd.DataFrame(read_suppressions(run.reports.path, shop.customer_ids()))
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


def _listed(shop: Shop, as_of: datetime) -> pd.DataFrame:
    """Return the refusals on the reports folder's list before a decision."""
    import ibis

    if not shop.has(SUPPRESSIONS):
        return pd.DataFrame(columns=_SAID)
    rows = shop[SUPPRESSIONS]
    found: pd.DataFrame = rows.filter(rows.ts < ibis.literal(as_of).cast("timestamp")).execute()
    return found[_SAID]


def _responded(shop: Shop, as_of: datetime) -> pd.DataFrame:
    """Return who complained or unsubscribed before a decision, by the table of responses.

    The channel is that of the exposures to the promotion, else the promotion's, else the shop's;
    where none is known the customer unsubscribed from every channel.
    """
    import ibis

    if not shop.has("responses"):
        return pd.DataFrame(columns=_SAID)
    moment = ibis.literal(as_of).cast("timestamp")
    rows = shop.responses.filter(shop.responses.ts < moment)
    rows = rows.filter(rows.kind.isin(["complaint", "unsubscribe"]))
    rows = rows.select("customer_id", "promotion_id", "ts", "kind")
    if shop.has("exposures", "channel"):
        seen = shop.exposures.filter(shop.exposures.ts < moment)
        keys = ["customer_id", "promotion_id"]
        seen = seen.select(*keys, "channel").semi_join(rows, keys).distinct()
        rows = rows.left_join(seen, keys).select(*[rows[c] for c in rows.columns], seen.channel)
    found: pd.DataFrame = _with_channel(shop, rows, "kind").execute()
    return found[_SAID]


def _consents(shop: Shop) -> pd.DataFrame:
    """Return what the table of contact rights says of whom, and since when."""
    import ibis

    if not shop.has("contact_rights"):
        return pd.DataFrame(columns=["customer_id", "allowed", "channel", "since"])
    rows = shop.contact_rights
    since = rows.since if "since" in rows.columns else ibis.null("timestamp")
    rows = rows.filter(rows.allowed.notnull()).select(
        "customer_id",
        "allowed",
        channel=rows.channel.strip().lower(),
        since=since.cast("timestamp"),
    )
    return pd.DataFrame(rows.execute())


def never_contacted(shop: Shop, never: Sequence[str]) -> pd.Index:
    """Return the customers whose status is never contacted, whatever its case."""
    if not shop.has("customers", "status") or not never:
        return pd.Index([])
    table = shop.customers
    low = [status.strip().lower() for status in never]
    rows = table.filter(table.status.cast("string").strip().lower().isin(low))
    found: pd.Index = pd.Index(rows.select("customer_id").distinct().execute()["customer_id"])
    return found


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
