"""The first screen: whom to contact, what to expect, what it must bring; no jargon."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.past import list_of
from promolab.contract import freshness, read_operations
from promolab.display import Html, Tile, join, plain_markdown, say, tiles
from promolab.language import ENGLISH, close_up, language, own_name, speaking
from promolab.loop import moved_since_release
from promolab.metrics import lift, roc
from promolab.report.pages import campaign_report as blocks
from promolab.report.pages.assistant import phrased
from promolab.report.pages.choice import Choice, MoneyHeadline
from promolab.report.pages.launches import launching
from promolab.results import Estimate, Facts, words_of
from promolab.wording import Answer, answer_to, count

if TYPE_CHECKING:
    from promolab.campaign.outlook import LaunchEconomics
    from promolab.campaign.readout import Readout, Running
    from promolab.contract import Shop
    from promolab.folder import RunFolder
    from promolab.loop.promises import ComparedForecasts
    from promolab.sales import WeeklySales


FEWEST = 10
"""Answers among past contacts below which a test says too little to be called one."""
DEPTH = 0.4
_TOPICS = "promolab.text.subjects"  # whose words they are


def _words(**given: Any) -> Facts:
    return words_of(__name__, "screen", **given)


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
    told = _words(decisions=decisions, who=words)
    adds = measured or told.say("adds")
    return " ".join([how_tested(backtest, words), adds, told.say("likely")])


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
    told: dict[str, Any] = {"who": words, "promotions": backtest["promotion_id"].nunique()}
    told |= {"answers": int(backtest["y"].sum()), "contacts": len(backtest), "top": DEPTH}
    case = "tested"
    if backtest.empty:
        case = "never"
    elif min(told["answers"], len(backtest) - told["answers"]) < FEWEST:
        case = "hardly"
    elif not roc(backtest["y"], backtest["p"], cluster=backtest["customer_id"]).ci_low > 0.5:
        case = "chance"
    else:
        gain = lift(
            backtest["y"],
            backtest["p"],
            group=backtest["promotion_id"],
            cluster=backtest["customer_id"],
        )
        told["share"] = gain.at(DEPTH).capture
    return _words(case=case, **told).say("tested")


@dataclass(frozen=True)
class CampaignReport:
    """The first page of a week: what stands above the fold, in a mail and on one sheet, and below.

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
        terms = read_operations(self.shop.settings).release
        return _words(
            called=_words().word(str(self.run.manifest.get("state") or "draft")),
            owner=terms.owner,
            deadline=terms.deadline,
            until=until - pd.Timedelta(seconds=1),
        ).say("status")

    def choice(self) -> Html:
        """Return the week's acts side by side; nothing where nobody is planned."""
        if self.promotions is None:
            return Html("")
        told = self.shop, self.economics, self.promotions, self.money, self.customers
        return Choice(*told).block()

    def lead(self) -> str:
        """Return the first sentences: the answer, in a machine's words where it may phrase it."""
        return self._phrased or self._answer()

    @cached_property
    def _phrased(self) -> str:
        topics = (self.run.metrics.get("learning") or {}).get("topics") or {}
        others = [_words(label=t.label, figure=t.text).say("tile") for t in self.headlines]
        for topic, share in (topics.get("shares") or {}).items():
            told = words_of(_TOPICS, "Topics", topic=topic, share=Estimate(**share))
            others.append(_words(figure=told.say("topic_line")).say("reviews_on"))
        text = phrased(self.run, self.shop.settings, self._answer(), others)
        return text and _words(text=text).say("phrased")

    def _answer(self) -> str:
        if self.promotions is None:
            return self.sales.summary()
        launching = list_of(self.promotions, "launching")[0]
        if launching.empty:
            running = "" if self.running is None else self.running.summary()
            words = _words(coming=len(list_of(self.promotions, "coming")[0]))
            return " ".join([words.say("nothing_starts"), running, words.say("then")])
        if self.money:
            more = max(self.customers - self.money.contacts, 0)
            told = [self.money.sentence(), _words(more=more).say("by_response")]
            return " ".join(filter(None, told))
        if self.economics.contacts:
            return self.economics.opening(self.customers)
        words = _words(names=list(launching["name"]))
        why = self.run.spoken.get("response", {}).get("summary", "")
        return " ".join(filter(None, [words.say("starts"), words.say("nobody"), why]))

    def allow(self) -> str:
        """Say what the data allow, and what was tested of it."""
        if self.promotions is None:
            return _words().say("profiles_only")
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
        return [*self.warnings(), *map(own_name, unchecked or ()), self.allow()]

    def warnings(self) -> list[str]:
        """Say what a reader must know first: stale data, and promotions that moved."""
        found = freshness(self.shop, self.as_of)
        moved = moved_since_release(self.run, self.shop)
        told = [_words(why=found.summary()).say("degraded")] if found.stale else []
        for week, texts in moved.items():
            told += [_words(week=week, text=text).say("moved") for text in texts]
        return told

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
        told = {(t["label"], t.get("of", "")): t for t in (earlier or {}).get("headlines", [])}
        with speaking(ENGLISH):  # what is kept of a week is
            names = [(tile.label, tile.of) for tile in replace(self).headlines]
        pairs = zip(self.headlines, names, strict=True)
        before = {tile.label: told[name]["value"] for tile, name in pairs if name in told}
        return tiles(self.headlines, before)

    def _active(self) -> Tile:
        customers = self.run.metrics["customers"]
        active, known = customers["active_28d"], customers["customers"]
        words = _words(share=active / known if known else float("nan"), known=known)
        return Tile(words.say("active"), count(active), float(active), words.say("active_note"))

    def _told(self) -> list[dict[str, Any]]:
        return [
            {"label": t.label, "text": t.text, "value": t.value, "of": t.of} for t in self.headlines
        ]

    def _in_english(self) -> CampaignReport:
        """Return the same for ``metrics.json``: results say names and reasons as they are made."""
        from promolab.campaign.readout import follow_running, read_out

        shop, as_of = self.shop, self.as_of
        with speaking(ENGLISH):
            running, readout = self.running, self.readout
            if running is not None:
                running = follow_running(shop, as_of)
            if readout is not None:
                readout = read_out(shop, as_of, weeks=readout.weeks)
            return replace(self, running=running, readout=readout)

    # --- below the fold --------------------------------------------------------------------------

    def sales_and_changes(self, forecasts: ComparedForecasts | None = None) -> Html:
        """Return what the shop sold, beside what changed since last week and how forecasts held."""
        told = self.run, self.shop, self.sales, self.promotions, self.running, forecasts
        return blocks.sales_and_changes(*told)

    def launching(self) -> Html:
        """Return the promotions that start: lists side by side, whom they hold, what to send."""
        if self.promotions is None:
            return Html("")
        return launching(self.run, self.promotions, self.economics, self.shop.zone)

    def other_promotions(self, told: list[str] | None = None) -> Html:
        """Return what comes, runs and ended; ``told`` is said of what ended."""
        if self.promotions is None or self.running is None or self.readout is None:
            return Html("")
        coming = blocks.coming(self.promotions, self.shop.zone)
        return blocks.together(coming, self.running.block(), self.readout.block(told or []))

    def segments(self) -> Html:
        """Return the segments, a row each, below which of them stands out."""
        return blocks.segments(self.run, self.words)

    def left_out(self) -> Html:
        """Return what was left out, money beside rows."""
        return blocks.what_was_left_out(self.run)

    def mail(self) -> str:
        """Return the week in Markdown, to paste in a mail: what to know first, answer, tiles."""
        words = _words(shop=self.shop.settings.name, week=self.run.week, days=self.run.week.label())
        told = [words.say("heading"), self.status(), *self.caveats, self.lead()]
        first, *rest = map(plain_markdown, told)
        lines = [_words(label=tile.label, figure=tile.text).say("tile") for tile in self.headlines]
        tiles = "\n".join(f"- {plain_markdown(line)}" for line in lines)
        return close_up("\n\n".join([f"**{first}**", *rest, tiles])) + "\n"

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
