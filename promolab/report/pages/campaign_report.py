"""The campaign report's blocks about several results: since last week, what comes, what is left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from promolab.campaign.outlook import TrackRecord
from promolab.campaign.past import FEWEST_UNITS, days_of, list_of, shifted
from promolab.campaign.readout import Running
from promolab.contract import Shop
from promolab.display import Html, beside, join, link, say, table
from promolab.folder import RunFolder
from promolab.language import _, _n, marked
from promolab.loop.promises import ComparedForecasts
from promolab.report.pages.choice import estimate_of
from promolab.sales import WeeklySales, monthly_cohorts
from promolab.segmentation import (
    APART,
    SEGMENT_FORMATS,
    SegmentProfile,
    advice_words,
    segment_words,
)
from promolab.weeks import Week
from promolab.wording import Answer, answer_to, count, listed, money, part_of, percent

_MORE = (
    (("promotions", "exposures", "responses"),
     marked("who is likely to answer what starts, how many to expect, what it costs, and what "
            "became of past promotions")),
    (("promotion_products",), marked("what the products of a promotion cost in discounts")),
    (("decisions",),
     marked("what promotions themselves add: who was held back by which chance")),
    (("contact_rights",), marked("who may be contacted, before anything is sent")),
    (("products",), marked("interests and price level of each customer")),
)  # fmt: skip
_EMPTY = re.compile(r"<p[^>]*>((?:(?!</p>).)*)</p>", re.DOTALL)
MOST_NAMED = 4
"""Promotions that started, or ended, are named; of more than these the rest is counted."""


def sales_and_changes(
    run: RunFolder,
    shop: Shop,
    sales: WeeklySales,
    promotions: pd.DataFrame | None = None,
    running: Running | None = None,
    forecasts: ComparedForecasts | None = None,
    record: TrackRecord | None = None,
) -> Html:
    """Return what the shop sold, beside what changed since last week and how forecasts held.

    Parameters
    ----------
    run : RunFolder
        The week's folder; last week's lies beside it, where there is one.
    shop : Shop
        The cleaned shop.
    sales : WeeklySales
        Of `promolab.sales.weekly_sales`.
    promotions : DataFrame, optional
        Of `promolab.campaign.past.timeline`; without promotions to speak of it is told who comes
        back.
    running, forecasts, record : optional
        What runs; what earlier weeks promised; and promotions that are over, where no promise is
        settled yet.
    """
    if promotions is None or running is None or forecasts is None or record is None:
        return beside([sales.block(), monthly_cohorts(shop, run.as_of).block()])
    changes = since_last_week(run, sales, promotions, running, run.as_of, shop.zone)
    held = say(_("Track record"), kind="h2") + forecasts.track_record(record.block())
    return beside([sales.block(), changes + held])


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
    title = say(_("Since last week"), kind="h2")
    return title + join([say(line) for line in lines if line])


def _what_moved(
    promotions: pd.DataFrame, running: Running, since: pd.Timestamp, now: datetime
) -> str:
    """Say what started and ended since then, and how many answered what runs."""
    began = promotions["status"].isin(["running", "ended"])
    began &= promotions["starts_at"].between(since, pd.Timestamp(now), inclusive="left")
    over = (promotions["status"] == "ended") & (promotions["ends_at"] > since)
    parts = [
        _(message, names=_named(promotions.loc[rows, "name"].tolist()))
        for rows, message in (
            (began, marked("{names} started")),
            (over, marked("{names} ended")),
        )
        if rows.any()
    ] or [_("nothing started or ended")]
    if len(running):
        who = answer_to(row.kind for row in running.promotions).who
        new = sum(row.observed - row.observed_by(since) for row in running.promotions)
        parts.append(
            _n(
                "what runs brought {n} new {redeemer}",
                "what runs brought {n} new {redeemer}s",
                new,
                redeemer=who,
            )
        )
    return _("Promotions: {parts}.", parts=_("; ").join(parts))


def _named(names: list[str]) -> str:
    """Name a few promotions, and count the rest."""
    more = len(names) - MOST_NAMED
    if more < 2:
        return listed(names)
    return _("{names} and {n} more", names=listed(names[:MOST_NAMED]), n=more)


def _earlier_report(run: RunFolder) -> str:
    """Say how the plan and the segments differ from those of last week's report."""
    week = run.week.previous()
    earlier = run.metrics_of(week)
    if earlier is None:
        return _(
            "No report of {week} lies in this folder: plans and segments cannot be compared.",
            week=week,
        )
    now, then = (
        float((metrics.get("plan") or {}).get("customers_to_contact") or 0)
        for metrics in (run.metrics, earlier)
    )
    text = _(
        "Customers to contact: {now}, in the report of {week} {then}.",
        now=count(now),
        week=week,
        then=count(then),
    )
    if now and then:
        text = f"{text} {_other_plan(run, week, earlier)}"
    moved = (run.metrics.get("segments") or {}).get("migration") or {}
    stayed = moved.get("stayed") or {}
    if not (stayed.get("n") and moved.get("same_fit")):
        return text
    n, share = stayed["n"], percent(1 - stayed["value"], decimals=0)
    moved_on = _n(
        "Of {n} customer {share} moved to another segment.",
        "Of {n} customers {share} moved to another segment.",
        n,
        share=share,
    )
    return f"{text} {moved_on}"


