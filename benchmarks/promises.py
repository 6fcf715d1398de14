"""What was said of weeks beside what came and was true; how seldom the alarm rings falsely."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.table import Row, at_least, at_most, part, shown
from promolab.loop.promises.forecast_errors import LEVEL, evidence

if TYPE_CHECKING:
    from promolab.simulated import SimulatedShop

SHOPS, CUSTOMERS, FIRST, PROMISED, APART, AFTER = 20, 6_000, 20, 5, 4, 13
"""Shops; rounds that the model learns from; weeks that are promised, rounds between them, and weeks
until the last promise is settled.

All weeks of a shop share one model's error, so that many shops tell more than many weeks; a season
is the same in all shops, so that their weeks begin a round after one another's.
"""
CONTACT = 0.2
YEARS, NOISE = 2_000, (0.5, 1.0, 2.0)
"""Simulated years of the alarm; a week's noise as a share of what is promised."""


def one_shop(seed: int, customers: int, weeks: int) -> pd.DataFrame:
    """Return what was said of some weeks of one shop, what came, and the truth."""
    import promolab
    from promolab.campaign.worth import scored_log, week_worth
    from promolab.cleaning import known_by
    from promolab.features import decisions_experiment
    from promolab.loop.promises import forecast_week, join_outcomes, week_outcomes

    shop: Any = promolab.load_shop(
        "simulated", variant="weekly", customers=customers, seed=seed,
        weeks=FIRST + weeks * APART + AFTER, exploration=0.25,
    )  # fmt: skip
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
        part = join_outcomes(said, came)
        truth = _truth(shop, decisions)
        keys = ["promotion_id", "measure"]
        found.append(part.merge(truth, on=keys, how="left").assign(seed=seed))
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


@dataclasses.dataclass(frozen=True)
class Held:
    """How often intervals held, and how wide they are against what would have done.

    Parameters
    ----------
    share, wider : float
    n : int
    """

    share: float
    wider: float
    n: int

    @classmethod
    def of(cls, rows: pd.DataFrame, value: str, low: str, high: str) -> Held:
        """Compare intervals with what they should hold."""
        rows = rows[rows[[value, low, high]].notna().all(axis=1)]
        inside = rows[value].between(rows[low], rows[high])
        needed = 2 * np.quantile((rows[value] - rows["said"]).abs(), 0.9)
        return cls(float(inside.mean()), float((rows[high] - rows[low]).mean() / needed), len(rows))

    def row(self, what: str) -> Row:
        """Return whether intervals of 90 % held, and are no wider than they need be."""
        what = f"{what}: 90 % interval, {self.n} weeks, ≤ 1.3 × as wide as needed: held"
        told = f"{self.wider:.2f} × as wide"
        return at_least(what, self.share, 0.85, "%", told, also=self.wider <= 1.3)


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
        yield Held.of(mine, "came", "readout_low", "readout_high").row(f"{measure}, readout")
        yield Held.of(mine, "truth", "said_low", "said_high").row(f"{measure}, expected value")


@part("promises", "alarms")
def alarms(years: int = YEARS) -> Iterator[Row]:
    """Yield how often the alarm rings in a year of 52 weeks, promises kept and broken."""
    rng, weeks, shared = np.random.default_rng(0), 52, 0.1
    rang = []
    for noise in NOISE:
        drawn = shared * rng.normal(size=(years, 1)) + noise * rng.normal(size=(years, weeks))
        given = (np.full(weeks, np.hypot(shared, noise)), np.full(weeks, shared), np.ones(weeks))
        rang.append([
            float((evidence(off, *given).max(axis=1) >= 1 / LEVEL).mean())
            for off in (drawn, drawn - 0.5)
        ])  # fmt: skip
    false, found = zip(*rang, strict=True)
    yield at_most("alarm, promises kept: rings in 52 weeks", false, LEVEL, "%")
    yield shown("the same, twice of what comes is promised", ", ".join(f"{x:.0%}" for x in found))
