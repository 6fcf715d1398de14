"""The money answer as the week's first page opens with it: a sentence, and the headline numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promolab.display import Tile
from promolab.language import _, marked
from promolab.results import Estimate
from promolab.wording import count, money, percent

_BY = marked("by what came of past decisions")


@dataclass(frozen=True)
class MoneyHeadline:
    """What the week's plan adds and costs, where effects are known.

    Parameters
    ----------
    policy : mapping
        ``policy`` of the week's ``metrics.json``.
    contacts : int
        Customers to contact.
    currency : str
        The shop's.
    """

    policy: Mapping[str, Any]
    contacts: int
    currency: str

    def __bool__(self) -> bool:
        return bool(self.policy.get("by_effect"))

    @property
    def cost(self) -> Estimate:
        """What the plan costs the shop."""
        return estimate_of(self.policy.get("cost") or {"value": self.policy["answer"]["spend"]})

    def sentence(self) -> str:
        """Return the first sentence of the page.

        Examples
        --------
        >>> told = {"by_effect": True, "customers": 31_500, "opening": "42,000 CNY of discounts"}
        >>> MoneyHeadline(told, 8_210, "CNY").sentence()
        'Contact 8,210 of 31,500; 42,000 CNY of discounts.'
        """
        told = _(
            "Contact {whom} of {n}; {opening}.",
            whom=count(self.contacts) if self.contacts else _("nobody"),
            n=count(self.policy["customers"]),
            opening=self.policy["opening"],
        )
        # As good as the plan within noise, it is what is recommended.
        same = (self.policy.get("same_for_all") or {}).get("summary")
        return f"{told} {same}" if same else told

    def tiles(self) -> list[Tile]:
        """Return four headline numbers: whom, what it adds, what it costs, the chance of a loss."""
        answer, customers = self.policy["answer"], self.policy["customers"]
        profit, more = estimate_of(answer["profit"]), estimate_of(answer["next"])
        budget = self.policy.get("budget")
        stated = _("no budget stated")
        if budget is not None:
            stated = _("of a budget of {amount}", amount=money(budget, currency=self.currency))
        step = answer["step"]
        step = money(step, currency=self.currency, decimals=0 if step >= 1 else None)
        then = _(
            "the next {step} would add {amount}",
            step=step,
            amount=money(*more.ends, currency=self.currency),
        )
        loss = float(answer["loss"] or 0.0)
        return [
            Tile(
                _("Customers to contact"),
                count(self.contacts),
                float(self.contacts),
                _("of {n} who may be contacted", n=count(customers)),
                change="difference",
            ),
            Tile(
                _("Adds to margin, costs taken off"),
                money(*profit.ends, currency=self.currency),
                profit.value,
                _(_BY),
            ),
            Tile(
                _("Discounts and contacts, to the shop"),
                money(*self.cost.ends, currency=self.currency),
                self.cost.value,
                stated,
            ),
            Tile(
                _("Chance of a loss"),
                _("less than 1 %") if 0 < loss < 0.005 else percent(min(loss, 0.99), decimals=0),
                loss,
                then if more.value > 0 else _("more budget would add nothing"),
                change="points",
            ),
        ]


def estimate_of(told: Mapping[str, Any]) -> Estimate:
    """Read an estimate of ``metrics.json``; what is not known there is nan.

    Parameters
    ----------
    told : mapping
        value, ci_low and ci_high, as far as they are known.
    """
    ends = (told.get(name) for name in ("value", "ci_low", "ci_high"))
    return Estimate.of(math.nan if end is None else end for end in ends)
