"""What an arm earned beside the control: extra profit, and what came back of what was spent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promolab.abtest.analysis import ArmComparison, Metric
from promolab.checks import columns_there, is_number, real_number, text
from promolab.effects import spoken
from promolab.errors import InputError, nearest
from promolab.results import Estimate, Result
from promolab.stats import fieller, t_quantile
from promolab.wording import count, money, percent

PROFIT, SPENT, _LEFT = "profit", "spent", "profit less spent"
KEYS = ("margin", "discount", "contact_cost", "earlier", "currency")


@dataclass(frozen=True)
class MoneyTerms:
    """What makes an experiment's profit; read from ``money`` by `money_terms`.

    Parameters
    ----------
    margin : str
        Column of each customer's margin, discounts already taken off.
    discount : str, optional
        Column of the discounts given.
    contact_cost : float or str
        Of one contact, for everybody in an arm but the control; or a column of what contacts cost.
    earlier : str, optional
        Column of the margin from before the arms were drawn (CUPED).
    currency : str
        Of all of them.
    """

    margin: str
    discount: str | None = None
    contact_cost: float | str = 0.0
    earlier: str | None = None
    currency: str = ""

    @property
    def metrics(self) -> dict[str, Metric]:
        """The three means from which profit, spending and their ratio follow."""
        names = {PROFIT: PROFIT, SPENT: SPENT, _LEFT: _LEFT}
        return {n: Metric(c, "mean", earlier=self.earlier) for n, c in names.items()}

    def added_to(self, data: Any, arm: str, control: str) -> Any:
        """Return the rows with columns of profit, of what was spent, and of the difference.

        Parameters
        ----------
        data : DataFrame or ibis Table
        arm : str
            Its column.
        control : str
            The arm that is not contacted, where the cost is a number.
        """
        used = [self.margin, self.discount, self.contact_cost, self.earlier]
        columns_there(data, [name for name in used if isinstance(name, str)], "data")
        if clash := [name for name in (PROFIT, SPENT, _LEFT) if name in data.columns]:
            raise InputError(
                f"data has a column {clash[0]!r} of its own, which money= makes; rename it"
            )
        if isinstance(self.contact_cost, str):
            cost = data[self.contact_cost]
        else:
            mine = data[arm].cast("string") if hasattr(data, "mutate") else data[arm].astype(str)
            apart = (mine != control).cast("float64") if hasattr(data, "mutate") else (
                mine != control
            ).astype(float)  # fmt: skip
            cost = apart * float(self.contact_cost)
        spent = cost if self.discount is None else cost + data[self.discount]
        profit = data[self.margin] - cost
        columns = {PROFIT: profit, SPENT: spent, _LEFT: profit - spent}
        put = data.mutate if hasattr(data, "mutate") else data.assign
        return put(**columns)


def money_terms(said: Mapping[str, Any]) -> MoneyTerms:
    """Read what makes profit: a mapping of `KEYS`.

    Raises
    ------
    InputError
        An unknown key, no margin, or a value that is none.
    """
    if not isinstance(said, Mapping) or "margin" not in said:
        raise InputError(
            f"money = {said!r}; expected at least the column of the margin, as {{'margin': "
            "'margin', 'discount': 'discount', 'contact_cost': 0.4}}"
        )
    for key, value in said.items():
        if key not in KEYS:
            raise InputError(f"money has an unknown key {key!r}; {nearest(key, KEYS)}")
        if key == "contact_cost" and is_number(value):
            real_number("money: contact_cost", value, least=0)
        elif value is not None:
            text(f"money: {key}", value, empty=key == "currency")
    return MoneyTerms(**said)


@dataclass(frozen=True)
class ArmMoney(Result):
    """What an arm earned beside the control.

    Parameters
    ----------
    arm : str
        Which.
    customers : int
        In it.
    profit : Estimate
        Extra profit per customer: margin after discounts, less contacts.
    spent : Estimate
        Extra discounts and contacts per customer.
    returned : Estimate
        Extra profit ÷ extra spending, with Fieller's interval: 0.4 is 40 % on top of what was
        spent. nan where nothing more was spent, infinite ends where that is not told from 0.
    currency : str
        Of the amounts.
    """

    arm: str
    customers: int
    profit: Estimate
    spent: Estimate
    returned: Estimate
    currency: str = ""

    @property
    def in_total(self) -> Estimate:
        """Extra profit of all customers of the arm."""
        return self.profit * self.customers

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, the total among them."""
        return super().to_dict() | {"in_total": self.in_total.to_dict()}

    def summary(self) -> str:
        """Say what the arm earned, per customer and in total, and what came back."""
        e, unit = self.profit, self.currency
        less = e.value < 0
        each, total = (e * -1, self.in_total * -1) if less else (e, self.in_total)
        chance = "" if e.ci_low > 0 or e.ci_high < 0 else ", which chance alone could have made"
        words = (
            f"{spoken(self.arm).capitalize()} {'lost' if less else 'earned'} "
            f"{money(*each.ends, currency=unit)} more per customer, "
            f"{money(*total.ends, currency=unit)} in total from {count(self.customers)}{chance}"
        )
        if math.isfinite(self.returned.ci_high - self.returned.ci_low):
            spent = money((self.spent * self.customers).value, currency=unit)
            words += (
                f"; of {spent} spent on discounts and contacts the return is "
                f"{percent(*self.returned.ends)}"
            )
        return f"{words}."


def money_of(
    rows: Mapping[tuple[str, str], ArmComparison],
    arms: Mapping[str, int],
    currency: str,
) -> tuple[ArmMoney, ...]:
    """Return what each arm earned, from the rows of `MoneyTerms.metrics`.

    The covariance of profit and spending is that of the three variances: Var(P) + Var(S) −
    Var(P − S) is twice it.
    """
    return tuple(_arm_money(rows, arm, n, currency) for arm, n in arms.items())


def _arm_money(
    rows: Mapping[tuple[str, str], ArmComparison], arm: str, n: int, currency: str
) -> ArmMoney:
    profit, spent, left = (rows[name, arm] for name in (PROFIT, SPENT, _LEFT))
    above, below, apart = (row.std_error**2 for row in (profit, spent, left))
    both = (above + below - apart) / 2
    z = t_quantile(profit.level, profit.degrees)
    top, bottom = profit.difference.value, spent.difference.value
    returned = Estimate(math.nan, n=n)
    if bottom > 0:
        returned = Estimate(top / bottom, *fieller(top, bottom, (above, below), both, z), n)
    return ArmMoney(arm, n, profit.difference, spent.difference, returned, currency)
