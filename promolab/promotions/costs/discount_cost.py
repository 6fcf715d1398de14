"""What a redemption costs in discounts, by past promotions, and what a list will cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.metrics import PastRatios, past_ratios
from promolab.promotions.costs.windows import discounts_in_windows, responses_between
from promolab.results import Estimate, Result
from promolab.wording import answer_to, count, number, plural

if TYPE_CHECKING:
    from promolab.contract import Shop


PREDICTION_LEVEL = 0.90
"""How often what is still to come should fall into its interval; of what was measured, 95 %."""

_FACE = ("reduction", "discount_rate")  # a promotion states one of them


@dataclass(frozen=True)
class DiscountPerRedeemer(Result):
    """What a redeemer of past promotions took off; made by `discount_per_redeemer`.

    Parameters
    ----------
    past : DataFrame
        One row per past promotion of the kind: promotion_id, type, starts_at, redeemers, discount
        (of theirs, on its products, in its window) and per_redeemer (discount ÷ redeemers).
    ratios : PastRatios
        Their means by type, weighted by redeemers, and how far promotions differ.
    type_ : str
        Type of the promotion that is to come.
    variation : float
        Variance of single redeemers' discounts ÷ the square of their mean, over all of ``past``.
    currency : str
        Of the amounts.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    past: pd.DataFrame = field(repr=False)
    ratios: PastRatios
    type_: str
    variation: float
    currency: str = ""
    kind: str = "coupon"

    def per_redeemer(self, redeemers: float) -> Estimate:
        """Return a new promotion's mean discount per redeemer, with its prediction interval.

        The mean of past ones of the kind, drawn to its type (`promolab.metrics.pooling`), at
        `PREDICTION_LEVEL`; the ends are nan where too few promotions tell how far it may lie.

        Parameters
        ----------
        redeemers : float
            How many it will have; fewer make the mean vary more.
        """
        noise = self.variation / max(redeemers, 1.0)
        return self.ratios.predict(noise, self.type_, PREDICTION_LEVEL)

    def of(self, redemptions: Estimate) -> Estimate:
        """Return what so many redemptions will cost in discounts, with its prediction interval."""
        return product_of(redemptions, self.per_redeemer(redemptions.value))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per past promotion."""
        return self.past

    def summary(self) -> str:
        """Say what a redeemer takes off in the mean, with the interval of a new promotion's."""
        words = answer_to(self.kind)
        if not self.ratios.k:
            return f"What a {words.noun} costs is not known: no past promotion shows a discount."
        e = self.per_redeemer(math.inf)
        decimals = 1 if e.value < 10 and math.isfinite(e.ci_low) else None
        took = number(*e.ends, decimals=decimals, unit=self.currency)
        weighted = " weighted by size" if self.ratios.k > 1 else ""
        alike = int((self.past["type"] == self.type_).sum())
        of_type = f", {count(alike) if alike else 'none'} of them of {self.type_}"
        return (
            f"A {words.who} takes {took} off in the mean, by "
            f"{plural(self.ratios.k, 'past promotion')}{weighted}{of_type if self.type_ else ''}."
        )


def product_of(a: Estimate, b: Estimate) -> Estimate:
    """Multiply two independent positive figures, their intervals by square-and-add on the logs.

    Each end lies as far from the product, in logs, as the root of the two figures' squared
    distances (MOVER: Zou & Donner 2008, Statistics in Medicine 27(10)); nan where an end is.

    Examples
    --------
    >>> found = product_of(Estimate(100, 50, 200, 9), Estimate(3, 1.5, 6, 4))
    >>> found.value, round(found.ci_low), round(found.ci_high), found.n
    (300, 113, 800, 4)
    """
    value, n = a.value * b.value, min(a.n, b.n)
    if not (value > 0 and min(a.ci_low, b.ci_low) > 0 and a.ci_high > 0 and b.ci_high > 0):
        return Estimate(value, n=n)
    down = math.hypot(math.log(a.value / a.ci_low), math.log(b.value / b.ci_low))
    up = math.hypot(math.log(a.ci_high / a.value), math.log(b.ci_high / b.value))
    return Estimate(value, value * math.exp(-down), value * math.exp(up), n)


