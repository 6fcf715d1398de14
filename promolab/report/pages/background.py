"""The blocks behind the answer: the segments, and what was left out."""

from __future__ import annotations

import pandas as pd

from promolab.display import Html, join, link, say, table
from promolab.folder import RunFolder
from promolab.language import _, _n
from promolab.segmentation import APART, SEGMENT_FORMATS, SegmentProfile, segment_words
from promolab.wording import Answer, count, percent


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
    rows["segment"] = rows["segment"].map(segment_words)
    rows["so_do_this"] = [_(line) for line in rows["so_do_this"].fillna("")]
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
                    "so_do_this": _("so do this"),
                },
                SEGMENT_FORMATS,
                caption=_(
                    "Largest first; 95 % intervals. {rates}Drawn in {week}; lines by fixed rules, "
                    "not from a trial.",
                    rates=_rate_words(rows),
                    week=made_in,
                ),
                most=12,
            ),
            link("03_segments.html", _("Why, and how the segments were made")),
        ]
    )


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
