"""The week's money: what the plan adds and costs, and the acts that may be chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.abtest import smallest_effect
from promolab.campaign.past import settles_at
from promolab.contract import read_operations
from promolab.display import Html, Tile, join, say, table
from promolab.language import _, day_words, marked
from promolab.results import Estimate
from promolab.wording import count, money, number, percent

if TYPE_CHECKING:
    from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics
    from promolab.contract import Shop

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


SEND, SAME = marked("Send as planned"), marked("Same offer for all")
TEST, SKIP = marked("Test on half"), marked("Skip")
COLUMNS = ("act", "contacts", "cost", "brings", "tells")


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
        rows, (act, why) = pd.DataFrame(self.rows()), self.advice()
        rows = rows.assign(mark=rows["act"] == act, act=[_(each) for each in rows["act"]])
        titles = [_("act"), _("customers"), _("cost to the shop"), _("brings")]
        columns = dict(zip(COLUMNS, [*titles, _("what is known then")], strict=True))
        acts = table(rows, columns, {"contacts": str, "cost": str}, marked="mark")
        title = say(_("This week's choice"), kind="h2")
        return join([title, say(f"{why} {self.budget_words()}"), acts])

    def rows(self) -> list[dict[str, str]]:
        """Return the acts as they stand in the table."""
        first, amount = self._first, self._amount
        halves = [(p, (p.contacts + p.held) // 2) for p in self.economics.promotions if p.contacts]
        ends = zip(*((p.cost * (n / p.contacts)).ends for p, n in halves), strict=True)
        half = _("{n}, as many held back by chance", n=count(sum(n for _p, n in halves)))
        tested, nothing = amount(*map(math.fsum, ends)), _("nothing new")
        cost = amount(*self.economics.total("cost").ends)
        tells = self._sees(first.held, first.visible) if first.held else nothing
        rows = [(SEND, count(self.customers), cost, self._brings(), tells)]
        if same := self._same:
            than = _("as good as the plan within noise, and simpler")
            than = than if same["as_good"] else _("less than the plan brings")
            brings = self._margin(same["profit"])
            spend, error = float(same["spend"]), same.get("error", 0.0)
            costs = amount(spend, spend - error, spend + error, bare=True)
            rows.append((SAME, str(same["name"]), costs, brings, than))
        seen = self._sees(first.contacts + first.held - self._half, self._visible)
        rows.append((TEST, half, tested, _("half of it"), seen))
        idle = _("nothing; nobody's contact limit is used up")
        rows.append((SKIP, count(0), amount(0.0), idle, nothing))
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def advice(self) -> tuple[str, str]:
        """Return the act that the figures speak for, "" where they speak for none, and why."""
        if self._same.get("as_good"):
            return SAME, _(
                "One offer for all is as good as the plan within noise: take the simpler one."
            )
        if self.headline:
            profit = self._policy["answer"]["profit"]
            if self._policy.get("pays", True) and profit["value"] > 0:
                return SEND, _("The figures speak for sending: past decisions show that it pays.")
            if profit["ci_high"] < 0:
                return SKIP, _("The figures speak for skipping: the plan loses money beyond noise.")
            return "", _(
                "Sending is not shown to pay; those whom chance draws are sent to learn from."
            )
        if self._visible <= self._first.break_even.value:
            return TEST, _(
                "Whether sending pays is not known, and half of the list would tell: test."
            )
        return "", _(
            "Whether sending pays is not known, and half of the list would not tell either: the "
            "choice is yours."
        )

    def budget_words(self) -> str:
        """Say how much of the week's budget is used and left."""
        budget = self._policy.get("budget")
        budget = read_operations(self.shop.settings).economics.budget if budget is None else budget
        if budget is None:
            return _("No budget is stated for the week.")
        used = self.headline.cost if self.headline else self.economics.total("cost")
        left = budget - used.value
        message = marked("Of the week's budget of {budget}, {used} is used and {left} is left.")
        if left < 0:
            message = marked("Of the week's budget of {budget} {used} is used: {left} too much.")
        ends = abs(left), budget - used.ci_high, budget - used.ci_low
        told = {"used": self._amount(*used.ends, bare=True), "left": self._amount(*ends, bare=True)}
        return _(message, budget=self._amount(budget), **told)

    @property
    def _policy(self) -> Mapping[str, Any]:
        return self.headline.policy if self.headline else {}

    @property
    def _same(self) -> Mapping[str, Any]:
        """One offer for everybody beside the plan, where that is known."""
        return self._policy.get("same_for_all") or {}

    @property
    def _first(self) -> PromotionEconomics:
        assert self.economics.largest is not None
        return self.economics.largest

    @property
    def _half(self) -> int:
        return (self._first.contacts + self._first.held) // 2

    @cached_property
    def _visible(self) -> float:
        """Smallest effect that half of the largest list sees, set beside the other half."""
        n, every, sd = self._half, self._first.contacts + self._first.held, self._first.adjusted_sd
        return float(smallest_effect(n, every - n, sd=sd).effect) if n and sd > 0 else math.nan

    def _brings(self) -> str:
        if self.headline:
            return self._margin(self._policy["answer"]["profit"])
        found = self.economics.total("redemptions")
        if not math.isfinite(found.value):
            return _("not known")
        n = number(*found.ends, decimals=None if math.isfinite(found.ci_low) else 0)
        noun = self.economics.words.noun
        return _("{n} {redemption}s; what they add is not known", n=n, redemption=noun)

    def _margin(self, told: Mapping[str, float]) -> str:
        amount = self._amount(*(told[name] for name in ("value", "ci_low", "ci_high")))
        return _("{amount} of margin, costs taken off", amount=amount)

    def _sees(self, held: int, visible: float) -> str:
        """Say from when on which effect of the largest promotion can be seen."""
        if not math.isfinite(visible):
            return _("not known")
        first, zone = self._first, self.shop.zone
        rows = self.promotions["promotion_id"].astype(str) == str(first.promotion_id)
        window = self.promotions.loc[rows, ["starts_at", "ends_at"]].iloc[0]
        rules = read_operations(self.shop.settings).attribution
        ends = settles_at(window["starts_at"], window["ends_at"], rules, zone)
        return _(
            "from {day}: effects of {amount} a customer or more, by {n} held back{whose}",
            day=day_words(pd.Timestamp(ends, tz="UTC").tz_convert(zone), year=True),
            amount=self._amount(visible),
            n=count(held),
            whose=_(" of {name}", name=first.name) if len(self.economics) > 1 else "",
        )

    def _amount(self, *ends: float, bare: bool = False) -> str:
        decimals = None if ends[0] else 0
        return money(*ends, currency=self._first.currency, decimals=decimals, bare=bare)
