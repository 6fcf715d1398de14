"""The first screen: whom to contact, what to expect, what it must bring; no jargon."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook import LaunchEconomics
from promolab.campaign.past import list_of
from promolab.campaign.readout import Running
from promolab.contract import Shop, freshness
from promolab.display import Html, Tile, beside, join, picture, say, table
from promolab.folder import RunFolder, late_rows_of
from promolab.loop import moved_since_release
from promolab.metrics import lift, roc
from promolab.report.pages.ended import dates
from promolab.sales import YEAR, Cohorts, WeeklySales
from promolab.wording import Answer, answer_to, count, money, percent, plural

if TYPE_CHECKING:
    from promolab.campaign.readout import Readout

__all__ = [
    "FEWEST",
    "PROFILES_ONLY",
    "FirstScreen",
    "how_tested",
    "more_would_tell",
    "sales_block",
    "sales_tiles",
    "what_data_allow",
]


FEWEST = 10
"""Answers among past contacts below which a test says too little to be called one."""
DEPTH = 0.4
PROFILES_ONLY = (
    "Nothing can be said about promotions: no table says what ran, who was contacted and who "
    "answered."
)


def what_data_allow(
    backtest: pd.DataFrame, words: Answer, *, decisions: bool, measured: str = ""
) -> str:
    """Say what may be said of promotions: who answers, as far as it was tested, and what they add.

    Parameters
    ----------
    backtest : DataFrame
        Past promotions predicted from those before them: customer_id, promotion_id, y, p.
    words : Answer
        What customers do about these promotions.
    decisions : bool
        Whether a table says who was held back by which chance.
    measured : str
        What past decisions tell of effects, in sentences; empty where they tell nothing.
    """
    found = how_tested(backtest, words)
    likely = f"Likely to {words.verb} does not mean worth sending to."
    if measured:
        return f"{found} {measured} {likely}"
    if decisions:
        return (
            f"{found} What a promotion adds is told by those held back at random, where there were "
            f"any. {likely}"
        )
    return (
        f"{found} What a promotion adds is not known: nothing states who was held back by chance. "
        f"{likely}"
    )


def how_tested(backtest: pd.DataFrame, words: Answer) -> str:
    """Say how the ranking of past promotions turned out.

    Parameters
    ----------
    backtest, words
        As for `what_data_allow`.

    Examples
    --------
    >>> from promolab.wording import answer_to
    >>> nothing = pd.DataFrame({"customer_id": [], "promotion_id": [], "y": [], "p": []})
    >>> how_tested(nothing, answer_to("coupon"))
    'Who is likely to redeem has not been tested: no past promotion could be predicted.'
    """
    rows = backtest
    likely = f"Who is likely to {words.verb}"
    if rows.empty:
        return f"{likely} has not been tested: no past promotion could be predicted."
    promotions = plural(rows["promotion_id"].nunique(), "past promotion")
    answers = int(rows["y"].sum())
    if min(answers, len(rows) - answers) < FEWEST:
        who = f"{plural(answers, words.who)} among {plural(len(rows), 'contact')}"
        return f"{likely} has hardly been tested: on {promotions} with {who}."
    order = roc(rows["y"], rows["p"], cluster=rows["customer_id"])
    if not order.ci_low > 0.5:
        return (
            f"{likely} cannot be told: on {promotions} the ranking is not shown to be better than "
            "chance."
        )
    gain = lift(rows["y"], rows["p"], group=rows["promotion_id"], cluster=rows["customer_id"])
    share = gain.at(DEPTH).capture
    held = f"{percent(share.value, share.ci_low, share.ci_high)} of {count(answers)} {words.who}s"
    return (
        f"{likely} was tested on {promotions}: the top {percent(DEPTH, decimals=0)} of their lists "
        f"held {held}."
    )


_MORE = (
    (("promotions", "exposures", "responses"), "who is likely to answer what starts, how many to "
     "expect, what it costs, and what became of past promotions"),
    (("promotion_products",), "what the products of a promotion cost in discounts"),
    (("decisions",), "what promotions themselves add: who was held back by which chance"),
    (("contact_rights",), "who may be contacted, before anything is sent"),
    (("products",), "interests and price level of each customer"),
)  # fmt: skip


def sales_tiles(sales: WeeklySales) -> list[Tile]:
    """Return the tiles above the fold: sales, orders, basket and repeat customers of last week.

    Parameters
    ----------
    sales : WeeklySales
        Of `promolab.sales.weekly_sales`.
    """
    basket, repeat = sales.basket, sales.repeat_rate
    currency, days = sales.currency, sales.days
    words = {
        "Sales": (money(sales.at("sales"), currency=currency), sales.at("sales"), "sales"),
        "Orders": (count(sales.at("orders")), sales.at("orders"), "orders"),
        "Sales per order": (
            money(basket.value, basket.ci_low, basket.ci_high, currency=currency),
            basket.value,
            "basket",
        ),
        "Repeat rate": (
            percent(repeat.value, repeat.ci_low, repeat.ci_high),
            repeat.value,
            "repeat_rate",
        ),
    }
    notes = {
        "Sales": f"{days}, net of returns",
        "Orders": f"by {plural(sales.at('customers'), 'customer')}",
        "Sales per order": f"of {plural(basket.n, 'order')}",
        "Repeat rate": f"of {plural(repeat.n, 'customer')}, those who had ordered before",
    }
    return [
        Tile(
            label,
            text,
            value if math.isfinite(value) else None,
            "; ".join([notes[label], *filter(None, (sales.change_words(n, a) for a in (1, YEAR)))]),
        )
        for label, (text, value, n) in words.items()
    ]


def sales_block(sales: WeeklySales, cohorts: Cohorts) -> Html:
    """Return the trend of sales beside the customers of each month.

    Parameters
    ----------
    sales : WeeklySales
        Of `promolab.sales.weekly_sales`.
    cohorts : Cohorts
        Of `promolab.sales.monthly_cohorts`.
    """
    trend = join(
        [
            say("Trend", kind="h2"),
            say(sales.trend_sentence()),
            picture(sales.plot(), f"Sales by week. {sales.trend_sentence()}")
            if len(sales.table) > 1
            else Html(""),
        ]
    )
    back = join(
        [
            say("Who comes back", kind="h2"),
            say(cohorts.summary()),
            picture(cohorts.plot(), f"Customers by month of first order. {cohorts.summary()}")
            if len(cohorts.table)
            else Html(""),
        ]
    )
    return beside([trend, back])


def more_would_tell(shop: Shop) -> Html:
    """Return what tables the shop does not have would add to its page.

    Parameters
    ----------
    shop : Shop
        Whose tables count.
    """
    rows = [
        (", ".join(name.replace("_", " ") for name in names if not shop.has(name)), told)
        for names, told in _MORE
        if not all(shop.has(name) for name in names)
    ]
    return join(
        [
            say("What more tables would tell", kind="h2"),
            table(
                pd.DataFrame(rows, columns=["tables", "adds"]),
                {"tables": "tables that would have to be there", "adds": "what they would add"},
                caption="The most useful first.",
            ),
        ]
    )


@dataclass(frozen=True)
class FirstScreen:
    """What stands above the fold.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    shop : Shop
        With the decisions of released plans, where there are any.
    as_of : datetime
        When the plan is made.
    lacking : str or None
        What the shop lacks for anything about promotions.
    promotions : DataFrame
        Of `promolab.campaign.past.timeline`.
    economics : LaunchEconomics
        What starts, in figures.
    running : Running or None
        What runs.
    readout : Readout or None
        What ended.
    words : Answer
        What customers do about the shop's promotions.
    backtest : DataFrame
        Past promotions predicted from those before them.
    sales : WeeklySales, optional
        What the shop sold, where it has no promotions to speak of.
    """

    run: RunFolder
    shop: Shop
    as_of: Any
    lacking: str | None
    promotions: pd.DataFrame = field(repr=False)
    economics: LaunchEconomics = field(repr=False)
    running: Running | None = field(repr=False)
    readout: Readout | None = field(repr=False)
    words: Answer
    backtest: pd.DataFrame = field(repr=False)
    sales: WeeklySales | None = None

    @cached_property
    def customers(self) -> int:
        """Different customers to contact."""
        return int((self.run.metrics.get("plan") or {}).get("customers_to_contact") or 0)

    def status(self) -> str:
        """Say what the page is, and how far its data reach."""
        last = pd.Timestamp(self.shop.span()[1], tz="UTC")
        until = min(last, pd.Timestamp(self.as_of, tz="UTC")).tz_convert(self.shop.zone)
        return f"Draft until released · data to {until - pd.Timedelta(seconds=1):%d %b %Y}"

    def lead(self) -> str:
        """Return the first sentences: the answer."""
        if self.sales is not None:
            return self.sales.summary()
        launching, _ = list_of(self.promotions, "launching")
        running = "" if self.running is None else self.running.summary()
        if launching.empty:
            coming, _ = list_of(self.promotions, "coming")
            then = plural(len(coming), "promotion starts", "promotions start")
            return f"Nothing starts this week. {running} {then} in the four weeks after."
        if self.economics.contacts:
            return self.economics.opening(self.customers)
        names = ", ".join(launching["name"])
        starts = f"{names} {'starts' if len(launching) == 1 else 'start'} this week."
        why = self.run.metrics.get("response", {}).get("summary", "")
        return f"{starts} Nobody is to be contacted. {why}".strip()

    def allow(self) -> str:
        """Say what the data allow, and what was tested of it."""
        if self.lacking:
            return PROFILES_ONLY
        return what_data_allow(
            self.backtest,
            self.words,
            decisions=self.shop.has("decisions"),
            measured=(self.run.metrics.get("uplift") or {}).get("allows") or "",
        )

    def caveats(self) -> list[str]:
        """Say what must be known before the figures: the same on the page, in mail and picture."""
        unchecked = (self.run.metrics.get("plan") or {}).get("unchecked") if self.customers else []
        return [*self.warnings(), *(unchecked or []), self.allow()]

    def warnings(self) -> list[str]:
        """Say what a reader must know first: stale data, and what changed of weeks that stood."""
        found = freshness(self.shop, self.as_of)
        moved = moved_since_release(self.run.path.resolve().parent, self.shop)
        return [
            *([f"Degraded: {found.summary()}"] if found.stale else []),
            *late_rows_of(self.run.path),
            *(f"Week {week}: {text}" for week, texts in moved.items() for text in texts),
        ]

    def opening(self) -> Html:
        """Return the first sentences of the page: what it is, the answer, what to know first."""
        notes = "".join(say(sentence).text for sentence in self.caveats())
        return join(
            [
                say(self.status(), css="status"),
                say(self.lead(), css="lead"),
                Html(f'<div class="allow">{notes}</div>'),
            ]
        )

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """The headline numbers: four, or fewer where fewer are known."""
        if self.sales is not None:
            return tuple(sales_tiles(self.sales))
        planned = self.economics.tiles(self.customers)
        return tuple([*planned, self._active(), *self._ended()][:4])

    def _active(self) -> Tile:
        customers = self.run.metrics["customers"]
        active, known = customers["active_28d"], customers["customers"]
        share = percent(active / known, decimals=0) if known else "–"
        note = f"{share} of {count(known)} with any purchase"
        return Tile("Customers who bought in the last 28 days", count(active), float(active), note)

    def _ended(self) -> list[Tile]:
        if self.readout is None or not len(self.readout):
            return []
        row = max(self.readout.promotions, key=lambda r: r.contacts)
        rate = row.redemption_rate
        when = dates(row.starts_at, row.ends_at, self.shop.zone)
        return [
            Tile(
                f"{answer_to(row.kind).past.capitalize()}, of the largest promotion that ended",
                percent(rate.value, rate.ci_low, rate.ci_high),
                rate.value,
                f"{row.name} ({when}): {count(row.redeemers)} of {count(row.contacts)} contacted",
                change="points",
                of=row.name,
            )
        ]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the tiles, as ``metrics.json`` keeps them."""
        return [
            {"label": t.label, "text": t.text, "value": t.value, "of": t.of} for t in self.tiles
        ]
