"""What this week's features are compared with: the last good week's, or earlier ones made anew."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.features import build_features
from promolab.folder import RunFolder
from promolab.loop.monitoring.drift import COLUMNS, FeatureDrift, feature_drift
from promolab.segmentation import Migration, sample_customers
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop


WEEKS = 4
MOST = 100_000
"""Customers whose features are compared: of more, so many drawn at random."""
_KINDS: dict[str, Any] = dict.fromkeys(COLUMNS, float)
_KINDS |= {"column": object, "kind": object, "grows": bool, "drift": object}
NOTHING = pd.DataFrame(columns=list(COLUMNS)).astype(_KINDS)


def earlier_runs(run: RunFolder) -> list[RunFolder]:
    """Return the folders of the good weeks before a run's, the latest first."""
    earlier = [week for week in run.reports.weeks() if week < run.week]
    return [run.reports.run(week) for week in reversed(earlier)]


def last_with(run: RunFolder, name: str) -> RunFolder | None:
    """Return the latest good week before a run's whose table has rows; None where there is none."""
    import pyarrow.parquet as pq

    for one in earlier_runs(run):
        path = one.table_path(name)
        if path.is_file() and pq.read_metadata(path).num_rows:
            return one
    return None


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
    import ibis

    now, before = run.read_table("features"), last_with(run, "features")
    if before is not None:
        then, since = pd.read_parquet(before.table_path("features")), f"since {before.week}"
        moment = before.as_of
        ids = pd.concat([then["customer_id"], now["customer_id"]])
        some = sample_customers(ids, seed=seed, most=MOST)
    else:
        moment = run.as_of - pd.Timedelta(weeks=weeks)
        some = sample_customers(now["customer_id"], seed=seed)
        asked = pd.DataFrame({"customer_id": some, "as_of": pd.Timestamp(moment).as_unit("us")})
        then = build_features(shop, ibis.memtable(asked)).execute().drop(columns="as_of")
        since = f"in the last {plural(weeks, 'week')}"
    then, now = (f[f["customer_id"].isin(some)] for f in (then, now))
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


def score_drift(run: RunFolder, shop: Shop, *, seed: int = 0) -> FeatureDrift:
    """Compare the week's scores with those of the last good week, by kind of promotion.

    Parameters
    ----------
    run : RunFolder
        With the table ``scores``; earlier weeks lie beside it.
    shop : Shop
        Whose promotions say of which kind each is.
    seed : int

    Returns
    -------
    FeatureDrift
        A column per kind that both weeks scored, each customer's mean over its promotions. False,
        with its reason, where there is no earlier week or no such kind.
    """
    before = last_with(run, "scores")
    if before is None:
        why = "No earlier week has scores, so whether they moved is not known."
        return FeatureDrift(NOTHING, 0, 0, note=why)
    then, now = pd.read_parquet(before.table_path("scores")), run.read_table("scores")
    of = {}
    if shop.has("promotions"):
        kinds = shop.promotions.select("promotion_id", "kind").execute()
        of = dict(zip(kinds["promotion_id"].astype(str), kinds["kind"].astype(str), strict=True))
    old, new = _by_kind(then, of), _by_kind(now, of)
    both = sorted({str(c) for c in old} & {str(c) for c in new} - {"customer_id"})
    if not both:
        why = f"No kind of promotion was scored both in {before.week} and now."
        return FeatureDrift(NOTHING, len(then), len(now), note=why)
    note = "Promotions of one kind may differ in what they offer, which moves scores as well."
    since = f"since {before.week}"
    return feature_drift(old, new, both, growing=(), apart=False, since=since, note=note, seed=seed)


def _by_kind(scores: pd.DataFrame, of: dict[str, str]) -> pd.DataFrame:
    """Return a row per customer, a column per kind of promotion: the mean of its scores."""
    kind = scores["promotion_id"].astype(str).map(of).fillna("other")
    rows = scores.assign(kind="score of " + kind.str.replace("_", " "))
    return rows.pivot_table(index="customer_id", columns="kind", values="p_redeemed").reset_index()


def moved_since(run: RunFolder) -> Migration | None:
    """Return where the last good week's segments have moved, as the step of segments found it.

    Parameters
    ----------
    run : RunFolder
        With ``segments`` in its metrics and the table ``segment_migration``.

    Returns
    -------
    Migration or None
        None where no earlier week has segments.
    """
    told = run.metrics.get("segments") or {}
    moves = run.read_table("segment_migration")
    if moves.empty or "migration" not in told:
        return None
    here = {"frame": moves, "order": tuple(told.get("names", ()))}
    return Migration.from_dict(told["migration"] | here)
