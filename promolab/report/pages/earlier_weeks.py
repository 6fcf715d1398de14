"""What the reports of earlier weeks in the folder expected of promotions when these started."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook import expected_of, type_of
from promolab.campaign.past import contacts_before
from promolab.folder import RunFolder, read_json
from promolab.metrics import PastRatios
from promolab.results import Estimate
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["earlier_forecasts"]

ENOUGH = 0.9  # share of the contacted who had been scored


def earlier_forecasts(
    run: RunFolder, shop: Shop, promotions: pd.DataFrame, now: datetime
) -> dict[Any, tuple[str, Estimate]]:
    """Return what the week in which each promotion started expected of those contacted for it.

    Parameters
    ----------
    run : RunFolder
        The reports of earlier weeks lie beside it.
    shop : Shop
        Says who was contacted.
    promotions : DataFrame
        promotion_id, starts_at, ends_at.
    now : datetime
        Contacts before it are read.

    Returns
    -------
    dict
        promotion_id → the week, and redeemers expected in all with their prediction interval;
        without those that no earlier week predicted, or predicted for less than nine in ten of the
        contacted.
    """
    found: dict[Any, tuple[str, Estimate]] = {}
    there = [row for row in promotions.to_dict("records") if _folder_of(row, run, shop) is not None]
    wanted = promotions[promotions["promotion_id"].isin([row["promotion_id"] for row in there])]
    contacts = contacts_before(shop, wanted, now)
    known = shop.promotions.filter(shop.promotions.starts_at < now).execute()
    types = {str(row["promotion_id"]): type_of(row) for row in known.to_dict("records")}
    for row in there:
        folder = _folder_of(row, run, shop)
        assert folder is not None
        who = contacts.loc[contacts["promotion_id"] == row["promotion_id"], "customer_id"]
        scores = folder.read_table("scores")
        mine = scores[scores["promotion_id"].astype(str) == str(row["promotion_id"])]
        chances = mine.loc[mine["customer_id"].isin(who), "p_redeemed"]
        if len(who) and len(chances) >= ENOUGH * len(who):
            # Those without history then had no chance predicted; they count as the others do.
            ratios = PastRatios.of(folder.metrics["response"]["past_ratios"])
            e = expected_of(chances, ratios, types[str(row["promotion_id"])])
            more = len(who) / len(chances)
            told = Estimate(e.value * more, e.ci_low * more, e.ci_high * more, e.n)
            found[row["promotion_id"]] = str(folder.week), told
    return found


def _folder_of(row: dict[Any, Any], run: RunFolder, shop: Shop) -> RunFolder | None:
    """Return the earlier report in whose week a promotion started; None where there is none."""
    started = pd.Timestamp(row["starts_at"], tz="UTC").to_pydatetime()
    week = Week.containing(started, shop.zone)
    folder = RunFolder(run.path.resolve().parent / str(week), week)
    metrics = read_json(folder.path / "metrics.json") or {}
    ratios = (metrics.get("response") or {}).get("past_ratios")
    if week == run.week or ratios is None or not folder.table_path("scores").exists():
        return None
    return folder
