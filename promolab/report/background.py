"""The blocks behind the answer: segments, how good predictions were, the data, the words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from promolab import plots
from promolab.glossary import describe
from promolab.metrics import calibration, roc
from promolab.profiles import life_stages
from promolab.report.artifacts import RunFolder
from promolab.report.page import Html, join, picture, say, table
from promolab.report.segment_views import (
    advice_columns,
    stage_columns,
    stage_formats,
    stage_rows,
)
from promolab.report.steps import segment_columns, segment_formats, segment_rows
from promolab.segmentation import SegmentProfile
from promolab.segmentation.advice import BASIS
from promolab.wording import Answer, count, number, percent

__all__ = ["data_block", "glossary_block", "quality_block", "segments_block"]

WORDS_EXPLAINED = (
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
    "prediction interval",
    "expected discount cost",
    "break-even",
    "smallest effect",
    "bought anyway",
    "assumed",
    "randomised",
    "standing holdout",
    "so_do_this",
    "interests",
    "purchasing_power",
    "loyalty",
    "habits",
)


def segments_block(run: RunFolder) -> Html:
    """Return the segments, a line each, with their figures."""
    told = run.read_table("segment_profile")
    profile = SegmentProfile(told, "kmeans", int(told["customers"].sum()))
    made_in = str(run.metrics.get("segments", {}).get("made_in") or run.week)
    if made_in != str(run.week):
        basis = (
            f"Descriptive: the groups were made in week {made_in}, from mostly the same customers."
        )
        profile = dataclasses.replace(profile, basis=basis)
    features = run.read_table("features")
    stages = life_stages(features, run.read_table("segments")["customer_id"])
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
            say("What to do with each", kind="h3"),
            table(run.read_table("segment_advice"), advice_columns(), caption=BASIS, most=20),
            say("New, returning and lapsed customers", kind="h3"),
            say(stages.summary()),
            table(stage_rows(stages), stage_columns(), stage_formats(), most=10),
            Html('<p class="more"><a href="03_segments.html">How the segments were made</a></p>'),
        ]
    )


def quality_block(backtest: pd.DataFrame, response: Mapping[str, Any], words: Answer) -> Html:
    """Return ROC and calibration of past predictions."""
    rows = backtest
    if rows.empty or rows["y"].nunique() < 2:
        return say(str(response.get("backtest") or "Nothing could be predicted yet."))
    curve = roc(rows["y"], rows["p"], cluster=rows["customer_id"])
    right = calibration(rows["y"], rows["p"], cluster=rows["customer_id"])
    ratio = right.observed_expected
    times = number(ratio.value, ratio.ci_low, ratio.ci_high, decimals=2)
    ranks = percent(curve.auc, curve.ci_low, curve.ci_high)
    n = f"{count(curve.n)} contacts, {count(curve.positives)} {words.past}"
    ranking = plots.finish(
        curve.plot(),
        title=f"A {words.who} ranks above another in {ranks} of pairs",
        subtitle=f"ROC curve with 95 % band; {n}",
        xlabel="share of the others taken with them",
        ylabel=f"share of {words.who}s found",
        percent_x=True,
        percent_y=True,
    )
    chances = plots.finish(
        right.plot(),
        title=f"Over all past contacts {times} times as many {words.past} as predicted",
        subtitle=f"by tenth of the list, 95 % intervals; {n}",
        xlabel="chance predicted",
        ylabel=f"share that {words.past}",
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


def data_block(metrics: Mapping[str, Any]) -> Html:
    """Return rows kept and quarantined, and what was left out and why."""
    data = {k: v for k, v in metrics["data"].items() if "rows_in" in v}
    frame = pd.DataFrame(data).T.rename_axis("table").reset_index()
    frame["table"] = frame["table"].str.replace("_", " ")
    frame["rows"] = frame["rows_kept"] + frame["rows_quarantined"]
    left_out = metrics.get("left_out", [])
    return join(
        [
            table(
                frame,
                {
                    "table": "table",
                    "rows": "rows by then",
                    "rows_kept": "kept",
                    "rows_quarantined": "quarantined",
                },
                dict.fromkeys(["rows", "rows_kept", "rows_quarantined"], count),
                caption="On the morning of the plan: rows by then = kept + quarantined.",
                most=20,
                file="tables/quarantine.parquet",
                file_text="The quarantined rows as a file",
            ),
            *(say(sentence, css="muted") for sentence in left_out),
            Html('<p class="more"><a href="01_data.html">Rule by rule</a></p>'),
        ]
    )


def glossary_block(words: Answer) -> Html:
    """Return the words of the page and what they mean."""
    own = (f"likely to {words.verb}", f"expected {words.noun}s")
    explained = describe([*own, *WORDS_EXPLAINED])
    return table(explained, {"label": "word", "meaning": "meaning"}, most=len(explained))
