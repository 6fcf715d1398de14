"""Where effects are not known: what a list ranked by response cannot tell, and what would tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics, launch_economics
from promolab.campaign.spending.allocation_result import WeekPolicy
from promolab.wording import answer_to

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.metrics import PastRatios


@dataclass(frozen=True)
class ExperimentProposal(WeekPolicy):
    """The experiment that would tell what the week's promotions add; made by `propose_experiment`.

    Parameters
    ----------
    customers : int
        Active customers: chance deals them out evenly to the promotions and to nothing.
    economics : LaunchEconomics
        What that costs, and the smallest effect that it shows, of each promotion.
    budget : float or None
        What was stated, and cannot be kept to.
    """

    customers: int
    economics: LaunchEconomics
    budget: float | None = None

    @property
    def promotions(self) -> tuple[PromotionEconomics, ...]:
        """Those that start."""
        return self.economics.promotions

    def to_dict(self) -> dict[str, Any]:
        """Return what it takes and shows, by promotion_id."""
        names = ("contacts", "held", "cost", "break_even", "visible", "weeks_needed")
        told = {
            str(p.promotion_id): {name: p.to_dict().get(name, getattr(p, name)) for name in names}
            for p in self.promotions
        }
        kept = {"by_effect": False, "experiment": told, "summary": self.summary()}
        return kept | {"not_kept": self.say("not_kept")}

    def facts(self) -> dict[str, Any]:
        """Return whom it takes, what it costs, and the largest effect that it may not see."""
        if not self.promotions:
            return {"state": "nothing", "rows": pd.DataFrame(), "budget": None}
        first = self.promotions[0]
        known = [p for p in self.promotions if math.isfinite(p.visible)]
        worst = max(known, key=lambda p: (p.visible, str(p.promotion_id)), default=first)
        return {
            "state": "some",
            "currency": first.currency,
            "answer": answer_to(p.kind for p in self.promotions),
            "names": [p.name for p in self.promotions],
            "several": len(self.promotions) > 1,
            "each": first.contacts,
            "held": first.held,
            "cost": self.economics.total("cost"),
            "sees": worst.say("sees"),
            "rows": self.economics.to_frame,
        }


def propose_experiment(
    shop: Shop,
    as_of: Any,
    scores: pd.DataFrame,
    ratios: PastRatios,
    budget: float | None = None,
) -> ExperimentProposal:
    """Work out what an experiment on the week's promotions would cost and show.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    as_of : datetime
        The decision; nothing at or after it is read.
    scores : DataFrame
        customer_id, promotion_id, p_redeemed: every active customer × promotion that starts.
    ratios : PastRatios
        How far past forecasts of responses missed.
    budget : float, optional
        What was stated for the week.

    Returns
    -------
    ExperimentProposal
        Customers alike in their chance are dealt out evenly, so that what is expected of each
        promotion is what chance would bring on average.

    Examples
    --------
    >>> from promolab.contract import Shop
    >>> from promolab.metrics import PastRatios
    >>> nobody = pd.DataFrame({"customer_id": [], "promotion_id": [], "p_redeemed": []})
    >>> propose_experiment(Shop({}), "2017-03-06", nobody, PastRatios.of(None)).summary()
    'Nothing starts this week whose customers could be chosen by what it adds.'
    """
    ids = scores["promotion_id"].drop_duplicates().tolist()
    customers = int(scores["customer_id"].nunique())
    if not ids or customers <= len(ids):
        return ExperimentProposal(customers, LaunchEconomics(()), budget)
    parts = []
    for place, promotion in enumerate(ids):
        mine = scores[scores["promotion_id"] == promotion]
        mine = mine.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
        turn = np.arange(len(mine)) % (len(ids) + 1)
        dealt = np.select([turn == place, turn == len(ids)], ["none", "promotion"], "")
        parts.append(mine.assign(holdout=dealt)[dealt != ""])
    planned = pd.concat(parts, ignore_index=True)
    return ExperimentProposal(customers, launch_economics(shop, as_of, planned, ratios), budget)
