"""Repeat, change, stop or cannot tell: a promotion judged by one stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.effects import Difference
from promolab.language import _, _n, marked, percent_sign
from promolab.promotions import Costs, break_even
from promolab.results import Estimate, Result
from promolab.wording import listed, money, number, percent

REPEAT, CHANGE = marked("repeat"), marked("change")
STOP, UNCLEAR = marked("stop"), marked("cannot tell")
VERDICTS = (REPEAT, CHANGE, STOP, UNCLEAR)

MOST_HARM = 0.02
"""Share of those contacted who unsubscribe or complain from which a promotion annoys: a few in a
thousand are usual."""

_RULE = marked(
    "Repeat: the whole interval of the extra net sales per customer lies above what pays, and the "
    "whole interval of those who unsubscribed or complained below {limit}; change: "
    "it sells more but does not pay, or it pays but annoys; stop: it neither pays nor is shown to "
    "sell more, or it annoys and is not shown to pay; cannot tell: all else, and wherever the "
    "difference is not identified."
)
RULE = _RULE.format(limit=f"{100 * MOST_HARM:g} %")
"""The rule of `judge`, in one sentence."""


def rule_words() -> str:
    """Return `RULE` in the language that is spoken."""
    return _(_RULE, limit=f"{100 * MOST_HARM:g}{percent_sign()}")


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

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return super().to_dict() | {"assumed": list(self.assumed)}

    @property
    def mark(self) -> str:
        """What stands behind the figure: `` (assumed: margin)``, or nothing."""
        names = listed(_(_WORDS[name]) for name in self.assumed)
        return _(" (assumed: {figures})", figures=names) if names else ""

    def summary(self) -> str:
        """Return the figure and what it is made of, in a sentence."""
        sales, net, cost = (
            money(value, currency=self.currency) for value in (self.sales, self.net, self.cost)
        )
        return (
            f"Each contact cost {cost}; at a margin of {percent(self.margin_rate, decimals=0)} "
            f"{sales} of extra sales before discounts pay that, {net} net of them{self.mark}."
        )


_WORDS = {
    "margin_rate": marked("margin"),
    "contact_cost": marked("cost of a contact"),
    "coupon_cost": marked("cost of a redemption"),
}


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
        tuple(name for name in _WORDS if getattr(costs, name).assumed),
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
        return RULE

    @property
    def text(self) -> str:
        """The word, with what it rests on: ``repeat (adjusted, provisional)``."""
        if self.word == UNCLEAR:
            marks = [self.though] if self.though else []
        else:
            marks = [_(self.identification)] if self.identification != "randomised" else []
            marks += [_("provisional")] if self.provisional else []
            marks += [_("margin assumed")] if "margin_rate" in self.assumed else []
        word = _(self.word)
        return _("{word} ({marks})", word=word, marks=listed(marks)) if marks else word

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the rule as plain values."""
        return super().to_dict() | {"assumed": list(self.assumed), "rule": self.rule}

    def summary(self) -> str:
        """Return the verdict and its reason in a sentence."""
        return _("{verdict}: {why}.", verdict=self.text.capitalize(), why=self.why)


def judge(
    difference: Difference,
    harm: Estimate,
    needed: PaysFrom | None,
    *,
    provisional: bool = False,
    most_harm: float = MOST_HARM,
) -> Verdict:
    """Judge a promotion by `RULE`.

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
    most_harm : float
        The share from which it annoys.

    Examples
    --------
    >>> sells = Difference(Estimate(4.0, 2.5, 5.5, 900), "randomised", "", 900, 100)
    >>> paid = PaysFrom(2.5, 2.0, 0.5, 0.25, (), "EUR")
    >>> print(judge(sells, Estimate(0.003, 0.001, 0.009, 900), paid).summary())
    Repeat: extra net sales of 4 EUR [2, 6] per customer pay from 2.00 EUR on.
    """
    e = difference.estimate
    known = difference.identified and np.isfinite([e.ci_low, e.ci_high]).all()
    recorded = bool(np.isfinite(harm.value))
    annoys = recorded and harm.ci_low > most_harm
    # Without a break-even there is none to reach, and extra sales below 0 pay for nothing.
    pays = bool(known and needed is not None and e.ci_low > needed.net)
    loses = bool(known and e.ci_high < (0.0 if needed is None else needed.net))
    sells = bool(known and e.ci_low > 0)
    though = ""
    harm_text = percent(*harm.ends)
    limit = f"{100 * most_harm:g}{percent_sign()}"
    if annoys:
        word = CHANGE if pays else STOP
        why = _(
            "{share} unsubscribed or complained, over {limit}, {gain}",
            share=harm_text,
            limit=limit,
            gain=_gain(difference, needed, bool(known)),
        )
    elif pays and recorded and harm.ci_high > most_harm:
        word = UNCLEAR
        lost = Estimate.of([harm.n * end for end in harm.ends], harm.n)
        though = _(
            "pays, may annoy: {n} would unsubscribe or complain if repeated",
            n=number(*lost.ends, decimals=0),
        )
        why = _n(
            "{gain}, but {share} unsubscribed or complained: of {n} contact, that may be over "
            "{limit}",
            "{gain}, but {share} unsubscribed or complained: of {n} contacts, that may be over "
            "{limit}",
            harm.n,
            gain=_gain(difference, needed, True),
            share=harm_text,
            limit=limit,
        )
    else:
        word = REPEAT if pays else UNCLEAR if not loses else CHANGE if sells else STOP
        why = _gain(difference, needed, bool(known))
        if pays and not recorded:
            why = _("{gain}; whether it annoys is not recorded", gain=why)
    assumed = () if needed is None else needed.assumed
    return Verdict(word, why, difference.identification, provisional, assumed, though)


def _gain(difference: Difference, needed: PaysFrom | None, known: bool) -> str:
    """Say how the extra sales compare with what would pay."""
    if not known:
        return _("whether it sells more is not identified")
    e = difference.estimate
    if needed is None:
        return _(
            "extra net sales of {sales} per customer, and what would pay for it is not known",
            sales=number(*e.ends),
        )
    told = {
        "sales": money(*e.ends, currency=needed.currency),
        "need": f"{money(needed.net, currency=needed.currency)}{needed.mark}",
    }
    if e.ci_low > needed.net:
        return _("extra net sales of {sales} per customer pay from {need} on", **told)
    if e.ci_high < needed.net:
        return _("extra net sales of {sales} per customer do not pay: {need} would", **told)
    return _(
        "extra net sales of {sales} per customer may or may not reach the {need} that would pay",
        **told,
    )
