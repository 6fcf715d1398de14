"""The campaign report's blocks about several results: since last week, what starts, what comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote

import pandas as pd

from promolab.campaign.outlook import LaunchEconomics, ListSteps
from promolab.campaign.past import days_of, list_of, shifted
from promolab.campaign.plan import file_names
from promolab.campaign.readout import Running
from promolab.contract import Shop
from promolab.display import Html, join, say, table
from promolab.folder import RunFolder
from promolab.report.pages.background import data_block, segments_block, segments_finding
from promolab.sales import WeeklySales
from promolab.segmentation import segment_index
from promolab.wording import Answer, answer_to, count, money, percent, plural

_MORE = (
    (("promotions", "exposures", "responses"), "who is likely to answer what starts, how many to "
     "expect, what it costs, and what became of past promotions"),
    (("promotion_products",), "what the products of a promotion cost in discounts"),
    (("decisions",), "what promotions themselves add: who was held back by which chance"),
    (("contact_rights",), "who may be contacted, before anything is sent"),
    (("products",), "interests and price level of each customer"),
)  # fmt: skip
MOST_NAMED = 4
"""Promotions that started, or ended, are named; of more than these the rest is counted."""


def since_last_week(
    run: RunFolder,
    sales: WeeklySales,
    promotions: pd.DataFrame,
    running: Running,
    as_of: datetime,
    zone: str,
) -> Html:
    """Return what the shop sold, what promotions did, and what the report of last week had planned.

    Parameters
    ----------
    run : RunFolder
        The week's folder; last week's lies beside it, where there is one.
    sales : WeeklySales
        Of `promolab.sales.weekly_sales`.
    promotions : DataFrame
        Of `promolab.campaign.past.timeline`.
    running : Running
        What runs.
    as_of : datetime
        UTC without a zone.
    zone : str
        The shop's: a week is seven of its days.
    """
    since = pd.Timestamp(shifted(as_of, -7, zone))
    lines = [
        sales.sales_sentence(),
        _what_moved(promotions, running, since, as_of),
        _earlier_report(run),
    ]
    return join([say(line) for line in lines if line])


def _what_moved(
    promotions: pd.DataFrame, running: Running, since: pd.Timestamp, now: datetime
) -> str:
    """Say what started and ended since then, and how many answered what runs."""
    began = promotions["status"].isin(["running", "ended"])
    began &= promotions["starts_at"].between(since, pd.Timestamp(now), inclusive="left")
    over = (promotions["status"] == "ended") & (promotions["ends_at"] > since)
    parts = [
        f"{_named(promotions.loc[rows, 'name'].tolist())} {word}"
        for rows, word in ((began, "started"), (over, "ended"))
        if rows.any()
    ]
    text = f"Promotions: {'; '.join(parts) or 'nothing started or ended'}"
    if not len(running):
        return f"{text}."
    noun = answer_to(row.kind for row in running.promotions).noun
    new = sum(row.observed - row.observed_by(since) for row in running.promotions)
    return f"{text}; what runs brought {plural(new, noun)}."


def _named(names: list[str]) -> str:
    """Name a few promotions, and count the rest."""
    more = len(names) - MOST_NAMED
    return ", ".join(names) if more < 2 else f"{', '.join(names[:MOST_NAMED])} and {more} more"


def _earlier_report(run: RunFolder) -> str:
    """Say how the plan and the segments differ from those of last week's report."""
    week = run.week.previous()
    earlier = run.metrics_of(week)
    if earlier is None:
        return f"No report of {week} lies in this folder: plans and segments cannot be compared."
    now, then = (
        float((metrics.get("plan") or {}).get("customers_to_contact") or 0)
        for metrics in (run.metrics, earlier)
    )
    text = f"Customers to contact: {count(now)}, in the report of {week} {count(then)}."
    moved = (run.metrics.get("segments") or {}).get("migration") or {}
    stayed = moved.get("stayed") or {}
    if not (stayed.get("n") and moved.get("same_fit")):
        return text
    n, share = stayed["n"], percent(1 - stayed["value"], decimals=0)
    return f"{text} Of {plural(n, 'customer')} {share} moved to another segment."


