"""The week's report as its readers see it: the answer, then how sure, then how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from promolab.campaign import Readout, read_out, timeline
from promolab.campaign.economics_total import LaunchEconomics
from promolab.campaign.outlook import ListOutlook
from promolab.campaign.running import follow_running
from promolab.campaign.running_result import Running
from promolab.campaign.schedule import list_of
from promolab.contract import Shop
from promolab.report.artifacts import RunFolder
from promolab.report.background import (
    data_block,
    glossary_block,
    quality_block,
    segments_block,
)
from promolab.report.ended import dates, ended_block
from promolab.report.launching import funnel_table, gain_block, launch_block, outlook_of
from promolab.report.opening import FirstScreen
from promolab.report.page import Html, join, say, tiles
from promolab.report.planning import SEND
from promolab.report.released_plans import carried_out, with_released_decisions
from promolab.report.running_block import coming_block, earlier_predictions, running_block
from promolab.wording import Answer, answer_to

__all__ = ["WeeklyReport"]

_NO_PROMOTIONS = pd.DataFrame(columns=["promotion_id", "kind", "name", "status"])


@dataclass(frozen=True)
class WeeklyReport:
    """All that the page of a week says, each block made from the tables of the steps before.

    Parameters
    ----------
    run : RunFolder
        The week's folder, with what the steps before wrote.
    shop : Shop
        The cleaned shop.
    lead_days : int
        Days before the week at which the plan is made.
    """

    run: RunFolder
    shop: Shop
    lead_days: int = 0

    @classmethod
    def of(cls, run: RunFolder, shop: Shop, lead_days: int = 0) -> WeeklyReport:
        """Open the report of a run folder; plans released in it before are read by assignment."""
        return cls(run, with_released_decisions(run, shop), lead_days)

    # What the blocks are made from.

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What the steps recorded."""
        return self.run.metrics

    @cached_property
    def lacking(self) -> str | None:
        """What the shop lacks for anything about promotions, in a sentence."""
        return self.shop.lacks("response models")

    @cached_property
    def words(self) -> Answer:
        """What customers do about the shop's promotions, in words."""
        if self.lacking:
            return answer_to(())
        return answer_to(self.shop.promotions.select("kind").distinct().execute()["kind"])

    @cached_property
    def promotions(self) -> pd.DataFrame:
        """Promotions launching, running, ended and coming, as known when the plan is made."""
        if self.lacking:
            return _NO_PROMOTIONS
        starts_at = self.run.week.start(self.shop.zone)
        return timeline(self.shop, self._as_of, week=starts_at)

    @cached_property
    def readout(self) -> Readout | None:
        """What became of the promotions that ended in the last eight weeks; None without any."""
        return None if self.lacking else read_out(self.shop, self._as_of)

    @cached_property
    def running(self) -> Running | None:
        """How the promotions that run do against what was expected."""
        if self.lacking:
            return None
        rows, _ = list_of(self.promotions, "running")
        predicted = earlier_predictions(self.run, self.shop, rows, self._as_of)
        return follow_running(self.shop, self._as_of, predicted)

    @cached_property
    def economics(self) -> LaunchEconomics:
        """What the promotions of the week may cost and must bring."""
        return LaunchEconomics.from_frame(self.run.read_table("economics"))

    @cached_property
    def outlook(self) -> pd.DataFrame:
        """Expected responses by promotion and size of list."""
        return self.run.read_table("outlook")

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """Past promotions predicted from those before them, row by row."""
        return self.run.read_table("backtest")

    @cached_property
    def first_screen(self) -> FirstScreen:
        """The first sentences and the tiles."""
        return FirstScreen(
            run=self.run,
            shop=self.shop,
            as_of=self._as_of,
            lacking=self.lacking,
            promotions=self.promotions,
            economics=self.economics,
            running=self.running,
            readout=self.readout,
            words=self.words,
        )

    @property
    def _as_of(self) -> Any:
        return self.run.week.start(self.shop.zone, self.lead_days)

    def _outlook_of(self, promotion_id: Any, kind: str) -> ListOutlook | None:
        past = int((self.metrics["response"].get("past_ratios") or {}).get("k") or 0)
        return outlook_of(self.outlook, promotion_id, past, kind)

    # The blocks of the page, from the top.

    def opening(self) -> Html:
        """Return the first sentences: whom to contact, what to expect, what the data allow."""
        return self.first_screen.opening()

    def tiles(self) -> Html:
        """Return the headline numbers, each with its change against the week before."""
        earlier = self.run.metrics_of(self.run.week.previous()) or {}
        told = {t["label"]: t for t in earlier.get("headlines", [])}
        before = {
            tile.label: told[tile.label]["value"]
            for tile in self.first_screen.tiles
            if tile.label in told and told[tile.label].get("of", "") == tile.of
        }
        return tiles(list(self.first_screen.tiles), before)

    def launching(self) -> Html:
        """Return a block per promotion that starts: what to expect, who, the funnel, the list."""
        if self.lacking:
            return say(f"No promotions are known: {self.lacking}.")
        launching, empty = list_of(self.promotions, "launching")
        if empty:
            return say(f"{empty} There is nobody to rank and nobody to contact.")
        if self.outlook.empty:
            return say(str(self.metrics.get("response", {}).get("summary", "")))
        planned, funnel = self.run.read_table("planned"), self.run.read_table("funnel")
        files = self._send_files()
        blocks = [
            launch_block(
                row,
                self._outlook_of(row["promotion_id"], row["kind"]),
                self.run,
                valid=dates(row["starts_at"], row["ends_at"], self.shop.zone),
                currency=self.shop.settings.currency,
                economics=self.economics.of(row["promotion_id"]),
                planned=planned,
                funnel=funnel_table(
                    funnel, row["promotion_id"], consent=self.shop.has("contact_rights")
                ),
                files=files.get(str(row["promotion_id"]), []),
            )
            for row in launching.to_dict("records")
        ]
        plan = self.metrics["plan"]
        said = [*plan.get("what_shows", []), *plan.get("notes", [])]
        notes = [say(note, css="muted") for note in said]
        return join([gain_block(self.backtest, self.words), *blocks, *notes])

    def _send_files(self) -> dict[str, list[str]]:
        from promolab.campaign.send_names import file_names

        funnel = self.run.read_table("funnel")
        pairs = list(zip(funnel["promotion_id"], funnel["channel"], strict=True))
        found: dict[str, list[str]] = {}
        for (promotion, _), name in zip(pairs, file_names(pairs), strict=True):
            found.setdefault(str(promotion), []).append(f"{SEND}/{name}")
        return found

    def coming(self) -> Html:
        """Return the promotions that start in the four weeks after this one, a line each."""
        if self.lacking:
            return say(f"No promotions are known: {self.lacking}.")
        return coming_block(self.promotions, self.shop.zone)

    def followed(self) -> Html:
        """Return the promotions that run: observed against expected to date."""
        if self.running is None:
            return say(f"No promotions are known: {self.lacking}.")
        _, empty = list_of(self.promotions, "running")
        return running_block(self.running, self.shop.zone, empty)

    def ended(self) -> Html:
        """Return what became of the promotions that ended in the last eight weeks."""
        if self.readout is None:
            return say(f"No campaign results: {self.lacking}.")
        ended = [row.promotion_id for row in self.readout.promotions]
        carried = carried_out(self.run, ended)
        return join([ended_block(self.readout, self.shop.zone), *(say(text) for text in carried)])

    def segments(self) -> Html:
        """Return the segments with their figures, what to do with each, and life stages."""
        return segments_block(self.run)

    def quality(self) -> Html:
        """Return ROC and calibration of past predictions."""
        return quality_block(self.backtest, self.metrics.get("response", {}), self.words)

    def data(self) -> Html:
        """Return rows kept and quarantined, and what was left out and why."""
        return data_block(self.metrics)

    def glossary(self) -> Html:
        """Return the words of this page and what they mean."""
        return glossary_block(self.words)

    def record(self) -> None:
        """Write the headline numbers and what became of promotions to ``metrics.json``."""
        self.run.record("headlines", self.first_screen.to_dict())
        self.run.record("campaigns", {} if self.readout is None else self.readout.to_dict())
        self.run.record("running", {} if self.running is None else self.running.to_dict())

    def write_summary(self) -> None:
        """Write ``summary.md``, to paste in a mail, and ``one_page.png``, to show in a meeting."""
        from promolab.report.one_page import write_one_page, write_summary

        write_summary(self.first_screen, self.run.path / "summary.md")
        funnel, path = self.run.read_table("funnel"), self.run.path / "one_page.png"
        write_one_page(self.first_screen, self.backtest, funnel, self.run, path)
