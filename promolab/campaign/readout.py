"""What became of the promotions that ended lately: counts, costs, and a careful comparison."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from promolab.campaign._outcomes import (
    discounts_in_windows,
    known_before,
    responses_in_windows,
    sales_between,
)
from promolab.campaign.comparison import (
    Difference,
    adjusted_difference,
    design_matrix,
    not_identified,
)
from promolab.campaign.readout_result import PromotionReadout, Readout
from promolab.campaign.schedule import moment_of, promotion_name, shifted
from promolab.errors import InputError
from promolab.metrics.intervals import normal_quantile, wilson
from promolab.results import Estimate

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["read_out"]

PLACEBO_DAYS = 28
SPEND = ("amount", "amount_28d", "amount_84d")  # what stands unbent beside the encoded features
BALANCE = ("amount_28d", "amount_84d")  # what must be alike after weighting


def read_out(shop: Shop, as_of: Any, weeks: int = 8, *, level: float = 0.95) -> Readout:
    """Read out the promotions whose window ended in the weeks before a date.

    Parameters
    ----------
    shop : Shop
        Cleaned, with promotions, exposures and responses.
    as_of : datetime
        UTC if it has no zone; nothing at or after it is read.
    weeks : int
        Ended at ``as_of`` or up to this many weeks before; at least 1.
    level : float
        Confidence level.

    Returns
    -------
    Readout
        The difference in sales is *adjusted* for what was known at the promotion's start (orders,
        spend, recency, discounts, coupons, earlier contacts and responses, other promotions
        running), or *not identified*; `adjusted_difference` states the rules. Its placebo is the
        same comparison for the 28 days before the start, with what was known at their beginning;
        it also turns down a selection by the spend of these very days, which is on the safe side.
        Other promotions that begin while this one runs are not taken out. It is never proof of an
        effect: nobody was held back at random.

    Raises
    ------
    DataError
        If the shop lacks promotions, exposures or responses.
    InputError
        If ``as_of`` is no single moment or ``weeks`` is below 1.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> print(read_out(shop, datetime(2017, 10, 30, 4), weeks=4).summary())
    No promotion ended in the 4 weeks before 2017-10-30.
    """
    shop.require("response models")
    now = moment_of(as_of)
    if isinstance(weeks, bool) or int(weeks) != weeks or weeks < 1:
        raise InputError(f"weeks == {weeks!r}, must be a whole number of at least 1")
    promotions = _ended(shop, now, int(weeks))
    if promotions.empty:
        return Readout(now, int(weeks), ())
    answers = responses_in_windows(shop, promotions, now)
    costs = _costs(shop, promotions)
    windows = _windows(shop, promotions)
    # Sums of floats split over threads differ in their last digits.
    with threadpool_limits(1, user_api="blas"):
        rows = [
            _read_one(
                shop, p, answers[answers["promotion_id"] == p.promotion_id], costs, windows, level
            )
            for p in promotions.itertuples()
        ]
    return Readout(now, int(weeks), tuple(rows))


def _ended(shop: Shop, now: datetime, weeks: int) -> pd.DataFrame:
    columns = ["promotion_id", "kind", "type", "starts_at", "ends_at"]
    table = shop.promotions
    table = table.select(*[c for c in columns if c in table.columns]).execute()
    if "type" not in table:
        table["type"] = ""
    first = shifted(now, -7 * weeks, shop.zone)
    table = table[(table["ends_at"] <= now) & (table["ends_at"] > first)]
    table = table.assign(text=table["promotion_id"].astype(str), type=table["type"].fillna(""))
    return table.sort_values(["ends_at", "text"], ascending=[False, True], ignore_index=True)


def _costs(shop: Shop, promotions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the discounts by column of the events that the shop has."""
    if shop.lacks("past spend on a promotion's products") is not None:
        return {}
    coupons = promotions["kind"] == "coupon"
    wanted = {"coupon_discount": promotions[coupons], "discount": promotions[~coupons]}
    return {
        column: discounts_in_windows(shop, rows, column)
        for column, rows in wanted.items()
        if len(rows) and shop.has("events", column)
    }


@dataclass(frozen=True)
class _Windows:
    """Features by moment, and sales by (low, high); empty where the shop has no amounts."""

    features: dict[datetime, pd.DataFrame]
    sales: dict[tuple[datetime, datetime], pd.Series]


def _before(starts_at: datetime) -> datetime:
    return starts_at - timedelta(days=PLACEBO_DAYS)


