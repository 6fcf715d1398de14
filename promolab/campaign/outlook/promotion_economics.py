"""What one promotion may cost and must bring: the figures, and their words."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from promolab.campaign.outlook.expected import NOT_RECORDED, expected_words
from promolab.campaign.past.assignment import FEWEST_UNITS as FEWEST
from promolab.contract import StatedRate as Rate
from promolab.display import Html, table
from promolab.language import _
from promolab.promotions import PREDICTION_LEVEL, BoughtAnyway, anyway_words
from promolab.results import Estimate, Result
from promolab.wording import answer_to, count, decimals_for, is_one, listed, money, percent, plural

MEASURED_ANYWAY = "by the measured effect: what is left of the orders expected without it"
LEVEL = percent(PREDICTION_LEVEL, decimals=0)
YEAR = 52  # weeks of holdouts, read together; what takes more is no help in time


def level_words() -> str:
    """Return the level of prediction intervals as pages write it."""
    return percent(PREDICTION_LEVEL, decimals=0)


def amount_words(e: Estimate, currency: str) -> str:
    """Write an amount of money with its interval; a small one with the decimals that it needs.

    Examples
    --------
    >>> amount_words(Estimate(2.193, 0.822, 5.849, 9), "USD")
    '2.2 USD [0.8, 5.8]'
    >>> amount_words(Estimate(507.1, 190.1, 1352.7, 9), "USD")
    '500 USD [200, 1,400]'
    """
    decimals = None
    if math.isfinite(e.ci_high - e.ci_low) and 0 < abs(e.value) < 10:
        decimals = max(decimals_for(e.ci_low, e.ci_high), 2 if abs(e.value) < 1 else 1)
    return money(*e.ends, currency=currency, decimals=decimals)


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

    def rates_words(self, *, margin: bool = True) -> str:
        """Say what the break-even (the cost: without margin) rests on, what is assumed marked."""
        rates = self._rates() if margin else self._rates()[1:]
        told = [
            _("{figure} (assumed)", figure=f"{name} {text}") if rate.assumed else f"{name} {text}"
            for name, rate, text in rates
        ]
        if self.funder_share:
            share = percent(self.funder_share, decimals=0)
            told.append(_("suppliers pay {share} of the discounts", share=share))
        return listed(told)

    def assumed(self) -> list[str]:
        """Name what is assumed, to stand behind a figure that it enters."""
        return [f"{name} {text}" for name, rate, text in self._rates() if rate.assumed]

    def _rates(self) -> list[tuple[str, Rate, str]]:
        margin, contact, coupon = self.margin_rate, self.contact_cost, self.coupon_cost
        costs = [money(r.value, currency=self.currency, decimals=2) for r in (contact, coupon)]
        rates = [
            (_("margin"), margin, percent(margin.value, decimals=0)),
            (_("contact cost"), contact, costs[0]),
        ]
        return [*rates, (_("coupon cost"), coupon, costs[1])] if self.kind == "coupon" else rates

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, rates as value and whether they are assumed."""
        rates = ("margin_rate", "contact_cost", "coupon_cost")
        return super().to_dict() | {
            "promotion_id": str(self.promotion_id),
            **{name: dataclasses.asdict(getattr(self, name)) for name in rates},
        }

    def expected_words(self) -> str:
        """Write the expected redemptions with their interval."""
        return expected_words(*self.redemptions.ends)

    def expected_sentence(self) -> str:
        """Say what redemptions and discounts to expect."""
        if not self.contacts:
            return f"{self.name}: nobody is to be contacted."
        cost = f", costing {amount_words(self.discount, self.currency)} in discounts"
        if not math.isfinite(self.discount.value):
            cost = (
                "; the discounts are not known (discount_rate, or threshold and reduction, in "
                "[promotions] of shop.toml would tell)"
            )
        elif self.discount.ci_high == 0:
            cost = "; it takes nothing off"
        if not self.recorded:
            return f"{self.name}: {plural(self.contacts, 'customer')} to contact. {NOT_RECORDED}."
        interval = f" ({LEVEL} intervals)" if math.isfinite(self.redemptions.ci_low) else ""
        expected, verb = self.expected_words(), answer_to(self.kind).verb
        return (
            f"{self.name}: of {plural(self.contacts, 'customer')} to contact, about "
            f"{expected} {'is' if is_one(expected) else 'are'} expected to {verb}"
            f"{cost}{interval}."
        )

    def break_even_sentence(self) -> str:
        """Say what each contact must bring, and whether the holdout can show as much."""
        if not math.isfinite(self.break_even.value):
            return "What a contact must bring cannot be said, for what it costs is not known."
        extra = amount_words(self.break_even, self.currency)
        return (
            f"To pay for itself each contact must bring {extra} of extra sales "
            f"({self.rates_words()})."
        )

    def visible_sentence(self) -> str:
        """Say what the holdout can show, against what it should."""
        if not self.held:
            return "Nobody is held out of it, so its effect will not be known."
        if self.held < FEWEST:
            return (
                f"Only {plural(self.held, 'customer is', 'customers are')} held out of it: too few "
                f"to be read ({FEWEST} are needed). A larger share, -p holdout=…, would tell."
            )
        if not math.isfinite(self.visible):
            return f"What the holdout of {count(self.held)} can show is not known: no past sales."
        text = (
            f"The holdout of {count(self.held)} can see {self.sees_words()} per customer or more "
            f"(in 4 of 5 such trials{self._allowed_for()})"
        )
        if self.enough is None:
            return f"{text}."
        if self.enough:
            return f"{text}: enough to tell whether it pays for itself."
        if not self.break_even.value > 0:
            return f"{text}; as it costs nothing, smaller effects pay too, and stay unseen."
        times = count(self.visible / self.break_even.value)
        return (
            f"{text}, {times} times the break-even: by itself it cannot tell whether it pays for "
            f"itself. {self.pooling_words()}"
        )

    def sees_words(self) -> str:
        """Write what the holdout can see."""
        return money(self.visible, currency=self.currency)

    def _allowed_for(self) -> str:
        if not self.sales_correlation > 0:
            return ""
        plain = money(
            self.visible / math.sqrt(1 - self.sales_correlation**2), currency=self.currency
        )
        return f"; earlier sales are allowed for, without them {plain}"

    def pooling_words(self) -> str:
        """Say what such holdouts of several weeks see when they are read together."""
        needed = self.weeks_needed
        if needed <= YEAR:
            return f"{count(needed)} such holdouts of different weeks, read together, can."
        sees = money(self.visible / math.sqrt(YEAR), currency=self.currency)
        return (
            f"A year of such holdouts, read together, sees {sees} or more; it takes "
            f"{count(needed)} to see the break-even."
        )

    def table(self) -> Html:
        """Return what it may cost and must bring, a line each with what that rests on."""
        words, anyway, discount = answer_to(self.kind), self.anyway, self.discount
        level = f"{LEVEL} interval. " if discount.ci_high else ""
        readable = self.held >= FEWEST and math.isfinite(self.visible)
        lines = [
            ("customers to contact", count(self.contacts), f"{count(self.held)} more are held out"),
            (f"expected {words.noun}s", self.expected_words(), self._past_words()),
            (
                "expected discount cost",
                amount_words(discount, self.currency),
                f"{level}{self.discount_basis}",
            ),
            (
                "cost of all, to the shop",
                amount_words(self.cost, self.currency),
                f"discounts, {self.rates_words(margin=False)}",
            ),
            (
                "break-even extra sales per contact",
                amount_words(self.break_even, self.currency),
                f"cost ÷ (margin × contacts); {self.rates_words()}",
            ),
            (
                "smallest effect that the holdout can see",
                self.sees_words() if readable else "–",
                self.visible_sentence(),
            ),
            (
                "likely to have bought anyway (a guess)",
                percent(*anyway.of_list.ends),
                anyway.summary(),
            ),
        ]
        if math.isfinite(self.anyway_redeemers.value):
            share = percent(self.anyway_redeemers.value, decimals=0)
            lines.append(("of the discount, on orders that come anyway", share, MEASURED_ANYWAY))
        return table(
            pd.DataFrame(lines, columns=["what", "figure", "rests"]),
            {"what": "what", "figure": "figure", "rests": "what it rests on"},
            {"figure": str},
            caption=f"{self.name}: what it may cost and must bring. Nothing here is an effect.",
            most=len(lines),
        )

    def _past_words(self) -> str:
        if not self.recorded:
            return NOT_RECORDED
        past = plural(self.redemptions.n, "past promotion")
        if not math.isfinite(self.redemptions.ci_low):
            return f"no interval: {past} to tell how far such sums miss"
        return f"{LEVEL} interval, from how far {past} missed as a whole"

    def summary(self) -> str:
        """Say what to expect, what it must bring and who would have bought anyway."""
        if not self.contacts:
            return self.expected_sentence()
        parts = [self.expected_sentence(), self.break_even_sentence(), self.visible_sentence()]
        share = self.anyway_redeemers.value
        told = [anyway_words(share)] if math.isfinite(share) else []
        return " ".join([*parts, self.anyway.summary(), *told])
