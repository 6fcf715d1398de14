"""What this week's features are compared with: the last good week's, or earlier ones made anew."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from promolab.features import build_features
from promolab.folder import RunFolder
from promolab.loop.monitoring.drift import FeatureDrift, feature_drift
from promolab.segmentation import drawn_customers
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop


WEEKS = 4
NOTHING = pd.DataFrame(columns=["column", "psi", "drift", "grows"])


def last_good(run: RunFolder) -> RunFolder | None:
    """Return the folder of the latest good week before a run's; None where there is none."""
    earlier = [week for week in run.reports.weeks() if week < run.week]
    return run.reports.run(earlier[-1]) if earlier else None


def drift_since(run: RunFolder, shop: Shop, *, weeks: int = WEEKS, seed: int = 0) -> FeatureDrift:
    """Compare the week's features with those of the last good week, else of weeks before.

    Parameters
    ----------
    run : RunFolder
        With the table ``features``; earlier weeks lie beside it.
    shop : Shop
        Where earlier features come from if there is no earlier week.
    weeks : int
        How far to look back then.
    seed : int
        Start of the random numbers.

    Returns
    -------
    FeatureDrift
        False, with its reason, where the shop's history is too short.
    """
    now, before = run.read_table("features"), last_good(run)
    if before is not None and before.table_path("features").is_file():
        then, since = pd.read_parquet(before.table_path("features")), str(before.week)
        moment = before.as_of
    else:
        moment = run.as_of - pd.Timedelta(weeks=weeks)
        some = drawn_customers(now["customer_id"], seed=seed)
        then = build_features(shop, moment).execute()
        then, now = (f[f["customer_id"].isin(some)] for f in (then, now))
        since = f"{plural(weeks, 'week')} before"
    if then.empty or now.empty:
        return FeatureDrift(
            NOTHING, len(then), len(now), note="The shop's history is too short to look back."
        )
    return feature_drift(
        then, now, since=since, note=season_words(shop, moment, run.as_of), seed=seed
    )


def season_words(shop: Shop, then: datetime, now: datetime) -> str:
    """Say what of a change may be the season: sale days between, and whether a year is known."""
    first = shop.events.ts.min().execute()
    year = pd.Timestamp(now) - pd.Timedelta(weeks=52)
    known = first is not None and pd.Timestamp(first) <= year
    told = (
        "Part of what moved may be the season: compare the same weeks of the year before."
        if known
        else "Season and lasting change cannot be told apart within the first year of data."
    )
    names = _sale_days(shop, then, now)
    return told + (f" In between: {', '.join(names)}." if names else "")


def _sale_days(shop: Shop, then: datetime, now: datetime) -> list[str]:
    if not shop.has("calendar"):
        return []
    calendar = shop.calendar
    rows = calendar.filter((calendar.starts_at < now) & (calendar.ends_at > then)).execute()
    return sorted(set(rows["name"].astype(str)))[:5]
