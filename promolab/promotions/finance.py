"""What a finance department asks of promotions: who pays, what is to come, what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import columns_there
from promolab.contract import BOUGHT_FROM, read_operations
from promolab.features import order_lines
from promolab.glossary import label
from promolab.metrics import past_ratios
from promolab.promotions.costs import (
    PREDICTION_LEVEL,
    Costs,
    break_even,
    discount_per_redeemer,
    past_discounts,
    promotion_costs,
)
from promolab.promotions.terms import Promotion, read_promotions
from promolab.results import Estimate, Result
from promolab.wording import arm_words, capital, percent

if TYPE_CHECKING:
    from promolab.contract import Shop


NEEDED = ("promotion_id", "contacts", *("discount", "discount_ci_low", "discount_ci_high"))
"""Columns of what is expected of promotions that start; ``cost`` and its ends as well."""
RETURNED_DAYS = 364
"""Days before in which what came back tells what will."""
_NO_MONEY = Estimate(0.0, 0.0, 0.0, 0)
_UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class Finance(Result):
    """Who pays for promotions, and what they cost; made by `finance_table`.

    Parameters
    ----------
    frame : DataFrame
        A row per promotion that starts or runs, by start and id: promotion_id, promotion_kind,
        starts_at, ends_at, state, paid_by, face_value, customers_contacted, expected_cost with
        _low and _high, supplier_pays, customers_open, open_liability with _low and _high,
        expected_returns, currency. The glossary says what each is.
    currency : str
        Of all amounts.
    names : tuple of str
        What readers call each.
    """

    frame: pd.DataFrame = field(repr=False)
    currency: str
    names: tuple[str, ...] = ()

    def for_finance(self) -> pd.DataFrame:
        """Return the table as finance reads it: headings in words, money with two decimals."""
        rows = self.frame.copy()
        for name in rows:
            if rows[name].dtype.kind == "f":
                told = rows[name]
                rows[name] = [f"{x:.2f}" if math.isfinite(x) else "" for x in told]
            elif rows[name].dtype.kind == "M":
                rows[name] = rows[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        rows["promotion_kind"] = rows["promotion_kind"].map(arm_words)
        return rows.rename(columns={name: capital(label(str(name))) for name in rows})

    def facts(self) -> dict[str, Any]:
        """Return what all of them may cost, and what is still to come of those that run."""
        running = self.frame[self.frame["state"] == "runs"]
        back = np.isfinite(self.frame["expected_returns"].to_numpy(float))
        return {
            "some": len(self.frame) > 0,
            "runs": len(running) > 0,
            "open": int(running["customers_open"].sum()),
            "shown": self.frame.assign(name=self.names, returns_known=back),
            "level": PREDICTION_LEVEL,
            "cost": [_added(self.frame["expected_cost"])],
            "due": [_added(running["open_liability"])],
        }


def _added(amounts: pd.Series[float]) -> dict[str, Any]:
    """Return whether all, some or none of the amounts are known, and the sum of those."""
    known = amounts[np.isfinite(amounts.to_numpy(float))]
    some = "all" if len(known) == len(amounts) else "some"
    return {"known": some if len(known) else "none", "sum": math.fsum(known)}


def finance_table(shop: Shop, as_of: datetime, expected: pd.DataFrame) -> Finance:
    """Return who pays for each promotion that starts or runs, and what it costs.

    Parameters
    ----------
    shop : Shop
        Cleaned, with promotions, exposures and responses.
    as_of : datetime
        UTC without a zone; nothing at or after it is read, but the promotions' own rows.
    expected : DataFrame
        What is expected of those that start: promotion_id, contacts, cost and discount, the last
        two with ``_ci_low`` and ``_ci_high`` (`promolab.campaign.outlook.launch_economics`).

    Returns
    -------
    Finance
        What runs has cost by now what its redeemers took off and its contacts cost; what is still
        to come is the open liability: customers who were contacted and have not answered, times
        the share of such customers of past promotions of the kind that answered after the same
        part of the window, times what one takes off. Ends are nan with fewer than three of them.

    Raises
    ------
    InputError
        If a column is missing, or a promotion's terms are wrong (`read_promotions`).

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> none = pd.DataFrame(columns=[*NEEDED, "cost", "cost_ci_low", "cost_ci_high"])
    >>> found = finance_table(shop, datetime(2017, 10, 30, 4), none).frame
    >>> found["face_value"].unique().tolist(), found["state"].unique().tolist()
    (['not stated'], ['runs'])
    """
    columns_there(expected, (*NEEDED, "cost", "cost_ci_low", "cost_ci_high"), "expected")
    told = read_operations(shop.settings).economics
    if shop.lacks("response models") is not None:
        return Finance(pd.DataFrame(columns=_COLUMNS), told.currency)
    starting = {str(row["promotion_id"]): row for row in expected.to_dict("records")}
    windows = shop.promotions.execute()
    windows["text"] = windows["promotion_id"].astype(str)
    starts = windows["text"].isin(starting)
    runs = (windows["starts_at"] < as_of) & (windows["ends_at"] > as_of) & ~starts
    chosen = windows[runs | starts].sort_values(["starts_at", "text"], ignore_index=True)
    offers = read_promotions(shop, chosen["promotion_id"])
    past = past_discounts(shop, as_of) if len(chosen) else pd.DataFrame()
    so_far = past_discounts(shop, as_of, running=True).set_index("promotion_id")["discount"]
    open_ = _open(shop, as_of, windows[runs], windows[windows["ends_at"] <= as_of])
    back: dict[str, float] = {}
    rows = []
    for row in chosen.to_dict("records"):
        name, offer = row["promotion_id"], offers[row["promotion_id"]]
        costs = promotion_costs(shop, as_of, row, told, told.margin_rate)
        if row["text"] in starting:
            figures = _planned(starting[row["text"]])
        else:
            per = discount_per_redeemer(past, row, told.currency)
            figures = _running(offer, open_[name], float(so_far.get(name, 0.0)), per, costs)
        if offer.kind not in back:
            back[offer.kind] = _returned(shop, as_of, offer.kind)
        rows.append(_row(row, offer, figures, back[offer.kind], told.currency))
    names = tuple(map(shop.promotion_name, chosen["kind"], chosen["promotion_id"]))
    return Finance(pd.DataFrame(rows, columns=_COLUMNS), told.currency, names)


_COLUMNS = [
    *("promotion_id", "promotion_kind", "starts_at", "ends_at", "state", "paid_by", "face_value"),
    *("customers_contacted", "expected_cost_low", "expected_cost", "expected_cost_high"),
    *("supplier_pays", "customers_open", "open_liability_low", "open_liability"),
    *("open_liability_high", "expected_returns", "currency"),
]


def _planned(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Of what starts nothing is given out yet: all of it is still a plan, no liability."""
    cost = Estimate.of(float(row[f"cost{end}"]) for end in ("", "_ci_low", "_ci_high"))
    return {
        "state": "starts",
        "customers_contacted": int(row["contacts"]),
        "customers_open": 0,
        "expected_cost": cost,
        "open_liability": _NO_MONEY,
        "discount": float(row["discount"]),
    }


