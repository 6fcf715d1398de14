"""What an arm earned beside the control: extra profit, and what came back of what was spent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promolab.abtest.comparison import ArmComparison, Metric
from promolab.abtest.rows import table_of
from promolab.checks import columns_there, is_number, real_number, text
from promolab.effects import spoken
from promolab.engines import connect
from promolab.errors import InputError, nearest
from promolab.results import Estimate, Result
from promolab.stats import fieller, t_quantile, two_sided

PROFIT, SPENT, _LEFT = "profit", "spent", "profit less spent"
KEYS = ("margin", "discount", "contact_cost", "earlier", "currency", "worth")


MOST_OPEN = 10.0
"""Width of the interval of a return from which on nothing is said of it: it may be anything."""


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
    worth : float, optional
        The smallest extra profit per customer worth finding, as of a `Metric`.
    """

    margin: str
    discount: str | None = None
    contact_cost: float | str = 0.0
    earlier: str | None = None
    currency: str = ""
    worth: float | None = None

    @property
    def same_for_all(self) -> float:
        """What a contact costs everybody outside the control; 0 where a column says it."""
        return 0.0 if isinstance(self.contact_cost, str) else float(self.contact_cost)

    @property
    def metrics(self) -> dict[str, Metric]:
        """The means from which profit, spending and their ratio follow."""
        names = [PROFIT]
        if self.discount is not None or isinstance(self.contact_cost, str):
            names += [SPENT, _LEFT]
        return {n: Metric(n, "mean", earlier=self.earlier, worth=self.worth) for n in names}

    def added_to(self, data: Any) -> Any:
        """Return the rows with columns of profit, of what was spent, and of the difference.

        A cost that is the same for everybody outside the control moves the difference alone, and
        is taken off later (`shifted`).

        Parameters
        ----------
        data : DataFrame, ibis Table or path
        """
        if isinstance(data, (str, Path)):
            data = table_of(data, connect(), "data")
        if not hasattr(data, "columns"):
            raise InputError(
                f"money needs columns of a table; data is a {type(data).__name__}: give its rows "
                "as a DataFrame"
            )
        used = [self.margin, self.discount, self.contact_cost, self.earlier]
        columns_there(data, [name for name in used if isinstance(name, str)], "data")
        if clash := [name for name in (PROFIT, SPENT, _LEFT) if name in data.columns]:
            raise InputError(
                f"data has a column {clash[0]!r} of its own, which money= makes; rename it"
            )
        costs = [self.contact_cost] if isinstance(self.contact_cost, str) else []
        profit = data[self.margin]
        for name in costs:
            profit = profit - data[name]
        columns = {PROFIT: profit}
        if parts := [data[name] for name in (self.discount, *costs) if name is not None]:
            spent = sum(parts[1:], parts[0])
            columns |= {SPENT: spent, _LEFT: profit - spent}
        put = data.mutate if hasattr(data, "mutate") else data.assign
        return put(**columns)

    def shifted(self, row: ArmComparison) -> ArmComparison:
        """Return the row of profit with what contacts cost taken off, of spending with it added."""
        by = {PROFIT: -self.same_for_all, SPENT: self.same_for_all}.get(row.metric, 0.0)
        if row.metric == _LEFT:
            by = -2 * self.same_for_all
        if not by:
            return row
        difference = _moved(row.difference, by)
        return replace(
            row,
            treated=_moved(row.treated, by),
            difference=difference,
            # A lift of what may be a loss, by a cost that only one arm has: no such figure.
            relative=Estimate(math.nan, n=row.relative.n),
            p=two_sided(difference.value, row.std_error, row.degrees),
        )


def _moved(e: Estimate, by: float) -> Estimate:
    return Estimate(e.value + by, e.ci_low + by, e.ci_high + by, e.n)


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
        elif key != "worth" and value is not None:
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

    def facts(self) -> dict[str, Any]:
        """Return whether chance could have made it, and what came back of what was spent."""
        return {
            "called": spoken(self.arm),
            "unsure": self.profit.side not in ("above", "below"),
            "spent_in_total": (self.spent * self.customers).value,
            "comes_back": bool(self.returned.ci_high - self.returned.ci_low < MOST_OPEN),
        }


def money_of(
    rows: Mapping[tuple[str, str], ArmComparison], arms: Mapping[str, int], terms: MoneyTerms
) -> tuple[ArmMoney, ...]:
    """Return what each arm earned, from the rows of `MoneyTerms.metrics`.

    The covariance of profit and spending is that of the three variances: Var(P) + Var(S) −
    Var(P − S) is twice it.

    Parameters
    ----------
    rows : mapping of (metric, arm) to ArmComparison
        Shifted.
    arms : mapping of str to int
        Customers of the arms beside the control.
    terms : MoneyTerms
    """
    found, cost = [], terms.same_for_all
    for arm, n in arms.items():
        profit = rows[PROFIT, arm]
        spent, below, both = Estimate(cost, cost, cost, n), 0.0, 0.0
        if (SPENT, arm) in rows:
            more, left = rows[SPENT, arm], rows[_LEFT, arm]
            spent, below = more.difference, more.std_error**2
            both = (profit.std_error**2 + below - left.std_error**2) / 2
        returned = Estimate(math.nan, n=n)
        if spent.value > 0:
            top, z = profit.difference.value, t_quantile(profit.level, profit.degrees)
            ends = fieller(top, spent.value, (profit.std_error**2, below), both, z)
            returned = Estimate(top / spent.value, *ends, n)
        found.append(ArmMoney(arm, n, profit.difference, spent, returned, terms.currency))
    return tuple(found)
