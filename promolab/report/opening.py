"""The first screen: whom to contact, what to expect, what it must bring; no jargon."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.economics_total import LaunchEconomics
from promolab.campaign.running_result import Running
from promolab.campaign.schedule import list_of
from promolab.contract.freshness import freshness
from promolab.report.artifacts import RunFolder
from promolab.report.ended import dates
from promolab.report.late_rows import late_rows_of
from promolab.report.launch_figures import launch_tiles
from promolab.report.page import Html, Tile, join, say
from promolab.report.releases import moved_since_release
from promolab.wording import Answer, answer_to, count, percent, plural

if TYPE_CHECKING:
    from promolab.campaign import Readout
    from promolab.contract import Shop

__all__ = ["FirstScreen"]

PROFILES_ONLY = (
    "What the data allow: profiles and segments; nothing can be said about promotions. The tables "
    "promotions, exposures and responses (what ran, who was contacted, who redeemed) would add who "
    "is likely to redeem what starts, how many to expect, and what became of past promotions."
)
RESPONSE_ONLY = (
    "What the data allow: we can say who is likely to {verb}, checked on past promotions. We "
    "cannot say what a promotion itself adds, for nobody was held back at random: likely to {verb} "
    "is not the same as worth sending."
)
HELD_BACK = (
    "What the data allow: we can say who is likely to {verb}, checked on past promotions. What a "
    "promotion itself adds is told by those who were held back at random, where there were any; "
    "likely to {verb} is not the same as worth sending."
)
MEASURED = (
    "What the data allow: we can say what promotions add (page Uplift) and, as far as past ones "
    "tell, who is likely to {verb}. {found}"
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
        Of `promolab.campaign.timeline`.
    economics : LaunchEconomics
        What starts, in figures.
    running : Running or None
        What runs.
    readout : Readout or None
        What ended.
    words : Answer
        What customers do about the shop's promotions.
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
        if self.lacking:
            return f"This report holds segments and quality only: {self.lacking}."
        launching, _ = list_of(self.promotions, "launching")
        running = "" if self.running is None else self.running.summary()
        if launching.empty:
            coming, _ = list_of(self.promotions, "coming")
            then = plural(len(coming), "promotion")
            return f"Nothing starts this week. {running} {then} coming in the four weeks after."
        names = ", ".join(launching["name"])
        starts = f"{names} {'starts' if len(launching) == 1 else 'start'} this week."
        if not self.economics.contacts:
            why = self.run.metrics.get("response", {}).get("summary", "")
            return f"{starts} Nobody is to be contacted. {why}".strip()
        return f"{self.economics.opening(self.customers)} {starts}"

    def allow(self) -> str:
        """Say what the data allow."""
        if self.lacking:
            return PROFILES_ONLY
        found = (self.run.metrics.get("uplift") or {}).get("allows")
        told = HELD_BACK if self.shop.has("decisions") else RESPONSE_ONLY
        return (MEASURED if found else told).format(verb=self.words.verb, found=found)

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
        """Return the first sentences of the page."""
        return join(
            [
                say(self.status(), css="muted"),
                *(say(sentence, css="allow") for sentence in self.warnings()),
                say(self.lead(), css="lead"),
                say(self.allow(), css="allow"),
            ]
        )

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """The headline numbers: four, or fewer where fewer are known."""
        planned = [] if self.lacking else launch_tiles(self.economics, self.customers)
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