def _other_plan(run: RunFolder, week: Week, earlier: Mapping[str, Any]) -> str:
    """Say what the plan costs beside last week's, and how many are on both lists."""
    plans = [metrics.get("economics") or {} for metrics in (run.metrics, earlier)]
    costs = [[estimate_of(one["cost"]).ends for one in plan.values()] for plan in plans]
    now, then = ([sum(ends) for ends in zip(*cost, strict=True)] or [0.0] for cost in costs)
    currency = next((str(one["currency"]) for one in plans[0].values()), "")
    lists = [
        set(planned.loc[planned["holdout"] == "none", "customer_id"])
        for planned in (r.read_table("planned") for r in (run, run.reports.run(week)))
    ]
    return _(
        "It costs {now}, the earlier plan {then}; {n} of its customers were on that list too.",
        now=money(*now, currency=currency, bare=True),
        then=money(*then, currency=currency, bare=True),
        n=count(len(lists[0] & lists[1])),
    )


def _products(n: Any) -> str:
    return "" if pd.isna(n) else _n("{n} product", "{n} products", n)


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
        f"{r['name']} · {days_of(r['starts_at'], r['ends_at'], zone)} · "
        + _n("{n} day", "{n} days", r["days"])
        + "".join(f" · {part}" for part in (r.get("terms"), _products(r["products"])) if part)
        for r in rows.to_dict("records")
    ]
    items = "".join(say(line, kind="li").text for line in lines)
    title = say(_("Coming ({n})", n=len(rows)), kind="h2")
    return title + Html(f'<ul class="lines">{items}</ul>')


def together(*blocks: Html) -> Html:
    """Return blocks, those that only say why they are empty as one line at the end."""
    empty = [block for block in blocks if _EMPTY.fullmatch(block.text)]
    lines = " ".join(_EMPTY.sub(r"\1", block.text) for block in empty)
    line = [Html(f'<p class="absent">{lines}</p>')] if lines else []
    return join([*(block for block in blocks if block not in empty), *line])


def segments(run: RunFolder, words: Answer) -> Html:
    """Return the segments, a row each, below which of them stands out.

    Parameters
    ----------
    run : RunFolder
        With the tables of step 03.
    words : Answer
        What customers do about the shop's promotions.
    """
    told = run.read_table("segment_profile")
    profile = SegmentProfile(told, "kmeans", int(told["customers"].sum()))
    found = profile.finding(words.verb)
    title = _("Segments: {finding}", finding=found) if found else _("Segments")
    return say(title, kind="h2") + segments_table(run, words)


def segments_table(run: RunFolder, words: Answer) -> Html:
    """Return the segments, a row each: how large, what they bring and answer, what to do."""
    told = run.read_table("segment_profile")
    told = told.assign(apart=told["segment"].isin(APART))
    told = told.sort_values(["apart", "customers", "segment"], ascending=[True, False, True])
    advice = run.read_table("segment_advice")[["segment", "so_do_this"]]
    rows = told.merge(advice, on="segment", how="left")
    rows["so_do_this"] = [advice_words(line) for line in rows["so_do_this"].fillna("")]
    rows = _with_plan(run, rows)
    rows["segment"] = rows["segment"].map(segment_words)
    made_in = str(run.metrics.get("segments", {}).get("made_in") or run.week)
    return join(
        [
            table(
                rows,
                {
                    "segment": _("segment"),
                    "customers": _("customers"),
                    "share_sales": _("share of sales"),
                    "response_rate": _("{redemption} rate", redemption=words.noun),
                    "click_rate": _("click rate"),
                    "in_list": _("in this week's list"),
                    "next_test": _("next test"),
                },
                SEGMENT_FORMATS,
                caption=_(
                    "Largest first. {rates}Drawn in {week}. Who is on the list is tested by those "
                    "held back; for others the test follows from fixed rules.",
                    rates=_rate_words(rows),
                    week=made_in,
                ),
                most=12,
            ),
            link("03_segments.html", _("Why, and how the segments were made")),
        ]
    )


