"""A promotion against its holdout: planned and assigned compared with planned and held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest import ArmDifference, compare_arms
from promolab.campaign.comparison import RANDOMISED, Difference
from promolab.model.uplift.before import DOUBTFUL, UNLIKELY
from promolab.model.uplift.figures import p_words
from promolab.results import Estimate, Result
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = [
    "HoldoutComparison",
    "broken_ratio",
    "compare_with_holdout",
    "obstacle",
    "read_decisions",
    "sample_ratio",
]

ASSIGNED, HELD = "assigned", "holdout"
FEWEST = 20  # independent units in the smaller group; below, one large basket makes the figure
NONE = "none"
SAME = 1e-6  # chances that differ by less are one chance, written with rounding


@dataclass(frozen=True)
class HoldoutComparison(Result):
    """What a promotion changed, by its holdout; made by `compare_with_holdout`.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    assigned, held : int
        Customers planned for it who were assigned it, and who were held back; by decision, whatever
        was sent.
    holdout : str
        Which one: ``promotion`` or ``standing`` ("" without one).
    share_held : float
        held / (assigned + held).
    sales, bought, redeemed : ArmDifference or None
        Assigned less held, in the window: net sales per customer; shares who bought any of the
        promotion's products, and who redeemed.
    why : str
        What the comparison rests on, or why there is none.
    """

    promotion_id: Any
    assigned: int
    held: int
    holdout: str
    share_held: float
    sales: ArmDifference | None
    bought: ArmDifference | None
    redeemed: ArmDifference | None
    why: str

    @property
    def identification(self) -> str:
        """``randomised``, or ``not identified``."""
        return RANDOMISED if self.bought is not None else "not identified"

    def difference(self) -> Difference | None:
        """Return the difference in sales in the form of the adjusted one; None without sales."""
        if self.sales is None:
            return None
        e = self.sales.difference
        return Difference(
            Estimate(e.value, e.ci_low, e.ci_high, self.assigned),
            RANDOMISED,
            self.why,
            self.assigned,
            self.held,
            contacted_mean=self.sales.treated.value,
            similar_mean=self.sales.control.value,
        )

    def _parts(self) -> dict[str, ArmDifference]:
        found = {"sales": self.sales, "bought": self.bought, "redeemed": self.redeemed}
        return {name: part for name, part in found.items() if part is not None}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per outcome: the two means and their difference, with intervals."""
        rows = [
            {"outcome": name, ASSIGNED: part.treated.value, HELD: part.control.value}
            | part.difference.to_dict()
            for name, part in self._parts().items()
        ]
        columns = ["outcome", ASSIGNED, HELD, "value", "ci_low", "ci_high", "n"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, and the difference of each outcome."""
        fields = super().to_dict() | {"promotion_id": str(self.promotion_id)}
        parts = {name: part.to_dict() for name, part in self._parts().items()}
        return fields | parts | {"identification": self.identification}

    def summary(self) -> str:
        """Return what was found, or why nothing could be."""
        if self.bought is None:
            return f"No randomised comparison: {self.why}."
        e = self.bought.difference
        points = number(100 * e.value, 100 * e.ci_low, 100 * e.ci_high, unit="points")
        text = f"{points} more bought than of those held back"
        if self.sales is not None:
            s = self.sales.difference
            text = f"{number(s.value, s.ci_low, s.ci_high)} more sales per customer, {text}"
        return f"{text} (randomised: {self.why})."


def read_decisions(shop: Shop, actions: Sequence[str], now: datetime) -> pd.DataFrame:
    """Return each customer's first decision for each action that was planned.

    Parameters
    ----------
    actions : sequence of str
        Promotions as text, or the names of bundles.
    now : datetime
        Decisions made before it are read.

    Returns
    -------
    DataFrame
        action, customer_id, cluster (the customer's ``cluster_id``, else the customer,
        as text), arm (``assigned``, or the holdout: ``promotion`` or ``standing``), propensity (of
        the action). Empty where the shop has no decisions.
    """
    import ibis

    columns = ["action", "customer_id", "cluster", "arm", "propensity"]
    if not shop.has("decisions", "planned_action"):
        return pd.DataFrame(columns=columns)
    table = shop.decisions
    held = table.holdout.fill_null(NONE) if "holdout" in table.columns else ibis.literal(NONE)
    table = table.select(
        "decision_id", "customer_id", "ts", "propensity",
        taken=table.action.cast("string"),
        action=table.planned_action.cast("string"),
        held=held,
    )  # fmt: skip
    table = table.filter((table.ts < now) & table.action.isin(list(actions)))
    rows = table.filter((table.taken == table.action) | (table.taken == NONE)).execute()
    # Where the shop does not write which holdout, held back is held back.
    which = rows["held"].where(rows["held"] != NONE, "promotion")
    rows["arm"] = which.where(rows["taken"] != rows["action"], ASSIGNED)
    rows = rows.assign(text=rows["decision_id"].astype(str)).sort_values(["ts", "text"])
    rows = rows.drop_duplicates(["action", "customer_id"])
    rows["cluster"] = _clusters(shop, rows["customer_id"])
    return rows.sort_values(["action", "customer_id"], ignore_index=True)[columns]


def _clusters(shop: Shop, customers: pd.Series[Any]) -> pd.Series[Any]:
    own = "customer " + customers.astype(str)
    if not shop.has("customers", "cluster_id"):
        return own
    known = shop.customers.select("customer_id", "cluster_id").execute()
    known = known.dropna().drop_duplicates("customer_id").set_index("customer_id")["cluster_id"]
    found = customers.map(known)
    return ("cluster " + found.astype(str)).where(found.notna(), own)


def compare_with_holdout(
    promotion_id: Any,
    decisions: pd.DataFrame,
    sales: pd.Series[Any] | None,
    buyers: pd.Series[Any],
    redeemers: pd.Series[Any],
    level: float = 0.95,
) -> HoldoutComparison:
    """Compare those assigned a promotion with those planned for it and held back by chance.

    The holdout of this promotion is the one to compare with: who is held out of it gets all else as
    usual. The standing holdout, which never gets anything, stands in only where there is no other.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    decisions : DataFrame
        From `read_decisions`: those of its action.
    sales : Series or None
        Net sales in the window by customer_id; who bought nothing may be missing.
    buyers, redeemers : Series
        Customers who bought any of its products, and who redeemed, in the window.
    level : float
        Confidence level.

    Returns
    -------
    HoldoutComparison
        Not identified if nobody was held back, if a group is smaller than 20 independent units, if
        the groups' sizes are not those of the recorded chance (p < 0.001; below 0.01 it is said),
        or if chances differ within a group: then the plain difference is not what the promotion
        did.
    """
    rows, holdout = _groups(decisions)
    treated = rows["arm"] == ASSIGNED
    n1, n0 = int(treated.sum()), int((~treated).sum())
    share = n0 / len(rows) if len(rows) else np.nan
    if why := obstacle(decisions):
        return HoldoutComparison(promotion_id, n1, n0, "", share, None, None, None, why)
    arm = np.where(treated, ASSIGNED, HELD)
    cluster, who = rows["cluster"].to_numpy(), rows["customer_id"]

    def compared(outcome: Any, kind: str) -> ArmDifference:
        return compare_arms(outcome, arm, control=HELD, cluster=cluster, kind=kind, level=level)

    spent = None if sales is None else who.map(sales).fillna(0.0).to_numpy(dtype=float)
    name = "held back from it" if holdout == "promotion" else "in the standing holdout"
    why = (
        f"of {count(len(rows))} customers planned for it, {count(n0)} "
        f"({percent(share, decimals=0)}) were {name} by chance{_mismatch(decisions)}"
    )
    return HoldoutComparison(
        promotion_id,
        n1,
        n0,
        holdout,
        share,
        None if spent is None else compared(spent, "mean"),
        compared(who.isin(buyers).to_numpy(), "share"),
        compared(who.isin(redeemers).to_numpy(), "share"),
        why,
    )


def _groups(decisions: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return those assigned and those in the holdout to compare with, and which one that is."""
    arm = decisions["arm"]
    holdout = "promotion" if (arm == "promotion").any() else "standing"
    return decisions[(arm == ASSIGNED) | (arm == holdout)], holdout


def sample_ratio(assigned: np.ndarray, chance: np.ndarray, cluster: np.ndarray) -> float:
    """Return the p value of how many were assigned, given each one's chance of it.

    The sum of (assigned − chance) against its standard deviation, normal, with a continuity
    correction. Whole clusters are drawn, so that the deviations of their members add up.

    Parameters
    ----------
    assigned : ndarray of bool, shape (n,)
    chance : ndarray, shape (n,)
    cluster : ndarray, shape (n,)
        Who was drawn together.

    Examples
    --------
    >>> assigned = np.repeat([True, False], [560, 440])
    >>> round(sample_ratio(assigned, np.full(1000, 0.5), np.arange(1000)), 5)
    0.00017
    """
    from scipy.stats import norm

    codes, _ = pd.factorize(cluster)
    spread = np.bincount(codes, weights=np.sqrt(chance * (1 - chance)))
    error = float(np.sqrt((spread**2).sum()))
    off = max(abs(float((assigned - chance).sum())) - 0.5, 0.0)
    return float(2 * norm.sf(off / error)) if error > 0 else float(off == 0)


def _ratio(decisions: pd.DataFrame) -> tuple[float, str]:
    """Return the sample ratio's p value, 1 where the chances do not tell, and what was found."""
    assigned = (decisions["arm"] == ASSIGNED).to_numpy()
    chances = decisions["propensity"].to_numpy(dtype=float)
    if not assigned.any() or assigned.all():
        return 1.0, ""
    chance = np.where(assigned, chances, 1 - chances)
    if np.ptp(chance) > SAME:
        # Another action was possible, too: what each had of this one is not told by its own chance.
        return 1.0, ""
    p = sample_ratio(assigned, chance, decisions["cluster"].to_numpy())
    return p, (
        f"{count(assigned.sum())} were assigned where the recorded chance lets expect "
        f"{count(chance.sum())} ({p_words(p)})"
    )


def _mismatch(decisions: pd.DataFrame) -> str:
    """Say beside the figure if there are more or fewer of those assigned than is likely."""
    p, told = _ratio(decisions)
    return f"; beware: {told}" if p < DOUBTFUL else ""


def broken_ratio(decisions: pd.DataFrame) -> str:
    """Say that so many assigned cannot be chance; empty where they can.

    Then the log, the sending or the chances written down are wrong, and no comparison of these
    customers is to be believed, an adjusted one included.

    Parameters
    ----------
    decisions : DataFrame
        From `read_decisions`: those of one action.
    """
    p, told = _ratio(decisions)
    if p >= UNLIKELY:
        return ""
    return (
        f"the groups are not as large as their recorded chance says: {told}; rows were lost or "
        "groups mixed up on the way"
    )


def obstacle(decisions: pd.DataFrame) -> str:
    """Say what stands against a randomised comparison; empty where nothing does.

    Parameters
    ----------
    decisions : DataFrame
        From `read_decisions`: those of one action.
    """
    rows, _ = _groups(decisions)
    treated = rows["arm"] == ASSIGNED
    if rows.empty:
        return "no decision for it is recorded"
    if treated.all():
        return "nobody planned for it was held back"
    units = [rows.loc[side, "cluster"].nunique() for side in (treated, ~treated)]
    if min(units) < FEWEST:
        who = ("assigned", "held back")[int(np.argmin(units))]
        return f"only {min(units)} independent customers were {who}; {FEWEST} are needed"
    if why := broken_ratio(decisions):
        return why
    chances = rows["propensity"].astype(float).groupby(treated)
    if (chances.max() - chances.min()).max() > SAME:
        return "the chances of being held back differ between customers, which needs weights"
    return ""
