"""The week's allocation: who gets what inside the budget, what that adds, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.adaptive import GREEDY
from promolab.campaign.outlook import charged
from promolab.contract import NONE
from promolab.display import picture
from promolab.effects import Withheld
from promolab.policy import DIFFERENCE, EVERYBODY, Allocation, PlanValue, SpendingTest
from promolab.results import Estimate, Result, plain
from promolab.stats import normal_quantile
from promolab.wording import money

if TYPE_CHECKING:
    from promolab.folder import RunFolder
    from promolab.promotions import PromotionValues

HORIZON_DAYS = 28
"""Days after a promotion's window in which what it adds counts, unless it is said otherwise."""
MONEY = ("value", "cost", "cost_luck", "discount", "discount_error", "anyway")
"""What is told of each customer and action: net profit; cost to the shop, and the standard
deviation of its own luck; the discount, whoever pays it, how far it may lie off in a week unlike
others (half of a 90 % interval), and what of it goes to orders that come anyway."""


COLUMNS = ("customer_id", "action", "propensity", "chosen", *MONEY)
FRONTIER = ("budget", "profit", "ci_low", "ci_high", "marginal_return", "chosen")


@dataclass(frozen=True)
class SameForAll(Result):
    """The same offer for all, as far as the plan's cost reaches, beside the plan.

    Parameters
    ----------
    promotion_id, name : str
        The promotion that adds most on average.
    spend : float
        What it costs, in money.
    profit, ahead : Estimate
        What it adds, and what the plan adds beyond it; by what came of past decisions.
    currency : str
    error : float
        How far the plan's cost may lie off: what this costs is rounded as that is.
    """

    promotion_id: str
    name: str
    spend: float
    profit: Estimate
    ahead: Estimate
    currency: str = ""
    error: float = 0.0

    @property
    def as_good(self) -> bool:
        """Whether the plan is not shown to add more: then the simpler one is recommended."""
        return not self.ahead.ci_low > 0

    def facts(self) -> dict[str, Any]:
        """Return what it costs, rounded as the plan's cost is."""
        ends = self.spend, self.spend - self.error, self.spend + self.error
        return {"spent": money(*ends, currency=self.currency, bare=True)}


class WeekPolicy(Result):
    """The week's answer to who gets what; made by `promolab.campaign.spending.week_policy`.

    It is an `AllocationResult`, or an `ExperimentProposal` where effects are not known: of that the
    sections of the page are not shown.
    """

    def to_frame(self) -> pd.DataFrame:
        """Return the allocation: a row per customer and action that is open to them."""
        return pd.DataFrame(columns=list(COLUMNS))

    @property
    def frontier(self) -> pd.DataFrame:
        """What each budget would add."""
        return pd.DataFrame(columns=list(FRONTIER))

    def _withheld(self) -> Any:
        """Say that there is no such section."""
        return Withheld("found", self.say("withheld"))

    waterfalls = budgets = compared = _withheld

    def meaning(self) -> str:
        """Say what to do with it."""
        return self.say("means")

    def certainty(self) -> str:
        """Say how sure the figures are, and what would make them surer."""
        return self.say("certain")

    def write(self, run: RunFolder) -> None:
        """Write the allocation and the frontier into a week's folder, and its headline numbers."""
        run.write_table("allocation", self.to_frame(), by=["customer_id", "action"])
        run.write_table("frontier", self.frontier, by="budget")
        run.record("policy", None)
        run.record("policy", self.to_dict)


