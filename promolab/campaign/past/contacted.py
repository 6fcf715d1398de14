"""A promotion that is over as an experiment that nobody drew: contacted against not contacted.

Who was contacted was chosen, not drawn: what is found is adjusted for what was known before, and
holds only as far as that tells all by which the choice and later purchases hang together.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.past.outcomes import contacts_before, running_contacts
from promolab.campaign.past.schedule import last_day
from promolab.contract import NONE, Experiment
from promolab.contract import pooled_values as pooled
from promolab.errors import DataError
from promolab.features import (
    OUTCOMES,
    attributes_of,
    build_features,
    known_until,
    whole_margin_rate,
    with_outcomes,
)
from promolab.promotions import moment_of
from promolab.weeks import local_day
from promolab.wording import count

if TYPE_CHECKING:
    from promolab.contract import Shop


CONTACTED = "contacted"
FEWEST = 100
"""Customers that either arm must have: with fewer, an effect is only rough."""
NEEDED = ("promotions", "exposures")


def contacted_experiment(shop: Shop, promotion: Any, horizon_days: int = 28) -> Experiment:
    """Turn a promotion that is over into an experiment of contacted and other customers.

    Parameters
    ----------
    shop : Shop
        With promotions and exposures.
    promotion : row of `promotions_over`
        promotion_id, kind, starts_at, ends_at, contacted, others.
    horizon_days : int
        Days after the window in which outcomes count.

    Returns
    -------
    Experiment
        One row per customer with an event before the promotion's start. Arms ``none`` (the
        control) and ``contacted`` (before the promotion's end); chances unknown. Covariates:
        `promolab.build_features` as of the start, the customers' attributes, and
        other_promotions, for how many promotions that run at the start a customer had been
        contacted. Outcomes (the margin where its rates are known, sales, purchases and orders):
        from the start to the end plus ``horizon_days``, all products; placebo outcomes: the same
        over as long a time before the start. The notes say which promotion it is.

    Raises
    ------
    InputError
        An attribute of the customers is called like an outcome.

    Examples
    --------
    >>> from promolab import load_shop
    >>> shop = load_shop("simulated", customers=2_000, weeks=16)
    >>> trial = contacted_experiment(shop, next(promotions_over(shop).itertuples()))
    >>> trial.arms, trial.outcomes[0], trial.design
    (('none', 'contacted'), 'margin', 'unknown')
    """
    start, end = promotion.starts_at.to_pydatetime(), promotion.ends_at.to_pydatetime()
    high = end + timedelta(days=horizon_days)
    spans = pd.DataFrame({"span": [0], "ts": [start], "low": [start], "high": [high]})
    arms = _with_arms(shop, promotion.promotion_id, start, end)
    measured, placebo, names, notes = _outcomes(shop, arms, spans)
    frame = measured.order_by("customer_id").execute().drop(columns=["span", "ts"])
    frame = frame.merge(known_at(shop, start), on="customer_id", how="left")
    kept = {"customer_id", "arm", "cluster_id", *names, *placebo}
    name = shop.promotion_name(promotion.kind, promotion.promotion_id)
    days = f"{local_day(start, shop.zone)} to {last_day(end, shop.zone, year=True)}"
    sizes = f"{count(promotion.contacted)} contacted, {count(promotion.others)} not"
    which = (
        f"{name}, {days} ({sizes}). Who was contacted was chosen, not drawn; other promotions of "
        "the time are in both groups."
    )
    return Experiment(
        frame,
        "arm",
        NONE,
        [c for c in frame.columns if c not in kept],
        names,
        placebo=placebo,
        household="cluster_id" if "cluster_id" in frame.columns else None,
        arms=[NONE, CONTACTED],
        name=name,
        notes=(which, *notes),
    )


def promotions_over(shop: Shop, as_of: Any = None, *, horizon_days: int = 28) -> pd.DataFrame:
    """List the promotions whose window and horizon are over, with the sizes of both arms.

    Parameters
    ----------
    shop : Shop
        With promotions and exposures.
    as_of : datetime, optional
        By default the end of the shop's last day.
    horizon_days : int
        Days after the window in which outcomes count.

    Returns
    -------
    DataFrame
        promotion_id, kind, starts_at, ends_at, contacted and others (customers with an event before
        the start); first the one with the most customers in its smaller arm, of equals the latest.

    Raises
    ------
    DataError
        If the shop lacks promotions or exposures.

    Examples
    --------
    >>> from promolab import load_shop
    >>> over = promotions_over(load_shop("simulated", customers=500, weeks=16))
    >>> bool((over["contacted"] + over["others"] <= 500).all())
    True
    """
    lacking = [name for name in NEEDED if not shop.has(name)]
    if lacking:
        raise DataError(
            "comparing contacted customers with others needs the tables promotions and exposures; "
            f"{shop.settings.name} has no {' and no '.join(lacking)}"
        )
    now = known_until(shop, as_of)
    table = shop.promotions.select("promotion_id", "kind", "starts_at", "ends_at").execute()
    table = table[table["ends_at"] + timedelta(days=horizon_days) <= now]
    events = shop.events
    first = events.group_by("customer_id").aggregate(first=events.ts.min()).execute()
    contacts = contacts_before(shop, table, now)[["promotion_id", "customer_id"]]
    contacts = contacts.merge(first, on="customer_id")
    contacts = contacts.merge(table[["promotion_id", "starts_at"]], on="promotion_id")
    contacts = contacts[contacts["first"] < contacts["starts_at"]]
    sizes = contacts.groupby("promotion_id").size()
    there = first["first"].sort_values().searchsorted(table["starts_at"], side="left")
    table = table.assign(contacted=table["promotion_id"].map(sizes).fillna(0).astype("int64"))
    table["others"] = there - table["contacted"]
    table["smaller"] = table[["contacted", "others"]].min(axis=1)
    table["text"] = table["promotion_id"].astype(str)
    order = ["smaller", "starts_at", "text"]
    table = table.sort_values(order, ascending=[False, False, True], ignore_index=True)
    return pd.DataFrame(table.drop(columns=["smaller", "text"]))


def known_at(shop: Shop, moment: Any) -> pd.DataFrame:
    """Return what was known of each customer at a moment: covariates of the effects of what starts.

    Parameters
    ----------
    shop : Shop
    moment : datetime
        Nothing at or after it is read (UTC if it has no zone); attributes are as they are.

    Returns
    -------
    DataFrame of one row per customer with an event before
        customer_id, `promolab.build_features`, the customers' attributes (``customer_`` before one
        that is called like a feature), cluster_id where there is one, and, where promotions and
        exposures are known, other_promotions.

    Examples
    --------
    >>> from promolab import load_shop
    >>> known = known_at(load_shop("simulated", customers=300, weeks=12), "2024-07-01")
    >>> bool(known["customer_id"].is_unique), "tier" in known
    (True, True)
    """
    now = moment_of(moment)
    frame: pd.DataFrame = build_features(shop, now).execute().drop(columns="as_of")
    if shop.has("customers"):
        names = attributes_of(shop)
        household = ["cluster_id"] if shop.has("customers", "cluster_id") else []
        described = pooled(shop.customers, names, shop.settings)
        known = shop.customers.select("customer_id", *household, **described).execute()
        clash = {name: f"customer_{name}" for name in names if name in frame.columns}
        known = known.drop_duplicates("customer_id").rename(columns=clash)
        frame = frame.merge(known, on="customer_id", how="left")
    if all(shop.has(name) for name in NEEDED):
        running = running_contacts(shop, [now]).drop(columns="as_of")
        frame = frame.merge(running, on="customer_id", how="left")
        frame["other_promotions"] = frame["other_promotions"].fillna(0).astype("int64")
    return frame.sort_values("customer_id", ignore_index=True)


def _with_arms(shop: Shop, promotion_id: Any, start: datetime, end: datetime) -> Any:
    """Return customer_id, span, ts and arm of everybody with an event before the start."""
    import ibis

    events, made = shop.events, shop.exposures
    low, high = (ibis.literal(moment).cast("timestamp") for moment in (start, end))
    known = events.filter(events.ts < low).select("customer_id").distinct()
    mine = made.filter((made.promotion_id == promotion_id) & (made.ts < high))
    mine = mine.select("customer_id", got=ibis.literal(True)).distinct()
    table = known.left_join(mine, "customer_id").select(known.customer_id, mine.got)
    arm = table.got.fill_null(False).ifelse(CONTACTED, NONE)
    return table.select("customer_id", span=ibis.literal(0), ts=low, arm=arm).cache()


def _outcomes(
    shop: Shop, arms: Any, spans: pd.DataFrame
) -> tuple[Any, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the table with outcomes and placebo outcomes, their names, and notes."""
    if whole_margin_rate(shop) is not None or shop.has("products", "margin_rate"):
        # Products without a rate are found only where they were bought.
        with suppress(DataError):
            return *with_outcomes(shop, arms, spans, OUTCOMES), OUTCOMES, ()
    names = tuple(name for name in OUTCOMES if name != "margin")
    note = "Margin rates are not known: sales are compared."
    return *with_outcomes(shop, arms, spans, names), names, (note,)
