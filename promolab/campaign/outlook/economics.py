"""What the promotions of a week may cost and must bring, before anything is sent."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook.forecasts import expected_of, type_of
from promolab.campaign.past.assignment import FEWEST_UNITS as FEWEST
from promolab.campaign.past.outcomes import sales_spread, visible_effect
from promolab.checks import columns_there
from promolab.contract import StatedRate as Rate
from promolab.contract import read_operations
from promolab.display import Html, Tile
from promolab.errors import InputError
from promolab.metrics import PastRatios
from promolab.promotions import (
    PREDICTION_LEVEL,
    BoughtAnyway,
    Costs,
    break_even,
    buying_chances,
    discount_per_redeemer,
    kinds_answered,
    moment_of,
    past_discounts,
    promotion_costs,
    share_bought_anyway,
)
from promolab.results import Estimate, Result, worded_table
from promolab.stats import normal_quantile
from promolab.wording import Answer, amount, answer_to, count, expected, is_one, money, percent

if TYPE_CHECKING:
    from promolab.contract import Shop


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
    def adjusted_sd(self) -> float:
        """Standard deviation of sales once earlier ones are allowed for."""
        return self.sales_sd * math.sqrt(1 - self.sales_correlation**2)

    @property
    def weeks_needed(self) -> float:
        """Holdouts like this one that, read together, show the break-even; nan if not known."""
        if not (self.break_even.value > 0 and math.isfinite(self.visible)):
            return math.nan
        return max(math.ceil((self.visible / self.break_even.value) ** 2), 1)

    @property
    def shows(self) -> str:
        """What the holdout can show: none, few, unknown, sees, enough or pooled."""
        if self.held < FEWEST:
            return "few" if self.held else "none"
        if not math.isfinite(self.visible):
            return "unknown"
        weeks = self.weeks_needed
        return "sees" if math.isnan(weeks) else "enough" if weeks <= 1 else "pooled"

    @property
    def readable(self) -> bool:
        """Whether it can show anything."""
        return self.shows in ("sees", "enough", "pooled")

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
        """Return what its figures rest on, and what its holdout can see."""
        rates, known = self.rates(), math.isfinite(self.redemptions.ci_low)
        return {
            "level": PREDICTION_LEVEL,
            "rates": rates,
            "margins": rates[:1],
            "costs": rates[1:],
            "fewest": FEWEST,
            "times": lambda: self.visible / self.break_even.value,
            "anyway": lambda: BoughtAnyway(self.anyway_list, self.days).summary(),
            "past": "unrecorded" if not self.recorded else "some" if known else "few",
        }


MOST_NAMED = 3  # promotions; of more, the first sentence gives the number


@dataclass(frozen=True)
class LaunchEconomics(Result):
    """What the promotions of a week may cost and must bring; made by `launch_economics`.

    Parameters
    ----------
    promotions : tuple of PromotionEconomics
        In the order of the week's promotions.
    """

    promotions: tuple[PromotionEconomics, ...]

    def __len__(self) -> int:
        return len(self.promotions)

    def of(self, promotion_id: Any) -> PromotionEconomics | None:
        """Return a promotion's own; None where it is not planned."""
        found = [p for p in self.promotions if str(p.promotion_id) == str(promotion_id)]
        return found[0] if found else None

    @property
    def largest(self) -> PromotionEconomics | None:
        """The promotion with the most customers to contact; None without any."""
        return max(self.promotions, key=lambda p: p.contacts, default=None)

    @property
    def sent(self) -> list[PromotionEconomics]:
        """Those that contact anybody."""
        return [p for p in self.promotions if p.contacts]

    @property
    def words(self) -> Answer:
        """What customers do about those of them that contact anybody, in words."""
        return answer_to(p.kind for p in self.sent)

    @property
    def contacts(self) -> int:
        """Contacts of all promotions: a customer of two of a bundle counts twice."""
        return sum(p.contacts for p in self.promotions)

    def _known(self, name: str) -> list[PromotionEconomics]:
        """Return those sent of which a figure is known; all of them where it is of none."""
        return [p for p in self.sent if math.isfinite(getattr(p, name).value)] or self.sent

    def total(self, name: str) -> Estimate:
        """Add redemptions, discount or cost up over the promotions of which it is known.

        The ends are added too, as if all missed in the same direction: one model and one mean miss
        enter all of them. The interval holds at least as often as it says.
        """
        parts: list[Estimate] = [getattr(p, name) for p in self._known(name)]
        ends = [math.fsum(figures) for figures in zip(*(e.ends for e in parts), strict=True)]
        return Estimate.of(ends or (0.0, 0.0, 0.0), min((e.n for e in parts), default=0))

    @property
    def break_even(self) -> Estimate:
        """Extra sales per contact: costs at their margins ÷ contacts, of which that is known."""
        rows = self._known("cost")
        n = sum(p.contacts for p in rows)
        each = ([p.contacts * end for end in p.break_even.ends] for p in rows)
        ends = [math.fsum(figures) / n for figures in zip(*each, strict=True)]
        return Estimate.of(ends or (math.nan,) * 3, n)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        return pd.DataFrame(
            [p.to_row() for p in self.promotions], columns=PromotionEconomics.row_columns()
        )

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, called: Callable[[str, Any], str] | None = None
    ) -> LaunchEconomics:
        """Read back what `to_frame` gave, from a file of the run folder.

        Parameters
        ----------
        frame : DataFrame
            Of `to_frame`.
        called : callable, optional
            Names a promotion by its kind and id (`promolab.contract.Shop.promotion_name`), in the
            language at hand: the steps have written the file in English.

        Raises
        ------
        InputError
            If a column is missing.
        """
        columns_there(frame, PromotionEconomics.row_columns())
        rows = [PromotionEconomics.from_row(row) for row in frame.to_dict("records")]
        if called is not None:
            rows = [replace(p, name=called(p.kind, p.promotion_id)) for p in rows]
        return cls(tuple(rows))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by promotion_id."""
        return {str(p.promotion_id): p.to_dict() for p in self.promotions}

    def facts(self) -> dict[str, Any]:
        """Return what the first sentences and the headline numbers say."""
        first, sent = self.largest, self.sent
        told = {
            "state": "some" if sent else "nobody",
            "customers": self.contacts,
            "names": [p.name for p in sent],
            "answer": self.words,
            "currency": first.currency if first else "",
            "level": PREDICTION_LEVEL,
        }
        if first is None or not sent:
            return told
        redemptions, discount = self.total("redemptions"), self.total("discount")
        number = expected(*redemptions.ends)
        without = [p.name for p in sent if not p.recorded]
        known = "known" if math.isfinite(redemptions.ci_low) else "few"
        assumed = list(dict.fromkeys(name for p in sent for name in p.assumed()))
        rests = "assumed" if assumed else "stated"
        return told | {
            "many": len(sent) > MOST_NAMED,
            "redemptions": redemptions,
            "predicted": math.isfinite(redemptions.value),
            "expected": number,
            "people": 1 if is_one(number) else 2,
            "discount": discount,
            "discounts": math.isfinite(discount.value),
            "without": without,
            "brings": rests if math.isfinite(self.break_even.value) else "unknown",
            "assumed": assumed,
            "assumes": bool(assumed),
            "largest_rates": first.say("rates_line"),
            "seen": first.summary() if len(self.promotions) > 1 else first.say("sees"),
            "foretold": "without" if without else known,
        }

    def opening(self, customers: int | None = None) -> str:
        """Return the first sentences of the page: whom, what to expect, what it must bring.

        Parameters
        ----------
        customers : int, optional
            Different customers to contact, where a customer gets several promotions.
        """
        return self.say("opening", customers=self.contacts if customers is None else customers)

    def tiles(self, customers: int | None = None) -> list[Tile]:
        """Return the headline numbers: whom, how many answer, what that costs, what it must bring.

        Parameters
        ----------
        customers : int, optional
            Different customers to contact, where a customer gets several promotions.

        Returns
        -------
        list of Tile
            Only the first one, 0, where nobody is to be contacted.
        """
        n, facts = self.contacts if customers is None else customers, self._facts
        first = Tile(facts.say("contact_tile"), count(n), float(n), facts.say("contact_note"))
        first = replace(first, change="difference")
        if not self.contacts or self.largest is None:
            return [first]
        extra, currency = self.break_even, self.largest.currency
        figures = (
            ("answers", facts["expected"], facts["redemptions"]),
            ("off", amount(*facts["discount"].ends, currency=currency), facts["discount"]),
            ("bring", amount(*extra.ends, currency=currency), extra),
        )
        which = ", ".join(str(p.promotion_id) for p in self.sent)
        tiles = [first]
        for name, text, e in figures:
            value = e.value if math.isfinite(e.value) else None
            label, note = facts.say(f"{name}_tile"), facts.say(f"{name}_note")
            tiles.append(Tile(label, text, value, note, of=which))
        return tiles

    def among(self, promotions: Sequence[Any]) -> LaunchEconomics:
        """Return those of some promotions, in their order; who is not planned is left out."""
        found = (self.of(promotion) for promotion in promotions)
        return LaunchEconomics(tuple(row for row in found if row is not None))

    def table(self, beside: pd.DataFrame | None = None, caption: str = "") -> Html:
        """Return what each promotion may cost and must bring, a row each.

        Parameters
        ----------
        beside : DataFrame, optional
            More to say of each, a row per promotion in the same order: name, whom, send.
        caption : str
            What it shows; by default what each may cost and must bring.
        """
        rows, words = self.to_frame(), self._room_words["table"]
        rows = rows if beside is None else rows.assign(**{str(c): beside[c].array for c in beside})
        words = words | {"caption": caption} if caption else words
        return worded_table(words | {"most": len(rows)}, self._facts, rows)


_DAY = 86_400
NOTHING_OFF = "A recommendation takes nothing off."


def launch_economics(
    shop: Shop,
    as_of: Any,
    planned: pd.DataFrame,
    ratios: PastRatios,
    allocation: pd.DataFrame | None = None,
) -> LaunchEconomics:
    """Say what planned promotions may cost and must bring.

    Parameters
    ----------
    shop : Shop
        Cleaned, with promotions, exposures and responses.
    as_of : datetime
        The decision (UTC if it has no zone). Nothing at or after it is read.
    planned : DataFrame
        A row per planned customer and promotion: customer_id, promotion_id, p_redeemed and holdout:
        ``none`` is to contact, ``promotion`` is held out of it, others are left aside
        (`promolab.campaign.Plan.planned`).
    ratios : PastRatios
        `Backtest.past_ratios` of the response model.
    allocation : DataFrame, optional
        What an allocation told of each customer and action (``allocation`` of the run folder): what
        its promotions cost is then what it charged, and nothing else.

    Returns
    -------
    LaunchEconomics
        One per promotion in ``planned``, in the order of start and id.

    Raises
    ------
    InputError
        If a column is missing, or a promotion is not the shop's.
    """
    now = moment_of(as_of)
    columns_there(planned, ("customer_id", "promotion_id", "p_redeemed", "holdout"), "planned")
    if planned.empty:
        return LaunchEconomics(())
    promotions = launched(shop, planned)
    buying = buying_chances(shop, now, promotions)
    rows = []
    for price in list_prices(shop, now, promotions, ratios):
        promotion = price.promotion["promotion_id"]
        mine = planned[planned["promotion_id"].astype(str) == str(promotion)]
        mine = mine.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
        one = _weigh_one(shop, now, price, mine, buying.get(promotion))
        rows.append(one if allocation is None else _as_allocated(one, mine, allocation))
    return LaunchEconomics(tuple(rows))


AS_ALLOCATED = "What the responses expected take off, by each customer's orders and its terms."


def _as_allocated(
    one: PromotionEconomics, mine: pd.DataFrame, allocation: pd.DataFrame
) -> PromotionEconomics:
    """Return a promotion with what its allocation charges for those who are sent."""
    rows = allocation[allocation["action"] == str(one.promotion_id)]
    sent = mine.loc[mine["holdout"] == "none", "customer_id"]
    rows = rows[rows["customer_id"].isin(sent)]
    # Of another kind, chosen by hand, or of a week that an earlier version made.
    if len(rows) < len(sent) or rows.empty or "cost_luck" not in rows:
        return one
    cost, discount = charged(rows, one.funder_share)
    share = math.fsum(rows["anyway"]) / discount.value if discount.value else math.nan
    return replace(
        one,
        discount=discount,
        cost=cost,
        break_even=cost * (1 / (one.margin_rate.value * len(rows))),
        anyway_redeemers=Estimate(share, n=len(rows)),
        discount_basis=AS_ALLOCATED if discount.value else one.discount_basis,
    )


def charged(rows: pd.DataFrame, funder_share: float) -> tuple[Estimate, Estimate]:
    """Return what contacts cost the shop, and their discounts whoever pays, with 90 % intervals.

    Parameters
    ----------
    rows : DataFrame
        cost, discount, discount_error (how far it lies off in a week unlike others, half of an
        interval) and cost_luck (standard deviation of each contact's own), a row per contact.
    funder_share : float
        Part of the discounts that a supplier pays (0–1).
    """
    paid, off, error = (math.fsum(rows[name]) for name in ("cost", "discount", "discount_error"))
    luck = normal_quantile(PREDICTION_LEVEL) * math.sqrt(math.fsum(rows["cost_luck"] ** 2))
    own = 1 - funder_share
    half = math.hypot(error, luck / own if own else 0.0)
    discount = Estimate(off, max(off - half, 0.0), off + half, len(rows))
    return Estimate.of((paid + own * (end - off) for end in discount.ends), len(rows)), discount


def launched(shop: Shop, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the planned promotions, in the order of start and id."""
    wanted = sorted(planned["promotion_id"].astype(str).unique())
    table = shop.promotions
    found: pd.DataFrame = table.filter(table.promotion_id.cast("string").isin(wanted)).execute()
    found["text"] = found["promotion_id"].astype(str)
    unknown = sorted(set(wanted) - set(found["text"]))
    if unknown:
        raise InputError(f"planned names {unknown[0]!r}, which the shop does not have")
    return found.sort_values(["starts_at", "text"], ignore_index=True)


@dataclass(frozen=True)
class ListPrice:
    """What a list of one promotion costs and must bring, however long; made by `list_prices`.

    Parameters
    ----------
    promotion : dict
        Its row.
    ratios : PastRatios
        How far whole promotions missed before.
    per_redeemer : DiscountPerRedeemer
        What one redeemer takes off.
    costs : Costs
        What else it costs, and its margin.
    recorded : bool
        As of `expected_of`.
    """

    promotion: dict[Any, Any]
    ratios: PastRatios
    per_redeemer: Any
    costs: Costs
    recorded: bool

    def of(self, chances: pd.Series[float]) -> tuple[Estimate, Estimate, Estimate, Estimate]:
        """Return redemptions, discount, cost to the shop and break-even, by everybody's chance."""
        type_, free = type_of(self.promotion), self.promotion["kind"] == "recommendation"
        redemptions = expected_of(chances, self.ratios, type_, recorded=self.recorded)
        nothing = Estimate(0.0, 0.0, 0.0, redemptions.n)
        discount = nothing if free or chances.empty else self.per_redeemer.of(redemptions)
        return redemptions, discount, *break_even(len(chances), redemptions, discount, self.costs)


def list_prices(
    shop: Shop, as_of: datetime, promotions: pd.DataFrame, ratios: PastRatios
) -> list[ListPrice]:
    """Return the price of each promotion's list, in their order."""
    told, past = read_operations(shop.settings).economics, past_discounts(shop, as_of)
    answered = kinds_answered(shop, as_of)
    return [
        ListPrice(
            row,
            ratios,
            discount_per_redeemer(past, row, told.currency),
            promotion_costs(shop, as_of, row, told),
            row["kind"] in answered,
        )
        for row in promotions.to_dict("records")
    ]


def _weigh_one(
    shop: Shop, now: datetime, price: ListPrice, mine: pd.DataFrame, buying: Any
) -> PromotionEconomics:
    row, costs = price.promotion, price.costs
    sent = mine[mine["holdout"] == "none"]
    held = mine[mine["holdout"] == "promotion"]
    chances = sent.set_index("customer_id")["p_redeemed"].astype(float)
    redemptions, discount, cost, extra = price.of(chances)
    sales = sales_spread(shop, now, row, pd.concat([sent, held])["customer_id"])
    days = (row["ends_at"] - row["starts_at"]).total_seconds() / _DAY
    free = row["kind"] == "recommendation"
    return PromotionEconomics(
        promotion_id=row["promotion_id"],
        name=shop.promotion_name(row["kind"], row["promotion_id"]),
        contacts=len(sent),
        held=len(held),
        redemptions=redemptions,
        discount=discount,
        cost=cost,
        break_even=extra,
        margin_rate=costs.margin_rate,
        contact_cost=costs.contact_cost,
        coupon_cost=costs.coupon_cost,
        funder_share=costs.funder_share,
        sales_sd=sales.sd,
        sales_correlation=sales.correlation,
        visible=visible_effect(len(sent), len(held), sales.adjusted),
        anyway_list=share_bought_anyway(chances.index, buying, days).of_list,
        anyway_redeemers=Estimate(math.nan),
        days=days,
        discount_basis=NOTHING_OFF if free else price.per_redeemer.summary(),
        currency=shop.settings.currency,
        kind=str(row["kind"]),
    )
