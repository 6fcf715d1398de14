"""What a plan needs to know of an outcome, from a time in which nothing was tested."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.abtest.yardstick import MEAN, RATIO, SHARE
from promolab.checks import columns_there, whole_number
from promolab.errors import InputError
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop

DAYS = 28
EARLIER = "earlier_"
OUTCOMES = ("purchases", "orders_placed", "sales", "margin")
DIGITS = 12
"""Significant digits kept: an engine adds floats in an order that changes from run to run."""


@dataclass(frozen=True)
class Moments:
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
    n : int
        Customers behind it; 0 where the figures were given.
    """

    kind: str
    centre: float
    sd: float
    correlation: float
    design_effect: float
    n: int

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


def moments_of(
    data: Any,
    outcome: str,
    kind: str | None = None,
    per: str | None = None,
    earlier: str | None = None,
    cluster: str | None = None,
) -> Moments:
    """Take an outcome's moments from one row per customer; the engine adds up.

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
    >>> found = moments_of(table, "bought", earlier="before")
    >>> found.kind, found.centre, round(found.correlation, 4)
    ('share', 0.25, 0.5774)
    """
    import tea_tasting.aggr

    table = _table_of(data)
    named = [name for name in (outcome, per, earlier) if name is not None]
    columns_there(table, [*named, *([cluster] if cluster else [])], "data")
    rows = _numbers(table, named, cluster)
    kind = _kind_of(rows, outcome, per, kind)
    x = "x" if earlier is not None else None
    columns = ["y", *(["d"] if per is not None else []), *(["x"] if x else [])]
    pairs = [(a, b) for i, a in enumerate(columns) for b in columns[i + 1 :]]
    given = {"y": outcome, "d": per, "x": earlier}
    rows = rows.mutate(**{new: rows[old] for new, old in given.items() if old is not None})
    found = tea_tasting.aggr.read_aggregates(
        rows, None, has_count=True, mean_cols=columns, var_cols=columns, cov_cols=pairs
    )
    d = "d" if per is not None else None
    if d and not found.mean(d):
        raise InputError(f"{per} is 0 on average; a ratio needs a denominator")
    variance = float(found.ratio_var("y", d))
    if not variance > 0:
        raise InputError(
            f"{outcome} is the same for all {found.count():,} customers; nothing to plan"
        )
    centre = float(found.mean("y")) / float(found.mean(d))
    theta = r = 0.0
    if x:
        spread, both = float(found.var(x)), float(found.ratio_cov("y", d, x, None))
        if not spread > 0:
            raise InputError(
                f"{earlier} is the same for all customers; it says nothing; leave it out"
            )
        theta, r = both / spread, both / math.sqrt(variance * spread)
        if abs(r) > 1 - 1e-9:
            raise InputError(f"{earlier} tells {outcome} exactly; give a figure from before")
    design = 1.0
    if cluster is not None:
        # What is left of each customer once centred and adjusted, as a share of the metric's mean.
        left = (rows.y - centre * rows.d) / found.mean("d") if d else rows.y - centre
        left = left - theta * (rows.x - found.mean("x")) if x else left
        design = _design_effect(rows.mutate(left=left))
    sd = math.sqrt(variance)
    return Moments(kind, _kept(centre), _kept(sd), _kept(r), _kept(design), found.count())


def _design_effect(rows: Any) -> float:
    """Return what clusters make of the variance: Σ (Σ left)² over clusters ÷ Σ left²."""
    sums = rows.group_by("group").aggregate(total=rows.left.sum(), squares=(rows.left**2).sum())
    both = sums.aggregate(between=(sums.total**2).sum(), within=sums.squares.sum()).execute()
    return float(both["between"].iloc[0] / both["within"].iloc[0])


def _table_of(data: Any) -> Any:
    """Return an Ibis table of whatever holds one row per customer."""
    import ibis
    import pandas as pd

    from promolab.contract import Shop

    if isinstance(data, Shop):
        return customer_history(data)
    if isinstance(data, pd.DataFrame):
        return ibis.memtable(data)
    if isinstance(data, ibis.Table):
        return data
    if isinstance(data, (str, Path)):
        path = Path(data)
        if not path.is_file() or path.suffix not in (".parquet", ".csv"):
            raise InputError(
                f"there is no file {path} of parquet or csv; give one row per customer"
            )
        return ibis.read_parquet(path) if path.suffix == ".parquet" else ibis.read_csv(path)
    raise InputError(
        f"data is a {type(data).__name__}; give a table with one row per customer, the path of a "
        "parquet or csv file, or a shop"
    )


def _numbers(table: Any, names: list[str], cluster: str | None) -> Any:
    """Return the columns as floats, refusing what is missing or no number; group is the cluster."""
    import ibis

    for name in names:
        kind = table[name].type()
        if not (kind.is_numeric() or kind.is_boolean()):
            raise InputError(f"{name} holds {kind}; expected numbers")
    values = {name: table[name].cast("float64") for name in names}
    extra = {} if cluster is None else {"group": table[cluster].cast("string")}
    rows = table.select(**values, **extra)
    if cluster is not None:
        # As in `assign`: without a cluster the customer stands alone.
        alone = ibis.literal("alone ") + ibis.row_number().cast("string")
        rows = rows.mutate(group=rows.group.fill_null(alone))
    wrong = {name: (rows[name].isnull() | rows[name].isnan()).sum() for name in names}
    found = rows.aggregate(**{f"n{i}": wrong[name] for i, name in enumerate(names)}, n=rows.count())
    counts = found.execute().iloc[0]
    if counts["n"] < 4:
        raise InputError(f"data has {plural(int(counts['n']), 'row')}; a plan needs 4 at least")
    for i, name in enumerate(names):
        if missing := int(counts[f"n{i}"]):
            raise InputError(
                f"{name} has {plural(missing, 'missing value')} of {int(counts['n']):,}; one who "
                "did nothing has 0"
            )
    return rows


def _kind_of(rows: Any, outcome: str, per: str | None, kind: str | None) -> str:
    if per is not None and kind in (SHARE, MEAN):
        raise InputError(f"per = {per!r} makes a ratio of it, and kind is {kind!r}; leave one out")
    if per is not None:
        return RATIO
    if kind == RATIO:
        raise InputError("a ratio needs its denominator; name its column as per")
    if kind == MEAN:
        return MEAN
    y = rows[outcome]
    other = int(((y != 0) & (y != 1)).sum().execute())
    if other and kind == SHARE:
        raise InputError(f"{outcome} has {plural(other, 'value')} besides 0 and 1; no share is")
    return MEAN if other else SHARE


def _kept(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
