"""The week's report as its readers see it: the answer, then how sure, then how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, ListSteps, TrackRecord, track_record
from promolab.campaign.past import list_of, moment_of, timeline
from promolab.campaign.readout import Readout, Running, follow_running, read_out
from promolab.contract import Shop
from promolab.display import Html, beside, explained, join, say, tiles
from promolab.folder import RunFolder
from promolab.loop import carried_out, with_released_decisions
from promolab.report.pages.background import data_block, segments_block, segments_finding
from promolab.report.pages.earlier_weeks import earlier_forecasts
from promolab.report.pages.ended import dates, ended_block
from promolab.report.pages.launch_figures import record_block
from promolab.report.pages.launching import launch_block
from promolab.report.pages.opening import FirstScreen, more_would_tell, sales_block
from promolab.report.pages.planning import SEND
from promolab.report.pages.running_block import coming_block, running_block
from promolab.report.pages.since import since_last_week
from promolab.results import Estimate
from promolab.sales import WeeklySales, monthly_cohorts, weekly_sales
from promolab.wording import Answer, answer_to

__all__ = ["WeeklyReport"]

EXPLAINED = (
    *("prediction interval", "break-even", "holdout", "over-represented", "expected to date"),
    *("inside its band", "adjusted", "not identified", "randomised", "provisional", "verdict"),
    *("extra net sales", "expected redemptions", "expected responses", "backtest"),
)
"""Words of the first page that are explained where they first stand."""

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
    def forecasts(self) -> dict[Any, tuple[str, Estimate]]:
        """What earlier weeks' reports expected of promotions that have started: week and figure."""
        rows = self.shop.promotions.select("promotion_id", "starts_at", "ends_at").execute()
        rows = rows[rows["starts_at"] < self._now]
        return earlier_forecasts(self.run, self.shop, rows, self._now)

    @cached_property
    def running(self) -> Running | None:
        """How the promotions that run do against what was expected."""
        if self.lacking:
            return None
        told = {promotion: e for promotion, (_, e) in self.forecasts.items()}
        return follow_running(self.shop, self._as_of, told)

    @cached_property
    def sales(self) -> WeeklySales:
        """What the shop sold in the weeks before."""
        return weekly_sales(self.shop, self._as_of)

    @cached_property
    def record_of_forecasts(self) -> TrackRecord:
        """What the last forecasts said, and what came."""
        kinds = self.shop.promotions.select("promotion_id", "kind").execute()
        kinds = dict(zip(kinds["promotion_id"], kinds["kind"], strict=True))
        return track_record(self.run.read_table("outlook_coverage"), kinds, self.forecasts)

    @cached_property
    def economics(self) -> LaunchEconomics:
        """What the promotions of the week may cost and must bring."""
        return LaunchEconomics.from_frame(self.run.read_table("economics"))

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
            backtest=self.backtest,
            sales=self.sales if self.lacking else None,
        )

    @property
    def _as_of(self) -> Any:
        return self.run.week.start(self.shop.zone, self.lead_days)

    @property
    def _now(self) -> Any:
        return moment_of(self._as_of)

    # The blocks of the page, from the top.

    def opening(self) -> Html:
        """Return the first sentences: whom to contact, what to expect, what the data allow."""
        return self.first_screen.opening()

    def tiles(self) -> Html:
        """Return the headline numbers, each with its change against the week before."""
        # Of sales the tiles say themselves what changed, from the data.
        earlier = {} if self.lacking else self.run.metrics_of(self.run.week.previous()) or {}
        told = {t["label"]: t for t in earlier.get("headlines", [])}
        before = {
            tile.label: told[tile.label]["value"]
            for tile in self.first_screen.tiles
            if tile.label in told and told[tile.label].get("of", "") == tile.of
        }
        return tiles(list(self.first_screen.tiles), before)

    def since(self) -> Html:
        """Return what changed since last week, beside the last forecasts and what came."""
        if self.lacking:
            cohorts = monthly_cohorts(self.shop, self._as_of)
            return sales_block(self.sales, cohorts)
        told = self.sales, self.promotions, self.running, self._now, self.shop.zone
        changed = since_last_week(self.run, *told)
        return beside(
            [
                say("Since last week", kind="h2") + changed,
                say("Track record", kind="h2") + self._told(record_block(self.record_of_forecasts)),
            ]
        )

    def launching(self) -> Html:
        """Return the promotions that start: lists side by side, whom they hold, what to send."""
        if self.lacking:
            return Html("")
        rows, empty = list_of(self.promotions, "launching")
        if empty:
            return say(f"{empty} There is nobody to rank and nobody to contact.")
        title = say(f"Launching ({len(rows)})", kind="h2")
        if not len(self.economics):
            why = str(self.metrics.get("response", {}).get("summary", ""))
            return title + say(why or "Nobody is to be contacted.")
        return self._told(join([title, *(self._launch(row) for row in rows.to_dict("records"))]))

    def _launch(self, row: dict[Any, Any]) -> Html:
        scores = self.run.read_table("scores")
        ranked = scores.loc[scores["promotion_id"] == row["promotion_id"], "customer_id"]
        segments = self.run.read_table("segments")
        return launch_block(
            row,
            self.economics.of(row["promotion_id"]),
            ListSteps(self.run.read_table("list_sizes"), self.economics),
            self.run.read_table("planned"),
            segments[segments["customer_id"].isin(ranked)],
            valid=dates(row["starts_at"], row["ends_at"], self.shop.zone),
            files=self._send_files().get(str(row["promotion_id"]), []),
        )

    def _send_files(self) -> dict[str, list[str]]:
        from promolab.campaign.plan import file_names

        funnel = self.run.read_table("funnel")
        pairs = list(zip(funnel["promotion_id"], funnel["channel"], strict=True))
        found: dict[str, list[str]] = {}
        for (promotion, _), name in zip(pairs, file_names(pairs), strict=True):
            found.setdefault(str(promotion), []).append(f"{SEND}/{name}")
        return found

    def coming(self) -> Html:
        """Return the promotions that start in the four weeks after this one, a line each."""
        if self.lacking:
            return Html("")
        rows, empty = list_of(self.promotions, "coming")
        if empty:
            return say(empty)
        return say(f"Coming ({len(rows)})", kind="h2") + coming_block(rows, self.shop.zone)

    def followed(self) -> Html:
        """Return the promotions that run: observed against expected to date."""
        if self.running is None:
            return Html("")
        if not len(self.running):
            return say(list_of(self.promotions, "running")[1] or self.running.summary())
        title = f"Running ({len(self.running)}): {self.running.found()}"
        return say(title, kind="h2") + self._told(running_block(self.running, self.shop.zone))

    def ended(self) -> Html:
        """Return what became of the promotions that ended in the last eight weeks."""
        if self.readout is None:
            return Html("")
        ended = [row.promotion_id for row in self.readout.promotions]
        if not ended:
            return say(self.readout.summary())
        block = ended_block(self.readout, self.shop.zone, carried_out(self.run, ended))
        return say(f"Ended ({len(ended)})", kind="h2") + self._told(block)

    def segments(self) -> Html:
        """Return the segments, a row each: what they bring, how they answer, what to do."""
        found = segments_finding(self.run, self.words)
        title = say(f"Segments: {found}" if found else "Segments", kind="h2")
        return title + segments_block(self.run, self.words)

    def data(self) -> Html:
        """Return what was left out, and what more tables would tell where none is of promotions."""
        more = [more_would_tell(self.shop)] if self.lacking else []
        return join([*more, say("What was left out", kind="h2"), data_block(self.run)])

    def _told(self, block: Html) -> Html:
        """Explain each of the glossary's words where it first stands on the page."""
        wanted = [word for word in EXPLAINED if word not in self._explained]
        self._explained.update(word for word in wanted if word.lower() in block.text.lower())
        return explained(block, wanted)

    @cached_property
    def _explained(self) -> set[str]:
        return set()

    def record(self) -> None:
        """Write the headline numbers and what became of promotions to ``metrics.json``."""
        self.run.record("headlines", self.first_screen.to_dict())
        self.run.record("campaigns", {} if self.readout is None else self.readout.to_dict())
        self.run.record("running", {} if self.running is None else self.running.to_dict())

    def write_summary(self) -> None:
        """Write ``summary.md``, to paste in a mail, and ``one_page.png``, to show in a meeting."""
        from promolab.report.pages.one_page import write_one_page, write_summary

        write_summary(self.first_screen, self.run.path / "summary.md")
        write_one_page(self.first_screen, self.run.path / "one_page.png")
