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
from promolab.language import _, _n
from promolab.segmentation import SegmentIndex, segment_index
from promolab.wording import answer_to, count, listed, money

MOST_APART = 4
"""Promotions that start and have a table each; more than these share one, in any case."""
_Row = dict[Hashable, Any]


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
        return say(f"{empty} {_('There is nobody to rank and nobody to contact.')}")
    title = say(_("Launching ({n})", n=len(rows)), kind="h2")
    if not len(economics):
        why = str(run.spoken.get("response", {}).get("summary", ""))
        return title + say(why or _("Nobody is to be contacted."))
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
        several = [r for r in sent if len(self.sizes.of(r["promotion_id"]).rows) > 1]
        alone = several if len(sent) <= MOST_APART else []
        shared = [row for row in sent if row not in alone]
        if len(shared) == 1:
            alone, shared = sent, []
        pieces = [self.one(row) for row in alone]
        if shared:
            pieces.append(self.together(shared, [row for row in several if row in shared]))
        if nobody:
            names = listed(str(row["name"]) for row in nobody)
            pieces.append(say(_("Nobody is to be contacted for {names}.", names=names)))
        return pieces

    def one(self, row: _Row) -> Html:
        """Return a promotion under its own heading."""
        promotion = row["promotion_id"]
        found = self.economics.of(promotion)
        held = 0 if found is None else found.held
        links = self.send_files(promotion)
        # The messages are escaped, the links in them are not.
        files = _("Send: {files}. ").format(files=links) if links else ""
        kept = escape(_n("{n} is held out.", "{n} are held out.", held))
        more = Html(f'<p class="more">{files}{kept} {_more()}</p>')
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
        table = self.economics.among(ids).table(
            beside,
            {
                "held": _("held out"),
                "expected": _expected(rows),
                "whom": _("mostly"),
                "send": _("send file"),
            },
            caption=_("As planned, {days}.", days=same) if same else _("As planned."),
        )
        whom = [
            say(_("{label}: {figure}", label=row["name"], figure=index.line()))
            for row, index in zip(rows, indices, strict=True)
            if index.stands_out
        ]
        folded = fold(_("Segments that stand out in each list"), whom)
        lists = [self.sizes.of(row["promotion_id"]).to_table() for row in several]
        sizes = fold(_("Longer and shorter lists"), lists)
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
        known = [(row["name"], self.policy.get(str(row["promotion_id"]))) for row in rows]
        told = [(name, mine) for name, mine in known if mine is not None]
        if not told or self.economics.largest is None:
            return []
        ends = (sum(m[name] for _n, m in told) for name in ("cost", "cost_low", "cost_high"))
        cost = money(*ends, currency=self.economics.largest.currency)
        by_chance = sum(mine["by_chance"] for name, mine in told)
        chosen = [(n, m["contacts"] - m["by_chance"], m["contacts"]) for n, m in told]
        # Of a bundle a customer counts for each.
        by_effect = sum(n for name, n, every in chosen)
        if not by_effect:
            text = _n(
                "Make {n} contact, all drawn by chance to learn from; cost {cost}.",
                "Make {n} contacts, all drawn by chance to learn from; cost {cost}.",
                by_chance,
                cost=cost,
            )
            return [say(text)]
        text = _n(
            "Make {n} contact {where}, and {drawn} that chance drew; cost {cost}.",
            "Make {n} contacts {where}, and {drawn} that chance drew; cost {cost}.",
            by_effect,
            where=_("of those who are all predicted to add the same")
            if self.alike
            else _("where a promotion adds most for what it costs"),
            drawn=count(by_chance),
            cost=cost,
        )
        if len(rows) == 1:
            return [say(text)]
        which = listed(
            _("{name} {n} of {all}", name=name, n=count(n), all=count(every))
            for name, n, every in chosen
            if n
        )
        return [say(f"{text} {_('By what they add: {which}.', which=which)}")]

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
    return f'<a href="08_plan.html">{escape(_("List, funnel, costs"))}</a>'


def _expected(rows: list[_Row]) -> str:
    noun = answer_to(row["kind"] for row in rows).noun
    return _("expected {redemption}s", redemption=noun)


def _offered(row: _Row) -> str:
    products, terms = row["products"], row.get("terms", "")
    many = "" if pd.isna(products) or not products else _n("{n} product", "{n} products", products)
    return "".join(f" · {part}" for part in (terms, many) if part)
