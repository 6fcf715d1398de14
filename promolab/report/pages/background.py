"""The blocks behind the answer: the segments, and what was left out."""

from __future__ import annotations

import pandas as pd

from promolab.campaign.past import FEWEST_UNITS
from promolab.display import Html, join, link, say, table
from promolab.folder import RunFolder
from promolab.language import _, _n
from promolab.segmentation import (
    APART,
    SEGMENT_FORMATS,
    SegmentProfile,
    advice_words,
    segment_words,
)
from promolab.wording import Answer, count, part_of, percent


def segments_finding(run: RunFolder, words: Answer) -> str:
    """Return which segment stands out, for a heading."""
    told = run.read_table("segment_profile")
    return SegmentProfile(told, "kmeans", int(told["customers"].sum())).finding(words.verb)


def segments_block(run: RunFolder, words: Answer) -> Html:
    """Return the segments, a row each: how large, what they bring and answer, what to do.

    Parameters
    ----------
    run : RunFolder
        With the tables of step 03.
    words : Answer
        What customers do about the shop's promotions.
    """
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


def data_block(run: RunFolder) -> Html:
    """Return what was left out, money beside rows; the rest is on page 01.

    Parameters
    ----------
    run : RunFolder
        With the records of step 01.
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
    return join(
        [
            say(first),
            Html(f'<ul class="lines">{items}</ul>' if items else ""),
            link("01_data.html", _("Rule by rule, and what is not read")),
        ]
    )
