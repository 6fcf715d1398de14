"""Who gets what this week: by what it adds inside the budget, where effects are known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import LaunchEconomics
from promolab.campaign.plan import (
    Candidates,
    quarantined_customers,
    share_of,
    week_candidates,
    week_holdouts,
    with_suppressions,
)
from promolab.campaign.spending.allocating import Asked, known_of, known_terms, spend_budget
from promolab.campaign.spending.chosen import HORIZON_DAYS, MONEY, ChosenPolicy
from promolab.campaign.spending.experiment import TellingTrial, telling_trial
from promolab.campaign.worth import kept_worth
from promolab.checks import share
from promolab.contract import budget_of, read_operations
from promolab.display import Html
from promolab.effects import Withheld
from promolab.policy import plan_value, read_constraints
from promolab.results import Result

if TYPE_CHECKING:
    from promolab.campaign.worth import Worth
    from promolab.contract import Shop
    from promolab.folder import RunFolder
    from promolab.policy import Holdouts, PolicyRows

NOT_KNOWN = "Not shown: what a contact adds is not known, and the list is ranked by response."
COLUMNS = ("customer_id", "action", "propensity", "chosen", *MONEY)
FRONTIER = ("budget", "profit", "ci_low", "ci_high", "marginal_return", "chosen")
LIMITS = "constraints.csv"


@dataclass(frozen=True)
class WeekPolicy(Result):
    """The week's answer to who gets what; made by `week_policy`.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    found : ChosenPolicy or TellingTrial
        The allocation; where effects are not known, what would tell.
    """

    run: RunFolder = field(repr=False)
    found: ChosenPolicy | TellingTrial = field(repr=False)

    @property
    def chosen(self) -> ChosenPolicy | None:
        """The allocation; None where effects are not known."""
        return self.found if isinstance(self.found, ChosenPolicy) else None

    def to_frame(self) -> pd.DataFrame:
        """Return the allocation: a row per customer and action that is open to them."""
        return self.chosen.to_frame() if self.chosen else pd.DataFrame(columns=list(COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return the headline numbers."""
        return self.found.to_dict()

    def summary(self) -> str:
        """Say what the plan adds; where that is not known, what would tell."""
        return self.found.summary()

    def table(self) -> Html:
        """Return what each promotion is planned for; or what the experiment takes and shows."""
        return self.found.table()

    def waterfalls(self) -> Any:
        """Return what becomes of the money of each promotion that starts."""
        return self.chosen.waterfalls() if self.chosen else Withheld(NOT_KNOWN)

    def budgets(self) -> Any:
        """Return what each budget would add."""
        return self.chosen.budgets() if self.chosen else Withheld(NOT_KNOWN)

    def by_segment(self) -> Any:
        """Return who gets what."""
        return self.chosen.by_segment() if self.chosen else Withheld(NOT_KNOWN)

    def compared(self) -> Any:
        """Return what other ways to spend the same would add."""
        return self.chosen.compared() if self.chosen else Withheld(NOT_KNOWN)

    def sensitivity(self) -> Any:
        """Return what is left if margin, cost or effect are other than assumed."""
        return self.chosen.sensitivity() if self.chosen else Withheld(NOT_KNOWN)

    def meaning(self) -> str:
        """Say what to do with it."""
        return self.found.meaning()

    def certainty(self) -> str:
        """Say how sure the figures are."""
        return self.found.certainty()

    def write(self) -> None:
        """Write the allocation and the frontier, and record the headline numbers."""
        run, frontier = self.run, pd.DataFrame(columns=list(FRONTIER))
        if self.chosen:
            frontier = self.chosen.answer.budgets.frame
        run.write_table("allocation", self.to_frame(), by=["customer_id", "action"])
        run.write_table("frontier", frontier, by="budget")
        run.record("policy", None)
        run.record("policy", self.to_dict)


