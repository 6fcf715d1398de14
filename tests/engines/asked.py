"""What the library asks of an engine beside features and pairs, of a dirty simulated shop."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import ibis
import pandas as pd

import promolab
from promolab import abtest, features, profiles, promotions, sales
from promolab.campaign import past, readout
from promolab.campaign.plan import plan_week
from promolab.contract import Shop
from promolab.contract.data_age import freshness
from promolab.contract.operations import read_operations
from promolab.engines import scratch
from tests.soiled import soil

AS_OF = datetime(2024, 10, 13, 15)
"""An hour before the last round but one."""
LATER = datetime(2025, 1, 27)
"""When that round is over, its return days too."""
SHARES = {"control": 0.5, "treated": 0.5}
STARTING = [f"W21-{kind}" for kind in ("recommendation", "full_reduction", "coupon")]


def simulated_shop() -> Shop:
    """Return the shop, in DuckDB: 200 customers, 26 weeks, two rows of a hundred soiled."""
    folder = Path(mkdtemp(dir=scratch()))
    promolab.load_shop("simulated", customers=200, weeks=26, exploration=0.5, folder=folder)
    soil(folder, 0.02)
    shop: Shop = promolab.load_shop(folder, threads=1)
    # What the dirt took from products has a margin all the same.
    return replace(shop, settings=replace(shop.settings, margin_rate=0.3))


def planned(shop: Shop) -> list[pd.DataFrame]:
    """Return a plan's decisions, chances, steps and funnel, ranked by made-up scores."""
    customers = sorted(shop.customers.customer_id.execute())
    offers = pd.DataFrame({"promotion_id": STARTING})
    scores = offers.merge(pd.DataFrame({"customer_id": customers}), how="cross")
    scores["p_redeemed"] = ((scores.index * 7_919) % 997 + 1) / 1_000
    plan = plan_week(shop, scores, AS_OF, STARTING)
    return [plan.decisions, plan.propensities, plan.steps, plan.funnel]


def experiment(shop: Shop) -> list[pd.DataFrame]:
    """Return the decisions of the shop as an experiment, with chances and outcomes."""
    trial = features.decisions_experiment(shop, by="kind", early=True)
    return [trial.frame, pd.DataFrame(trial.propensity)]


def experiment_read(shop: Shop) -> pd.DataFrame:
    """Return an experiment's readout from outcomes that stay on the engine."""
    bought = abtest.customer_history(shop, AS_OF, days=28)
    arms = abtest.assign(sorted(bought.customer_id.execute()), "trial", SHARES, 7).frame
    rows = bought.inner_join(ibis.memtable(arms.astype({"arm": str})), "customer_id")
    figures = {
        "sales": abtest.Metric("sales", earlier="earlier_sales", winsorise=0.99),
        "purchases": abtest.Metric("purchases"),
        "basket": abtest.Metric("sales", per="orders_placed"),
    }
    return promolab.analyze_experiment(rows, figures, shares=SHARES).to_frame()


def money(shop: Shop) -> list[pd.DataFrame]:
    """Return what promotions cost, who buys anyway, what orders are worth."""
    told = read_operations(shop.settings).economics
    costs = promotions.promotion_costs(shop, AS_OF, {"promotion_id": STARTING[0]}, told)
    starting = shop.promotions.filter(shop.promotions.promotion_id.isin(STARTING)).execute()
    chances = promotions.buying_chances(shop, AS_OF, starting)
    return [
        pd.DataFrame({"margin": [costs.margin_rate.value]}),
        pd.DataFrame({str(name): chances[name] for name in STARTING}),
        promotions.order_values(shop, AS_OF).to_frame(),
    ]


ASKED: dict[str, Callable[[Shop], Any]] = {
    "plan": planned,
    "experiment": experiment,
    "experiment read": experiment_read,
    "readout": lambda s: readout.read_out(s, LATER, weeks=20).to_frame(),
    "standing holdout": lambda s: readout.standing_holdout(s, AS_OF).to_frame(),
    "watched": lambda s: readout.watch_promotions(s, AS_OF + timedelta(days=5)).to_frame(),
    "running": lambda s: readout.follow_running(s, AS_OF + timedelta(days=5)).to_frame(),
    "timeline": lambda s: past.timeline(s, AS_OF),
    "answers": lambda s: past.past_answers(s, AS_OF).frame,
    "worth": lambda s: profiles.customer_value(s, as_of=AS_OF).to_frame(),
    "money": money,
}
"""What is asked for, in the words of the faces; each gives frames in an order of their own."""

LOOKED_AT: dict[str, Callable[[Shop], Any]] = {
    "checks": lambda s: s.check().to_frame(),
    "personal": lambda s: s.without_personal(),
    "overview": lambda s: sales.data_overview(s).days,
    "sales by week": lambda s: sales.weekly_sales(s, AS_OF),
    "cohorts": lambda s: sales.monthly_cohorts(s, AS_OF),
    "age of the data": lambda s: freshness(s, AS_OF),
}
"""What the first pages look at beside it: sums and samples."""
