"""A week's plan with what it may cost and must bring: what is written, and what is sent."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promolab.campaign.outlook.economics import (
    LaunchEconomics,
    PromotionEconomics,
    launch_economics,
)
from promolab.campaign.outlook.lists import ListSteps, likeliest_list, list_steps
from promolab.campaign.past.outcomes import visible_effect
from promolab.campaign.plan import Plan, neutralised, write_send
from promolab.display import Html, absent, fold, join, picture, say
from promolab.language import ENGLISH, speaking
from promolab.metrics import PastRatios
from promolab.promotions import Finance, finance_table
from promolab.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop
    from promolab.folder import RunFolder


SEND = "send"
"""Folder of the files for the sending tool, inside the week's."""
FINANCE = "tables/finance.csv"
"""Who pays for promotions, in the words of a finance department."""


@dataclass(frozen=True)
class WeekPlan(Result):
    """A week's plan, and what it may cost and must bring; made by `plan_economics`.

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

    def to_frame(self) -> pd.DataFrame:
        """Return what each promotion may cost and must bring."""
        return self.economics.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Return the plan's figures, and what its holdouts can show."""
        return self.plan.to_dict() | {"what_shows": self.detectable_effects()}

    def summary(self) -> str:
        """Say how many are to be contacted, and what was not checked."""
        return "\n".join([self.plan.opening(), *self.plan.unchecked])

    def table(self) -> Html:
        """Return whom to contact about what, at what cost: a row per promotion."""
        return self.economics.to_table() if len(self.economics) else Html("")

    def _html(self) -> str:
        return join([*map(say, self.summary().splitlines()), self.to_table()])._repr_html_()

    def funnels(self) -> Html:
        """Return where customers of each promotion leave, from all active to those to contact."""
        if self.plan.funnel.empty:
            return absent(self.plan.opening())
        largest = picture(self.plan.plot(), self.plan.alt())
        return join([largest, self.plan.to_table()])

    def prices(self) -> Html:
        """Return what lists of each promotion may cost and must bring, and what that rests on."""
        rows = self.economics.promotions
        pieces = [[self.sizes.of(p.promotion_id).to_table(), say(p.say("basis"))] for p in rows]
        return _one_by_one(rows, pieces, self.economics.opening())

    @cached_property
    def offers(self) -> pd.DataFrame | None:
        """What each customer is offered; None of a week that an earlier version made."""
        run, names = self.run, ["promotion_id", "customer_id", "place", "offer"]
        return run.read_table("offers", names) if run.table_path("offers").exists() else None

    def likeliest(self) -> Html:
        """Return the ten likeliest on each list, under pseudonyms, and whom a list holds."""
        rows, run, sent = self.economics.sent, self.run, self.plan.to_contact
        adds = run.read_table("allocation") if self.plan.by_effect else None
        pieces = [
            likeliest_list(run, row, sent[sent["promotion_id"] == row.promotion_id], adds).blocks()
            for row in rows
        ]
        lists = _one_by_one(rows, pieces, self.economics.opening())
        untested = float((run.read_table("scores")["support"] != "inside").mean())
        return say(self.say("untested", untested=untested)) + lists if rows else lists

    def detectable_effects(self) -> list[str]:
        """Say the smallest effect that each holdout can show, and how many show the break-even."""
        found = [row.summary() for row in self.economics.sent if row.readable]
        share, features = self.plan.standing_holdout, self.run.read_table("features")
        held, n = round(share * len(features)), len(features)
        if "amount_28d" in features and held:
            effect = visible_effect(n - held, held, float(features["amount_28d"].std()))
            told = {"held": held, "effect": effect, "currency": self.shop.settings.currency}
            found += [self.say("standing", **told)] if effect == effect else []
        return found

    @cached_property
    def finance(self) -> Finance:
        """Who pays for what starts and runs, and what of it is still to come."""
        return finance_table(self.shop, self.plan.as_of, self.economics.to_frame())

    def write(self) -> None:
        """Write the plan's tables, its send files and its headline numbers."""
        plan, run = self.plan, self.run
        plan.write(run)
        run.write_table("economics", self.economics.to_frame(), by="promotion_id")
        run.write_table("list_sizes", self.sizes.to_frame(), by=["promotion_id", "contacts"])
        rows = self.finance.for_finance().apply(neutralised)
        rows.to_csv(run.path / FINANCE, index=False, lineterminator="\n")
        run.wrote(run.path / FINANCE)
        send = run.path / SEND
        shutil.rmtree(send, ignore_errors=True)  # a draft of an earlier try
        costs = {str(row.promotion_id): row.cost.value for row in self.economics.promotions}
        shop = self.shop
        write_send(plan, send, shop.settings, costs, offers=self.offers, titles=shop.titles)
        run.wrote(send)
        # Empty first: a promotion of an earlier try would stay in it.
        run.record("plan", None)
        with speaking(ENGLISH):  # as every file is, whatever the pages speak
            run.record("plan", self.to_dict())
        run.record("economics", None)
        run.record("economics", self.economics.to_dict())


def plan_economics(run: RunFolder, shop: Shop, plan: Plan) -> WeekPlan:
    """Return a plan with what it may cost and must bring, and with lists of other sizes.

    Parameters
    ----------
    run : RunFolder
        The week's folder, with the tables ``scores``, ``segments`` and ``features``, and with what
        past promotions brought (``response``) in its headline numbers.
    shop : Shop
        The cleaned shop that the plan was made from.
    plan : Plan
        By `promolab.campaign.plan_week`.

    Returns
    -------
    WeekPlan
    """
    told = PastRatios.of(run.metrics.get("response", {}).get("past_ratios"))
    economics = LaunchEconomics(())
    if len(plan.planned):
        chosen = run.read_table("allocation") if plan.by_effect else None
        economics = launch_economics(shop, plan.as_of, plan.planned, told, allocation=chosen)
    scores, segments = run.read_table("scores"), run.read_table("segments")
    sizes = list_steps(shop, plan, economics, scores, segments, told)
    return WeekPlan(run, shop, plan, economics, sizes)


def _one_by_one(
    rows: Sequence[PromotionEconomics], pieces: Sequence[Sequence[Html]], otherwise: str
) -> Html:
    """Return what there is of each promotion: of several, each behind a line that opens."""
    if len(rows) == 1:
        return join(pieces[0])
    folds = [fold(row.name, parts) for row, parts in zip(rows, pieces, strict=True)]
    return join(folds) if folds else absent(otherwise)
