"""Repeat, change, stop or cannot tell: a promotion judged by one stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.effects import Difference
from promolab.promotions import Costs, break_even
from promolab.results import Estimate, Result, words_of

REPEAT, CHANGE, STOP, UNCLEAR = VERDICTS = ("repeat", "change", "stop", "cannot tell")

MOST_HARM = 0.02
"""Share of those contacted who unsubscribe or complain from which a promotion annoys: a few in a
thousand are usual."""
STATED = ("margin_rate", "contact_cost", "coupon_cost")
"""Figures that a shop states, or that are assumed."""


def rule() -> str:
    """Return the rule of `judge`, in one sentence."""
    return words_of(__name__, "Verdict", limit=MOST_HARM).say("rule")


@dataclass(frozen=True)
class PaysFrom(Result):
    """Extra sales per contact that pay for a promotion as it went; made by `pays_from`.

    Parameters
    ----------
    sales : float
        Extra sales per contact before discounts come off: the break-even of the plan.
    net : float
        The same as the shop takes it in: less the discount per contact. What was measured is net.
    cost : float
        Discounts, coupon handling and contact, per contact.
    margin_rate : float
        Margin as a share of sales.
    assumed : tuple of str
        Figures that the shop does not state.
    currency : str
        Of the amounts.
    """

    sales: float
    net: float
    cost: float
    margin_rate: float
    assumed: tuple[str, ...]
    currency: str


def pays_from(
    contacts: int, redemptions: float, discount: float, costs: Costs, currency: str
) -> PaysFrom | None:
    """Return the extra sales per contact that pay for a promotion as it was carried out.

    `promolab.campaign.outlook.break_even` of what it took, in place of what was expected.

    Parameters
    ----------
    contacts : int
        Customers contacted.
    redemptions, discount : float
        How many, and what was taken off, in total.
    costs : Costs
        From `promolab.promotions.promotion_costs`.
    currency : str
        Of the amounts.

    Returns
    -------
    PaysFrom or None
        None without contacts, or where the discount is not known.

    Examples
    --------
    >>> from promolab.contract import StatedRate as Rate
    >>> costs = Costs(Rate(0.4, False), Rate(0.5, False), Rate(0.0, True))
    >>> found = pays_from(100, 30, 150.0, costs, "EUR")
    >>> found.cost, found.sales, found.net, found.assumed
    (2.0, 5.0, 3.5, ('coupon_cost',))
    """
    if not contacts or not np.isfinite(discount):
        return None
    taken, off = (Estimate(figure, figure, figure) for figure in (redemptions, discount))
    cost, extra = break_even(contacts, taken, off, costs)
    return PaysFrom(
        extra.value,
        extra.value - discount / contacts,
        cost.value / contacts,
        costs.margin_rate.value,
        tuple(name for name in STATED if getattr(costs, name).assumed),
        currency,
    )


@dataclass(frozen=True)
class Verdict(Result):
    """What to do with a promotion; made by `judge`.

    Parameters
    ----------
    word : str
        ``repeat``, ``change``, ``stop`` or ``cannot tell``.
    why : str
        The reason, in words.
    identification : str
        Of the difference that it rests on.
    provisional : bool
        Whether returns may still change it.
    assumed : tuple of str
        Assumed figures that it rests on.
    though : str
        What is known all the same, where the word is that one cannot tell.
    """

    word: str
    why: str
    identification: str
    provisional: bool
    assumed: tuple[str, ...] = ()
    though: str = ""

    @property
    def rule(self) -> str:
        """The rule, in a sentence."""
        return rule()

    @property
    def text(self) -> str:
        """The word, with what it rests on: ``repeat (adjusted, provisional)``."""
        return self.say("text")

    def facts(self) -> dict[str, Any]:
        """Return what stands behind the word."""
        marks = [self.identification] if self.identification != "randomised" else []
        marks += ["provisional"] if self.provisional else []
        marks += ["margin assumed"] if "margin_rate" in self.assumed else []
        clear = "marked" if marks else "plain"
        unclear = "though" if self.though else "plain"
        return {"case": unclear if self.word == UNCLEAR else clear, "marks": marks}


def judge(
    difference: Difference,
    harm: Estimate,
    needed: PaysFrom | None,
    *,
    provisional: bool = False,
) -> Verdict:
    """Judge a promotion by the `rule`.

    Parameters
    ----------
    difference : Difference
        In sales per customer, net of discounts and returns.
    harm : Estimate
        Share of those contacted who unsubscribed or complained; nan where that is not recorded.
    needed : PaysFrom or None
        What pays for it; None where that is not known.
    provisional : bool
        Whether the figures may still change.

    Examples
    --------
    >>> sells = Difference(Estimate(4.0, 2.5, 5.5, 900), "randomised", "", 900, 100)
    >>> paid = PaysFrom(2.5, 2.0, 0.5, 0.25, (), "EUR")
    >>> print(judge(sells, Estimate(0.003, 0.001, 0.009, 900), paid).summary())
    Repeat: extra net sales of 4 EUR [2, 6] per customer pay from 2.00 EUR on.
    """
    e = difference.estimate
    known = difference.identified and bool(np.isfinite([e.ci_low, e.ci_high]).all())
    recorded = bool(np.isfinite(harm.value))
    # Without a break-even there is none to reach, and extra sales below 0 pay for nothing.
    side = e.side_of(0.0 if needed is None else needed.net)
    pays = known and needed is not None and side == "above"
    loses, sells = known and side == "below", known and e.side == "above"
    word = REPEAT if pays else UNCLEAR if not loses else CHANGE if sells else STOP
    case = "unrecorded" if pays and not recorded else "plain"
    if recorded and harm.ci_low > MOST_HARM:
        word, case = CHANGE if pays else STOP, "annoys"
    elif recorded and pays and harm.ci_high > MOST_HARM:
        word, case = UNCLEAR, "may_annoy"
    words = words_of(
        __name__,
        "Verdict",
        gain="unknown" if not known else "unpriced" if needed is None else side,
        sales=e,
        harm=harm,
        limit=MOST_HARM,
        lost=harm * harm.n,
        need=0.0 if needed is None else needed.net,
        assumed=() if needed is None else needed.assumed,
        currency="" if needed is None else needed.currency,
    )
    though = words.say("may_annoy_though") if case == "may_annoy" else ""
    assumed = () if needed is None else needed.assumed
    return Verdict(word, words.say(case), difference.identification, provisional, assumed, though)