def _with_plan(run: RunFolder, rows: pd.DataFrame) -> pd.DataFrame:
    """Add how many of each segment are on the list, and the test that this leaves to be made."""
    planned = run.read_table("planned") if run.table_path("planned").exists() else pd.DataFrame()
    if planned.empty:
        return rows.assign(in_list=None, next_test=rows["so_do_this"])
    of = run.read_table("segments").set_index("customer_id")["segment"]
    sent, held = (
        of.reindex(planned.loc[planned["holdout"] == holdout, "customer_id"].unique())
        for holdout in ("none", "promotion")
    )
    counts = [
        (int((sent == segment).sum()), int((held == segment).sum()), rule)
        for segment, rule in zip(rows["segment"], rows["so_do_this"], strict=True)
    ]
    shares = [part_of(n, k) for (n, *_rest), k in zip(counts, rows["customers"], strict=True)]
    return rows.assign(in_list=shares, next_test=[_next_test(*each) for each in counts])


def _next_test(sent: int, held: int, rule: str) -> str:
    """Return the test that is left; of whom hardly anybody is on the list, what rules say."""
    if held >= FEWEST_UNITS:
        return _("Runs: {n} held back by chance.", n=count(held))
    if sent + held < 2 * FEWEST_UNITS:
        return rule
    more = count(FEWEST_UNITS - held)
    return _("Hold back {n} more by chance: too few are to tell.", n=more)


def _rate_words(rows: pd.DataFrame) -> str:
    if not (rows["contacts"] > 0).any():
        return ""
    return _n(
        "Rates of {n} contact for promotions that are over, by segment at the start. ",
        "Rates of {n} contacts for promotions that are over, by segment at the start. ",
        rows["contacts"].sum(),
    )


def what_was_left_out(run: RunFolder, shop: Shop) -> Html:
    """Return what was left out, money beside rows; the rest is on page 01.

    Where no table is of promotions, what more tables would tell comes first.

    Parameters
    ----------
    run : RunFolder
        With the records of step 01.
    shop : Shop
        Whose tables count.
    """
    metrics = run.metrics
    data = [v for v in metrics["data"].values() if isinstance(v, dict) and "rows_in" in v]
    kept = sum(v["rows_kept"] for v in data)
    out = sum(v["rows_quarantined"] for v in data)
    share = percent(out / (kept + out), decimals=2) if 10_000 * out >= kept + out else _("< 0.01 %")
    if out:
        first = _n(
            "{n} row were known by then; {out} ({share}) were left out.",
            "{n} rows were known by then; {out} ({share}) were left out.",
            kept + out,
            out=count(out),
            share=share,
        )
    else:
        first = _n(
            "{n} row were known by then; none was left out.",
            "{n} rows were known by then; none was left out.",
            kept + out,
        )
    told = (run.spoken.get("quarantined") or {}).get("sentences", [])
    items = "".join(say(sentence, kind="li").text for sentence in told[:4])
    more = [more_would_tell(shop)] if shop.lacks("response models") else []
    return join(
        [
            *more,
            say(_("What was left out"), kind="h2"),
            say(first),
            Html(f'<ul class="lines">{items}</ul>' if items else ""),
            link("01_data.html", _("Rule by rule, and what is not read")),
        ]
    )


def more_would_tell(shop: Shop) -> Html:
    """Return what tables the shop does not have would add to its page.

    Parameters
    ----------
    shop : Shop
        Whose tables count.
    """
    rows = [
        (listed(_(name.replace("_", " ")) for name in names if not shop.has(name)), _(told))
        for names, told in _MORE
        if not all(shop.has(name) for name in names)
    ]
    return join(
        [
            say(_("What more tables would tell"), kind="h2"),
            table(
                pd.DataFrame(rows, columns=["tables", "adds"]),
                {
                    "tables": _("tables that would have to be there"),
                    "adds": _("what they would add"),
                },
                caption=_("The most useful first."),
            ),
        ]
    )
