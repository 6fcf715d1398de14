"""The week's report as its readers see it: the answer, then how sure, then how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from promolab import plots
from promolab.campaign import Readout, read_out, timeline
from promolab.campaign.launch import ListOutlook, expected_words
from promolab.contract import Shop
from promolab.glossary import describe
from promolab.metrics import calibration, roc
from promolab.report.artifacts import RunFolder
from promolab.report.ended import dates, ended_block, timeline_block
from promolab.report.launching import gain_block, launch_block, outlook_of
from promolab.report.page import Html, Tile, join, picture, say, table, tiles
from promolab.report.steps import segment_columns, segment_formats, segment_rows
from promolab.segmentation import describe_segments
from promolab.wording import count, money, number, percent, plural

__all__ = ["WeeklyReport"]

WORDS_EXPLAINED = (
    "likely to redeem",
    "expected redemptions",
    "interval",
    "out of time",
    "gain chart",
    "AUC",
    "AUC within promotions",
    "calibration",
    "adjusted",
    "not identified",
    "support",
    "over-represented",
    "descriptive",
    "pseudonym",
    "quarantined",
    "interests",
    "purchasing_power",
    "loyalty",
    "habits",
)

PROFILES_ONLY = (
    "What the data allow: profiles and segments; nothing can be said about promotions. The tables "
    "promotions, exposures and responses (what ran, who was contacted, who redeemed) would add who "
    "is likely to redeem what starts, how many to expect, and what became of past promotions."
)
RESPONSE_ONLY = (
    "What the data allow: we can say who is likely to redeem, checked on past promotions. We "
    "cannot say what a promotion itself adds, for nobody was held back at random: likely to redeem "
    "is not the same as worth sending."
)


@dataclass(frozen=True)
class WeeklyReport:
    """All that the page of a week says, each block made from the tables of the steps before.

    Parameters
    ----------
    run : RunFolder
        The week's folder, with what steps 01 to 04 wrote.
    shop : Shop
        The cleaned shop.
    """

    run: RunFolder
    shop: Shop

    @classmethod
    def of(cls, run: RunFolder, shop: Shop) -> WeeklyReport:
        """Open the report of a run folder."""
        return cls(run, shop)

    # What the blocks are made from.

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What the steps recorded."""
        return self.run.metrics

    @cached_property
    def promotions(self) -> pd.DataFrame:
        """Promotions launching, running, ended and coming, as of the week's first morning."""
        if self.shop.lacks("response models"):
            return pd.DataFrame(columns=["promotion_id", "name", "status"])
        return timeline(self.shop, self._as_of)

    @cached_property
    def readout(self) -> Readout | None:
        """What became of the promotions that ended in the last eight weeks; None without any."""
        if self.shop.lacks("response models"):
            return None
        return read_out(self.shop, self._as_of)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Who is likely to redeem."""
        return self.run.read_table("scores")

    @cached_property
    def outlook(self) -> pd.DataFrame:
        """Expected redemptions by promotion and size of list."""
        return self.run.read_table("outlook")

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """Past promotions predicted from those before them, row by row."""
        return self.run.read_table("backtest")

    @property
    def _as_of(self) -> Any:
        return self.run.week.start(self.shop.zone)

    @property
    def _currency(self) -> str:
        return self.shop.settings.currency

    def _launching(self) -> pd.DataFrame:
        return self.promotions[self.promotions["status"] == "launching"]

    def _outlook_of(self, promotion_id: Any) -> ListOutlook | None:
        past = int((self.metrics["response"].get("ratio_spread") or {}).get("k") or 0)
        return outlook_of(self.outlook, promotion_id, past)

    # The blocks of the page, from the top.

    def opening(self) -> Html:
        """Return the first sentences: what happens this week, and what the data allow."""
        lacking = self.shop.lacks("response models")
        if lacking:
            sentence = f"This report holds segments and quality only: {lacking}."
        else:
            sentence = self._what_happens()
        allow = PROFILES_ONLY if lacking else RESPONSE_ONLY
        last = self.shop.span()[1]
        local = pd.Timestamp(last, tz="UTC").tz_convert(self.shop.zone)
        until = min(local, pd.Timestamp(self._as_of, tz="UTC").tz_convert(self.shop.zone))
        status = f"Draft · data to {until - pd.Timedelta(seconds=1):%d %b %Y}"
        return join([say(status, css="muted"), say(sentence, css="lead"), say(allow, css="allow")])

    def _what_happens(self) -> str:
        status = self.promotions["status"].value_counts()
        running = plural(int(status.get("running", 0)), "promotion")
        coming = plural(int(status.get("coming", 0)), "promotion")
        launching = self._launching()
        if launching.empty:
            return (
                f"Nothing starts this week; {running} running, {coming} coming in the four weeks "
                "after."
            )
        names = ", ".join(launching["name"])
        outlooks = [self._outlook_of(p) for p in launching["promotion_id"]]
        known = [o.summary() for o in outlooks if o is not None]
        why = self.metrics.get("response", {}).get("summary", "")
        starts = "starts" if len(launching) == 1 else "start"
        return f"{names} {starts} this week. " + (known[0] if known else why)

    def tiles(self) -> Html:
        """Return the headline numbers, each with its change against the week before."""
        earlier = self.run.metrics_of(self.run.week.previous()) or {}
        told = {t["label"]: t for t in earlier.get("headlines", [])}
        before = {
            tile.label: told[tile.label]["value"]
            for tile in self._tiles
            if tile.label in told and told[tile.label].get("of", "") == tile.of
        }
        return tiles(self._tiles, before)

    @cached_property
    def _tiles(self) -> list[Tile]:
        customers = self.metrics["customers"]
        active, known = customers["active_28d"], customers["customers"]
        launching = len(self._launching())
        found = [
            Tile(
                "Customers who bought in the last 28 days",
                count(active),
                float(active),
                f"{percent(active / known, decimals=0)} of {count(known)} with any purchase",
            ),
            Tile(
                "Promotions starting this week",
                count(launching),
                float(launching),
                ", ".join(self._launching()["name"]) or "none",
                change="difference",
            ),
        ]
        return [*found, *self._expected_tile(), *self._ended_tiles()]

    def _expected_tile(self) -> list[Tile]:
        outlooks = [self._outlook_of(p) for p in self._launching()["promotion_id"]]
        rows = [outlook.at_usual for outlook in outlooks if outlook is not None]
        if not rows:
            return []
        row = max(rows, key=lambda r: float(r["expected"]))
        name = self._name(row["promotion_id"])
        return [
            Tile(
                "Expected redemptions",
                expected_words(row["expected"], row["ci_low"], row["ci_high"]),
                float(row["expected"]),
                f"of {name}, if the {count(row['customers'])} likeliest are contacted",
                of=name,
            )
        ]

    def _ended_tiles(self) -> list[Tile]:
        if self.readout is None or not len(self.readout):
            return []
        row = max(self.readout.promotions, key=lambda r: r.contacts)
        rate, cost = row.redemption_rate, row.discount_cost
        when = dates(row.starts_at, row.ends_at, self.shop.zone)
        found = [
            Tile(
                "Redeemed, of the largest promotion that ended",
                percent(rate.value, rate.ci_low, rate.ci_high),
                rate.value,
                f"{row.name} ({when}): {count(row.redeemers)} of {count(row.contacts)} contacted",
                change="points",
                of=row.name,
            )
        ]
        if cost.value == cost.value:
            text = money(cost.value, cost.ci_low, cost.ci_high, currency=self._currency)
            note = f"to those who redeemed {row.name}, while it ran"
            found.append(Tile("Discounts on its products", text, cost.value, note, of=row.name))
        return found

    def _name(self, promotion_id: Any) -> str:
        rows = self.promotions[self.promotions["promotion_id"] == promotion_id]
        return str(rows["name"].iloc[0]) if len(rows) else str(promotion_id)

    def launching(self) -> Html:
        """Return a block per promotion that starts: gain chart, outlook, segments, list."""
        lacking = self.shop.lacks("response models")
        if lacking:
            return say(f"No promotions are known: {lacking}.")
        launching = self._launching()
        if launching.empty:
            return say("No promotion starts this week, so there is nobody to rank.")
        if self.outlook.empty:
            return say(str(self.metrics.get("response", {}).get("summary", "")))
        blocks = [
            launch_block(
                row,
                self._outlook_of(row["promotion_id"]),
                self.run,
                valid=dates(row["starts_at"], row["ends_at"], self.shop.zone),
                currency=self._currency,
            )
            for row in launching.to_dict("records")
        ]
        return join([gain_block(self.backtest), *blocks])

    def timeline(self) -> Html:
        """Return the promotions that are running or coming, a line each."""
        return timeline_block(self.promotions, self.shop.zone)

    def ended(self) -> Html:
        """Return what became of the promotions that ended in the last eight weeks."""
        if self.readout is None:
            return say(f"No campaign results: {self.shop.lacks('response models')}.")
        return ended_block(self.readout, self.shop.zone)

    def segments(self) -> Html:
        """Return the segments, a line each, with their figures."""
        features, profiles = self.run.read_table("features"), self.run.read_table("profiles")
        segments = self.run.read_table("segments").set_index("customer_id")
        names = segments["segment"].reindex(features["customer_id"]).to_numpy()
        absent = segments[~segments.index.isin(features["customer_id"])]["segment"].value_counts()
        profile = describe_segments(
            features,
            names,
            absent={str(k): int(n) for k, n in absent.items()},
            profiles=profiles,
            method="kmeans",
        )
        return join(
            [
                say(profile.summary()),
                table(
                    segment_rows(profile),
                    segment_columns(),
                    segment_formats(),
                    caption="Largest first. Axes from 0 to 100, 50 is the middle customer.",
                    most=20,
                ),
                picture(profile.plot(), profile.summary()),
                Html(
                    '<p class="more"><a href="03_segments.html">How the segments were made</a></p>'
                ),
            ]
        )

    def quality(self) -> Html:
        """Return ROC and calibration of past predictions."""
        rows = self.backtest
        response = self.metrics.get("response", {})
        if rows.empty or rows["y"].nunique() < 2:
            return say(str(response.get("backtest") or "Nothing could be predicted yet."))
        curve = roc(rows["y"], rows["p"], cluster=rows["customer_id"])
        right = calibration(rows["y"], rows["p"], cluster=rows["customer_id"])
        ratio = right.observed_expected
        times = number(ratio.value, ratio.ci_low, ratio.ci_high, decimals=2)
        ranks = percent(curve.auc, curve.ci_low, curve.ci_high)
        n = f"{count(curve.n)} contacts, {count(curve.positives)} redeemed"
        ranking = plots.finish(
            curve.plot(),
            title=f"A redeemer ranks above another in {ranks} of pairs",
            subtitle=f"ROC curve with 95 % band; {n}",
            xlabel="share of the others taken with them",
            ylabel="share of redeemers found",
            percent_x=True,
            percent_y=True,
        )
        chances = plots.finish(
            right.plot(),
            title=f"{times} times as many redeemed as predicted",
            subtitle=f"by tenth of the list, 95 % intervals; {n}",
            xlabel="chance predicted",
            ylabel="share that redeemed",
            percent_x=True,
            percent_y=True,
        )
        figures = picture(ranking, curve.summary()) + picture(chances, right.summary())
        return join(
            [
                say(str(response["backtest"])),
                Html(f'<div class="side">{figures.text}</div>'),
                Html('<p class="more"><a href="04_response.html">Promotion by promotion</a></p>'),
            ]
        )

    def data(self) -> Html:
        """Return rows kept and quarantined, and what was left out and why."""
        data = {k: v for k, v in self.metrics["data"].items() if "rows_in" in v}
        frame = pd.DataFrame(data).T.rename_axis("table").reset_index()
        frame["table"] = frame["table"].str.replace("_", " ")
        left_out = self.metrics.get("left_out", [])
        return join(
            [
                table(
                    frame,
                    {
                        "table": "table",
                        "rows_in": "rows in",
                        "rows_kept": "kept",
                        "rows_quarantined": "quarantined",
                    },
                    dict.fromkeys(["rows_in", "rows_kept", "rows_quarantined"], count),
                    caption="Rows in = kept + quarantined.",
                    most=20,
                    file="tables/quarantine.parquet",
                    file_text="The quarantined rows as a file",
                ),
                *(say(sentence, css="muted") for sentence in left_out),
                Html('<p class="more"><a href="01_data.html">Rule by rule</a></p>'),
            ]
        )

    def glossary(self) -> Html:
        """Return the words of this page and what they mean."""
        return table(
            describe(list(WORDS_EXPLAINED)),
            {"label": "word", "meaning": "meaning"},
            most=len(WORDS_EXPLAINED),
        )

    def record(self) -> None:
        """Write the headline numbers and the ended promotions to ``metrics.json``."""
        tiles = [
            {"label": t.label, "text": t.text, "value": t.value, "of": t.of} for t in self._tiles
        ]
        self.run.record("headlines", tiles)
        self.run.record("campaigns", {} if self.readout is None else self.readout.to_dict())
