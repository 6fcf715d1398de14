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
from promolab.display import Html, Tile, join, say
from promolab.results import Estimate, worded_table, words_of
from promolab.wording import count, money, percent

if TYPE_CHECKING:
    from promolab.campaign.outlook import LaunchEconomics, PromotionEconomics
    from promolab.contract import Shop


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
        told = words_of(__name__, "choice", contacts=self.contacts, **self.policy).say("opens")
        # As good as the plan within noise, it is what is recommended.
        same = (self.policy.get("same_for_all") or {}).get("summary")
        return f"{told} {same}" if same else told

    def tiles(self) -> list[Tile]:
        """Return four headline numbers: whom, what it adds, what it costs, the chance of a loss."""
        answer, loss = self.policy["answer"], float(self.policy["answer"]["loss"] or 0.0)
        profit, step = estimate_of(answer["profit"]), answer["step"]
        words = words_of(
            __name__,
            "choice",
            currency=self.currency,
            customers=self.policy["customers"],
            limit=self.policy.get("budget"),
            step=money(step, currency=self.currency, decimals=0 if step >= 1 else None),
            more=estimate_of(answer["next"]),
            next="more" if answer["next"]["value"] > 0 else "nothing",
        )
        adds, costs = (money(*e.ends, currency=self.currency) for e in (profit, self.cost))
        risk = words.say("rare") if 0 < loss < 0.005 else percent(min(loss, 0.99), decimals=0)
        values = {
            "to_contact": (count(self.contacts), float(self.contacts), "difference"),
            "adds": (adds, profit.value, "percent"),
            "costs": (costs, self.cost.value, "percent"),
            "risk": (risk, loss, "points"),
        }
        return [
            Tile(words.say(name), text, value, words.say(f"{name}_note"), change)
            for name, (text, value, change) in values.items()
        ]


def estimate_of(told: Mapping[str, Any]) -> Estimate:
    """Read an estimate of ``metrics.json``; what is not known there is nan.

    Parameters
    ----------
    told : mapping
        value, ci_low and ci_high, as far as they are known.
    """
    return Estimate.of(map(told.get, ("value", "ci_low", "ci_high")))


SEND, SAME, TEST, SKIP = "send", "same", "test", "skip"
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
        (act, why), words = self.advice(), words_of(__name__, "choice")
        rows = pd.DataFrame(self.rows())
        rows = rows.assign(mark=rows["act"] == act, act=rows["act"].map(words.say))
        title = say(words.say("title"), kind="h2")
        acts = worded_table(words.words["table"], words, rows)
        return join([title, say(f"{why} {self.budget_words()}"), acts])

    def rows(self) -> list[dict[str, str]]:
        """Return the acts as they stand in the table."""
        first, amount, word = self._first, self._amount, words_of(__name__, "choice").say
        halves = [(p, (p.contacts + p.held) // 2) for p in self.economics.promotions if p.contacts]
        ends = zip(*((p.cost * (n / p.contacts)).ends for p, n in halves), strict=True)
        half = words_of(__name__, "choice", n=sum(n for _, n in halves)).say("half")
        cost = amount(*self.economics.total("cost").ends)
        tells = self._sees(first.held, first.visible) if first.held else word("nothing_new")
        rows = [(SEND, count(self.customers), cost, self._brings(), tells)]
        if same := self._same:
            spend, error = float(same["spend"]), same.get("error", 0.0)
            costs = amount(spend, spend - error, spend + error, bare=True)
            brings = self._margin(same["profit"])
            rows.append((SAME, str(same["name"]), costs, brings, word("nothing_new")))
        seen = self._sees(first.contacts + first.held - self._half, self._visible)
        rows.append((TEST, half, amount(*map(math.fsum, ends)), word("half_of_it"), seen))
        rows.append((SKIP, count(0), amount(0.0), word("idle"), word("nothing_new")))
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def advice(self) -> tuple[str, str]:
        """Return the act that the figures speak for, "" where they speak for none, and why."""
        case = "as_good" if self._same.get("as_good") else self._case()
        acts = {"as_good": SAME, "pays": SEND, "loses": SKIP, "tells": TEST}
        return acts.get(case, ""), words_of(__name__, "choice", case=case).say("why")

    def _case(self) -> str:
        if self.headline:
            profit = self._policy["answer"]["profit"]
            if self._policy.get("pays", True) and profit["value"] > 0:
                return "pays"
            return "loses" if profit["ci_high"] < 0 else "unsure"
        return "tells" if self._visible <= self._first.break_even.value else "unknown"

    def budget_words(self) -> str:
        """Say how much of the week's budget is used and left."""
        budget = self._policy.get("budget")
        budget = read_operations(self.shop.settings).economics.budget if budget is None else budget
        if budget is None:
            return words_of(__name__, "choice", left="none").say("budget_line")
        used = self.headline.cost if self.headline else self.economics.total("cost")
        left = budget - used.value
        ends = abs(left), budget - used.ci_high, budget - used.ci_low
        told = {"used": self._amount(*used.ends, bare=True), "rest": self._amount(*ends, bare=True)}
        told |= {"budget": self._amount(budget), "left": "over" if left < 0 else "some"}
        return words_of(__name__, "choice", **told).say("budget_line")

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
        return smallest_effect(n, every - n, sd=sd) if n and sd > 0 else math.nan

    def _brings(self) -> str:
        if self.headline:
            return self._margin(self._policy["answer"]["profit"])
        found = self.economics.total("redemptions")
        told = {"found": found, "known": math.isfinite(found.value)}
        words = words_of(__name__, "choice", who=self.economics.words, **told)
        return words.say("brings") or words.say("unknown")

    def _margin(self, told: Mapping[str, float]) -> str:
        amount = self._amount(*(told[name] for name in ("value", "ci_low", "ci_high")))
        return words_of(__name__, "choice", amount=amount).say("margin")

    def _sees(self, held: int, visible: float) -> str:
        """Say from when on which effect of the largest promotion can be seen."""
        first, zone = self._first, self.shop.zone
        rows = self.promotions["promotion_id"].astype(str) == str(first.promotion_id)
        window = self.promotions.loc[rows, ["starts_at", "ends_at"]].iloc[0]
        rules = read_operations(self.shop.settings).attribution
        ends = settles_at(window["starts_at"], window["ends_at"], rules, zone)
        words = words_of(
            __name__,
            "choice",
            day=pd.Timestamp(ends, tz="UTC").tz_convert(zone),
            amount=self._amount(visible),
            held=held,
            name=first.name if len(self.economics) > 1 else "",
            visible=math.isfinite(visible),
        )
        return words.say("sees") or words.say("unknown")

    def _amount(self, *ends: float, bare: bool = False) -> str:
        decimals = None if ends[0] else 0
        return money(*ends, currency=self._first.currency, decimals=decimals, bare=bare)
