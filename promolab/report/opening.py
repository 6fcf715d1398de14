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
from promolab.report.caveats import PROFILES_ONLY, what_data_allow
from promolab.report.ended import dates
from promolab.report.late_rows import late_rows_of
from promolab.report.launch_figures import launch_tiles
from promolab.report.page import Html, Tile, join, say
from promolab.report.releases import moved_since_release
from promolab.report.shop_page import sales_tiles
from promolab.sales import WeeklySales
from promolab.wording import Answer, answer_to, count, percent, plural

if TYPE_CHECKING:
    from promolab.campaign import Readout
    from promolab.contract import Shop

__all__ = ["FirstScreen"]


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
        planned = launch_tiles(self.economics, self.customers)
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
