"""What a read-out counts: who was contacted, decided on, responded and bought, by promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign._outcomes import (
    answers_of,
    buyers_in_windows,
    contacts_before,
    kinds_recorded,
    responses_between,
)
from promolab.campaign.attribution import response_spans
from promolab.campaign.decided import obstacle, read_decisions

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.contract.operations import Operations


@dataclass(frozen=True)
class Counts:
    """The tables behind a read-out.

    Parameters
    ----------
    windows : DataFrame
        promotion_id, starts_at, ends_at of every promotion that started before the date.
    contacts : DataFrame
        promotion_id, customer_id, ts of the first contact, of all of them.
    answers : DataFrame
        The contacts of those that ended, with how often each responded, by kind.
    responses : DataFrame
        promotion_id, kind, customer_id, n: whoever was contacted or not.
    recorded : frozenset of str
        Kinds of response that the shop records.
    decisions : DataFrame
        From `read_decisions`.
    buyers : DataFrame
        promotion_id, customer_id; only of promotions that somebody was held out of.
    actions : mapping
        Promotion → the action that it is decided as, as text (itself, or its bundle).
    """

    windows: pd.DataFrame
    contacts: pd.DataFrame
    answers: pd.DataFrame
    responses: pd.DataFrame
    recorded: frozenset[str]
    decisions: pd.DataFrame
    buyers: pd.DataFrame
    actions: Mapping[Any, str]

    def decisions_of(self, promotion_id: Any) -> pd.DataFrame:
        """Return the decisions for a promotion."""
        return self.decisions[self.decisions["action"] == self.actions[promotion_id]]

    def randomised(self, promotion_id: Any) -> bool:
        """Tell whether a promotion can be compared with its holdout."""
        return not obstacle(self.decisions_of(promotion_id))

    def redeemers_of(self, promotion_id: Any) -> pd.Series[Any]:
        """Return who redeemed in a promotion's window."""
        rows = self.responses
        mine = (rows["promotion_id"] == promotion_id) & (rows["kind"] == "redeem")
        return rows.loc[mine, "customer_id"]


def read_counts(
    shop: Shop, promotions: pd.DataFrame, now: datetime, operations: Operations
) -> Counts:
    """Read what is counted for promotions that ended.

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, starts_at, ends_at.
    now : datetime
        Nothing at or after it is read.
    """
    windows = shop.promotions.filter(shop.promotions.starts_at < now)
    windows = windows.select("promotion_id", "starts_at", "ends_at").execute()
    contacts = contacts_before(shop, windows, now)
    mine = contacts[contacts["promotion_id"].isin(promotions["promotion_id"])]
    spans = response_spans(promotions, operations.attribution, shop.zone)
    responses = responses_between(shop, spans, now)
    bundles = operations.contact.bundles
    actions = {
        p: next((name for name, parts in bundles.items() if str(p) in parts), str(p))
        for p in promotions["promotion_id"]
    }
    decisions = read_decisions(shop, sorted(set(actions.values())), now)
    held = set(decisions.loc[decisions["arm"] != "assigned", "action"])
    with_holdout = promotions[[actions[p] in held for p in promotions["promotion_id"]]]
    return Counts(
        windows,
        contacts,
        answers_of(mine, responses),
        responses,
        kinds_recorded(shop, now),
        decisions,
        _buyers(shop, with_holdout),
        actions,
    )


def _buyers(shop: Shop, promotions: pd.DataFrame) -> pd.DataFrame:
    if promotions.empty:
        return pd.DataFrame(columns=["promotion_id", "customer_id"])
    return buyers_in_windows(shop, promotions)
