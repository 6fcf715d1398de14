"""The first page's promotions that start: how many to contact, what to expect, what to send."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any
from urllib.parse import quote

import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, ListSteps
from promolab.campaign.past import days_of, list_of
from promolab.campaign.plan import file_names
from promolab.display import Html, fold, join, say
from promolab.folder import RunFolder
from promolab.results import Estimate, Facts, words_of
from promolab.segmentation import SegmentIndex, segment_index
from promolab.wording import listed

MOST_APART = 4
"""Promotions that start and have a table each; more than these share one, in any case."""
_Row = dict[Hashable, Any]


def _words(**given: Any) -> Facts:
    return words_of(__name__, "blocks", **given)


def launching(
    run: RunFolder, promotions: pd.DataFrame, economics: LaunchEconomics, zone: str
) -> Html:
    """Return the promotions that start: lists side by side, whom they hold, what to send.

    A promotion whose list stands in several sizes has a table of its own. Those of which only the
    planned list is known share one; so do all where more than `MOST_APART` start, and their other
    sizes open with a click.

    Parameters
    ----------
    run : RunFolder
        With the plan's tables.
    promotions : DataFrame
        Of `promolab.campaign.past.timeline`.
    economics : LaunchEconomics
        What they may cost and must bring.
    zone : str
        The shop's.
    """
    rows, empty = list_of(promotions, "launching")
    if empty:
        return say(f"{empty} {_words().say('nobody_to_rank')}")
    title = say(_words(n=len(rows)).say("head"), kind="h2")
    if not len(economics):
        why = str(run.spoken.get("response", {}).get("summary", ""))
        return title + say(why or words_of(__name__, "screen").say("nobody"))
    launches = _Launches(run, economics, zone)
    return join([title, *launches.pieces(rows.to_dict("records"))])


@dataclass(frozen=True)
class _Launches:
    """What the plan's tables say of the promotions that start."""

    run: RunFolder
    economics: LaunchEconomics
    zone: str

    @cached_property
    def sizes(self) -> ListSteps:
        return ListSteps(self.run.read_table("list_sizes"), self.economics)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: self.run.read_table(name) for name in ("scores", "segments", "planned")}

    @cached_property
    def policy(self) -> dict[str, Any]:
        """What the allocation says of each promotion, by its id as text; empty without one."""
        return (self.run.metrics.get("policy") or {}).get("promotions") or {}

    def pieces(self, rows: list[_Row]) -> list[Html]:
        sent: list[_Row] = []
        nobody: list[_Row] = []
        for row in rows:
            found = self.economics.of(row["promotion_id"])
            (sent if found is not None and found.contacts else nobody).append(row)
        several = [r for r in sent if len(self.sizes.of(r["promotion_id"]).frame) > 1]
        alone = several if len(sent) <= MOST_APART else []
        shared = [row for row in sent if row not in alone]
        if len(shared) == 1:
            alone, shared = sent, []
        pieces = [self.one(row) for row in alone]
        if shared:
            pieces.append(self.together(shared, [row for row in several if row in shared]))
        if nobody:
            names = [str(row["name"]) for row in nobody]
            pieces.append(say(_words(names=names).say("nobody_for")))
        return pieces

    def one(self, row: _Row) -> Html:
        """Return a promotion under its own heading."""
        promotion = row["promotion_id"]
        found = self.economics.of(promotion)
        # The links are HTML, the words around them hold none.
        words = _words(held=found.held if found else 0, files=self.send_files(promotion))
        more = Html(f'<p class="more">{words.say("send")}{words.say("kept")} {_more()}</p>')
        title = say(f"{row['name']} · {self.days(row)}{_offered(row)}", kind="h3")
        table = self.sizes.of(promotion).to_table()
        return join([title, *self.chosen([row]), table, say(self.index(promotion).line()), more])

    def together(self, rows: list[_Row], several: list[_Row]) -> Html:
        """Return promotions a row each; behind a click, whom each list holds and other sizes."""
        ids = [row["promotion_id"] for row in rows]
        indices = [self.index(promotion) for promotion in ids]
        days = {self.days(row) for row in rows}
        same = days.pop() if len(days) == 1 else ""
        more = ["" if same else self.days(row) for row in rows], [r.get("terms", "") for r in rows]
        names = [
            " · ".join(filter(None, (row["name"], days, terms)))
            for row, days, terms in zip(rows, *more, strict=True)
        ]
        beside = pd.DataFrame(
            {
                "name": names,
                "whom": [index.most() for index in indices],
                "send": [Html(self.send_files(promotion) or "–") for promotion in ids],
            }
        )
        words = _words(days=same)
        table = self.economics.among(ids).table(beside, words.say("as_planned"))
        whom = [
            say(words_of(__name__, "screen", label=row["name"], figure=index.line()).say("tile"))
            for row, index in zip(rows, indices, strict=True)
            if index.stands_out
        ]
        folded = fold(words.say("stand_out"), whom)
        lists = [self.sizes.of(row["promotion_id"]).to_table() for row in several]
        sizes = fold(words.say("sizes"), lists)
        foot = Html(f'<p class="more">{_more()}</p>')
        return join([*self.chosen(rows), table, *(p for p in (folded, sizes) if p.text), foot])

    def index(self, promotion: Any) -> SegmentIndex:
        """Return which segments the list holds more and less of than all who were ranked."""
        scores, segments, planned = (self.tables[n] for n in ("scores", "segments", "planned"))
        ranked = scores.loc[scores["promotion_id"] == promotion, "customer_id"]
        mine = planned["promotion_id"].astype(str) == str(promotion)
        sent = planned.loc[mine & (planned["holdout"] == "none"), "customer_id"]
        return segment_index(segments[segments["customer_id"].isin(ranked)], sent.to_numpy())

    def chosen(self, rows: list[_Row]) -> list[Html]:
        """Say that what it adds chose its customers, and what they are charged; else nothing."""
        known = [self.policy.get(str(row["promotion_id"])) for row in rows]
        told = [mine for mine in known if mine is not None]
        if not told or self.economics.largest is None:
            return []
        ends = (sum(mine[name] for mine in told) for name in ("cost", "cost_low", "cost_high"))
        # Of a bundle a customer counts for each.
        every, drawn = (sum(mine[name] for mine in told) for name in ("contacts", "by_chance"))
        words = _words(
            currency=self.economics.largest.currency,
            cost=Estimate.of(ends),
            drawn=drawn,
            contacts=every - drawn or drawn,
            case="chance" if every == drawn else "alike" if self.alike else "most",
        )
        return [say(words.say("make"))]

    @cached_property
    def alike(self) -> bool:
        """Whether all contacts of a promotion are predicted to add the same."""
        rows = self.run.read_table("allocation")
        rows = rows[rows["chosen"] & rows["action"].isin(list(self.policy))]
        gains = rows.groupby("action")["value"]
        return bool((gains.max() - gains.min() < 0.005).all())

    def send_files(self, promotion: Any) -> str:
        """Return links to what the sending tool loads, as HTML; empty where there is no file."""
        files = self._files.get(str(promotion), [])
        return listed(f'<a href="send/{escape(quote(f))}">{escape(f)}</a>' for f in files)

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        funnel = self.run.read_table("funnel")
        pairs = list(zip(funnel["promotion_id"], funnel["channel"], strict=True))
        found: dict[str, list[str]] = {}
        for (promotion, _channel), name in zip(pairs, file_names(pairs), strict=True):
            found.setdefault(str(promotion), []).append(name)
        return found

    def days(self, row: _Row) -> str:
        return days_of(row["starts_at"], row["ends_at"], self.zone)


def _more() -> str:
    return f'<a href="08_plan.html">{escape(_words().say("more"))}</a>'


def _offered(row: _Row) -> str:
    products: Any = 0 if pd.isna(row["products"]) else row["products"]
    many = _words(products=products).say("of_products")
    return "".join(f" · {part}" for part in (row.get("terms", ""), many) if part)