def _running(
    offer: Promotion, told: _Outstanding, so_far: float, per: Any, costs: Costs
) -> dict[str, Any]:
    left = told.contacts - told.answered
    takes_off = offer.kind not in BOUGHT_FROM
    so_far = so_far if takes_off else 0.0
    to_come = told.to_come() if takes_off and left else Estimate(0.0, 0.0, 0.0, len(told.past))
    discount = per.of(to_come) if to_come.value else _NO_MONEY
    due = break_even(0, to_come, discount, costs)[0] if takes_off else _NO_MONEY
    spent = (
        (1 - costs.funder_share) * so_far
        + costs.coupon_cost.value * told.answered * takes_off
        + costs.contact_cost.value * told.contacts
    )
    return {
        "state": "runs",
        "customers_contacted": told.contacts,
        "customers_open": left if takes_off else 0,
        "expected_cost": Estimate.of((spent + end for end in due.ends), due.n),
        "open_liability": due,
        "discount": so_far + discount.value,
    }


def _row(
    row: Mapping[Any, Any], offer: Promotion, told: dict[str, Any], back: float, currency: str
) -> dict[str, Any]:
    funded, discount = offer.funder_share, told["discount"]
    shop = percent(1 - funded, decimals=0)
    paid_by = f"shop {shop}, supplier {percent(funded, decimals=0)}" if funded else "shop"
    ends = {
        f"{name}{end}": value
        for name in ("expected_cost", "open_liability")
        for end, value in zip(("", "_low", "_high"), told[name].ends, strict=True)
    }
    return (
        told
        | ends
        | {
            "promotion_id": row["promotion_id"],
            "promotion_kind": offer.kind,
            "starts_at": row["starts_at"],
            "ends_at": row["ends_at"],
            "paid_by": paid_by,
            "face_value": offer.face_value(currency),
            "supplier_pays": funded * discount if funded else 0.0,
            "expected_returns": back * discount,
            "currency": currency,
        }
    )