def week_policy(
    run: RunFolder,
    shop: Shop,
    *,
    budget: Any = None,
    constraints: str = "",
    budget_risk: float = 0.0,
    explore: float = 0.05,
    holdout: float = 0.1,
    standing_holdout: float = 0.05,
    list_size: int = 0,
    lead_days: int = 0,
    seed: int = 0,
    planned: pd.DataFrame | None = None,
) -> WeekPolicy:
    """Choose who gets what this week, as far as past decisions tell what contacts add.

    Parameters
    ----------
    run : RunFolder
        The week's folder, with what the steps before wrote.
    shop : Shop
        Cleaned.
    budget : number, optional
        What the week's discounts, as far as the shop pays them, and contacts may cost; by default
        the shop's own (``[economics] budget``), else until a further unit adds nothing.
    constraints : str
        A file of limits: scope, unit, min, max, where a group is a segment; by default
        ``constraints.csv`` beside the shop's tables, where it lies.
    budget_risk : float
        Most that it may be likely to spend more than a stated budget (0–1); 0 takes costs as
        expected, of which about half of such weeks cost more.
    explore : float
        Share of the customers whose promotion chance draws, paid from the budget (0–1).
    holdout, standing_holdout, list_size, lead_days, planned
        As `promolab.campaign.plan.plan_week`.
    seed : int
        Of what chance draws.

    Raises
    ------
    InputError
        A budget that is negative or no number, or too small for what chance draws; limits that
        cannot all hold.
    """
    limits = _limits_at(run, constraints, shop)
    scores = run.read_table("scores")
    starting = run.read_table("outlook")["promotion_id"].unique().tolist()
    told = read_operations(shop.settings)
    stated = budget_of(budget)
    stated = told.economics.budget if stated is None else stated
    worth = kept_worth(run, shop, starting)
    measured = [] if worth is None else known_terms(worth, told.contact)
    if worth is None or worth.rows is None or not measured:
        ratios = (run.metrics.get("response") or {}).get("past_ratios")
        return WeekPolicy(run, telling_trial(shop, run.as_of, scores, ratios, stated))
    held = share_of("holdout", holdout, none_too=False)
    found = week_candidates(
        with_suppressions(run, shop),
        scores,
        run.as_of,
        starting,
        measured=measured,
        list_size=list_size,
        lead_days=lead_days,
        planned=planned,
        quarantined=quarantined_customers(shop, run.read_table("quarantine")),
    )
    asked = Asked(
        stated,
        None if limits is None else _of_these(limits, measured),
        share("budget_risk", budget_risk, one=False),
        explore,
        held,
        (1 - held) * (1 - share_of("standing_holdout", standing_holdout, none_too=True)),
        seed,
    )
    segments = run.read_table("segments").set_index("customer_id")["segment"]
    open_to = found.open_to(measured) & known_of(worth, found.customers, measured)
    if not open_to.any():  # nobody may be contacted, or nobody is like those of past decisions
        return WeekPolicy(run, TellingTrial(0, LaunchEconomics(()), stated))
    standing = share_of("standing_holdout", standing_holdout, none_too=True)
    out = week_holdouts(shop, found.customers, measured, (held, seed), (standing, 0))
    chosen = _chosen(worth, worth.rows, found, measured, open_to, asked, segments, out)
    days = (run.metrics.get("uplift") or {}).get("horizon_days", HORIZON_DAYS)
    return WeekPolicy(run, replace(chosen, horizon_days=days))


def _limits_at(run: RunFolder, constraints: str, shop: Shop) -> pd.DataFrame | None:
    """Return the stated limits; None where there are none."""
    beside = Path(run.source) / LIMITS
    if not constraints and not beside.is_file():
        return None
    known = shop.promotions.promotion_id.execute() if shop.has("promotions") else None
    return read_constraints(constraints or beside, known)


def _of_these(limits: pd.DataFrame, promotions: list[str]) -> pd.DataFrame:
    """Leave out limits on promotions that are not allocated this week."""
    elsewhere = (limits["scope"] == "promotion") & ~limits["unit"].isin(promotions)
    return limits[~elsewhere]


def _chosen(
    worth: Worth,
    rows: PolicyRows,
    found: Candidates,
    measured: list[str],
    open_to: np.ndarray,
    asked: Asked,
    segments: pd.Series[Any],
    out: Holdouts,
) -> ChosenPolicy:
    """Allocate the budget, and say what that adds."""
    segment = segments.reindex(found.customers).fillna("No segment")
    made = spend_budget(worth, found.customers, measured, open_to, asked, segment, out)
    amounts, allocation = worth.amounts, made.allocation
    answer = plan_value(
        rows,
        plan=allocation,
        held=asked.held,
        between=amounts.spread[made.columns],
        currency=amounts.orders.currency,
    )
    names = found.offers.set_index(found.offers["promotion_id"].astype(str))["name"]
    return ChosenPolicy(
        allocation=allocation,
        answer=answer,
        amounts=amounts,
        place=made.place,
        open_to=made.open_to,
        names={one: str(names[one]) for one in measured},
        beside=tuple(str(names[one]) for one in names.index if one not in measured),
        held=made.held,
        budget=asked.budget,
        risk=asked.risk,
        pays=made.pays,
        segment=segment.iloc[made.some],
    )