def launching(
    run: RunFolder, promotions: pd.DataFrame, economics: LaunchEconomics, zone: str
) -> Html:
    """Return the promotions that start: lists side by side, whom they hold, what to send.

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
        return say(f"{empty} There is nobody to rank and nobody to contact.")
    title = say(f"Launching ({len(rows)})", kind="h2")
    if not len(economics):
        why = str(run.metrics.get("response", {}).get("summary", ""))
        return title + say(why or "Nobody is to be contacted.")
    pieces = [_launch(row, run, economics, zone) for row in rows.to_dict("records")]
    return join([title, *pieces, *_not_known(run)])


def _not_known(run: RunFolder) -> list[Html]:
    """Point to the experiment that would tell what a contact adds; nothing where that is known."""
    policy = run.metrics.get("policy") or {}
    if not policy.get("experiment"):
        return []
    more = '<a href="07_policy.html">An experiment that would tell what it adds</a>'
    return [Html(f'<p class="more">{escape(policy["not_kept"])} {more}</p>')]


def _launch(row: dict[Any, Any], run: RunFolder, economics: LaunchEconomics, zone: str) -> Html:
    products = row["products"]
    offered = "" if pd.isna(products) or not products else f" · {plural(products, 'product')}"
    days = days_of(row["starts_at"], row["ends_at"], zone)
    title = say(f"{row['name']} · {days}{offered}", kind="h3")
    promotion = row["promotion_id"]
    found = economics.of(promotion)
    if found is None or not found.contacts:
        return join([title, say("Nobody is to be contacted for it.")])
    scores, segments = run.read_table("scores"), run.read_table("segments")
    planned = run.read_table("planned")
    ranked = scores.loc[scores["promotion_id"] == promotion, "customer_id"]
    mine = planned["promotion_id"].astype(str) == str(promotion)
    sent = planned.loc[mine & (planned["holdout"] == "none"), "customer_id"]
    index = segment_index(segments[segments["customer_id"].isin(ranked)], sent.to_numpy())
    sizes = ListSteps(run.read_table("list_sizes"), economics)
    links = [f'<a href="{quote(file)}">{escape(file)}</a>' for file in _send_files(run, promotion)]
    files = f"Send: {', '.join(links)}. " if links else ""
    more = (
        f'<p class="more">{files}{count(found.held)} are held out. '
        '<a href="08_plan.html">List, funnel, costs</a></p>'
    )
    chosen = _chosen_line(run, promotion, economics)
    return join([title, *chosen, sizes.of(promotion).to_table(), say(index.line()), Html(more)])


def _chosen_line(run: RunFolder, promotion: Any, economics: LaunchEconomics) -> list[Html]:
    """Say that what it adds chose its customers, and what they are charged; nothing elsewhere."""
    policy = run.metrics.get("policy") or {}
    mine = (policy.get("promotions") or {}).get(str(promotion))
    found = economics.of(promotion)
    if mine is None or found is None:
        return []
    cost = money(mine["cost"], currency=found.currency)
    by_effect = mine["customers"] - mine["by_chance"]
    who = (
        f"Planned: {plural(by_effect, 'customer')} with whom it adds most for what it costs, and "
        f"{count(mine['by_chance'])} whom chance drew"
        if by_effect
        else f"Planned: {plural(mine['by_chance'], 'customer')}, all drawn by chance to learn from"
    )
    return [say(f"{who}; charged {cost}.")]


def _send_files(run: RunFolder, promotion_id: Any) -> Sequence[str]:
    funnel = run.read_table("funnel")
    pairs = list(zip(funnel["promotion_id"], funnel["channel"], strict=True))
    named = zip(pairs, file_names(pairs), strict=True)
    return [f"send/{name}" for (other, _), name in named if str(other) == str(promotion_id)]


def coming(promotions: pd.DataFrame, zone: str) -> Html:
    """Return the promotions that start in the four weeks after this one, a line each.

    Parameters
    ----------
    promotions : DataFrame
        Of `promolab.campaign.past.timeline`.
    zone : str
        The shop's.
    """
    rows, empty = list_of(promotions, "coming")
    if empty:
        return say(empty)
    lines = [
        f"{r['name']} · {days_of(r['starts_at'], r['ends_at'], zone)} · {plural(r['days'], 'day')}"
        + ("" if pd.isna(r["products"]) else f" · {plural(r['products'], 'product')}")
        for r in rows.to_dict("records")
    ]
    items = "".join(say(line, kind="li").text for line in lines)
    title = say(f"Coming ({len(rows)})", kind="h2")
    return title + Html(f'<ul class="lines">{items}</ul>')


def segments(run: RunFolder, words: Answer) -> Html:
    """Return the segments, a row each: what they bring, how they answer, what to do."""
    found = segments_finding(run, words)
    title = say(f"Segments: {found}" if found else "Segments", kind="h2")
    return title + segments_block(run, words)


def what_was_left_out(run: RunFolder, shop: Shop) -> Html:
    """Return what was left out, and what more tables would tell where none is of promotions."""
    more = [more_would_tell(shop)] if shop.lacks("response models") else []
    return join([*more, say("What was left out", kind="h2"), data_block(run)])


def more_would_tell(shop: Shop) -> Html:
    """Return what tables the shop does not have would add to its page.

    Parameters
    ----------
    shop : Shop
        Whose tables count.
    """
    rows = [
        (", ".join(name.replace("_", " ") for name in names if not shop.has(name)), told)
        for names, told in _MORE
        if not all(shop.has(name) for name in names)
    ]
    return join(
        [
            say("What more tables would tell", kind="h2"),
            table(
                pd.DataFrame(rows, columns=["tables", "adds"]),
                {"tables": "tables that would have to be there", "adds": "what they would add"},
                caption="The most useful first.",
            ),
        ]
    )
