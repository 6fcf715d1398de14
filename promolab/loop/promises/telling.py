"""The rows that a week's report gives the ledger: what it promises, and what became of others."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.worth import kept_worth
from promolab.contract import NONE
from promolab.folder import RunFolder, state_of
from promolab.loop.promises.happening import happened_week
from promolab.loop.promises.promising import promise_week
from promolab.loop.promises.rows import OUTCOME_COLUMNS, PREDICTION_COLUMNS, typed
from promolab.metrics import PastRatios

if TYPE_CHECKING:
    from promolab.contract import Shop

SAME = 0.95
"""Share of the planned contacts that a shop's own decisions must hold to be called the plan's."""


def promised(run: RunFolder) -> pd.DataFrame:
    """Return what a week's report says that its plan will bring.

    Parameters
    ----------
    run : RunFolder
        Of a week whose steps have run.

    Returns
    -------
    DataFrame
        `promolab.loop.promises.rows.PREDICTION_COLUMNS`; no row where nobody is planned.
    """
    if not run.table_path("planned").exists():
        return typed((), PREDICTION_COLUMNS)
    planned = run.read_table("planned")
    if planned.empty:
        return typed((), PREDICTION_COLUMNS)
    from promolab.sources import load_shop

    shop = load_shop(run.path / "shop")
    starting = planned["promotion_id"].unique().tolist()
    there = run.table_path("uplift_log").exists()
    worth = kept_worth(run, shop, starting) if there else None
    ratios = PastRatios.of((run.metrics.get("response") or {}).get("past_ratios"))
    return promise_week(
        shop,
        run.read_table("decisions"),
        run.read_table("decision_propensities"),
        worth,
        as_of=run.as_of,
        week=str(run.week),
        segments=_segments(run),
        response=planned,
        ratios=ratios,
        costs=run.read_table("economics"),
    )


def happened(
    run: RunFolder, shop: Shop, as_of: Any = None, *, weeks: Collection[str] | None = None
) -> pd.DataFrame:
    """Return what became of the plans of earlier weeks of a reports folder.

    Parameters
    ----------
    run : RunFolder
        The week whose report looks back.
    shop : Shop
        Cleaned.
    as_of : datetime, optional
        UTC; nothing at or after it is read; by default the run's own.
    weeks : collection of str, optional
        Only these of the earlier weeks; by default all of them.

    Returns
    -------
    DataFrame
        `promolab.loop.promises.rows.OUTCOME_COLUMNS`, of weeks whose plan was carried out: by the
        shop's own decisions, or released. A draft that nobody followed has no outcome.
    """
    now: datetime = run.as_of if as_of is None else as_of
    parts = []
    for week in run.reports.weeks():
        if week >= run.week or (weeks is not None and str(week) not in weeks):
            continue
        earlier = run.reports.run(week)
        found = _carried(earlier, shop)
        if found is not None:
            parts.append(
                happened_week(shop, *found, as_of=now, week=str(week), segments=_segments(earlier))
            )
    return pd.concat(parts, ignore_index=True) if parts else typed((), OUTCOME_COLUMNS)


def _segments(run: RunFolder) -> pd.Series[Any] | None:
    if not run.table_path("segments").exists():
        return None
    found: pd.Series[Any] = run.read_table("segments").set_index("customer_id")["segment"]
    return found


def _carried(run: RunFolder, shop: Shop) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Return the decisions of a plan that was carried out, and their chances; None of no other."""
    if not run.table_path("decisions").exists():
        return None
    plan = run.read_table("decisions")
    sent = plan[plan["action"].astype(str) != NONE]
    if sent.empty:
        return None
    if state_of(run.manifest) != "draft":
        return plan, run.read_table("decision_propensities")
    if not (shop.has("decisions") and shop.has("decision_propensities")):
        return None
    low, high = sent["ts"].min(), sent["ts"].max() + pd.Timedelta(days=7)
    own = shop.decisions
    own = own.filter((own.ts >= low) & (own.ts < high)).execute()
    keys = ["customer_id", "action"]
    same = sent[keys].astype(str).merge(own[keys].astype(str).drop_duplicates())
    return (
        (plan, run.read_table("decision_propensities")) if len(same) >= SAME * len(sent) else None
    )