@dataclass(frozen=True)
class AllocationResult(WeekPolicy):
    """Who gets what this week, by what it adds.

    Parameters
    ----------
    allocation : Allocation
        Of the P promotions whose effects are known to the n customers who may get one of them.
    answer : PlanValue
        What it adds, by what came of past decisions.
    amounts : PromotionValues
        What each promotion is worth, and costs.
    place : ndarray of int of shape (n,)
        Row of each customer in ``amounts``.
    open_to : ndarray of bool of shape (n, P)
        Who may get what, and has support in past decisions.
    names : dict of str to str
        Promotion → what readers call it.
    budget : float or None
        What was stated.
    pays : SpendingTest
        Whether spending more than exploration takes is shown to pay.
    beside : tuple of str
        Promotions that start and are ranked by response, by name: their effects are not known.
    risk : float
        Most that it may be likely to spend more than the budget; 0 where costs are as expected.
    horizon_days : int
        Days after the window in which margin still counts.
    policy : str
        By which the budget goes (`promolab.adaptive.allocate_by`).
    """

    allocation: Allocation = field(repr=False)
    answer: PlanValue
    amounts: PromotionValues = field(repr=False)
    place: np.ndarray = field(repr=False)
    open_to: np.ndarray = field(repr=False)
    names: dict[str, str]
    budget: float | None
    pays: SpendingTest
    beside: tuple[str, ...] = ()
    risk: float = 0.0
    horizon_days: int = HORIZON_DAYS
    policy: str = GREEDY

    @property
    def currency(self) -> str:
        """Of all amounts."""
        return self.amounts.orders.currency

    @property
    def planned(self) -> np.ndarray:
        """Place of what each customer is planned for, before anybody is held out; −1 for none."""
        drawn = self.allocation.drawn
        return self.allocation.choice if drawn is None else drawn.planned

    def to_frame(self) -> pd.DataFrame:
        """Return a row per customer and action open to them: chance, what was drawn, value, cost.

        An action that chance never draws stands there with chance 0, so that it is known which
        promotions the allocation is about.
        """
        customer, promotion = np.nonzero(self.open_to)
        ids = np.asarray(self.allocation.promotions, dtype=object)
        every = pd.DataFrame(
            {"customer_id": self.allocation.customers[customer], "action": ids[promotion]}
            | {name: self._of(name)[customer, promotion] for name in MONEY}
        )
        ids_of = self.allocation.customers
        nothing = {"customer_id": ids_of, "action": NONE} | dict.fromkeys(MONEY, 0.0)
        rows = pd.concat([every, pd.DataFrame(nothing)], ignore_index=True)
        found = rows.merge(self.allocation.chances(), on=["customer_id", "action"], how="left")
        found["propensity"] = found["propensity"].fillna(0.0)
        found["chosen"] = found["chosen"].eq(True)
        return found[list(COLUMNS)]

    def _of(self, name: str) -> np.ndarray:
        """Return one of `MONEY` of each customer and promotion, 0 where it is not open."""
        columns = [self.amounts.place(one) for one in self.allocation.promotions]
        amounts = self.amounts
        if name == "cost_luck":
            array = self._luck
        elif name == "discount_error":
            array = normal_quantile(amounts.level) * amounts.cost_spread * amounts.discount
        else:
            array = getattr(amounts, name)
        return np.where(self.open_to, array[np.ix_(self.place, np.array(columns))], 0.0)

    @cached_property
    def _luck(self) -> np.ndarray:
        return self.amounts.cost_luck()

    @property
    def sent(self) -> np.ndarray:
        """Place of what is sent to each customer, −1 for none: who is held out gets none."""
        return self.allocation.choice

    @property
    def cost(self) -> Estimate:
        """What is sent costs the shop; the ends add up, as weeks differ for all promotions."""
        rows = self._by_promotion()
        ends = (rows[name].sum() for name in ("cost", "cost_low", "cost_high"))
        return Estimate.of(ends, int(rows["contacts"].sum()))

    def to_dict(self) -> dict[str, Any]:
        """Return the headline numbers."""
        return {
            "by_effect": True,
            "policy": self.policy,
            "pays": bool(self.pays),
            "limited": self.allocation.limits is not None,
            "budget": self.budget,
            "explore": 0.0 if self.allocation.drawn is None else self.allocation.drawn.share,
            "customers": len(self.open_to),
            "sent": float((self.sent >= 0).sum() / max((self.planned >= 0).sum(), 1)),
            "cost": self.cost.to_dict(),
            "promotions": plain(self._by_promotion().set_index("promotion_id").to_dict("index")),
            "answer": self.answer.to_dict(),
            "same_for_all": plain(self.same_for_all and self.same_for_all.to_dict()),
            "opening": self.opening(),
            "summary": self.summary(),
        }

    def _by_promotion(self) -> pd.DataFrame:
        """Return a row per promotion: planned, and what is sent, by chance, its cost and value."""
        told, best = {name: self._of(name) for name in MONEY}, self._best()
        rows = []
        for j, (promotion, name) in enumerate(self.names.items()):
            planned, mine = self.planned == j, self.sent == j
            each = pd.DataFrame({name: values[mine, j] for name, values in told.items()})
            offer = self.amounts.promotions[self.amounts.place(promotion)]
            ends = charged(each, offer.funder_share)[0].ends
            rows.append(
                {
                    "promotion_id": promotion,
                    "name": name,
                    "customers": int(planned.sum()),
                    "contacts": int(mine.sum()),
                    "by_chance": int((mine & (best != j)).sum()),
                    **dict(zip(("cost", "cost_low", "cost_high"), ends, strict=True)),
                    "predicted": float(each["value"].sum()),
                }
            )
        return pd.DataFrame(rows)

    def _best(self) -> np.ndarray:
        """Return the place of what each customer gets unless chance draws another, −1 for none."""
        drawn = self.allocation.drawn
        if drawn is None:
            return self.allocation.choice
        likeliest = drawn.before.argmax(axis=1)
        return np.where(likeliest == len(self.names), -1, likeliest)

    def facts(self) -> dict[str, Any]:
        """Return what stands in the sentences: counts, and which of them are said."""
        found, drawn = self.answer, self.allocation.drawn
        planned, sent = (int((choice >= 0).sum()) for choice in (self.planned, self.sent))
        reserve = ""
        if self.budget is not None and self.pays:
            spent = self.answer.spend >= 0.98 * self.budget
            reserve = "kept" if self.risk else "none" if spent else ""
        return {
            "state": "learning" if not self.pays else "loses" if found.value < 0 else "adds",
            "spends": bool(self.pays),
            "profit": found.profit,
            "losing": Estimate.of(-found.profit.ends[k] for k in (0, 2, 1)),
            "loss": partial(found.say, "loss_line"),
            "next": partial(found.say, "next_line"),
            "customers": len(self.open_to),
            "planned_for": planned,
            "held_out": planned - sent,
            "stated": self.budget is not None,
            "reserve": reserve,
            "policy": self.policy,
            "drawn": "" if drawn is None else drawn.summary(),
            "prices": " ".join(self.allocation.price_sentences()[:3]),
            "test": lambda: self.pays.summary(),
            "rows": self._by_promotion,
            "sure": partial(found.say, "sure"),
        }

    def opening(self) -> str:
        """Say it in one sentence, as the week's first page does, but for how many are contacted."""
        return self.say("opening")

    def waterfalls(self) -> list[Result | str]:
        """Return what becomes of the money of each promotion, of all who are to be contacted."""
        found: list[Result | str] = [self.say("predicted")]
        for j, promotion in enumerate(self.names):
            mine = self.place[self.sent == j]
            if len(mine):
                weight = np.zeros(len(self.amounts.customers))
                weight[mine] = 1.0
                found.append(self.amounts.waterfall(promotion, weight))
        return found

    @property
    def frontier(self) -> pd.DataFrame:
        """What each budget would add."""
        return self.answer.budgets.frame

    def budgets(self) -> Result:
        """Return what each budget would add."""
        return self.answer.budgets

    def compared(self) -> Any:
        """Return what other ways to spend the same would add: in a sentence, drawn and listed."""
        if not self.pays:
            return Withheld("found", self.say("alone"))
        found, same = self.answer, self.same_for_all
        drawn = picture(found.plot(), found.alt())
        return [found.say("compared_line"), drawn, same.summary() if same else "", found.to_table()]

    @property
    def same_for_all(self) -> SameForAll | None:
        """The same offer for all beside the plan; None where none but chance spends."""
        rows = self.answer.policies.set_index("policy")
        if not self.pays or EVERYBODY not in rows.index:
            return None
        same, row = str(self.answer.same), rows.loc[EVERYBODY].to_dict()
        profit, ahead = (
            Estimate.of((row[name] for name in names), self.answer.decisions)
            for names in (("value", "ci_low", "ci_high"), DIFFERENCE)
        )
        error = (self.cost.ci_high - self.cost.ci_low) / 2
        told = row["spend"], profit, ahead, self.currency, error
        return SameForAll(same, self.names[same], *told)
