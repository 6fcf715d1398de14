"""The blocks of the page on promotions that run and those that come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from promolab.campaign._outcomes import contacts_before
from promolab.campaign.outlook import expected_of, type_of
from promolab.campaign.running_result import Running
from promolab.campaign.schedule import list_of
from promolab.contract import Shop
from promolab.model.credibility import PastRatios
from promolab.report.artifacts import RunFolder, read_json
from promolab.report.ended import dates
from promolab.report.page import Html, join, picture, say, table
from promolab.results import Estimate
from promolab.weeks import Week
from promolab.wording import answer_to, count, percent

__all__ = ["coming_block", "earlier_predictions", "running_block"]


def earlier_predictions(
    run: RunFolder, shop: Shop, running: pd.DataFrame, now: datetime
) -> dict[Any, Estimate]:
    """Return what the week in which each promotion started expected of those contacted for it.

    Parameters
    ----------
    run : RunFolder
        The reports of earlier weeks lie beside it.
    shop : Shop
        Says who was contacted.
    running : DataFrame
        promotion_id, starts_at, ends_at.
    now : datetime
        Contacts before it are read.

    Returns
    -------
    dict
        promotion_id → redeemers expected in all, with their prediction interval; without those
        that no earlier week predicted, or predicted for less than nine in ten of the contacted.
    """
    found: dict[Any, Estimate] = {}
    contacts = contacts_before(shop, running, now)
    told = shop.promotions.filter(shop.promotions.starts_at < now).execute().to_dict("records")
    types = {str(row["promotion_id"]): type_of(row) for row in told}
    for row in running.to_dict("records"):
        started = pd.Timestamp(row["starts_at"], tz="UTC").to_pydatetime()
        week = Week.containing(started, shop.zone)
        folder = RunFolder(run.path.resolve().parent / str(week), week)
        who = contacts.loc[contacts["promotion_id"] == row["promotion_id"], "customer_id"]
        metrics = read_json(folder.path / "metrics.json") or {}
        ratios = (metrics.get("response") or {}).get("past_ratios")
        if week == run.week or ratios is None or not folder.table_path("scores").exists():
            continue
        scores = folder.read_table("scores")
        mine = scores[scores["promotion_id"].astype(str) == str(row["promotion_id"])]
        chances = mine.loc[mine["customer_id"].isin(who), "p_redeemed"]
        if len(who) and len(chances) >= ENOUGH * len(who):
            # Those without history then had no chance predicted; they count as the others do.
            e = expected_of(chances, PastRatios.of(ratios), types[str(row["promotion_id"])])
            more = len(who) / len(chances)
            found[row["promotion_id"]] = Estimate(
                e.value * more, e.ci_low * more, e.ci_high * more, e.n
            )
    return found


ENOUGH = 0.9  # share of the contacted who had been scored


def running_block(running: Running, zone: str, empty: str = "") -> Html:
    """Return the promotions that run: how far they are, and whether they do as expected.

    Parameters
    ----------
    running : Running
        From `promolab.campaign.follow_running`.
    zone : str
        The shop's.
    empty : str
        The sentence where none runs.
    """
    rows = running.promotions
    if not rows:
        return say(empty or running.summary())
    text = pd.DataFrame(
        {
            "name": [r.name for r in rows],
            "valid": [dates(r.starts_at, r.ends_at, zone) for r in rows],
            "progress": [f"day {r.day} of {r.days}" for r in rows],
            "observed": [f"{count(r.observed)} of {count(r.contacts)}" for r in rows],
            "expected": [r.expected_words for r in rows],
            "word": [r.word for r in rows],
        }
    )
    level = percent(rows[0].level, decimals=0)
    most = max(rows, key=lambda r: r.contacts)
    words = answer_to(r.kind for r in rows)
    sources = dict.fromkeys(f"{r.name}: expected from {r.source}." for r in rows)
    return join(
        [
            say(running.summary()),
            table(
                text,
                {
                    "name": "promotion",
                    "valid": "valid",
                    "progress": "how far",
                    "observed": f"{words.past} so far",
                    "expected": "expected to date",
                    "word": f"{words.noun}s are",
                },
                dict.fromkeys(["observed", "expected"], str),
                caption=f"Sorted by end; what was known on the morning of the report; {level} "
                "prediction intervals.",
                most=20,
            ),
            picture(most.plot(), most.summary()),
            *(say(sentence, css="muted") for sentence in sources),
        ]
    )


def coming_block(promotions: pd.DataFrame, zone: str) -> Html:
    """Return the promotions that start in the four weeks after this one, a line each.

    Parameters
    ----------
    promotions : DataFrame
        From `promolab.campaign.timeline`.
    zone : str
        The shop's.
    """
    rows, sentence = list_of(promotions, "coming")
    if sentence:
        return say(sentence)
    records = rows.to_dict("records")
    text = rows.assign(valid=[dates(r["starts_at"], r["ends_at"], zone) for r in records])
    return table(
        text,
        {"name": "promotion", "valid": "valid", "days": "days", "products": "products"},
        {"products": lambda n: "–" if pd.isna(n) else count(n)},
        caption="Sorted by start.",
        most=20,
    )
