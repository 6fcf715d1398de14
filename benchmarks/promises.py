"""What was said of weeks beside what came and was true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.table import Row, at_least, part

if TYPE_CHECKING:
    from promolab.simulated import SimulatedShop

SHOPS, CUSTOMERS, FIRST, PROMISED, APART, AFTER = 20, 6_000, 20, 5, 4, 13
"""Shops; rounds that the model learns from; weeks that are promised, rounds between them, and weeks
until the last promise is settled.

All weeks of a shop share one model's error, so that many shops tell more than many weeks; a season
is the same in all shops, so that their weeks begin a round after one another's.
"""
CONTACT = 0.2


def one_shop(seed: int, customers: int, weeks: int) -> pd.DataFrame:
    """Return what was said of some weeks of one shop, what came, and the truth."""
    import promolab
    from promolab.campaign.worth import scored_log, week_worth
    from promolab.cleaning import known_by
    from promolab.features import decisions_experiment
    from promolab.loop.promises import forecast_week, join_outcomes, week_outcomes

    made: dict[str, Any] = {
        "variant": "weekly",
        "weeks": FIRST + weeks * APART + AFTER,
        "exploration": 0.25,
    }
    shop: Any = promolab.load_shop("simulated", customers=customers, seed=seed, **made)
    rounds = sorted(shop.decisions.select("ts").distinct().execute()["ts"])
    begun = rounds[FIRST]
    # The shop states when it closes: what is known ends earlier, and rounds not over stay out.
    trial = decisions_experiment(known_by(shop, begun), by="kind", early=True, as_of=begun)
    model = promolab.UpliftModel("dr", "ridge").fit(trial)
    log, end, found = scored_log(model), shop.settings.life()[1], []
    for number in range(seed % APART, weeks * APART, APART):
        ts = rounds[FIRST + number]
        rows = shop.decisions.filter(shop.decisions.ts == ts)
        chances = shop.decision_propensities.semi_join(rows, "decision_id").execute()
        decisions, known = rows.execute(), known_by(shop, ts)
        starting = sorted(set(chances["action"]) - {"none"})
        worth = week_worth(known, ts, model, log, starting)
        week = f"{seed}-{number:02d}"
        said = forecast_week(known, decisions, chances, worth, as_of=ts, week=week)
        came = week_outcomes(shop, decisions, chances, as_of=end, week=week)
        told, truth = join_outcomes(said, came), _truth(shop, decisions)
        found.append(told.merge(truth, on=["promotion_id", "measure"], how="left"))
    return pd.DataFrame(pd.concat(found))


def _truth(shop: SimulatedShop, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the true added profit and spend of what was assigned, by promotion and in all."""
    got = decisions[(decisions["action"] != "none") & (decisions["holdout"] != "standing")]
    rows = []
    for name, mine in got.groupby("action"):
        effects = shop.truth.effects(str(name)).set_index("customer_id").loc[mine["customer_id"]]
        paid = CONTACT * len(mine)
        rows.append((name, "added_profit", float(effects["margin_effect"].sum()) - paid))
        rows.append((name, "spend", float(effects["discount_effect"].sum()) + paid))
    frame = pd.DataFrame(rows, columns=["promotion_id", "measure", "truth"])
    whole = frame.groupby("measure", as_index=False)["truth"].sum().assign(promotion_id="")
    return pd.DataFrame(pd.concat([frame, whole]))


def held(what: str, rows: pd.DataFrame, value: str, low: str, high: str) -> Row:
    """Return whether intervals of 90 % hold what they should, and are no wider than they need be.

    What they need is what would have held 90 % around what was said.
    """
    rows = rows[rows[[value, low, high]].notna().all(axis=1)]
    inside = float(rows[value].between(rows[low], rows[high]).mean())
    needed = 2 * np.quantile((rows[value] - rows["said"]).abs(), 0.9)
    wider = float((rows[high] - rows[low]).mean() / needed)
    what = f"{what}: 90 % interval, {len(rows)} weeks, ≤ 1.3 × as wide as needed: holds"
    return at_least(what, inside, 0.85, "%", f"{wider:.2f} × as wide", also=wider <= 1.3)


@part("promises", "what was said of a hundred weeks of twenty shops")
def promises_hold() -> Iterator[Row]:
    """Yield whether intervals of whole weeks hold, and are no wider than they need be.

    A model is fitted once a shop, on the weeks before any that is promised: it knows what all
    weeks promise, which is less than a loop learns on the way.
    """
    rows = pd.concat([one_shop(seed, CUSTOMERS, PROMISED) for seed in range(SHOPS)])
    whole = rows[rows["promotion_id"] == ""]
    for measure in ("spend", "added_profit"):
        mine = whole[whole["measure"] == measure]
        yield held(f"{measure}, readout", mine, "came", "readout_low", "readout_high")
        yield held(f"{measure}, expected value", mine, "truth", "said_low", "said_high")
