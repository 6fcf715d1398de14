"""A made-up week with all that explorers of a week's folder read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from promolab.features import build_candidates, build_features, build_pairs
from promolab.folder import RunFolder, write_json
from promolab.loop import plan_record
from promolab.model import ResponseModel
from promolab.profiles import build_profiles, life_stages
from promolab.sources import load_shop
from tests.report.made_weeks import MadeShop

WEEK = "2021-W10"


def explored(root: Path) -> MadeShop:
    """Make a shop of 60 customers with a draft of its first week, and what the week knows of them.

    Parameters
    ----------
    root : Path
        Where the shop and its folder of reports come to lie.
    """
    made = MadeShop(root, customers=60)
    run = made.draft(0, list_size=30, holdout=0.2, standing_holdout=0.1)
    _know(run)
    _date(run)
    return made


def _know(run: RunFolder) -> None:
    """Write features, profiles, stages, a model and its scores into a week's folder."""
    shop = load_shop(run.path / "shop")
    moment = run.week.start(shop.zone)
    features = build_features(shop, moment).execute()
    run.write_table("features", features, by="customer_id")
    run.write_table("profiles", build_profiles(features), by="customer_id")
    run.write_table("life_stages", life_stages(features).assignments(), by="customer_id")
    pairs = build_pairs(shop, moment).execute()
    columns = ["recency_days", "amount_84d", "orders_84d"]
    model = ResponseModel(columns=columns).fit(pairs, pairs["redeemed"])
    model.save(run.path / "model.safetensors")
    promotion = run.read_table("planned")["promotion_id"].iloc[0].item()
    rows = build_candidates(shop, moment, [promotion]).execute()
    scores = rows[["customer_id", "promotion_id"]].assign(p_redeemed=model.probability(rows))
    scores = scores.assign(support="inside")
    run.write_table("scores", scores, by=["customer_id", "promotion_id"])


def _date(run: RunFolder) -> None:
    """Note as of when the week is, in a folder that was made without it."""
    for path in sorted((run.path / "tables").glob("*.parquet")):
        pd.read_parquet(path).to_parquet(path)  # without the mark of what was not known then
    moment = run.week.start(load_shop(run.path / "shop").zone)
    told = run.manifest | {"as_of": moment.isoformat(), "lead_days": 0, "plan": plan_record(run)}
    write_json(run.path / "manifest.json", told)
