"""Who gets what this week: by what it adds inside the budget, where effects are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.spending.experiment import TellingTrial, telling_trial
from promolab.display import Html
from promolab.effects import Withheld
from promolab.results import Result

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import RunFolder

NOT_KNOWN = "Not shown: what a contact adds is not known, and the list is ranked by response."
COLUMNS = ("customer_id", "action", "propensity", "chosen", "value", "cost")
FRONTIER = ("budget", "profit", "ci_low", "ci_high", "marginal_return", "chosen")


@dataclass(frozen=True)
class WeekPolicy(Result):
    """The week's answer to who gets what; made by `week_policy`.

    Parameters
    ----------
    run : RunFolder
        The week's folder.
    trial : TellingTrial
        What would tell, where effects are not known.
    """

    run: RunFolder = field(repr=False)
    trial: TellingTrial = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return the allocation: a row per customer and action that is open to them."""
        return pd.DataFrame(columns=list(COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return the headline numbers."""
        return {"by_effect": False} | self.trial.to_dict()

    def summary(self) -> str:
        """Say what is known, or what would tell."""
        return self.trial.summary()

    def table(self) -> Html:
        """Return what the experiment takes and shows, a row per promotion."""
        return self.trial.economics.table() if self.trial else Html("")

    def waterfalls(self) -> Any:
        """Return what becomes of the money of each promotion that starts."""
        return Withheld(NOT_KNOWN)

    def budgets(self) -> Any:
        """Return what each budget would add."""
        return Withheld(NOT_KNOWN)

    def by_segment(self) -> Any:
        """Return who gets what."""
        return Withheld(NOT_KNOWN)

    def compared(self) -> Any:
        """Return what other policies would add at equal spend."""
        return Withheld(NOT_KNOWN)

    def sensitivity(self) -> Any:
        """Return what is left if margin, cost or effect are other than assumed."""
        return Withheld(NOT_KNOWN)

    def meaning(self) -> str:
        """Say what to do with it."""
        if not self.trial:
            return "There is nothing to choose."
        return (
            "Send the list as a list of likely responders, and do not call what they spend an "
            "effect. To know whom it pays to send to, let chance decide once, as above, or keep "
            "holding customers back by chance each week: with enough of such decisions this page "
            "fills by itself."
        )

    def certainty(self) -> str:
        """Say how sure the figures are."""
        return "Nothing here is an effect: the page Uplift says what past data tell of effects."

    def write(self) -> None:
        """Write the allocation and the frontier, and record the headline numbers."""
        run = self.run
        run.write_table("allocation", self.to_frame(), by=["customer_id", "action"])
        run.write_table("frontier", pd.DataFrame(columns=list(FRONTIER)), by="budget")
        run.record("policy", None)
        run.record("policy", self.to_dict())


def week_policy(
    run: RunFolder,
    shop: Shop,
    *,
    budget: Any = None,
    constraints: str = "",
    explore: float = 0.05,
    holdout: float = 0.1,
    standing_holdout: float = 0.05,
    list_size: int = 0,
    lead_days: int = 0,
    seed: int = 0,
    planned: pd.DataFrame | None = None,
) -> WeekPolicy:
    """Choose who gets what this week.

    Parameters
    ----------
    run : RunFolder
        The week's folder, with the steps before.
    shop : Shop
        Cleaned.
    budget : number, optional
        What the week's discounts and contacts may cost the shop.
    """
    scores = run.read_table("scores")
    told = run.metrics
    ratios = (told.get("response") or {}).get("past_ratios")
    why = str((told.get("uplift") or {}).get("summary") or "")
    return WeekPolicy(run, telling_trial(shop, run.as_of, scores, ratios, why))
