"""A promotion against its holdout: planned and assigned compared with planned and held back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.past.assignment import ASSIGNED, doubtful_ratio, groups_of, obstacle
from promolab.effects import RANDOMISED, Difference, compare_arms
from promolab.results import Estimate, Result, plain, words_of
from promolab.stats import t_quantile, welch_degrees

HELD = "holdout"


@dataclass(frozen=True)
class HoldoutComparison:
    """What a promotion changed, by its holdout; made by `compare_with_holdout`.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    assigned, held : int
        Customers who were assigned it, and whom chance kept from it; by decision, whatever was
        sent.
    holdout : str
        Which one: ``promotion``, ``standing``, or ``chance`` where chances differed between
        customers ("" without one).
    share_held : float
        held / (assigned + held).
    sales, bought, redeemed : Difference or None
        Assigned less held, in the window: net sales per customer; shares who bought any of the
        promotion's products, and who redeemed.
    why : str
        What the comparison rests on, or why there is none.
    units : ndarray
        The independent units, in the order of the scores of ``sales``.
    """

    promotion_id: Any
    assigned: int
    held: int
    holdout: str
    share_held: float
    sales: Difference | None
    bought: Difference | None
    redeemed: Difference | None
    why: str
    units: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    @property
    def identification(self) -> str:
        """``randomised``, or ``not identified``."""
        return RANDOMISED if self.bought is not None else "not identified"

    def difference(self) -> Difference | None:
        """Return the difference in sales in the form of the adjusted one; None without sales."""
        if self.sales is None:
            return None
        e = replace(self.sales.estimate, n=self.assigned)
        return replace(self.sales, estimate=e, why=self.why)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, and the difference of each outcome."""
        names = ("assigned", "held", "holdout", "share_held", "why", "identification")
        fields = {name: plain(getattr(self, name)) for name in names}
        parts = {"sales": self.sales, "bought": self.bought, "redeemed": self.redeemed}
        fields |= {name: None if part is None else _arms_of(part) for name, part in parts.items()}
        return fields | {"promotion_id": str(self.promotion_id)}


def _arms_of(found: Difference) -> dict[str, Any]:
    """Return a difference of arms with both means, as ``metrics.json`` keeps it."""
    names = ("treated", "control", "kind", "clusters", "level", "correlation")
    fields = {name: plain(getattr(found, name)) for name in names}
    fields |= {"dominant": None} if found.dominant is None else {}
    fields |= dict(zip(("treated_arm", "control_arm"), found.arms, strict=True))
    return found.estimate.to_dict() | fields | {"identification": found.identification}


def compare_with_holdout(
    promotion_id: Any,
    decisions: pd.DataFrame,
    sales: pd.Series[Any] | None,
    buyers: pd.Series[Any],
    redeemers: pd.Series[Any],
    *,
    earlier: pd.Series[Any] | None = None,
    days: float = np.nan,
) -> HoldoutComparison:
    """Compare those assigned a promotion with those whom chance kept from it.

    The holdout of this promotion is the one to compare with: who is held out of it gets all else as
    usual. The standing holdout, which never gets anything, stands in only where there is no other.
    Where chances differed between customers, those who got nothing are weighted by theirs
    (`promolab.campaign.past.assignment.read_decisions`). Sales are adjusted for earlier ones.

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
    earlier : Series, optional
        Net sales by customer_id before anything was decided.
    days : float
        Over how many days; told where there are earlier sales.

    Returns
    -------
    HoldoutComparison
        Not identified if nobody was held back, if a group is worth fewer than 20 independent units,
        or if the groups' sizes are not those of the recorded chance (p < 0.001; below 0.01 it is
        said).
    """
    rows, holdout = groups_of(decisions)
    treated = rows["arm"] == ASSIGNED
    n1, n0 = int(treated.sum()), int((~treated).sum())
    share = n0 / len(rows) if len(rows) else np.nan
    if why := obstacle(decisions):
        return HoldoutComparison(promotion_id, n1, n0, "", share, None, None, None, why)
    who = rows["customer_id"]
    arm = np.where(treated, ASSIGNED, HELD)
    how: dict[str, Any] = {"control": HELD, "cluster": rows["cluster"].to_numpy()}
    if holdout == "chance":
        how["weight"] = rows["weight"].to_numpy(dtype=float)
    bought, redeemed = (
        compare_arms(who.isin(those).to_numpy(), arm, kind="share", **how)
        for those in (buyers, redeemers)
    )
    spent = None
    if sales is not None:
        if earlier is not None:
            how["earlier"] = who.map(earlier).fillna(0.0).to_numpy(dtype=float)
        amounts = who.map(sales).fillna(0.0).to_numpy(dtype=float)
        spent = compare_arms(amounts, arm, kind="mean", **how)
    words = words_of(
        __name__,
        "HoldoutComparison",
        holdout=holdout,
        assigned=n1,
        held=n0,
        planned=n1 + n0,
        share=share,
        days=days,
        correlation=0.0 if spent is None else spent.correlation,
    )
    why = words.say("who") + doubtful_ratio(decisions)
    if spent is not None:
        why += words.say("allowed_for") + spent.weight_of_one()
    units = pd.unique(rows["cluster"].to_numpy())
    parts = spent, bought, redeemed
    return HoldoutComparison(promotion_id, n1, n0, holdout, share, *parts, why, units)


@dataclass(frozen=True)
class PooledHoldouts(Result):
    """Extra net sales per customer over several promotions; made by `pool_holdouts`.

    Parameters
    ----------
    difference : Estimate
        Their mean, the better known weighing more; ``n`` is the customers of all of them.
    promotions : int
        Promotions with a holdout that could be read.
    currency : str
        Of the difference.
    """

    difference: Estimate
    promotions: int
    currency: str = ""


def pool_holdouts(
    comparisons: Iterable[HoldoutComparison], currency: str = ""
) -> PooledHoldouts | None:
    r"""Read the holdouts of several promotions together.

    The mean of their differences in sales, each weighted by the inverse of its variance. Customers
    (or households) who are in several enter once, with all that they add: the variance is that of
    the summed influence.

    Parameters
    ----------
    comparisons : iterable of HoldoutComparison
        Of different promotions; those without a difference in sales are left out.
    currency : str
        Of the sales.

    Returns
    -------
    PooledHoldouts or None
        None with fewer than two.

    References
    ----------
    Borenstein, Hedges, Higgins & Rothstein (2009), Introduction to Meta-Analysis, ch. 11 (fixed
    effects: the mean of these promotions, not of all that could be run).
    """
    known = [c for c in comparisons if c.sales is not None and c.sales.scores @ c.sales.scores > 0]
    if len(known) < 2:
        return None
    found = [c.sales for c in known if c.sales is not None]
    squares = np.array([float(s.scores @ s.scores) for s in found])
    weight = (1 / squares) / (1 / squares).sum()
    value = float(weight @ [s.estimate.value for s in found])
    parts = [
        pd.Series(w * s.scores, index=c.units) for w, s, c in zip(weight, found, known, strict=True)
    ]
    added = pd.concat(parts)
    together = added.groupby(level=0).sum().to_numpy()
    units = len(together)
    variance = float(together @ together) * units / (units - 1)
    # The smaller group of each tells how well its part of the variance is known.
    few = [float(min(s.contacted, s.others)) for s in found]
    degrees = welch_degrees(list(weight**2 * squares), few)
    half = t_quantile(0.95, degrees) * variance**0.5
    n = sum(s.estimate.n for s in found)
    return PooledHoldouts(Estimate(value, value - half, value + half, n), len(known), currency)
