"""The week's act: send, the same offer for all, test on half of the list, or skip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.abtest import smallest_effect
from promolab.campaign.past import settles_at
from promolab.contract import read_operations
from promolab.display import Html, join, say, table
from promolab.language import _, day_words, marked
from promolab.wording import count, money

if TYPE_CHECKING:
    from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics
    from promolab.contract import Shop
    from promolab.report.pages.money_headline import MoneyHeadline

SEND, SAME = marked("Send as planned"), marked("Same offer for all")
TEST, SKIP = marked("Test on half"), marked("Skip")


@dataclass(frozen=True)
class Choice:
    """What may be done about what starts, and what each act costs, brings and tells.

    Parameters
    ----------
    shop : Shop
        Whose settings state budget and attribution.
    economics : LaunchEconomics
        What starts, in figures.
    promotions : DataFrame
        Of `promolab.campaign.past.timeline`.
    headline : MoneyHeadline
        What the plan adds; false where effects are not known.
    customers : int
        Different customers to contact.
    """

    shop: Shop
    economics: LaunchEconomics = field(repr=False)
    promotions: pd.DataFrame = field(repr=False)
    headline: MoneyHeadline
    customers: int

    def block(self) -> Html:
        """Return the acts, a row each, the one that the figures speak for marked."""
        if not self.customers or self.economics.largest is None:
            return Html("")
        rows = pd.DataFrame(self.rows())
        rows["mark"] = rows["act"] == self.advised()
        rows["act"] = [_(act) for act in rows["act"]]
        columns = {"act": _("act"), "contacts": _("customers"), "cost": _("cost to the shop")}
        columns |= {"brings": _("brings"), "tells": _("what is known then")}
        acts = table(rows, columns, {"contacts": str, "cost": str}, marked="mark")
        title = say(_("This week's choice"), kind="h2")
        return join([title, say(f"{self.sentence()} {self.budget_words()}"), acts])

    def rows(self) -> list[dict[str, str]]:
        """Return the acts as they stand in the table."""
        first, half = self._first, sum(n for _p, n in self._halves())
        cost = self.economics.total("cost")
        parts = [(p.cost * (n / p.contacts)).ends for p, n in self._halves()]
        tested = [math.fsum(ends) for ends in zip(*parts, strict=True)]
        none = _("nothing new")
        sent = {
            "act": SEND,
            "contacts": count(self.customers),
            "cost": self._amount(*cost.ends),
            "brings": self._brings(),
            "tells": self._sees(first.held, first.visible) if first.held else none,
        }
        n = (first.contacts + first.held) // 2
        test = {
            "act": TEST,
            "contacts": _("{n}, as many held back by chance", n=count(half)),
            "cost": self._amount(*tested),
            "brings": _("half of it"),
            "tells": self._sees(first.contacts + first.held - n, self._visible),
        }
        skip = {
            "act": SKIP,
            "contacts": count(0),
            "cost": self._amount(0.0),
            "brings": _("nothing; nobody's contact limit is used up"),
            "tells": none,
        }
        return [sent, *self._same(), test, skip]

    def _same(self) -> Iterator[dict[str, str]]:
        """Yield what one offer for everybody would cost and bring, where that is known."""
        if same := self._same_for_all:
            yield {
                "act": SAME,
                "contacts": str(same["name"]),
                "cost": self._amount(float(same["spend"])),
                "brings": self._margin(same["profit"]),
                "tells": _("as good as the plan within noise, and simpler")
                if same["as_good"]
                else _("less than the plan brings"),
            }

    @property
    def _same_for_all(self) -> dict[str, Any]:
        return dict((self.headline.policy if self.headline else {}).get("same_for_all") or {})

    def advised(self) -> str:
        """Return the act that the figures speak for; empty where they speak for none."""
        if self._same_for_all.get("as_good"):
            return SAME
        if self.headline:
            return SEND if self.headline.policy.get("answer", {})["profit"]["value"] > 0 else SKIP
        return TEST if self._visible <= self._first.break_even.value else ""

    def sentence(self) -> str:
        """Say which act the figures speak for, and why."""
        if self.advised() == SAME:
            return _("One offer for all is as good as the plan within noise: take the simpler one.")
        if self.headline and self.advised() == SEND:
            return _("The figures speak for sending: past decisions show that it pays.")
        if self.headline:
            return _("The figures speak for skipping: the plan is expected to lose money.")
        if self.advised() == TEST:
            return _("Whether sending pays is not known, and half of the list would tell: test.")
        return _(
            "Whether sending pays is not known, and half of the list would not tell either: the "
            "choice is yours."
        )

    def budget_words(self) -> str:
        """Say how much of the week's budget is used and left."""
        policy = self.headline.policy if self.headline else {}
        budget = policy.get("budget")
        budget = read_operations(self.shop.settings).economics.budget if budget is None else budget
        if budget is None:
            return _("No budget is stated for the week.")
        used = float(policy["answer"]["spend"]) if policy else self.economics.total("cost").value
        left = budget - used
        message = marked("Of the week's budget of {budget} {used} is used and {left} is left.")
        if left < 0:
            message = marked("Of the week's budget of {budget} {used} is used: {left} too much.")
        told = {"budget": budget, "used": used, "left": abs(left)}
        return _(message, **{name: self._amount(amount) for name, amount in told.items()})

    @cached_property
    def _first(self) -> PromotionEconomics:
        assert self.economics.largest is not None
        return self.economics.largest

    def _halves(self) -> Iterator[tuple[PromotionEconomics, int]]:
        """Yield each promotion that contacts anybody, and half of those planned for it."""
        return ((p, (p.contacts + p.held) // 2) for p in self.economics.promotions if p.contacts)

    @cached_property
    def _visible(self) -> float:
        first, n = self._first, (self._first.contacts + self._first.held) // 2
        if not (n and first.adjusted_sd > 0):
            return math.nan
        return float(
            smallest_effect(n, first.contacts + first.held - n, sd=first.adjusted_sd).effect
        )

    def _brings(self) -> str:
        if self.headline:
            return self._margin(self.headline.policy["answer"]["profit"])
        found = self.economics.total("redemptions")
        if not math.isfinite(found.value):
            return _("not known")
        return _(
            "{n} {redemption}s; what they add is not known",
            n=self._first.expected_words() if len(self.economics) == 1 else count(found.value),
            redemption=self.economics.words.noun,
        )

    def _margin(self, told: Mapping[str, float]) -> str:
        ends = (told[name] for name in ("value", "ci_low", "ci_high"))
        amount = money(*ends, currency=self._first.currency)
        return _("{amount} of margin, costs taken off", amount=amount)

    def _sees(self, held: int, visible: float) -> str:
        """Say from when on which effect of the largest promotion can be seen."""
        if not math.isfinite(visible):
            return _("not known")
        first = self._first
        row = self.promotions[
            self.promotions["promotion_id"].astype(str) == str(first.promotion_id)
        ]
        rules = read_operations(self.shop.settings).attribution
        ends = settles_at(*row[["starts_at", "ends_at"]].iloc[0], rules, self.shop.zone)
        day = day_words(pd.Timestamp(ends, tz="UTC").tz_convert(self.shop.zone), year=True)
        told = {"amount": money(visible, currency=first.currency), "day": day, "name": first.name}
        whose = _(" of {name}", name=first.name) if len(self.economics) > 1 else ""
        return _(
            "from {day}: effects of {amount} a customer or more, by {n} held back{whose}",
            n=count(held),
            whose=whose,
            **told,
        )

    def _amount(self, *ends: float) -> str:
        return money(*ends, currency=self._first.currency, decimals=None if ends[0] else 0)
