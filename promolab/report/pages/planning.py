"""The step that plans a week: whom to contact, who is held back, what it costs, what is sent."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promolab.abtest import share_to_see, smallest_effect
from promolab.campaign.outlook import LaunchEconomics, ListSteps, list_steps, weigh_launch
from promolab.campaign.past import FEWEST_UNITS as FEWEST
from promolab.campaign.plan import (
    STEP,
    Plan,
    offers_of,
    plan_week,
    quarantined_customers,
    write_send,
)
from promolab.contract import read_operations
from promolab.folder import RunFolder
from promolab.loop import released_contacts
from promolab.metrics import PastRatios
from promolab.wording import count, money, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop

__all__ = ["WeekPlan", "make_plan", "plan_without"]

SEND = "send"
"""Folder of the files for the sending tool, inside the week's."""


@dataclass(frozen=True)
class WeekPlan:
    """A week's plan, and what it may cost and must bring; made by `make_plan`.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    shop : Shop
        The cleaned shop.
    plan : Plan
        Who is planned.
    economics : LaunchEconomics
        Of the promotions with planned customers.
    sizes : ListSteps
        Longer and shorter lists of them.
    """

    run: RunFolder
    shop: Shop
    plan: Plan
    economics: LaunchEconomics
    sizes: ListSteps

    def what_shows(self) -> list[str]:
        """Say the smallest effect that each holdout can show, and what would show half of it."""
        found = []
        for row in self.economics.promotions:
            # Of fewer, the promotion's own block says that they are too few to be read.
            if row.held >= FEWEST and row.contacts and row.adjusted_sd > 0:
                sizes = row.contacts, row.held
                found.append(f"{row.name}: {_shows(*sizes, row.adjusted_sd, row.currency)}")
        standing = self._standing()
        return [*found, standing] if standing else found

    def _standing(self) -> str:
        share = self.plan.standing_holdout
        features = self.run.read_table("features")
        if "amount_28d" not in features or not share:
            return ""
        sd = float(features["amount_28d"].std())
        held = round(share * len(features))
        if held < 1 or not sd > 0:
            return ""
        shown = _shows(len(features) - held, held, sd, self.shop.settings.currency)
        return f"Standing holdout, sales in any 28 days: {shown}"

    def write(self) -> None:
        """Write the plan's tables, its send files and its headline numbers."""
        plan, run = self.plan, self.run
        run.write_table("decisions", plan.decisions, by="decision_id")
        propensities = plan.propensities
        run.write_table("decision_propensities", propensities, by=["decision_id", "action"])
        run.write_table("planned", plan.planned, by=["promotion_id", "customer_id"])
        steps = plan.steps.astype({"step": "str"})
        run.write_table("steps", steps, by=["promotion_id", "customer_id"])
        run.write_table("funnel", plan.funnel, by=["promotion_id", "channel"])
        run.write_table("economics", self.economics.to_frame(), by="promotion_id")
        run.write_table("list_sizes", self.sizes.to_frame(), by=["promotion_id", "contacts"])
        shutil.rmtree(run.path / SEND, ignore_errors=True)  # a draft of an earlier try
        costs = {str(row.promotion_id): row.cost.value for row in self.economics.promotions}
        write_send(plan, run.path / SEND, self.shop.settings, costs)
        run.wrote(run.path / SEND)
        said = {"notes": list(plan.notes), "unchecked": list(plan.unchecked)}
        said |= {"what_shows": self.what_shows()}
        # Empty first: a promotion of an earlier try would stay in it.
        run.record("plan", None)
        run.record("plan", plan.to_dict() | said)
        run.record("economics", None)
        run.record("economics", self.economics.to_dict())


