"""What the promotions of a week may cost and must bring, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.bought_anyway import buying_chances, share_bought_anyway
from promolab.campaign.break_even import break_even, costs_of
from promolab.campaign.discount_cost import discount_per_redeemer, past_discounts
from promolab.campaign.earlier_sales import sales_spread, visible_effect
from promolab.campaign.economics_result import PromotionEconomics
from promolab.campaign.economics_total import LaunchEconomics
from promolab.campaign.outlook import expected_of, type_of
from promolab.campaign.schedule import moment_of, promotion_name
from promolab.contract.operations import Economics, read_operations
from promolab.errors import InputError, nearest
from promolab.model.credibility import PastRatios
from promolab.results import Estimate

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["LaunchEconomics", "PromotionEconomics", "launched", "weigh_launch"]

_DAY = 86_400
NOTHING_OFF = "A recommendation takes nothing off."


def weigh_launch(
    shop: Shop,
    as_of: Any,
    planned: pd.DataFrame,
    ratios: PastRatios | Mapping[str, Any] | None,
    economics: Economics | None = None,
) -> LaunchEconomics:
    """Say what planned promotions may cost and must bring.

    Parameters
    ----------
    shop : Shop
        Cleaned, with promotions, exposures and responses.
    as_of : datetime
        The decision (UTC if it has no zone). Nothing at or after it is read.
    planned : DataFrame
        A row per planned customer and promotion: customer_id, promotion_id, p_redeemed and holdout:
        ``none`` is to contact, ``promotion`` is held out of it, others are left aside
        (`promolab.campaign.Plan.planned`).
    ratios : PastRatios or mapping
        `Backtest.past_ratios` of the response model, or its fields from ``metrics.json``.
    economics : Economics, optional
        By default those of the shop's settings.

    Returns
    -------
    LaunchEconomics
        One per promotion in ``planned``, in the order of start and id.

    Raises
    ------
    InputError
        If a column is missing, or a promotion is not the shop's.
    """
    now = moment_of(as_of)
    for name in ("customer_id", "promotion_id", "p_redeemed", "holdout"):
        if name not in planned.columns:
            raise InputError(f"planned lacks {name!r}; {nearest(name, map(str, planned.columns))}")
    told = read_operations(shop.settings).economics if economics is None else economics
    known = ratios if isinstance(ratios, PastRatios) else PastRatios.of(ratios)
    promotions = launched(shop, planned)
    if promotions.empty:
        return LaunchEconomics(())
    past = past_discounts(shop, now)
    buying = buying_chances(shop, now, promotions)
    rows = []
    for row in promotions.to_dict("records"):
        mine = planned[planned["promotion_id"].astype(str) == str(row["promotion_id"])]
        mine = mine.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
        rows.append(_weigh_one(shop, now, row, mine, known, past, buying, told))
    return LaunchEconomics(tuple(rows))


def launched(shop: Shop, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the planned promotions, in the order of start and id."""
    wanted = sorted(planned["promotion_id"].astype(str).unique())
    table = shop.promotions
    found = (
        table.filter(table.promotion_id.cast("string").isin(wanted)).execute()
        if wanted
        else (table.limit(0).execute())
    )
    found["text"] = found["promotion_id"].astype(str)
    unknown = sorted(set(wanted) - set(found["text"]))
    if unknown:
        raise InputError(f"planned names {unknown[0]!r}, which the shop does not have")
    return found.sort_values(["starts_at", "text"], ignore_index=True)


def _weigh_one(
    shop: Shop,
    now: datetime,
    row: dict[Any, Any],
    mine: pd.DataFrame,
    ratios: PastRatios,
    past: pd.DataFrame,
    buying: dict[Any, pd.Series[float] | None],
    told: Economics,
) -> PromotionEconomics:
    sent = mine[mine["holdout"] == "none"]
    held = mine[mine["holdout"] == "promotion"]
    chances = sent.set_index("customer_id")["p_redeemed"].astype(float)
    redemptions = expected_of(chances, ratios, type_of(row))
    per = discount_per_redeemer(past, row, told.currency)
    nothing = Estimate(0.0, 0.0, 0.0, redemptions.n)
    discount = nothing if row["kind"] == "recommendation" or sent.empty else per.of(redemptions)
    costs = costs_of(shop, now, row, told)
    cost, extra = break_even(len(sent), redemptions, discount, costs)
    sales = sales_spread(shop, now, row, pd.concat([sent, held])["customer_id"])
    days = (row["ends_at"] - row["starts_at"]).total_seconds() / _DAY
    anyway = share_bought_anyway(chances, buying.get(row["promotion_id"]), days)
    return PromotionEconomics(
        promotion_id=row["promotion_id"],
        name=promotion_name(row["kind"], row["promotion_id"]),
        contacts=len(sent),
        held=len(held),
        redemptions=redemptions,
        discount=discount,
        cost=cost,
        break_even=extra,
        margin_rate=costs.margin_rate,
        contact_cost=costs.contact_cost,
        coupon_cost=costs.coupon_cost,
        funder_share=costs.funder_share,
        sales_sd=sales.sd,
        sales_correlation=sales.correlation,
        visible=visible_effect(len(sent), len(held), sales.adjusted),
        anyway_list=anyway.of_list,
        anyway_redeemers=anyway.of_redeemers,
        days=days,
        discount_basis=NOTHING_OFF if row["kind"] == "recommendation" else per.summary(),
        currency=told.currency,
        kind=str(row["kind"]),
    )
