"""What one promotion may cost and must bring: the figures, and their words."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from promolab.campaign.past.assignment import FEWEST_UNITS as FEWEST
from promolab.contract import StatedRate as Rate
from promolab.promotions import PREDICTION_LEVEL, BoughtAnyway, anyway_words
from promolab.results import Estimate, Result
from promolab.wording import answer_to, expected, is_one, money, percent

YEAR = 52  # weeks of holdouts, read together; what takes more is no help in time
_LINES = ("contacts", "redemptions", "discount", "cost", "break_even", "visible", "anyway")


@dataclass(frozen=True)
class PromotionEconomics(Result):
    """What one promotion may cost and must bring.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    name : str
        What readers call it.
    contacts, held : int
        Customers to contact, and those held out of this promotion.
    redemptions : Estimate
        Expected of those to contact; 90 % prediction interval, n past promotions.
    discount : Estimate
        Expected discounts to them, in money; 90 %.
    cost : Estimate
        What the shop pays: its part of the discounts, coupons and contacts; 90 %.
    break_even : Estimate
        Extra sales per contact, in money, that pay for it; 90 %.
    margin_rate, contact_cost, coupon_cost : Rate
        What entered, stated or assumed.
    funder_share : float
        Part of the discounts that a supplier pays.
    sales_sd : float
        Standard deviation of the planned customers' sales in past windows of its length.
    sales_correlation : float
        Of these sales and those before each window, which the read-out allows for.
    visible : float
        Smallest effect on sales per customer that the holdout shows with 80 % power, earlier sales
        allowed for; nan without a holdout or without past sales.
    anyway_list : Estimate
        Share of those to contact likely to have bought anyway.
    anyway_redeemers : Estimate
        Share of the discount that goes to orders that come anyway, given that they redeem; nan
        where the effect is not measured, for it tells.
    days : float
        Length of the promotion.
    discount_basis : str
        What the discounts are expected from, in a sentence.
    currency : str
        Of all amounts.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    promotion_id: Any
    name: str
    contacts: int
    held: int
    redemptions: Estimate
    discount: Estimate
    cost: Estimate
    break_even: Estimate
    margin_rate: Rate
    contact_cost: Rate
    coupon_cost: Rate
    funder_share: float
    sales_sd: float
    sales_correlation: float
    visible: float
    anyway_list: Estimate
    anyway_redeemers: Estimate
    days: float
    discount_basis: str
    currency: str
    kind: str = "coupon"

    @property
    def recorded(self) -> bool:
        """Whether responses are foretold: not where those of its kind were never recorded."""
        return math.isfinite(self.redemptions.value)

    @property
    def anyway(self) -> BoughtAnyway:
        """Who would likely have bought its products without it."""
        return BoughtAnyway(self.anyway_list, self.days)

    @property
    def adjusted_sd(self) -> float:
        """Standard deviation of sales once earlier ones are allowed for."""
        return self.sales_sd * math.sqrt(1 - self.sales_correlation**2)

    @property
    def weeks_needed(self) -> float:
        """Holdouts like this one that, read together, show the break-even; nan if not known."""
        if self.enough is None or not self.break_even.value > 0:
            return math.nan
        return max(math.ceil((self.visible / self.break_even.value) ** 2), 1)

    @property
    def enough(self) -> bool | None:
        """Whether the holdout can show the break-even effect; None where one is not known."""
        if not (math.isfinite(self.visible) and math.isfinite(self.break_even.value)):
            return None
        return self.visible <= self.break_even.value

    @property
    def shows(self) -> str:
        """What the holdout can show: none, few, unknown, sees, enough, free or pooled."""
        if not self.held:
            return "none"
        if self.held < FEWEST or not math.isfinite(self.visible):
            return "few" if self.held < FEWEST else "unknown"
        if self.enough is None or self.enough:
            return "sees" if self.enough is None else "enough"
        return "pooled" if self.break_even.value > 0 else "free"

    def rates(self) -> list[dict[str, Any]]:
        """Return what the break-even rests on: margin, then costs; written, and if assumed."""
        margin = {"rate": "margin", "figure": percent(self.margin_rate.value, decimals=0)}
        found = [margin | {"assumed": self.margin_rate.assumed}]
        names = ("contact_cost", "coupon_cost") if self.kind == "coupon" else ("contact_cost",)
        for name in names:
            rate: Rate = getattr(self, name)
            figure = money(rate.value, currency=self.currency, decimals=2)
            found.append({"rate": name, "figure": figure, "assumed": rate.assumed})
        return found

    def assumed(self) -> list[str]:
        """Name what is assumed, to stand behind a figure that it enters."""
        return [self.say("rate_name", **rate) for rate in self.rates() if rate["assumed"]]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, rates as value and whether they are assumed."""
        rates = ("margin_rate", "contact_cost", "coupon_cost")
        return super().to_dict() | {
            "promotion_id": str(self.promotion_id),
            **{name: dataclasses.asdict(getattr(self, name)) for name in rates},
        }

    def facts(self) -> dict[str, Any]:
        """Return what stands in the sentences, and which of them are said."""
        redemptions, share = self.redemptions, self.anyway_redeemers.value
        discount, rates, shows = self.discount, self.rates(), self.shows
        least = math.sqrt(1 - self.sales_correlation**2)
        known = math.isfinite(redemptions.ci_low)
        lines = [*_LINES, "redeemers"] if math.isfinite(share) else [*_LINES]
        told = expected(*redemptions.ends)
        off = "nothing" if discount.ci_high == 0 else "some"
        return {
            "state": "nobody" if not self.contacts else "known" if self.recorded else "unrecorded",
            "contacted": self.contacts > 0,
            "answer": answer_to(self.kind),
            "level": PREDICTION_LEVEL,
            "expected": told,
            "people": 1 if is_one(told) else 2,
            "discounts": off if math.isfinite(discount.value) else "unknown",
            "off": bool(discount.ci_high),
            "bounded": known,
            "brings": math.isfinite(self.break_even.value),
            "rates": rates,
            "costs": rates[1:],
            "fewest": FEWEST,
            "readable": shows not in ("none", "few", "unknown"),
            "allowed": self.sales_correlation > 0,
            "plain_sees": self.visible / least if least else math.nan,
            "times": lambda: self.visible / self.break_even.value,
            "weeks": self.weeks_needed,
            "in_time": self.weeks_needed <= YEAR,
            "year_sees": self.visible / math.sqrt(YEAR),
            "anyway": lambda: self.anyway.summary(),
            "share": share,
            "redeemers": anyway_words(share) if math.isfinite(share) else "",
            "past": "unrecorded" if not self.recorded else "some" if known else "few",
            "promotions": redemptions.n,
            "lines": pd.DataFrame({"what": lines, "figure": "", "rests": ""}),
        }
