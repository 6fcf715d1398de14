"""What changed since last week, in three lines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from promolab.campaign.past import shifted
from promolab.campaign.readout import Running
from promolab.display import Html, join, say
from promolab.folder import RunFolder
from promolab.sales import WeeklySales
from promolab.wording import answer_to, count, percent, plural

__all__ = ["since_last_week"]


def since_last_week(
    run: RunFolder,
    sales: WeeklySales,
    promotions: pd.DataFrame,
    running: Running | None,
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
    running : Running or None
        What runs.
    as_of : datetime
        UTC without a zone.
    zone : str
        The shop's: a week is seven of its days.
    """
    lines = [
        sales.sales_sentence(),
        _promotions(promotions, running, pd.Timestamp(shifted(as_of, -7, zone)), as_of),
        _earlier_report(run),
    ]
    return join([say(line) for line in lines if line])


def _promotions(
    promotions: pd.DataFrame, running: Running | None, since: pd.Timestamp, now: datetime
) -> str:
    """Say what started and ended since then, and how many answered what runs."""
    began = promotions["status"].isin(["running", "ended"])
    began &= promotions["starts_at"].between(since, pd.Timestamp(now), inclusive="left")
    over = (promotions["status"] == "ended") & (promotions["ends_at"] > since)
    parts = []
    for rows, word in ((promotions[began], "started"), (promotions[over], "ended")):
        if len(rows):
            parts.append(f"{', '.join(rows['name'])} {word}")
    text = f"Promotions: {'; '.join(parts) or 'nothing started or ended'}"
    if running is None or not len(running):
        return f"{text}."
    words = answer_to(row.kind for row in running.promotions)
    new = sum(row.observed - _observed_by(row.curve, since) for row in running.promotions)
    return f"{text}; what runs brought {plural(new, words.noun)}."


def _observed_by(curve: pd.DataFrame, moment: pd.Timestamp) -> int:
    before = curve.loc[(curve["at"] <= moment) & curve["observed"].notna(), "observed"]
    return int(before.iloc[-1]) if len(before) else 0


def _earlier_report(run: RunFolder) -> str:
    """Say how the plan and the segments differ from those of last week's report."""
    week = run.week.previous()
    earlier = run.metrics_of(week)
    if earlier is None:
        return f"No report of {week} lies in this folder: plans and segments cannot be compared."
    now, then = (_contacts(metrics) for metrics in (run.metrics, earlier))
    text = f"Customers to contact: {count(now)}, in the report of {week} {count(then)}."
    moved = (run.metrics.get("segments") or {}).get("migration") or {}
    stayed = moved.get("stayed") or {}
    if not (stayed.get("n") and moved.get("same_fit")):
        return text
    n, share = stayed["n"], percent(1 - stayed["value"], decimals=0)
    return f"{text} Of {plural(n, 'customer')} {share} moved to another segment."


def _contacts(metrics: dict[str, Any]) -> float:
    return float((metrics.get("plan") or {}).get("customers_to_contact") or 0)