@dataclass(frozen=True)
class _Outstanding:
    """Contacted, answered by now; and of past promotions of the kind, after as much of the window.

    ``past`` holds type, left (contacted and not answered by then) and later (answered after it).
    """

    contacts: int
    answered: int
    type_: str
    past: pd.DataFrame

    def to_come(self) -> Estimate:
        """Return how many customers more will answer."""
        if self.past.empty:
            return _UNKNOWN
        types, left, later = (self.past[c] for c in ("type", "left", "later"))
        # Half an answer more in each type: none so late by now is no promise that none will come.
        later = later + 0.5 * left / left.groupby(types).transform("sum")
        ratios = past_ratios(later, left, types.tolist())
        open_ = self.contacts - self.answered
        noise = 1 / (open_ * ratios.mean(self.type_) + 0.5)
        found = ratios.predict(noise, self.type_, PREDICTION_LEVEL) * open_
        return Estimate.of((min(end, float(open_)) for end in found.ends), found.n)


def _open(
    shop: Shop, as_of: datetime, running: pd.DataFrame, over: pd.DataFrame
) -> dict[Any, _Outstanding]:
    """Return who was contacted and has not answered, of what runs and, as far on, of what is over.

    One query: each running promotion beside those of its kind that are over, cut where as large a
    part of their window had passed.
    """
    import ibis

    if running.empty:
        return {}
    wanted = ["promotion_id", "kind", "starts_at", "ends_at"]
    mine = running.assign(part=(as_of - running["starts_at"]) / _length(running))
    both = mine[["promotion_id", "kind", "part"]].merge(
        over[wanted], on="kind", suffixes=("_running", "")
    )
    both["cut"] = both["starts_at"] + (both["part"] * _length(both)).dt.round("us")
    own = mine[wanted].assign(promotion_id_running=mine["promotion_id"], cut=as_of)
    spans = pd.concat([both[list(own)], own], ignore_index=True)
    spans["counted"] = np.where(spans["kind"].isin(BOUGHT_FROM), "purchase", "redeem")
    cuts = ibis.memtable(spans)
    now = ibis.literal(as_of).cast("timestamp")
    keys = ["promotion_id", "customer_id"]
    made = shop.exposures.filter(shop.exposures.ts < now).select(*keys).distinct()
    answers = shop.responses.filter(shop.responses.ts < now)
    answers = answers.select(*keys, "ts", counted="kind").semi_join(made, keys)
    answers = answers.join(cuts, ["promotion_id", "counted"])
    answers = answers.filter((answers.ts >= answers.starts_at) & (answers.ts < answers.ends_at))
    pair = ["promotion_id_running", "promotion_id"]
    firsts = answers.group_by(*pair, "customer_id", "cut").aggregate(ts=answers.ts.min())
    sums = firsts.group_by(pair).aggregate(
        answered=(firsts.ts < firsts.cut).cast("int64").sum(),
        later=(firsts.ts >= firsts.cut).cast("int64").sum(),
    )
    sizes = made.group_by("promotion_id").aggregate(contacts=made.count()).execute()
    rows = spans[pair].merge(sums.execute(), on=pair, how="left").merge(sizes, "left")
    rows = rows.fillna({"answered": 0, "later": 0, "contacts": 0})
    rows = rows.assign(left=rows["contacts"] - rows["answered"])
    types = pd.concat([running, over]).set_index("promotion_id")
    told = types["type"].fillna("") if "type" in types else pd.Series("", types.index)
    rows["type"] = rows["promotion_id"].map(told)
    found = {}
    for name, part in rows.groupby("promotion_id_running"):
        itself = part["promotion_id"] == name
        one = part[itself].iloc[0]
        past = part[~itself & (part["left"] > 0)].sort_values("promotion_id")
        contacts, answered = int(one["contacts"]), int(one["answered"])
        found[name] = _Outstanding(contacts, answered, str(one["type"]), past)
    return found


def _length(rows: pd.DataFrame) -> pd.Series[pd.Timedelta]:
    return rows["ends_at"] - rows["starts_at"]


def _returned(shop: Shop, as_of: datetime, kind: str) -> float:
    """Return the share of discounts that came back with returned or cancelled goods.

    nan where the shop records no return or cancel at all.
    """
    import ibis

    column = "coupon_discount" if kind == "coupon" else "discount"
    if kind in BOUGHT_FROM:
        return 0.0
    if not shop.has("events", column):
        return math.nan
    lines = order_lines(shop)
    now, first = (
        ibis.literal(moment).cast("timestamp")
        for moment in (as_of, as_of - timedelta(days=RETURNED_DAYS))
    )
    lines = lines.filter((lines.ts >= first) & (lines.ts < now))
    zero = ibis.literal(0).cast("decimal(18,4)")
    sums = lines.aggregate(
        n=(~lines.bought).cast("int64").sum(),
        back=ibis.ifelse(lines.bought, zero, -lines[column]).sum(),
        given=ibis.ifelse(lines.bought, lines[column], zero).sum(),
    ).execute()
    n, back, given = (float(x or 0) for x in sums.iloc[0])
    return back / given if n and given > 0 else math.nan
