"""The blocks of the page on promotions that run and those that come."""

from __future__ import annotations

import pandas as pd

from promolab.campaign.running_result import Running
from promolab.report.ended import dates, until
from promolab.report.page import Html, fold, join, picture, say, table
from promolab.report.sparkline import sparkline
from promolab.wording import answer_to, part_of, percent, plural

__all__ = ["coming_block", "running_block"]


def running_block(running: Running, zone: str) -> Html:
    """Return the promotions that run, a row each: how far they are, and whether as expected.

    Parameters
    ----------
    running : Running
        From `promolab.campaign.follow_running`.
    zone : str
        The shop's.
    """
    rows = running.promotions
    text = pd.DataFrame(
        {
            "name": [f"{r.name} {until(r.ends_at, zone)}" for r in rows],
            "progress": [f"day {r.day} of {r.days}" for r in rows],
            "observed": [part_of(r.observed, r.contacts) for r in rows],
            "expected": [r.expected_words for r in rows],
            "course": [sparkline(r) for r in rows],
            "word": [r.word for r in rows],
        }
    )
    level = percent(rows[0].level, decimals=0)
    most = max(rows, key=lambda r: r.contacts)
    words = answer_to(r.kind for r in rows)
    sources = [
        f"{r.name} ({dates(r.starts_at, r.ends_at, zone)}): expected from {r.source}." for r in rows
    ]
    return join(
        [
            table(
                text,
                {
                    "name": "promotion",
                    "progress": "how far",
                    "observed": f"{words.past} so far",
                    "expected": f"expected to date [{level}]",
                    "course": "so far and expected",
                    "word": f"{words.noun}s are",
                },
                dict.fromkeys(["observed", "expected"], str),
                caption="Sorted by end.",
                most=20,
            ),
            fold(
                "What was expected, and from what",
                [
                    picture(most.plot(), most.summary()),
                    *(say(sentence, css="muted") for sentence in sources),
                ],
            ),
        ]
    )


def coming_block(promotions: pd.DataFrame, zone: str) -> Html:
    """Return the promotions that start in the four weeks after this one, a line each.

    Parameters
    ----------
    promotions : DataFrame
        Those rows of `promolab.campaign.timeline`.
    zone : str
        The shop's.
    """
    lines = [
        f"{r['name']} · {dates(r['starts_at'], r['ends_at'], zone)} · {plural(r['days'], 'day')}"
        + ("" if pd.isna(r["products"]) else f" · {plural(r['products'], 'product')}")
        for r in promotions.to_dict("records")
    ]
    items = "".join(say(line, kind="li").text for line in lines)
    return Html(f'<ul class="lines">{items}</ul>')
