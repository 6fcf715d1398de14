"""What the page Policy shows beside its answer: who gets what, and other assumptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.display import Html, table
from promolab.policy import allocate
from promolab.results import Estimate, Result
from promolab.segmentation import segment_words
from promolab.wording import count, money


@dataclass(frozen=True)
class SameForAll(Result):
    """The same offer for all, as far as the plan's cost reaches, beside the plan.

    Parameters
    ----------
    promotion_id, name : str
        The promotion that adds most on average.
    spend : float
        What it costs, in money.
    profit, ahead : Estimate
        What it adds, and what the plan adds beyond it; by what came of past decisions.
    currency : str
    error : float
        How far the plan's cost may lie off: what this costs is rounded as that is.
    """

    promotion_id: str
    name: str
    spend: float
    profit: Estimate
    ahead: Estimate
    currency: str = ""
    error: float = 0.0

    @property
    def as_good(self) -> bool:
        """Whether the plan is not shown to add more: then the simpler one is recommended."""
        return not self.ahead.ci_low > 0

    def facts(self) -> dict[str, Any]:
        """Return what it costs, rounded as the plan's cost is."""
        ends = self.spend, self.spend - self.error, self.spend + self.error
        return {"spent": money(*ends, currency=self.currency, bare=True)}


@dataclass(frozen=True)
class SegmentShares(Result):
    """Who gets what, by segment; made by `segment_shares`.

    Parameters
    ----------
    frame : DataFrame
        A row per segment, the largest first: segment, customers, and how many of them get each
        promotion, and any.
    names : dict of str to str
        Promotion → what readers call it.
    """

    frame: pd.DataFrame = field(repr=False)
    names: dict[str, str]

    def facts(self) -> dict[str, Any]:
        """Return the segments that get something most and least often, small ones left out."""
        rows = self.frame.assign(share=self.frame["any"] / self.frame["customers"])
        rows = rows[rows["customers"] >= max(20, 0.01 * rows["customers"].sum())]
        if rows.empty or not rows["any"].sum():
            return {"state": "nobody"}
        rows = rows.sort_values(["share", "segment"], ascending=[False, True])
        first, last = rows.iloc[0], rows.iloc[-1]
        return {
            "state": "some",
            "first": segment_words(first["segment"]),
            "most": first["share"],
            "last": segment_words(last["segment"]) if len(rows) > 1 else "",
            "least": last["share"],
        }

    def table(self) -> Html:
        """Return a row per segment; of many promotions together alone."""
        shown = dict(self.names) if len(self.names) <= 5 else {}
        heads = {name: self.say(name) for name in ("segment", "customers", "any")}
        return table(
            self.frame.assign(segment=self.frame["segment"].map(segment_words)),
            heads | shown,
            dict.fromkeys(["customers", "any", *shown], count),
            caption=self.say("caption"),
            most=len(self.frame),
        )


def segment_shares(
    segment: pd.Series[Any], planned: np.ndarray, names: dict[str, str]
) -> SegmentShares:
    """Count who is planned for what in each segment.

    Parameters
    ----------
    segment : Series of n texts
        Of each customer.
    planned : ndarray of int of shape (n,)
        Place of the promotion in ``names``; −1 for none.
    names : dict of str to str
        Promotion → what readers call it, in the order of the places.

    Examples
    --------
    >>> found = segment_shares(pd.Series([*"aab"]), np.array([0, -1, -1]), {"7": "Coupons 7"})
    >>> found.frame.values.tolist()
    [['a', 2, 1, 1], ['b', 1, 0, 0]]
    """
    rows = pd.DataFrame({"segment": segment.to_numpy(), "customers": 1})
    for place, promotion in enumerate(names):
        rows[promotion] = (planned == place).astype(np.int64)
    rows["any"] = (planned >= 0).astype(np.int64)
    found = rows.groupby("segment", as_index=False).sum()
    found = found.sort_values(["customers", "segment"], ascending=[False, True], ignore_index=True)
    return SegmentShares(found, names)


@dataclass(frozen=True)
class Sensitivity(Result):
    """What is left where margin, cost or effect are other than assumed; by `sensitivity`.

    Parameters
    ----------
    frame : DataFrame
        A row per case, the plan's own first: case, kept (what the plan as it is would add), best
        (what a plan made for that case would), contacts (of the latter), all as predicted.
    currency : str
    """

    frame: pd.DataFrame = field(repr=False)
    currency: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the worst case, and what is left in it."""
        worst = self.frame.iloc[1:].sort_values(["kept", "case"]).iloc[0]
        return {
            "worst": worst["case"],
            "left": abs(worst["kept"]),
            "pays": bool(worst["kept"] >= 0),
            "lost": worst["best"] - worst["kept"],
        }


def sensitivity(
    value: np.ndarray,
    cost: np.ndarray,
    discount: np.ndarray,
    contact: np.ndarray,
    funded: np.ndarray,
    open_to: np.ndarray,
    choice: np.ndarray,
    budget: float | None,
    currency: str,
) -> Sensitivity:
    """Plan again where margin, cost or effect are other than assumed.

    Parameters
    ----------
    value, cost, discount : ndarray of shape (n, P)
        Net incremental profit, what is charged to the budget, and the whole discount, in money.
    contact : ndarray of shape (P,) or (n, P)
        What is paid beside the discount.
    funded : ndarray of shape (P,)
        The supplier's part of the discount (0–1).
    open_to : ndarray of bool of shape (n, P)
        Who may get what.
    choice : ndarray of int of shape (n,)
        The plan: place of the promotion, −1 for none.
    budget : float, optional
        Which stays.
    currency : str

    Notes
    -----
    Value is effect + funded · discount − contact, and the effect is the margin of extra purchases
    at list price less the discount.

    Examples
    --------
    >>> one = np.ones((2, 1))
    >>> found = sensitivity(
    ...     3 * one, one, 0.8 * one, np.array([0.2]), np.zeros(1), one > 0, np.array([0, -1]), 1.0,
    ...     "CNY",
    ... )
    >>> found.frame[["case", "kept"]].head(2).values.tolist()
    [['as assumed', 3.0], ['effects are half as large', 1.4]]
    """
    effect = value - funded * discount + contact
    gross = effect + discount
    cases = [
        ("as assumed", value, cost),
        ("effects are half as large", value - 0.5 * effect, cost),
        ("effects are half as large again", value + 0.5 * effect, cost),
        ("margins are a fifth lower", value - 0.2 * gross, cost),
        ("margins are a fifth higher", value + 0.2 * gross, cost),
        ("discounts and contacts cost a fifth more", value - 0.2 * cost, 1.2 * cost),
    ]
    some, place = choice >= 0, np.maximum(choice, 0)[:, None]
    rows = []
    for case, worth, paid in cases:
        best = allocate(worth, paid, budget=budget, eligible=open_to)
        kept = np.take_along_axis(worth, place, axis=1)[some, 0].sum()
        rows.append((case, float(kept), best.value, best.contacted))
    frame = pd.DataFrame(rows, columns=["case", "kept", "best", "contacts"])
    return Sensitivity(frame, currency)
