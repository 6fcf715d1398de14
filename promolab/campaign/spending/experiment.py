"""Where effects are not known: what a list ranked by response cannot tell, and what would tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics, weigh_launch
from promolab.campaign.outlook.promotion_economics import YEAR, amount_words
from promolab.display import Html, table
from promolab.language import _
from promolab.results import Result
from promolab.wording import answer_to, count, money, plural

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.metrics import PastRatios


@dataclass(frozen=True)
class TellingTrial(Result):
    """The experiment that would tell what the week's promotions add; made by `telling_trial`.

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

    def __bool__(self) -> bool:
        return bool(self.promotions)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        return self.economics.to_frame()

    def table(self) -> Html:
        """Return what it takes and shows, a row per promotion."""
        if not self:
            return Html("")
        rows = [
            {
                "name": p.name,
                "contacts": p.contacts,
                "held": p.held,
                "cost": amount_words(p.cost, p.currency),
                "extra": amount_words(p.break_even, p.currency),
                "sees": p.sees_words() if math.isfinite(p.visible) else "–",
            }
            for p in self.promotions
        ]
        return table(
            pd.DataFrame(rows),
            {
                "name": "promotion",
                "contacts": "contacted by chance",
                "held": "left without by chance",
                "cost": "cost",
                "extra": "a contact must bring",
                "sees": "it can see, per customer",
            },
            {"contacts": count, "held": count, "cost": str, "extra": str, "sees": str},
            caption="The experiment that would tell; extra sales, 90 % intervals.",
            most=len(rows),
        )

    def meaning(self) -> str:
        """Say what to do with it."""
        if not self:
            return "There is nothing to choose."
        return (
            "Send the list as a list of likely responders, and do not call what they spend an "
            "effect. To know whom it pays to send to, let chance decide once, as above, or keep "
            "holding customers back by chance each week: with enough of such decisions this page "
            "fills by itself."
        )

    def certainty(self) -> str:
        """Say where it stands what is known of effects."""
        return "Nothing here is an effect: the page Uplift says what past data tell of effects."

    def to_dict(self) -> dict[str, Any]:
        """Return what it takes and shows, by promotion_id."""
        names = ("contacts", "held", "cost", "break_even", "visible", "weeks_needed")
        told = {
            str(p.promotion_id): {name: p.to_dict().get(name, getattr(p, name)) for name in names}
            for p in self.promotions
        }
        kept = {"by_effect": False, "experiment": told, "summary": self.summary()}
        return kept | {"not_kept": self._not_kept().strip()}

    def summary(self) -> str:
        """Say what the list cannot tell, and what would, at which size and cost."""
        if not self:
            return "Nothing starts this week whose customers could be chosen by what it adds."
        return f"{self.cannot()} {self.would()}{self._not_kept()}"

    def _not_kept(self) -> str:
        if self.budget is None:
            return ""
        return " " + _(
            "The budget of {amount} was not kept to: what a list ranked by response costs stands "
            "on the page Plan, and list_size makes it shorter.",
            amount=money(self.budget, currency=self.promotions[0].currency),
        )

    def cannot(self) -> str:
        """Say what a list ranked by response cannot tell."""
        verb = answer_to(p.kind for p in self.promotions).verb
        return (
            f"The customers most likely to {verb} are contacted. That cannot tell what a contact "
            f"adds, nor whom it pays to send to: who is likely to {verb} may have bought anyway."
        )

    def would(self) -> str:
        """Say which experiment would tell: its size, its cost and what it shows."""
        first = self.promotions[0]
        names = [p.name for p in self.promotions]
        about = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        half = "half" if len(names) == 1 else f"{count(first.contacts)} each"
        cost = self.economics.total("cost")
        spends = (
            f"costs {amount_words(cost, first.currency)} in discounts and contacts"
            if math.isfinite(cost.value)
            else "has a cost that is not known"
        )
        return (
            f"An experiment would: of the {plural(self.customers, 'active customer')} contact "
            f"{half} about {about}, chosen by chance and nothing else, and leave "
            f"{count(first.held)} without, also by chance. It {spends}. {self._shows()}"
        )

    def _shows(self) -> str:
        known = [p for p in self.promotions if math.isfinite(p.visible)]
        if not known:
            return "What it shows is not known: there are no past sales."
        worst = max(known, key=lambda p: (p.visible, str(p.promotion_id)))
        text = (
            f"It shows extra sales of {worst.sees_words()} per customer or more in 4 of 5 such "
            "trials"
        )
        if not math.isfinite(worst.weeks_needed):
            return f"{text}."
        needed = f"{text}; to pay for itself a contact must bring " + amount_words(
            worst.break_even, worst.currency
        )
        if worst.weeks_needed <= 1:
            return f"{needed}, so one is enough."
        if worst.weeks_needed <= YEAR:
            return f"{needed}, so {count(worst.weeks_needed)} of them, read together, tell."
        return f"{needed}, which takes {count(worst.weeks_needed)} of them read together."


def telling_trial(
    shop: Shop,
    as_of: Any,
    scores: pd.DataFrame,
    ratios: PastRatios | dict[str, Any] | None,
    budget: float | None = None,
) -> TellingTrial:
    """Work out what an experiment on the week's promotions would cost and show.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    as_of : datetime
        The decision; nothing at or after it is read.
    scores : DataFrame
        customer_id, promotion_id, p_redeemed: every active customer × promotion that starts.
    ratios : PastRatios or mapping, optional
        How far past forecasts of responses missed.
    budget : float, optional
        What was stated for the week.

    Returns
    -------
    TellingTrial
        Customers alike in their chance are dealt out evenly, so that what is expected of each
        promotion is what chance would bring on average.

    Examples
    --------
    >>> from promolab.contract import Shop
    >>> nobody = pd.DataFrame({"customer_id": [], "promotion_id": [], "p_redeemed": []})
    >>> telling_trial(Shop({}), "2017-03-06", nobody, None).summary()
    'Nothing starts this week whose customers could be chosen by what it adds.'
    """
    ids = scores["promotion_id"].drop_duplicates().tolist()
    customers = int(scores["customer_id"].nunique())
    if not ids or customers <= len(ids):
        return TellingTrial(customers, LaunchEconomics(()), budget)
    parts = []
    for place, promotion in enumerate(ids):
        mine = scores[scores["promotion_id"] == promotion]
        mine = mine.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
        turn = np.arange(len(mine)) % (len(ids) + 1)
        dealt = np.select([turn == place, turn == len(ids)], ["none", "promotion"], "")
        parts.append(mine.assign(holdout=dealt)[dealt != ""])
    planned = pd.concat(parts, ignore_index=True)
    return TellingTrial(customers, weigh_launch(shop, as_of, planned, ratios), budget)