def make_plan(
    run: RunFolder,
    shop: Shop,
    as_of: datetime,
    *,
    holdout: Any = 0.1,
    standing_holdout: Any = 0.05,
    list_size: int = 0,
    seed: int = 0,
    lead_days: int = 0,
) -> WeekPlan:
    """Plan the promotions that start in a run's week, from the scores that step 04 wrote.

    Parameters
    ----------
    run : RunFolder
        With the tables ``scores``, ``outlook`` and ``quarantine``.
    shop : Shop
        The cleaned shop.
    as_of : datetime
        When the plan is made.
    holdout, standing_holdout : float
        Shares held back: of each promotion's planned customers, and of all for the long run.
    list_size : int
        Customers to plan per promotion; 0 takes what past promotions of its type contacted.
    seed : int
        Of the promotions' holdouts. The standing one has no other seed than 0: it stays.
    lead_days : int
        Days from the plan to the sending.

    Returns
    -------
    WeekPlan
    """
    scores = run.read_table("scores")
    outlook = run.read_table("outlook")
    promotions = sorted(outlook["promotion_id"].drop_duplicates().tolist(), key=str)
    plan = plan_week(
        shop,
        scores[scores["promotion_id"].isin(promotions)],
        as_of,
        promotions,
        holdout=holdout,
        standing_holdout=standing_holdout,
        list_size=list_size,
        seed=seed,
        lead_days=lead_days,
        planned=released_contacts(run.path.resolve().parent, run.week, standing=True),
        quarantined=quarantined_customers(shop, run.read_table("quarantine")),
    )
    return _priced(run, shop, plan)


def plan_without(run: RunFolder, shop: Shop, gone: pd.DataFrame, note: str) -> WeekPlan:
    """Return the plan that a run wrote without some of its customers.

    Parameters
    ----------
    run : RunFolder
        With the plan's tables.
    shop : Shop
        The cleaned shop that it was made from.
    gone : DataFrame
        Whom to take out (`promolab.campaign.plan.Plan.without`).
    note : str
        A sentence that says so.

    Returns
    -------
    WeekPlan
    """
    told, funnel = run.metrics["plan"], run.read_table("funnel")
    decisions = run.read_table("decisions")
    offers = offers_of(shop, funnel, read_operations(shop.settings).contact, [])
    written = Plan(
        as_of=decisions["ts"].iloc[0].to_pydatetime(),
        sends_at=run.week.start(shop.zone),
        **{name: told[name] for name in ("holdout", "standing_holdout", "seed", "standing_seed")},
        promotions=offers.drop(columns="messages").assign(list_size=0),
        funnel=funnel,
        steps=run.read_table("steps").astype({"step": STEP}),
        planned=run.read_table("planned"),
        decisions=decisions,
        propensities=run.read_table("decision_propensities"),
        notes=tuple(told.get("notes", ())),
        unchecked=tuple(told.get("unchecked", ())),
    )
    return _priced(run, shop, written.without(gone, note))


def _priced(run: RunFolder, shop: Shop, plan: Plan) -> WeekPlan:
    """Return a plan with what it may cost and must bring, and with lists of other sizes."""
    told = PastRatios.of(run.metrics.get("response", {}).get("past_ratios"))
    economics = LaunchEconomics(())
    if len(plan.planned):
        economics = weigh_launch(shop, plan.as_of, plan.planned, told)
    scores, segments = run.read_table("scores"), run.read_table("segments")
    sizes = list_steps(shop, plan, economics, scores, segments, told)
    return WeekPlan(run, shop, plan, economics, sizes)


def _shows(treated: int, held: int, sd: float, currency: str) -> str:
    """Say what a holdout of this size shows of sales per customer, and what half of it takes."""
    effect = smallest_effect(treated, held, sd=sd).effect
    half = share_to_see(treated + held, effect / 2, sd=sd)
    sentence = (
        f"the {plural(held, 'customer')} held back can show a difference of "
        f"{money(effect, currency=currency)} per customer or more in 4 of 5 such trials; "
        "half of it "
    )
    if half.control is None:
        return sentence + "would not show even if half of all were held back."
    return sentence + f"would take a holdout of {count(half.control)} of {count(treated + held)}."
