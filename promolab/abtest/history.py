"""What a plan needs to know of an outcome, from a time in which nothing was tested."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from promolab.abtest.comparison import MEAN, RATIO, SHARE
from promolab.abtest.estimates import Figure, level_of, pooled_slope, sums_of
from promolab.abtest.rows import Rows, number_of, table_of, there
from promolab.checks import whole_number
from promolab.contract import Shop
from promolab.engines import connect
from promolab.errors import InputError
from promolab.stats import units_of
from promolab.wording import plural

DAYS = 28
EARLIER = "earlier_"
OUTCOMES = ("purchases", "orders_placed", "sales", "margin")


@dataclass(frozen=True)
class Outcome:
    """What is known of an outcome without a promotion.

    Parameters
    ----------
    kind : {"share", "mean", "ratio"}
        Of outcome.
    centre, sd : float
        The share, mean or ratio, and the standard deviation over customers of what it is a mean of.
    correlation : float
        With a figure from before; 0 without one.
    design_effect : float
        Of clusters: how many times the variance of independent customers.
    """

    kind: str
    centre: float
    sd: float
    correlation: float
    design_effect: float

    @property
    def inflation(self) -> float:
        """What the variance is multiplied by."""
        return self.design_effect * (1 - self.correlation**2)


def customer_history(shop: Shop, as_of: datetime | None = None, *, days: int = DAYS) -> Any:
    """Return what every customer bought in the days before a moment, and in as many before those.

    Parameters
    ----------
    shop : Shop
        With customers and purchases.
    as_of : datetime, optional
        UTC; by default the end of what the shop knows.
    days : int
        Length of both times: as long as the experiment's outcome will take.

    Returns
    -------
    ibis Table
        customer_id; purchases (0 or 1), orders_placed, sales, margin (where products or the shop
        have a margin rate), each also with ``earlier_`` before its name. Who bought nothing has 0.

    Raises
    ------
    InputError
        The shop has no customers or events, or none before the moment.
    """
    import pandas as pd

    from promolab.features import known_until, outcomes_between, whole_margin_rate

    length = timedelta(days=whole_number("days", days, 1))
    end = pd.Timestamp(known_until(shop) if as_of is None else as_of)
    end = end.tz_convert("UTC").tz_localize(None) if end.tzinfo is not None else end
    spans = pd.DataFrame(
        {
            "span": [0, 1],
            "low": [end - length, end - 2 * length],
            "high": [end, end - length],
        }
    ).astype({"low": "datetime64[us]", "high": "datetime64[us]"})
    margin = whole_margin_rate(shop) is not None or shop.has("products", "margin_rate")
    names = [name for name in OUTCOMES if name != "margin" or margin]
    bought = outcomes_between(shop, spans, margin=margin)
    customers = shop.customers.select("customer_id").distinct()
    for span, before in ((0, ""), (1, EARLIER)):
        rows = bought.filter(bought.span == span)
        rows = rows.select("customer_id", **{before + n: rows[n].cast("float64") for n in names})
        customers = customers.left_join(rows, "customer_id").drop("customer_id_right")
    every = [before + name for before in ("", EARLIER) for name in names]
    return customers.mutate(**{name: customers[name].fill_null(0.0) for name in every})


def outcome_of(
    data: Any,
    outcome: str,
    kind: str | None = None,
    per: str | None = None,
    earlier: str | None = None,
    cluster: str | None = None,
) -> Outcome:
    """Take an outcome's moments from one row per customer.

    Parameters are those of `promolab.abtest.plan_experiment`.

    Raises
    ------
    InputError
        Columns that are not there, have missing values or no spread; a share that is not made of 0
        and 1; a denominator whose mean is 0.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"bought": [0, 1, 0, 0], "before": [0, 1, 0, 1]})
    >>> found = outcome_of(table, "bought", earlier="before")
    >>> found.kind, found.centre, round(found.correlation, 4)
    ('share', 0.25, 0.5774)
    """
    import ibis

    if per is not None and kind in (SHARE, MEAN):
        raise InputError(f"per = {per!r} makes a ratio of it, and kind is {kind!r}; leave one out")
    if per is None and kind == RATIO:
        raise InputError("a ratio needs its denominator; name its column as per")
    columns = {"outcome": outcome, "per": per, "earlier": earlier}
    named = {role: column for role, column in columns.items() if column is not None}
    con = connect()
    table = customer_history(data) if isinstance(data, Shop) else table_of(data, con, "data")
    con = table.get_backend() if isinstance(data, (Shop, ibis.Table)) else con
    there(table, [*named.values(), *filter(None, [cluster])], "data")
    asked = {} if cluster is None else {"cluster": table[cluster].cast("string")}
    frame = con.execute(table.select(**asked, **{r: number_of(table, c) for r, c in named.items()}))
    n = len(frame)
    if not n:
        raise InputError("data has no rows; give a row per customer")
    figure = Figure(**{role: frame[role].to_numpy(float) for role in named})
    for name, values in zip(named.values(), figure.parts, strict=True):
        if missing := int(np.isnan(values).sum()):
            raise InputError(
                f"{name} has {plural(missing, 'missing value')} of {n:,}; one who did nothing has 0"
            )
        if np.isinf(values).any():
            raise InputError(f"the column {name!r} holds infinity; expected finite numbers")
    if n < 4:
        raise InputError(f"data has {plural(n, 'row')}; a plan needs 4 at least")
    y = figure.outcome
    other = int(((y != 0) & (y != 1)).sum())
    if kind == SHARE and other:
        raise InputError(f"{outcome} has {plural(other, 'value')} besides 0 and 1; no share is")
    unit = None if cluster is None else units_of(frame["cluster"])
    moments, products = sums_of(figure, Rows(("all",), np.zeros(n, dtype=int), unit=unit))
    m = moments["all"]
    if per is not None and not m.means[1]:
        raise InputError(f"{per} is 0 on average; a ratio needs a denominator")
    centre, direction = level_of(figure, "all", m)
    total = float(direction @ m.within @ direction)
    if not total > 0:
        raise InputError(f"{outcome} is the same for all {m.rows:,} customers; nothing to plan")
    r = 0.0
    if earlier is not None:
        if not m.within[-1, -1] > 0:
            raise InputError(
                f"{earlier} is the same for all customers; it says nothing; leave it out"
            )
        slope, r = pooled_slope({"all": direction}, {"all": m})
        if abs(r) > 1 - 1e-9:
            raise InputError(f"{earlier} tells {outcome} exactly; give a figure from before")
        direction[-1] -= slope
    # What clusters make of the variance of what is left: Σ (Σ left)² over clusters ÷ Σ left².
    apart, alone = (float(direction @ x @ direction) for x in (products[1:, 1:], m.within))
    usual = RATIO if per is not None else MEAN if other else SHARE
    sd = math.sqrt(total / (m.rows - 1))
    return Outcome(kind or usual, centre, sd, r, apart / alone)
