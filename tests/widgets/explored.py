"""A small week with all that explorers of a week's folder read, made as its notebooks make it."""

from pathlib import Path

from promolab import ResponseModel, Segmenter, UpliftModel
from promolab.campaign.outlook import launch_week, past_pairs, plan_economics
from promolab.campaign.plan import plan_week, quarantined_customers
from promolab.campaign.spending import week_policy
from promolab.campaign.worth import save_effects
from promolab.cleaning import clean, known_by
from promolab.contract import Shop
from promolab.features import build_features, decisions_experiment
from promolab.folder import RunFolder, write_json
from promolab.loop import plan_record
from promolab.profiles import build_profiles, life_stages
from promolab.report import begin_run
from promolab.sources import load_shop, save_shop, simulated

WEEK = "2024-W37"
COLUMNS = ["recency_days", "amount_84d", "orders_84d"]
HOLDOUTS = {"holdout": 0.2, "standing_holdout": 0.1}


def explored(root: Path, source: Path | None = None, week: str = WEEK, **plan: int) -> RunFolder:
    """Make a reports folder that holds the draft of one week; ``plan`` are options of its plan.

    Without the folder of a shop a simulated one of 800 customers is made, whose decisions were
    drawn by chance.
    """
    if source is None:
        source = root / "shop"
        # Contacts add so much that a loss is unlikely by what so few customers tell.
        made = simulated(customers=800, weeks=16, exploration=1.0, added_orders=0.8)
        save_shop(made, source)
    whole = load_shop(source)
    run = begin_run(root / "reports" / week, source=source, week=week, shop=whole)
    shop = _customers(run, whole)
    _responses(run, shop)
    promotions, drawn = run.read_table("outlook")["promotion_id"].unique(), shop.has("decisions")
    if drawn:
        trial = decisions_experiment(shop, by="kind", early=True)
        save_effects(run, shop, UpliftModel("dr", "ridge", folds=2).fit(trial), promotions)
        week_policy(run, shop, budget=130.0, **HOLDOUTS).write(run)
    planned = plan_week(
        shop, run.read_table("scores"), run.as_of, promotions,
        allocation=run.read_table("allocation") if drawn else None,
        quarantined=quarantined_customers(shop, run.read_table("quarantine")), **HOLDOUTS, **plan,
    )  # fmt: skip
    plan_economics(run, shop, planned).write()
    told = run.manifest | {"status": "good", "state": "draft", "plan": plan_record(run)}
    write_json(run.path / "manifest.json", told)
    (run.path / "index.html").write_text("<p>the week</p>", encoding="utf-8")
    return run


def _customers(run: RunFolder, whole: Shop) -> Shop:
    kept, report = clean(known_by(whole, run.as_of))
    save_shop(kept, run.path / "shop")
    rows = report.quarantine.execute().reset_index(names="number")
    run.write_table("quarantine", rows, by="number")
    shop = load_shop(run.path / "shop")
    features = build_features(shop, run.as_of).execute()
    for name, table in {
        "features": features,
        "profiles": build_profiles(features),
        "life_stages": life_stages(features).assignments(),
        "segments": Segmenter(k=3, bootstraps=2).fit(features).assignments(),
    }.items():
        run.write_table(name, table, by="customer_id")
    return shop


def _responses(run: RunFolder, shop: Shop) -> None:
    begin, end = run.week.start(shop.zone), run.week.end(shop.zone)
    pairs = past_pairs(shop, begin, run.as_of)
    launch = launch_week(
        shop, begin, end, model=lambda: ResponseModel(columns=COLUMNS), columns=COLUMNS,
        as_of=run.as_of, list_size=0, pairs=pairs,
    )  # fmt: skip
    assert launch.model is not None
    run.write_table("pairs", pairs, by=["promotion_id", "customer_id"])
    run.write_table("scores", launch.scores, by=["promotion_id", "customer_id"])
    run.write_table("backtest", launch.backtest.rows, by=["promotion_id", "customer_id"])
    run.write_table("outlook", launch.to_frame(), by=["promotion_id", "customers"])
    run.record("response", launch.backtest.to_dict())
    launch.model.save(run.path / "model.safetensors")
