"""Stages of a customer's life with the shop: new, returning, lapsed, without history."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.language import ENGLISH, speaking
from promolab.profiles.lifetime import CustomerValue
from promolab.profiles.scores import customer_frame, numeric
from promolab.results import Estimate, Result, words_of
from promolab.stats import joined, part_of_total, wilson

STAGES = ("New", "Returning", "Lapsed", "Without history")
NEW_DAYS = 28
USUAL_LAPSE_DAYS = 84
MOST_LAPSE_DAYS = 364
MIN_REGULARS = 50
"""Customers of three orders and more that it takes to speak of the shop's own rhythm."""
QUANTILE = 0.95
VERY_LATE = 3.0
"""Times the own rhythm; where it was known exactly, one pause in twenty would be longer (e⁻³)."""
FEW_ORDERS = 3
"""Orders from which on a customer has a rhythm of their own."""
_LIMITS = {
    "new_days": NEW_DAYS,
    "most_days": MOST_LAPSE_DAYS,
    "times": VERY_LATE,
    "few_orders": FEW_ORDERS,
}


@dataclass(frozen=True)
class LifeStages(Result):
    """Customers by the stage of their life with the shop.

    Parameters
    ----------
    by_stage : DataFrame of 4 rows or fewer
        ``stage, customers, share_customers`` (of all), ``share_sales`` (of all sales so far),
        ``share_sales_28d`` (of the sales of the last 28 days), each with ``…_low, …_high`` (95 %;
        nan where unknown), ``meaning``. A stage of too few is one with its neighbour.
    stages : DataFrame
        ``customer_id, stage`` of every customer.
    lapse_days : int
        Days without an order from which on a customer counts as lapsed whose own rhythm is not
        known.
    regulars : int
        Customers with three orders and more, from whose pauses they were chosen.
    pause : float
        Days that 19 in 20 of them let pass between orders at most; nan where they are too few.
    customers : int
        All customers.
    reaches : int
        Days that orders reach back, where that is too short to tell new customers; else 0.
    own_rhythm : bool
        Whether customers lapse by their own rhythm.
    """

    by_stage: pd.DataFrame = field(repr=False)
    stages: pd.DataFrame = field(repr=False)
    lapse_days: int
    regulars: int
    pause: float
    customers: int
    reaches: int = 0
    own_rhythm: bool = False

    @property
    def lapse_rule(self) -> str:
        """From when on a customer counts as lapsed, in the language that is spoken."""
        return self.say("lapse_rule_line")

    @property
    def note(self) -> str:
        """What a reader must know, in the language that is spoken; else empty."""
        return self.say("note_line")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per stage."""
        return self.by_stage.copy()

    def facts(self) -> dict[str, Any]:
        """Return the stages with their intervals: nothing by definition has none."""
        parts: Any = [[{"stage": s.lower()} for s in t.split(", ")] for t in self.by_stage["stage"]]
        table = self.by_stage.assign(parts=parts)
        for name in ("share_customers", "share_sales", "share_sales_28d"):
            exact = ~(table[f"{name}_low"] < table[f"{name}_high"])
            table.loc[exact, [f"{name}_low", f"{name}_high"]] = np.nan
        lapsed = table[table["stage"].str.contains("Lapsed")].iloc[0]
        ends = ["share_customers", "share_customers_low", "share_customers_high"]
        return {
            "shown": table,
            "lapsed": Estimate.of(lapsed[ends]),
            "lapsed_parts": lapsed["parts"],
            "alone": len(lapsed["parts"]) == 1,
            "table_of_stages": self.by_stage.to_dict("records"),
            "basis": "usual" if math.isnan(self.pause) else "measured",
            **_LIMITS,
        }

    def assignments(self) -> pd.DataFrame:
        """Return ``customer_id, stage`` of every customer, sorted by id."""
        return self.stages.copy()


def lapse_days(features: pd.DataFrame) -> tuple[int, int, float]:
    """Return from how many days without an order on a customer counts as lapsed, and its basis.

    The basis: how many customers have three orders and more, and how many days 19 in 20 of them let
    pass between orders at most, nan where they are too few.

    Parameters
    ----------
    features : DataFrame

    Notes
    -----
    19 in 20 of the customers with three orders and more let fewer days pass between orders, on
    average; in whole weeks, from 28 to 364 days. Where fewer than 50 customers have three orders,
    84 days.

    Examples
    --------
    >>> lapse_days(pd.DataFrame({"orders": [3] * 60, "days_between_orders": [40.0] * 60}))[0]
    42
    """
    days = numeric(features, "days_between_orders")
    known = days[(np.nan_to_num(numeric(features, "orders")) >= 3) & ~np.isnan(days)]
    if len(known) < MIN_REGULARS:
        return USUAL_LAPSE_DAYS, len(known), math.nan
    pause = float(np.quantile(known, QUANTILE))
    weeks = math.ceil(round(pause / 7, 9))
    return int(min(max(7 * weeks, NEW_DAYS), MOST_LAPSE_DAYS)), len(known), pause


def life_stages(
    features: Any, customers: Iterable[Any] | None = None, value: Any = None, least: int = 1
) -> LifeStages:
    """Sort customers into new, returning, lapsed and without history.

    Parameters
    ----------
    features : DataFrame or ibis.Table
        One row per customer, with ``orders`` and ``recency_days``.
    customers : iterable of ids, optional
        All customers that the shop knows; those absent from ``features`` have no history.
    value : CustomerValue, optional
        With it (`promolab.customer_value`) customers lapse by their own rhythm: away more than
        three times as long as they usually are, from 28 to 364 days. Anything else is ignored: a
        page hands on why there is none.
    least : int
        Customers that a stage of ``by_stage`` holds at least (`promolab.stats.joined`).

    Returns
    -------
    LifeStages
        Everybody is in one stage. *New*: the first order lies at most 28 days back. *Lapsed*: no
        order for more than `lapse_days`, or than the own rhythm allows. *Returning*: all others
        with an order. *Without history*: no order that was kept. Intervals: shares of customers
        by Wilson, shares of sales by the linearised variance over customers in Wilson's form.

    Raises
    ------
    InputError
        If features lack orders or recency_days.

    Examples
    --------
    >>> features = pd.DataFrame({
    ...     "customer_id": [1, 2, 3], "orders": [1, 9, 2], "recency_days": [5.0, 3.0, 200.0],
    ...     "days_between_orders": [None, 10.0, 20.0], "amount": [10.0, 80.0, 10.0]})
    >>> life_stages(features, customers=[1, 2, 3, 4]).stages["stage"].tolist()
    ['New', 'Returning', 'Lapsed', 'Without history']
    """
    frame = customer_frame(features)
    for column in ("orders", "recency_days"):
        if column not in frame:
            raise InputError(f"features has no column {column!r}; the stages of customers need it")
    orders, recency = np.nan_to_num(numeric(frame, "orders")), numeric(frame, "recency_days")
    bought = (orders > 0) & ~np.isnan(recency)
    gaps = np.nan_to_num(numeric(frame, "days_between_orders"))
    # The mean time between orders times their number is the time from the first to the last one.
    first = np.round(recency + gaps * np.maximum(orders - 1, 0), 6)
    limit, regulars, pause = lapse_days(frame)
    own = _own_limits(frame["customer_id"], value)
    far = recency > (limit if own is None else np.where(np.isnan(own), limit, own))
    code = np.where(first <= NEW_DAYS, 0, np.where(far, 2, 1))
    code = np.where(bought, code, 3)
    known = pd.Index([] if customers is None else list(customers)).unique()
    absent = known[~known.isin(frame["customer_id"])]
    ids = frame["customer_id"]
    if len(absent):
        ids = pd.concat([ids, pd.Series(absent)])
    codes = np.concatenate([code, np.full(len(absent), 3)])
    stages = pd.DataFrame(
        {"customer_id": ids.to_numpy(), "stage": np.array(STAGES, dtype=object)[codes]}
    ).sort_values("customer_id", kind="stable", ignore_index=True)
    span = float(np.nanmax(np.where(bought, first, np.nan))) if bought.any() else 0.0
    return LifeStages(
        _table(frame, codes, len(absent), limit, own is not None, least),
        stages,
        limit,
        regulars,
        pause,
        len(codes),
        math.ceil(span) if bought.any() and span < 2 * NEW_DAYS else 0,
        own is not None,
    )


def _own_limits(ids: pd.Series[Any], value: Any) -> np.ndarray | None:
    """Return after how many days each customer lapses by the own rhythm; nan where not known."""
    if not isinstance(value, CustomerValue):
        return None
    known = value.frame[value.frame["orders"] >= FEW_ORDERS].set_index("customer_id")
    usual = known["usual_days"].reindex(ids).to_numpy(float)
    if np.isnan(usual).all():
        return None
    return np.clip(VERY_LATE * usual, NEW_DAYS, MOST_LAPSE_DAYS)


def _table(
    frame: pd.DataFrame, codes: np.ndarray, absent: int, limit: int, own: bool, least: int
) -> pd.DataFrame:
    rows = joined(np.bincount(codes, minlength=len(STAGES)).tolist(), least)
    stages = pd.Series(STAGES).groupby(rows).agg(list)
    member = (rows[codes][:, None] == np.arange(len(stages))).astype(float)
    n = np.full(len(stages), float(len(codes)))
    customers = member.sum(axis=0)
    low, high = wilson(customers, n)
    table: dict[str, Any] = {"stage": stages.str.join(", "), "customers": customers.astype(int)}
    table |= {"share_customers": customers / np.maximum(n, 1)}
    table |= {"share_customers_low": low, "share_customers_high": high}
    for name, column in (("share_sales", "amount"), ("share_sales_28d", "amount_28d")):
        sales = np.concatenate([np.nan_to_num(numeric(frame, column)), np.zeros(absent)])
        for end, values in zip(("", "_low", "_high"), part_of_total(sales, member), strict=True):
            table[name + end] = values
    facts = {"lapse_days": limit, "own_rhythm": own, **_LIMITS}
    with speaking(ENGLISH):  # in tables, whatever the page speaks
        who = {s: words_of(__name__, "LifeStages", stage=s.lower(), **facts) for s in STAGES}
        table["meaning"] = ["; ".join(who[stage].say("who") for stage in part) for part in stages]
    return pd.DataFrame(table)
