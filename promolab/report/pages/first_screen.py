"""The first screen: whom to contact, what to expect, what it must bring; no jargon."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.past import days_of, list_of
from promolab.contract import freshness
from promolab.display import Html, Tile, join, say, tiles
from promolab.loop import moved_since_release
from promolab.metrics import lift, roc
from promolab.report.pages.money_headline import MoneyHeadline
from promolab.wording import Answer, answer_to, count, percent, plural

if TYPE_CHECKING:
    from promolab.campaign.outlook import LaunchEconomics
    from promolab.campaign.readout import Readout, Running
    from promolab.contract import Shop
    from promolab.folder import RunFolder
    from promolab.sales import WeeklySales


FEWEST = 10
"""Answers among past contacts below which a test says too little to be called one."""
DEPTH = 0.4
PROFILES_ONLY = (
    "Nothing can be said about promotions: no table says what ran, who was contacted and who "
    "answered."
)
MOST_WORDS = 180  # of the mail


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


@dataclass(frozen=True)
class FirstScreen:
    """What stands above the fold, on the page as in a mail and on one sheet.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    shop : Shop
        With the decisions of released plans, where there are any.
    as_of : datetime
        When the plan is made.
    economics : LaunchEconomics
        What starts, in figures.
    sales : WeeklySales
        What the shop sold.
    promotions : DataFrame or None
        Of `promolab.campaign.past.timeline`; None where the shop has no promotions to speak of.
    running : Running or None
        What runs.
    readout : Readout or None
        What ended.
    """

    run: RunFolder
    shop: Shop
    as_of: Any
    economics: LaunchEconomics = field(repr=False)
    sales: WeeklySales = field(repr=False)
    promotions: pd.DataFrame | None = field(default=None, repr=False)
    running: Running | None = field(default=None, repr=False)
    readout: Readout | None = field(default=None, repr=False)

    @cached_property
    def words(self) -> Answer:
        """What customers do about the shop's promotions, in words."""
        if not self.shop.has("promotions", "kind"):
            return answer_to(())
        return answer_to(self.shop.promotions.select("kind").distinct().execute()["kind"])

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """Past promotions predicted from those before them, row by row."""
        return self.run.read_table("backtest")

    @cached_property
    def customers(self) -> int:
        """Different customers to contact."""
        return int((self.run.metrics.get("plan") or {}).get("customers_to_contact") or 0)

    @cached_property
    def money(self) -> MoneyHeadline:
        """What the plan adds and costs; false where effects are not known."""
        told = self.run.metrics
        by_effect = list((told.get("plan") or {}).get("by_effect") or [])
        currency = self.shop.settings.currency
        if not by_effect:
            return MoneyHeadline({}, 0, currency)
        funnel = self.run.read_table("funnel")
        mine = funnel[funnel["action"].isin(by_effect)]
        return MoneyHeadline(told.get("policy") or {}, int(mine["to_contact"].sum()), currency)

    def status(self) -> str:
        """Say what the page is, and how far its data reach."""
        last = pd.Timestamp(self.shop.span()[1], tz="UTC")
        until = min(last, pd.Timestamp(self.as_of, tz="UTC")).tz_convert(self.shop.zone)
        return f"Draft until released · data to {until - pd.Timedelta(seconds=1):%d %b %Y}"

    def lead(self) -> str:
        """Return the first sentences: the answer."""
        if self.promotions is None:
            return self.sales.summary()
        launching, _ = list_of(self.promotions, "launching")
        running = "" if self.running is None else self.running.summary()
        if launching.empty:
            coming, _ = list_of(self.promotions, "coming")
            then = plural(len(coming), "promotion starts", "promotions start")
            return f"Nothing starts this week. {running} {then} in the four weeks after."
        if self.money:
            return f"{self.money.sentence()}{self._by_response()}"
        if self.economics.contacts:
            return self.economics.opening(self.customers)
        names = ", ".join(launching["name"])
        starts = f"{names} {'starts' if len(launching) == 1 else 'start'} this week."
        why = self.run.metrics.get("response", {}).get("summary", "")
        return f"{starts} Nobody is to be contacted. {why}".strip()

    def _by_response(self) -> str:
        """Say who is contacted beside them, of whom is only known how likely they respond."""
        more = self.customers - self.money.contacts
        if more <= 0:
            return ""
        who = plural(more, "customer")
        return f" Beside them {who} by response alone, and what that adds is not known."

    def allow(self) -> str:
        """Say what the data allow, and what was tested of it."""
        if self.promotions is None:
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
        moved = moved_since_release(self.run, self.shop)
        return [
            *([f"Degraded: {found.summary()}"] if found.stale else []),
            *self.run.manifest.get("late_rows", []),
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
    def headlines(self) -> list[Tile]:
        """The headline numbers: four, or fewer where fewer are known."""
        if self.promotions is None:
            return self.sales.tiles()
        first = self.money.tiles() if self.money else self.economics.tiles(self.customers)
        return [*first, self._active(), *self._ended()][:4]

    def tiles(self) -> Html:
        """Return the headline numbers, each with its change against the week before."""
        # Of sales the tiles say themselves what changed, from the data.
        known = self.promotions is not None
        earlier = self.run.metrics_of(self.run.week.previous()) if known else None
        told = {t["label"]: t for t in (earlier or {}).get("headlines", [])}
        before = {
            tile.label: told[tile.label]["value"]
            for tile in self.headlines
            if tile.label in told and told[tile.label].get("of", "") == tile.of
        }
        return tiles(self.headlines, before)

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
        when = days_of(row.starts_at, row.ends_at, self.shop.zone)
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

    def mail(self) -> str:
        """Return the week in Markdown, to paste in a mail: what to know first, then the answer.

        Caveats and answer always stand there; tiles as far as some 180 words allow.
        """
        week = self.run.week
        heading = f"**{self.shop.settings.name}, week {week} ({week.label()})**"
        text = "\n\n".join([heading, self.status(), *self.caveats(), self.lead()])
        for number, tile in enumerate(self.headlines):
            longer = f"{text}\n{'' if number else chr(10)}- {tile.label}: {tile.text}"
            if len(longer.split()) <= MOST_WORDS:
                text = longer
        return text + "\n"

    def write(self) -> None:
        """Record the headline numbers; write ``summary.md``, to mail, and ``one_page.png``."""
        from promolab.report.pages.one_page import write_one_page

        run = self.run
        told = [
            {"label": t.label, "text": t.text, "value": t.value, "of": t.of} for t in self.headlines
        ]
        run.record("headlines", told)
        run.record("campaigns", {} if self.readout is None else self.readout.to_dict())
        run.record("running", {} if self.running is None else self.running.to_dict())
        (run.path / "summary.md").write_text(self.mail(), encoding="utf-8")
        write_one_page(self, run.path / "one_page.png")