def past_discounts(shop: Shop, as_of: datetime, *, running: bool = False) -> pd.DataFrame:
    """Return what redeemers of each promotion that is over took off on its products.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses. Coupons count by ``events.coupon_discount``, other
        kinds by ``events.discount``; a kind without its column has no rows.
    as_of : datetime
        UTC without a zone; promotions that ended by then.
    running : bool
        Instead those that run then, up to that moment.

    Returns
    -------
    DataFrame
        promotion_id, kind, type, starts_at, discount_rate and reduction where the shop has them,
        redeemers, discount, per_redeemer, squares (of the redeemers' own discounts, added up); by
        start and id.
    """
    columns = ["promotion_id", "kind", "type", "starts_at", "ends_at", *_FACE]
    table = shop.promotions
    table = table.select(*[c for c in columns if c in table.columns]).execute()
    runs = (table["starts_at"] < as_of) & (table["ends_at"] > as_of)
    table = table[runs if running else table["ends_at"] <= as_of].assign(
        type=table["type"].fillna("") if "type" in table else "",
        text=table["promotion_id"].astype(str),
        ends_at=table["ends_at"].clip(upper=as_of),
    )
    table = table.sort_values(["starts_at", "text"], ignore_index=True)
    wanted = {
        "coupon_discount": table[table["kind"] == "coupon"],
        "discount": table[table["kind"] != "coupon"],
    }
    parts = [
        discounts_in_windows(shop, rows, column)
        for column, rows in wanted.items()
        if len(rows) and shop.has("events", column) and shop.has("promotion_products")
    ]
    keys = ["promotion_id", "customer_id"]
    windows = table.rename(columns={"starts_at": "low", "ends_at": "high"})
    spans = windows[["promotion_id", "low", "high"]].assign(kind="redeem")
    answers = responses_between(shop, spans, as_of)[keys]
    rows = answers.merge(pd.concat(parts), on=keys, how="left") if parts else answers.head(0)
    paid = rows["discount"].fillna(0.0).clip(lower=0.0) if parts else pd.Series(dtype=float)
    rows = rows[keys].assign(discount=paid, squares=paid**2)
    sums = rows.groupby("promotion_id").agg(
        redeemers=("customer_id", "size"), discount=("discount", "sum"), squares=("squares", "sum")
    )
    found: pd.DataFrame = table.drop(columns=["ends_at", "text"]).merge(sums, on="promotion_id")
    return found.assign(per_redeemer=found["discount"] / found["redeemers"])


def _at_face_value(past: pd.DataFrame, promotion: Mapping[Any, Any]) -> pd.DataFrame:
    for column in _FACE:
        own: Any = promotion.get(column)
        if column not in past or own is None or not float(own) > 0:
            continue
        told = past[column].astype(float)
        factor = float(own) / told.where(told > 0)
        if factor.notna().any():
            scaled = {c: past[c] * factor for c in ("discount", "per_redeemer")}
            return past.assign(**scaled, squares=past["squares"] * factor**2)[factor.notna()]
    return past


def discount_per_redeemer(
    past: pd.DataFrame, promotion: Mapping[Any, Any], currency: str = ""
) -> DiscountPerRedeemer:
    """Say what a redeemer of a promotion will take off, by past ones of its kind.

    Where face values are stated, a past discount counts as it would have been at the promotion's
    own: one of 5 % says of one of 10 % that it takes off twice as much.

    Parameters
    ----------
    past : DataFrame
        As `past_discounts` returns it.
    promotion : mapping
        Its kind and, where the shop has them, its type and terms. Another kind says nothing about
        its discounts.
    currency : str
        Of the amounts.

    Returns
    -------
    DiscountPerRedeemer
    """
    mine = past[(past["discount"] > 0) & (past["kind"] == promotion["kind"])]
    mine = _at_face_value(mine, promotion)
    kind, told = str(promotion["kind"]), promotion.get("type")
    n, total, squares = (mine[c].to_numpy(float) for c in ("redeemers", "discount", "squares"))
    mean, single = total / n, float((n - 1).sum())
    # Of all promotions together: a promotion's own variance is a poor one where few redeemed.
    spread = ((squares - n * mean**2) / mean**2).sum()
    variation = max(float(spread / single) if single > 0 else 1.0, 1e-6)
    ratios = past_ratios(total, n, mine["type"].tolist(), variance=lambda _: variation / n, half=0)
    shown = ["promotion_id", "type", "starts_at", "redeemers", "discount", "per_redeemer"]
    return DiscountPerRedeemer(
        mine[shown].reset_index(drop=True),
        ratios,
        told if isinstance(told, str) else "",
        variation,
        currency,
        kind,
    )
