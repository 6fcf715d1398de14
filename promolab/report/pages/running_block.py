"""The blocks of the page on promotions that run and those that come."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from promolab.campaign.readout import Running, RunningPromotion
from promolab.display import Html, fold, join, picture, say, table
from promolab.plots import COLOURS
from promolab.report.pages.ended import dates, until
from promolab.wording import answer_to, part_of, percent, plural

__all__ = ["coming_block", "running_block", "sparkline"]


_WIDTH, _HEIGHT = 150, 34


def sparkline(row: RunningPromotion) -> Html:
    """Return the responses so far (solid) and those expected (dotted, with band) as a small figure.

    Parameters
    ----------
    row : RunningPromotion
        One promotion that runs.
    """
    c = row.curve
    shown = c[["expected", "ci_high", "observed"]].to_numpy(dtype=float)
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    x = c["day"].to_numpy(dtype=float) / max(float(row.days), 1.0) * (_WIDTH - 2) + 1

    def at(name: str) -> str:
        y = _HEIGHT - 2 - c[name].to_numpy(dtype=float) / (top or 1.0) * (_HEIGHT - 4)
        points = zip(x[np.isfinite(y)], y[np.isfinite(y)], strict=True)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)

    band = f"{at('ci_low')} {' '.join(reversed(at('ci_high').split()))}"
    solid = f'fill="none" stroke="{COLOURS[0]}"'
    return Html(
        f'<svg role="img" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"<title>{escape(row.summary())}</title>"
        f'<polygon points="{band}" fill="{COLOURS[0]}" fill-opacity="0.15"/>'
        f'<polyline points="{at("expected")}" {solid} stroke-dasharray="2 3"/>'
        f'<polyline points="{at("observed")}" {solid} stroke-width="2"/></svg>'
    )


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
        Those rows of `promolab.campaign.past.timeline`.
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
