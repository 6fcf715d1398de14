"""The campaign report's blocks about several results: since last week, what comes, what is left."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pandas as pd

from promolab.campaign.outlook import OutlookCoverage
from promolab.campaign.past import FEWEST_UNITS, days_of, list_of, shifted
from promolab.campaign.readout import Running
from promolab.contract import Shop
from promolab.display import Html, beside, join, link, say
from promolab.folder import RunFolder
from promolab.loop.promises import ComparedForecasts
from promolab.results import Facts, worded_table, words_of
from promolab.sales import WeeklySales, monthly_cohorts
from promolab.segmentation import APART, SegmentProfile, advice_words
from promolab.wording import Answer, answer_to, listed, part_of

_EMPTY = re.compile(r"<p[^>]*>((?:(?!</p>).)*)</p>", re.DOTALL)
MOST_NAMED = 4
"""Promotions that started, or ended, are named; of more than these the rest is counted."""


def _words(**given: Any) -> Facts:
    return words_of(__name__, "blocks", **given)


def sales_and_changes(
    run: RunFolder,
    shop: Shop,
    sales: WeeklySales,
    promotions: pd.DataFrame | None = None,
    running: Running | None = None,
    forecasts: ComparedForecasts | None = None,
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
    running, forecasts : optional
        What runs; and what earlier weeks promised: where none is settled yet, how past promotions
        would have been forecast is shown.
    """
    if promotions is None or running is None or forecasts is None:
        return beside([sales.block(), monthly_cohorts(shop, run.as_of).block()])
    changes = since_last_week(run, sales, promotions, running, run.as_of, shop.zone)
    past = OutlookCoverage.read(run, shop).block()
    held = say(_words().say("record_head"), kind="h2") + forecasts.track_record(past)
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
    title = say(_words().say("since_head"), kind="h2")
    return title + join([say(line) for line in lines if line])


def _what_moved(
    promotions: pd.DataFrame, running: Running, since: pd.Timestamp, now: datetime
) -> str:
    """Say what started and ended since then, and how many answered what runs."""
    began = promotions["status"].isin(["running", "ended"])
    began &= promotions["starts_at"].between(since, pd.Timestamp(now), inclusive="left")
    over = (promotions["status"] == "ended") & (promotions["ends_at"] > since)
    told: dict[str, Any] = {"runs": len(running)}
    for case, rows in (("began", began), ("over", over)):
        names = promotions.loc[rows, "name"].tolist()
        more = len(names) - MOST_NAMED
        words = _words(names=names[:MOST_NAMED], more=more)
        told[case] = listed(names) if more <= 1 else words.say("and_more")
    if len(running):
        told["who"] = answer_to(row.kind for row in running.promotions)
        told["new"] = sum(row.observed - row.observed_by(since) for row in running.promotions)
    words = _words(still=not began.any() and not over.any(), **told)
    parts = (words.say(name) for name in ("started", "ended", "still", "new_answers"))
    return _words(parts=words.joined(parts, "each")).say("promotions")


def _earlier_report(run: RunFolder) -> str:
    """Say how the plan and the segments differ from those of last week's report."""
    week = run.week.previous()
    earlier = run.metrics_of(week)
    if earlier is None:
        return _words(week=str(week)).say("no_report")
    now, then = (
        float((metrics.get("plan") or {}).get("customers_to_contact") or 0)
        for metrics in (run.metrics, earlier)
    )
    text = _words(now=now, then=then, week=str(week)).say("to_contact")
    moved = (run.metrics.get("segments") or {}).get("migration") or {}
    stayed = moved.get("stayed") or {}
    if not (stayed.get("n") and moved.get("same_fit")):
        return text
    return f"{text} {_words(n=stayed['n'], share=1 - stayed['value']).say('moved_on')}"


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
    lines = []
    for row in rows.to_dict("records"):
        days = days_of(row["starts_at"], row["ends_at"], zone)
        products = 0 if pd.isna(row["products"]) else row["products"]
        words = _words(days=row["days"], products=products)
        long, many = words.say("days_long"), words.say("of_products")
        lines.append(" · ".join(filter(None, (row["name"], days, long, row.get("terms"), many))))
    items = "".join(say(line, kind="li").text for line in lines)
    title = say(_words(n=len(rows)).say("coming_head"), kind="h2")
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
    title = _words(finding=found or "").say("segments_head")
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
    made_in = str(run.metrics.get("segments", {}).get("made_in") or run.week)
    facts = _words(contacts=int(rows["contacts"].sum()), made_in=made_in, who=words)
    table = worded_table(facts.words["table"], facts, rows)
    return join([table, link("03_segments.html", facts.say("segments_link"))])


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
    if held < FEWEST_UNITS and sent + held < 2 * FEWEST_UNITS:
        return rule
    case = "runs" if held >= FEWEST_UNITS else "more"
    return _words(test=case, held=held, lacking=FEWEST_UNITS - held).say("next_test")


def what_was_left_out(run: RunFolder) -> Html:
    """Return what was left out, money beside rows; the rest is on page 01.

    Parameters
    ----------
    run : RunFolder
        With the records of step 01.
    """
    data = [v for v in run.metrics["data"].values() if isinstance(v, dict) and "rows_in" in v]
    kept = sum(v["rows_kept"] for v in data)
    out = sum(v["rows_quarantined"] for v in data)
    share = out / max(kept + out, 1)
    words = _words(n=kept + out, out=out, share=share)
    told = (run.spoken.get("quarantined") or {}).get("sentences", [])
    items = "".join(say(sentence, kind="li").text for sentence in told[:4])
    return join(
        [
            say(words.say("left_out_head"), kind="h2"),
            say(words.say("left_out")),
            Html(f'<ul class="lines">{items}</ul>' if items else ""),
            link("01_data.html", words.say("left_out_link")),
        ]
    )