def _windows(shop: Shop, promotions: pd.DataFrame) -> _Windows:
    if shop.lacks("orders and sales") is not None:
        return _Windows({}, {})
    ends = promotions[["starts_at", "ends_at"]].to_numpy(dtype="datetime64[us]").tolist()
    spans: list[tuple[datetime, datetime]] = [(low, high) for low, high in ends]
    spans = sorted({*spans, *((_before(low), low) for low, _ in spans)})
    frame = pd.DataFrame(spans, columns=["low", "high"]).assign(span=range(len(spans)))
    sums = sales_between(shop, frame)
    sales = {
        span: sums[sums["span"] == i].set_index("customer_id")["sales"]
        for i, span in enumerate(spans)
    }
    moments = sorted({low for low, _ in spans})
    table = known_before(shop, moments)
    return _Windows({m: table[table["as_of"] == m] for m in moments}, sales)


def _read_one(
    shop: Shop,
    promotion: Any,
    answers: pd.DataFrame,
    costs: dict[str, pd.DataFrame],
    windows: _Windows,
    level: float,
) -> PromotionReadout:
    contacts, redeemed = len(answers), answers["redemptions"] > 0
    redeemers = int(redeemed.sum())
    low, high = wilson(redeemers, contacts, level)
    rate = redeemers / contacts if contacts else np.nan
    is_coupon = promotion.kind == "coupon"
    paying = answers.loc[redeemed, "customer_id"] if is_coupon else answers["customer_id"]
    cost = costs.get("coupon_discount" if is_coupon else "discount")
    window = windows.sales.get((promotion.starts_at, promotion.ends_at))
    return PromotionReadout(
        promotion.promotion_id,
        promotion_name(promotion.kind, promotion.promotion_id),
        str(promotion.type),
        promotion.starts_at.to_pydatetime(),
        promotion.ends_at.to_pydatetime(),
        contacts,
        redeemers,
        int(answers["redemptions"].sum()),
        Estimate(rate, float(low), float(high), contacts),
        _total_cost(cost, promotion.promotion_id, answers["customer_id"], paying, level),
        _mean_sales(window, answers["customer_id"], level),
        _difference(promotion, answers["customer_id"], windows, level),
        shop.settings.currency,
    )


def _mean(values: np.ndarray, level: float) -> Estimate:
    n = len(values)
    if n < 2:
        return Estimate(float(values.mean()) if n else np.nan, np.nan, np.nan, n)
    half = normal_quantile(level) * values.std(ddof=1) / np.sqrt(n)
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half, n)


def _total_cost(
    cost: pd.DataFrame | None,
    promotion_id: Any,
    contacted: pd.Series,
    paying: pd.Series,
    level: float,
) -> Estimate:
    """Return the sum over the contacted, as it varies with who was contacted."""
    n = len(contacted)
    if cost is None or n == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    own = cost[cost["promotion_id"] == promotion_id].set_index("customer_id")["discount"]
    own = own[own.index.isin(paying)]
    e = _mean(contacted.map(own).fillna(0.0).to_numpy(dtype=float), level)
    # A discount is never negative, as a normal interval of a few large ones might be.
    return Estimate(n * e.value, max(n * e.ci_low, 0.0), n * e.ci_high, n)


def _mean_sales(window: pd.Series | None, contacted: pd.Series, level: float) -> Estimate:
    if window is None:
        return Estimate(np.nan, np.nan, np.nan, len(contacted))
    return _mean(contacted.map(window).fillna(0.0).to_numpy(dtype=float), level)


def _difference(
    promotion: Any, contacted: pd.Series, windows: _Windows, level: float
) -> Difference:
    if not windows.sales:
        return not_identified("the shop's events have no amounts", len(contacted))
    start, end = promotion.starts_at, promotion.ends_at
    placebo = _compare(contacted, windows, _before(start), start, None, level)
    return _compare(contacted, windows, start, end, placebo, level)


def _compare(
    contacted: pd.Series,
    windows: _Windows,
    start: datetime,
    end: datetime,
    placebo: Difference | None,
    level: float,
) -> Difference:
    features = windows.features[start]
    customers = features["customer_id"]
    known = features.drop(columns=["customer_id", "as_of"])
    if features.empty:
        return not_identified("no customer has history before the start", len(contacted))
    outcome = customers.map(windows.sales[start, end]).fillna(0.0).to_numpy(dtype=float)
    return adjusted_difference(
        outcome,
        customers.isin(contacted).to_numpy(),
        design_matrix(known, SPEND),
        customers.to_numpy(),
        balance=known[list(BALANCE)].to_numpy(dtype=float),
        placebo=placebo,
        level=level,
    )
