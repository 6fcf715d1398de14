"""Repeat, change, stop or cannot tell: a promotion judged by one stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.effects import Difference
from promolab.promotions import Costs, break_even
from promolab.results import Estimate, Result
from promolab.wording import money, number, percent, plural

REPEAT, CHANGE, STOP, UNCLEAR = "repeat", "change", "stop", "cannot tell"
VERDICTS = (REPEAT, CHANGE, STOP, UNCLEAR)

MOST_HARM = 0.02
"""Share of those contacted who unsubscribe or complain from which a promotion annoys: a few in a
thousand are usual."""

RULE = (
    "Repeat: the whole interval of the extra net sales per customer lies above what pays, and the "
    f"whole interval of those who unsubscribed or complained below {100 * MOST_HARM:g} %; change: "
    "it sells more but does not pay, or it pays but annoys; stop: it neither pays nor is shown to "
    "sell more, or it annoys and is not shown to pay; cannot tell: all else, and wherever the "
    "difference is not identified."
)
"""The rule of `judge`, in one sentence."""


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
        names = ", ".join(_WORDS[name] for name in self.assumed)
        return f" (assumed: {names})" if names else ""

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
    "margin_rate": "margin",
    "contact_cost": "cost of a contact",
    "coupon_cost": "cost of a redemption",
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
            return f"{self.word} ({self.though})" if self.though else self.word
        marks = [self.identification] if self.identification != "randomised" else []
        marks += ["provisional"] if self.provisional else []
        marks += ["margin assumed"] if "margin_rate" in self.assumed else []
        return f"{self.word} ({', '.join(marks)})" if marks else self.word

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the rule as plain values."""
        return super().to_dict() | {"assumed": list(self.assumed), "rule": self.rule}

    def summary(self) -> str:
        """Return the verdict and its reason in a sentence."""
        return f"{self.text.capitalize()}: {self.why}."


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
    Repeat: extra net sales of 4 [2, 6] EUR per customer pay from 2.00 EUR on.
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
    limit = f"{100 * most_harm:g} %"
    too_many = f"{harm_text} unsubscribed or complained, over {limit}"
    if annoys:
        word = CHANGE if pays else STOP
        why = f"{too_many}, {_gain(difference, needed, bool(known))}"
    elif pays and recorded and harm.ci_high > most_harm:
        word, though = UNCLEAR, "pays, may annoy"
        why = (
            f"{_gain(difference, needed, True)}, but {harm_text} unsubscribed or complained: "
            f"of {plural(harm.n, 'contact')}, that may be over {limit}"
        )
    else:
        word = REPEAT if pays else UNCLEAR if not loses else CHANGE if sells else STOP
        why = _gain(difference, needed, bool(known))
        if pays and not recorded:
            why += "; whether it annoys is not recorded"
    assumed = () if needed is None else needed.assumed
    return Verdict(word, why, difference.identification, provisional, assumed, though)


def _gain(difference: Difference, needed: PaysFrom | None, known: bool) -> str:
    """Say how the extra sales compare with what would pay."""
    if not known:
        return "whether it sells more is not identified"
    e = difference.estimate
    text = f"extra net sales of {number(*e.ends)}"
    if needed is None:
        return f"{text} per customer, and what would pay for it is not known"
    need = f"{money(needed.net, currency=needed.currency)}{needed.mark}"
    text += f" {needed.currency} per customer"
    if e.ci_low > needed.net:
        return f"{text} pay from {need} on"
    if e.ci_high < needed.net:
        return f"{text} do not pay: {need} would"
    return f"{text} may or may not reach the {need} that would pay"
