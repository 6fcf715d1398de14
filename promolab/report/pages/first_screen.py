"""The first screen: whom to contact, what to expect, what it must bring; no jargon."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab import plots
from promolab.campaign.past import list_of
from promolab.campaign.plan import UNCHECKED
from promolab.contract import freshness, read_operations
from promolab.display import Html, Tile, join, say, tiles
from promolab.language import ENGLISH, _, _n, again, close_up, day_words, language, marked, speaking
from promolab.loop import moved_since_release
from promolab.metrics import lift, roc
from promolab.report.pages.choice import Choice, MoneyHeadline
from promolab.wording import Answer, answer_to, capital, count, listed, percent

if TYPE_CHECKING:
    from promolab.campaign.outlook import LaunchEconomics
    from promolab.campaign.readout import Readout, Running
    from promolab.contract import Shop
    from promolab.folder import RunFolder
    from promolab.sales import WeeklySales


FEWEST = 10
"""Answers among past contacts below which a test says too little to be called one."""
DEPTH = 0.4
PROFILES_ONLY = marked(
    "Nothing can be said about promotions: no table says what ran, who was contacted and who "
    "answered."
)
MOST_WORDS = 195  # of the mail


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
    likely = _("Likely to {redeem} does not mean worth sending to.", redeem=words.verb)
    if measured:
        return " ".join([found, measured, likely])
    if decisions:
        adds = _(
            "What a promotion adds is told by those held back at random, where there were any."
        )
        return " ".join([found, adds, likely])
    unknown = _("What a promotion adds is not known: nothing states who was held back by chance.")
    return " ".join([found, unknown, likely])


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
    told: dict[str, Any] = {"redeem": words.verb, "redeemer": words.who}
    if rows.empty:
        return _(
            "Who is likely to {redeem} has not been tested: no past promotion could be predicted.",
            **told,
        )
    promotions = past_promotions(rows["promotion_id"].nunique())
    answers = int(rows["y"].sum())
    if min(answers, len(rows) - answers) < FEWEST:
        return _(
            "Who is likely to {redeem} has hardly been tested: on {promotions} with {redeemers} "
            "among {contacts}.",
            promotions=promotions,
            redeemers=_n("{n} {redeemer}", "{n} {redeemer}s", answers, **told),
            contacts=_n("{n} contact", "{n} contacts", len(rows)),
            **told,
        )
    order = roc(rows["y"], rows["p"], cluster=rows["customer_id"])
    if not order.ci_low > 0.5:
        return _(
            "Who is likely to {redeem} cannot be told: on {promotions} the ranking is not shown to "
            "be better than chance.",
            promotions=promotions,
            **told,
        )
    gain = lift(rows["y"], rows["p"], group=rows["promotion_id"], cluster=rows["customer_id"])
    share = gain.at(DEPTH).capture
    return _(
        "Who is likely to {redeem} was tested on {promotions}: the top {top} of their lists held "
        "{share} of {n} {redeemer}s.",
        promotions=promotions,
        top=percent(DEPTH, decimals=0),
        share=percent(share.value, share.ci_low, share.ci_high),
        n=count(answers),
        **told,
    )


def past_promotions(n: int) -> str:
    """Say of how many past promotions something is told."""
    return _n("{n} past promotion", "{n} past promotions", n)


_MARKS = re.compile(r"[\\`*~<]|(?<!\w)_|_(?!\w)|\](?=\()")


def plain_markdown(text: str) -> str:
    """Return a text as Markdown that shows it as it is, whatever the data are called.

    Examples
    --------
    >>> plain_markdown("Tea *new*\\n# <b> [20, 30]")
    'Tea \\\\*new\\\\* # \\\\<b> [20, 30]'
    """
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def _words(text: str) -> int:
    """Return how many words a text has; of Chinese two characters are one."""
    wide = sum(plots.is_wide(character) for character in text)
    return len(text.split()) + wide // 2


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
        told = self.run.spoken
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
        day = day_words(until - pd.Timedelta(seconds=1), year=True)
        terms = read_operations(self.shop.settings).release
        state = str(self.run.manifest.get("state") or "draft")
        parts = [
            _("Draft until released") if state == "draft" else capital(_(state)),
            terms.owner and _("owner: {name}", name=terms.owner),
            terms.deadline and _("release by {when}", when=terms.deadline),
            _("data to {day}", day=day),
            _("in brackets: 90 % intervals of what is to come, 95 % of what came"),
        ]
        return " · ".join(filter(None, parts))

    def choice(self) -> Html:
        """Return the week's acts side by side; nothing where nobody is planned."""
        if self.promotions is None:
            return Html("")
        told = self.shop, self.economics, self.promotions, self.money, self.customers
        return Choice(*told).block()

    def lead(self) -> str:
        """Return the first sentences: the answer."""
        if self.promotions is None:
            return self.sales.summary()
        launching = list_of(self.promotions, "launching")[0]
        running = "" if self.running is None else self.running.summary()
        if launching.empty:
            coming = list_of(self.promotions, "coming")[0]
            then = _n(
                "{n} promotion starts in the four weeks after.",
                "{n} promotions start in the four weeks after.",
                len(coming),
            )
            return " ".join([_("Nothing starts this week."), running, then])
        if self.money:
            return f"{self.money.sentence()}{self._by_response()}"
        if self.economics.contacts:
            return self.economics.opening(self.customers)
        starts = _n(
            "{names} starts this week.",
            "{names} start this week.",
            len(launching),
            names=listed(launching["name"]),
        )
        why = self.run.spoken.get("response", {}).get("summary", "")
        return " ".join(filter(None, [starts, _("Nobody is to be contacted."), why]))

    def _by_response(self) -> str:
        """Say who is contacted beside them, of whom is only known how likely they respond."""
        more = self.customers - self.money.contacts
        if more <= 0:
            return ""
        return " " + _n(
            "Beside them {n} customer by response alone, and what that adds is not known.",
            "Beside them {n} customers by response alone, and what that adds is not known.",
            more,
        )

    def allow(self) -> str:
        """Say what the data allow, and what was tested of it."""
        if self.promotions is None:
            return _(PROFILES_ONLY)
        return what_data_allow(
            self.backtest,
            self.words,
            decisions=self.shop.has("decisions"),
            measured=(self.run.spoken.get("uplift") or {}).get("allows") or "",
        )

    @cached_property
    def caveats(self) -> list[str]:
        """What must be known before the figures: the same on the page, in mail and picture."""
        unchecked = (self.run.metrics.get("plan") or {}).get("unchecked") if self.customers else []
        shop = self.shop.settings.name
        told = [again(text, UNCHECKED, shop=shop) for text in unchecked or []]
        return [*self.warnings(), *told, self.allow()]

    def warnings(self) -> list[str]:
        """Say what a reader must know first: stale data, and promotions that moved."""
        found = freshness(self.shop, self.as_of)
        moved = moved_since_release(self.run, self.shop)
        return [
            *([_("Degraded: {why}", why=found.summary())] if found.stale else []),
            *(
                _("Week {week}: {text}", week=week, text=text)
                for week, texts in moved.items()
                for text in texts
            ),
        ]

    def opening(self) -> Html:
        """Return the first sentences of the page: what it is, the answer, what to know first."""
        notes = "".join(say(sentence).text for sentence in self.caveats)
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
        return [*first, self._active()][:4]

    def tiles(self) -> Html:
        """Return the headline numbers, each with its change against the week before."""
        # Of sales the tiles say themselves what changed, from the data.
        known = self.promotions is not None
        earlier = self.run.metrics_of(self.run.week.previous()) if known else None
        told = {t["label"]: t for t in (earlier or {}).get("headlines", [])}
        told |= {_(label): t for label, t in told.items()}  # what is kept of a week is English
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
        note = _("{share} of {n} with any purchase", share=share, n=count(known))
        label = _("Customers who bought in the last 28 days")
        return Tile(label, count(active), float(active), note)

    def _told(self) -> list[dict[str, Any]]:
        return [
            {"label": t.label, "text": t.text, "value": t.value, "of": t.of} for t in self.headlines
        ]

    def _in_english(self) -> FirstScreen:
        """Return the same for ``metrics.json``: results say names and reasons as they are made."""
        from promolab.campaign.outlook import past_forecasts
        from promolab.campaign.readout import follow_running, read_out

        shop, as_of = self.shop, self.as_of
        with speaking(ENGLISH):
            running, readout = self.running, self.readout
            if running is not None:
                expected = past_forecasts(self.run, shop, as_of).expected
                running = follow_running(shop, as_of, expected)
            if readout is not None:
                readout = read_out(shop, as_of, weeks=readout.weeks)
            return replace(self, running=running, readout=readout)

    def mail(self) -> str:
        """Return the week in Markdown, to paste in a mail: what to know first, then the answer.

        Caveats and answer always stand there; tiles as far as some 200 words allow.
        """
        week = self.run.week
        name = self.shop.settings.name
        heading = _("{shop}, week {week} ({days})", shop=name, week=week, days=week.label())
        told = map(plain_markdown, [heading, self.status(), *self.caveats, self.lead()])
        first, *rest = told
        text = close_up("\n\n".join([f"**{first}**", *rest]))
        for number, tile in enumerate(self.headlines):
            line = plain_markdown(_("{label}: {figure}", label=tile.label, figure=tile.text))
            longer = f"{text}\n{'' if number else chr(10)}- {line}"
            if _words(longer) <= MOST_WORDS:
                text = longer
        return text + "\n"

    def write(self) -> None:
        """Record the headline numbers; write ``summary.md``, to mail, and ``one_page.png``."""
        from promolab.report.pages.one_page import write_one_page

        run, kept = self.run, self if language() == ENGLISH else self._in_english()
        run.record("headlines", lambda: (kept if language() == ENGLISH else self)._told())
        with speaking(ENGLISH):
            run.record("campaigns", {} if kept.readout is None else kept.readout.to_dict())
            run.record("running", {} if kept.running is None else kept.running.to_dict())
        (run.path / "summary.md").write_text(self.mail(), encoding="utf-8")
        write_one_page(self, run.path / "one_page.png")
