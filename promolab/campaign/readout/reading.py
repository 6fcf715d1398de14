"""What became of the promotions that ended lately: counts, costs, and a careful comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.assignment import broken_ratio, obstacle, read_decisions
from promolab.campaign.past.earlier_sales import earlier_span
from promolab.campaign.past.outcomes import (
    answers_of,
    contacts_before,
    known_before,
    moment_of,
    overlap_words,
    response_spans,
    sales_between,
    settles_at,
    shared_sales,
    shifted,
)
from promolab.campaign.readout.randomised import HoldoutComparison, compare_with_holdout
from promolab.campaign.readout.result import PromotionReadout, Readout
from promolab.campaign.readout.verdict import judge, pays_from
from promolab.checks import whole_number
from promolab.contract import Operations, read_operations
from promolab.effects import FEWEST_COMPARED as FEWEST
from promolab.effects import Difference, adjusted_difference, design_matrix, not_identified
from promolab.language import _, _n
from promolab.promotions import (
    buyers_in_windows,
    discounts_in_windows,
    kinds_answered,
    kinds_recorded,
    promotion_costs,
    responses_between,
)
from promolab.results import Estimate
from promolab.stats import normal_quantile, wilson
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from promolab.contract import Shop


@dataclass(frozen=True)
class Counts:
    """The tables behind a read-out.

    Parameters
    ----------
    windows : DataFrame
        promotion_id, starts_at, ends_at of every promotion that started before the date.
    contacts : DataFrame
        promotion_id, customer_id, ts of the first contact, of all of them.
    answers : DataFrame
        The contacts of those that ended, with how often each responded, by kind.
    responses : DataFrame
        promotion_id, kind, customer_id, n: whoever was contacted or not.
    recorded : frozenset of str
        Kinds of response that the shop records.
    answered : frozenset of str
        Kinds of promotion of which it records who answered.
    decisions : DataFrame
        From `read_decisions`.
    buyers : DataFrame
        promotion_id, customer_id; only of promotions that somebody was held out of.
    actions : mapping
        Promotion → the action that it is decided as, as text (itself, or its bundle).
    """

    windows: pd.DataFrame
    contacts: pd.DataFrame
    answers: pd.DataFrame
    responses: pd.DataFrame
    recorded: frozenset[str]
    answered: frozenset[str]
    decisions: pd.DataFrame
    buyers: pd.DataFrame
    actions: Mapping[Any, str]

    def decisions_of(self, promotion_id: Any) -> pd.DataFrame:
        """Return the decisions for a promotion."""
        return self.decisions[self.decisions["action"] == self.actions[promotion_id]]

    def randomised(self, promotion_id: Any) -> bool:
        """Tell whether a promotion can be compared with its holdout."""
        return not obstacle(self.decisions_of(promotion_id))

    def redeemers_of(self, promotion_id: Any) -> pd.Series[Any]:
        """Return who redeemed in a promotion's window."""
        rows = self.responses
        mine = (rows["promotion_id"] == promotion_id) & (rows["kind"] == "redeem")
        return pd.Series(rows.loc[mine, "customer_id"])


def read_counts(
    shop: Shop, promotions: pd.DataFrame, now: datetime, operations: Operations
) -> Counts:
    """Read what is counted for promotions that ended.

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, starts_at, ends_at.
    now : datetime
        Nothing at or after it is read.
    """
    windows = shop.promotions.filter(shop.promotions.starts_at < now)
    windows = windows.select("promotion_id", "starts_at", "ends_at").execute()
    contacts = contacts_before(shop, windows, now)
    mine = contacts[contacts["promotion_id"].isin(promotions["promotion_id"])]
    spans = response_spans(promotions, operations.attribution, shop.zone)
    responses = responses_between(shop, spans, now)
    bundles = operations.contact.bundles
    actions = {
        p: next((name for name, parts in bundles.items() if str(p) in parts), str(p))
        for p in promotions["promotion_id"]
    }
    decisions = read_decisions(shop, sorted(set(actions.values())), now)
    held = set(decisions.loc[decisions["arm"] != "assigned", "action"])
    with_holdout = promotions[[actions[p] in held for p in promotions["promotion_id"]]]
    return Counts(
        windows,
        contacts,
        answers_of(mine, responses),
        responses,
        kinds_recorded(shop, now),
        kinds_answered(shop, now),
        decisions,
        _buyers(shop, with_holdout),
        actions,
    )


def _buyers(shop: Shop, promotions: pd.DataFrame) -> pd.DataFrame:
    if promotions.empty:
        return pd.DataFrame(columns=["promotion_id", "customer_id"])
    return buyers_in_windows(shop, promotions)


PLACEBO_DAYS = 28
SPEND = ("amount", "amount_28d", "amount_84d")  # what stands unbent beside the encoded features
BALANCE = ("amount_28d", "amount_84d")  # what must be alike after weighting
EACH_IN_FULL = "each in full"


def read_out(shop: Shop, as_of: Any, weeks: int = 8, *, level: float = 0.95) -> Readout:
    """Read out the promotions whose window ended in the weeks before a date.

    Parameters
    ----------
    shop : Shop
        Cleaned, with promotions, exposures and responses; its settings say what counts for which
        promotion (``[attribution]``) and what it costs (``[economics]``).
    as_of : datetime
        UTC if it has no zone; nothing at or after it is read.
    weeks : int
        Ended at ``as_of`` or up to this many weeks before; at least 1.
    level : float
        Confidence level.

    Returns
    -------
    Readout
        The difference in sales is *randomised* where `shop.decisions` has a holdout of the
        promotion, or `shop.decision_propensities` the chances of those who got nothing: by
        decision, whatever was sent, adjusted for earlier sales (`compare_with_holdout`). Else it is
        *adjusted* for what was known at the promotion's start (orders, spend, recency, discounts,
        coupons, earlier contacts and responses, other promotions running), or *not identified*;
        `adjusted_difference` states the rules. Its placebo is the same comparison for the 28 days
        before the start, with what was known at their beginning; it also turns down a selection by
        the spend of these very days, which is on the safe side. Other promotions that begin while
        this one runs are not taken out. It is never proof of an effect: nobody was held back at
        random.

        Sales are net of what came back within the return days of the window's end; until these are
        over, all is provisional. The verdict follows `promolab.campaign.readout.RULE`.

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
    No promotion ended in the 4 weeks before 30 Oct 2017.
    """
    shop.require("response models")
    now = moment_of(as_of)
    weeks = whole_number("weeks", weeks, 1)
    operations = read_operations(shop.settings)
    rule = operations.attribution.overlapping
    promotions = _ended(shop, now, weeks, operations)
    if promotions.empty:
        return Readout(now, weeks, (), rule, zone=shop.zone)
    counts = read_counts(shop, promotions, now, operations)
    sources = _Sources(
        shop,
        operations,
        now,
        counts,
        _costs(shop, promotions),
        _windows(shop, promotions, counts),
        _attributed(shop, promotions, counts, rule),
        level,
    )
    # Sums of floats split over threads differ in their last digits.
    with single_threaded("blas"):
        rows = tuple(_read_one(p, sources) for p in promotions.itertuples())
    ended = promotions["promotion_id"].tolist()
    words = overlap_words(counts.contacts, counts.windows, ended, rule)
    return Readout(now, weeks, rows, rule, words, shop.zone)


def _ended(shop: Shop, now: datetime, weeks: int, operations: Operations) -> pd.DataFrame:
    optional: dict[str, Any] = {"type": "", "contact_cost": np.nan, "funder_share": 0.0}
    promotions = shop.promotions
    known = ["promotion_id", "kind", "starts_at", "ends_at"]
    known += [c for c in optional if c in promotions.columns]
    table: pd.DataFrame = promotions.select(*known).execute()
    for column, value in optional.items():
        table[column] = table[column].fillna(value) if column in table else value
    first = shifted(now, -7 * weeks, shop.zone)
    table = table[(table["ends_at"] <= now) & (table["ends_at"] > first)]
    until = [
        settles_at(p.starts_at, p.ends_at, operations.attribution, shop.zone)
        for p in table.itertuples()
    ]
    returns = [shifted(e, operations.attribution.return_days, shop.zone)
               for e in table["ends_at"].dt.to_pydatetime()]  # fmt: skip
    table = table.assign(
        text=table["promotion_id"].astype(str),
        settles=pd.to_datetime(pd.Series(until, index=table.index, dtype="datetime64[us]")),
        until=pd.Series([min(r, now) for r in returns], index=table.index, dtype="datetime64[us]"),
    )
    return table.sort_values(["ends_at", "text"], ascending=[False, True], ignore_index=True)


@dataclass(frozen=True)
class _Windows:
    """Features by moment, and sales by (low, high); empty where the shop has no amounts."""

    features: dict[datetime, pd.DataFrame]
    sales: dict[tuple[datetime, datetime], pd.Series[Any]]


@dataclass(frozen=True)
class _Sources:
    """What one promotion's row is made from."""

    shop: Shop
    operations: Operations
    now: datetime
    counts: Counts
    costs: dict[str, pd.DataFrame]
    windows: _Windows
    attributed: pd.DataFrame | None
    level: float


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


def _before(starts_at: datetime) -> datetime:
    return starts_at - timedelta(days=PLACEBO_DAYS)


def _earlier(promotion: Any, counts: Counts) -> tuple[datetime, datetime]:
    """Return the time whose sales are allowed for: before anything was decided."""
    decided = counts.decisions_of(promotion.promotion_id)["ts"].min()
    end = min(promotion.starts_at, decided).to_pydatetime()
    return earlier_span(end, (promotion.ends_at - promotion.starts_at).to_pytimedelta())


def _windows(shop: Shop, promotions: pd.DataFrame, counts: Counts) -> _Windows:
    if shop.lacks("orders and sales") is not None:
        return _Windows({}, {})
    times = promotions[["starts_at", "ends_at", "until"]].to_numpy(dtype="datetime64[us]").tolist()
    # Similar customers are looked for only where no holdout tells, and enough were contacted.
    contacted = counts.answers.groupby("promotion_id").size()
    adjusted = [
        contacted.get(p, 0) >= FEWEST and not counts.randomised(p)
        for p in promotions["promotion_id"]
    ]
    starts = sorted({low for (low, _, _), needed in zip(times, adjusted, strict=True) if needed})
    until = {(low, high): end for low, high, end in times}
    # Nothing of the promotion's own days may reach the placebo, or what is allowed for.
    before = [(_before(low), low) for low in starts]
    before += [
        _earlier(p, counts) for p in promotions.itertuples() if counts.randomised(p.promotion_id)
    ]
    until = {(low, high): high for low, high in before} | until
    spans = sorted(until)
    frame = pd.DataFrame(spans, columns=["low", "high"]).assign(
        until=[until[span] for span in spans], span=range(len(spans))
    )
    sums = sales_between(shop, frame)
    sales = {
        span: sums[sums["span"] == i].set_index("customer_id")["sales"]
        for i, span in enumerate(spans)
    }
    if not starts:
        return _Windows({}, sales)
    moments = sorted({moment for low in starts for moment in (low, _before(low))})
    table = known_before(shop, moments)
    return _Windows({m: table[table["as_of"] == m] for m in moments}, sales)


def _attributed(
    shop: Shop, promotions: pd.DataFrame, counts: Counts, rule: str
) -> pd.DataFrame | None:
    """Return the sales that count for each promotion where several share; None: each in full."""
    if rule == EACH_IN_FULL or shop.lacks("orders and sales") is not None:
        return None
    return shared_sales(shop, promotions, counts.contacts, counts.windows, rule)


def _read_one(promotion: Any, sources: _Sources) -> PromotionReadout:
    counts, level, p = sources.counts, sources.level, promotion.promotion_id
    answers = counts.answers[counts.answers["promotion_id"] == p]
    redeemed, known = answers["redeem"] > 0, promotion.kind in counts.answered
    is_coupon = promotion.kind == "coupon"
    paying = answers.loc[redeemed, "customer_id"] if is_coupon else answers["customer_id"]
    cost = sources.costs.get("coupon_discount" if is_coupon else "discount")
    cost = None if is_coupon and not known else cost  # of whom it was would not be known
    discount = _total_cost(cost, p, answers["customer_id"], paying, level)
    harm = _harm(answers, counts.recorded, level)
    holdout = _against_holdout(promotion, sources)
    difference = _difference(promotion, answers["customer_id"], holdout, sources)
    # A recommendation takes nothing off; what its products were reduced by anyway is no cost of it.
    taken_off = 0.0 if promotion.kind == "recommendation" else discount.value
    costs = promotion_costs(
        sources.shop,
        promotion.ends_at.to_pydatetime(),
        promotion._asdict(),
        sources.operations.economics,
    )
    currency = sources.shop.settings.currency
    needed = pays_from(len(answers), int(answers["redeem"].sum()), taken_off, costs, currency)
    settles: datetime = promotion.settles.to_pydatetime()
    return PromotionReadout(
        promotion_id=p,
        name=sources.shop.promotion_name(promotion.kind, p),
        type=str(promotion.type),
        starts_at=promotion.starts_at.to_pydatetime(),
        ends_at=promotion.ends_at.to_pydatetime(),
        contacts=len(answers),
        delivered=_customers(answers, "delivered", counts.recorded),
        redeemers=int(redeemed.sum()) if known else None,
        redemptions=int(answers["redeem"].sum()) if known else None,
        redemption_rate=_share(int(redeemed.sum()), len(answers), level)
        if known
        else Estimate(np.nan, n=len(answers)),
        unsubscribed=_customers(answers, "unsubscribe", counts.recorded),
        complained=_customers(answers, "complaint", counts.recorded),
        harm=harm,
        discount_cost=discount,
        sales=_mean_sales(promotion, answers["customer_id"], sources),
        difference=difference,
        holdout=holdout,
        pays_from=needed,
        settles_at=settles,
        provisional=sources.now < settles,
        verdict=judge(difference, harm, needed, provisional=sources.now < settles),
        currency=currency,
        kind=str(promotion.kind),
    )


def _share(some: int, of: int, level: float) -> Estimate:
    low, high = wilson(some, of, level)
    return Estimate(some / of if of else np.nan, float(low), float(high), of)


def _customers(answers: pd.DataFrame, kind: str, recorded: frozenset[str]) -> int | None:
    """Return how many customers responded so; None where the shop never records it."""
    return int((answers[kind] > 0).sum()) if kind in recorded else None


def _harm(answers: pd.DataFrame, recorded: frozenset[str], level: float) -> Estimate:
    """Return the share of contacts who unsubscribed or complained, of what is recorded of it."""
    kinds = [kind for kind in ("unsubscribe", "complaint") if kind in recorded]
    if not kinds:
        return Estimate(np.nan, n=len(answers))
    return _share(int((answers[kinds] > 0).any(axis=1).sum()), len(answers), level)


def _mean(values: np.ndarray, level: float) -> Estimate:
    n = len(values)
    if n < 2:
        return Estimate(float(values.mean()) if n else np.nan, n=n)
    half = normal_quantile(level) * values.std(ddof=1) / np.sqrt(n)
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half, n)


def _total_cost(
    cost: pd.DataFrame | None,
    promotion_id: Any,
    contacted: pd.Series[Any],
    paying: pd.Series[Any],
    level: float,
) -> Estimate:
    """Return the sum over the contacted, as it varies with who was contacted."""
    n = len(contacted)
    if cost is None or n == 0:
        return Estimate(np.nan, n=n)
    own = cost[cost["promotion_id"] == promotion_id].set_index("customer_id")["discount"]
    own = own[own.index.isin(paying)]
    e = _mean(contacted.map(own).fillna(0.0).to_numpy(dtype=float), level)
    # A discount is hardly ever negative, as a normal interval of a few large ones might be; where
    # more was taken back than off, nothing is cut from its own figure.
    return Estimate(n * e.value, max(n * e.ci_low, min(n * e.value, 0.0)), n * e.ci_high, n)


def _mean_sales(promotion: Any, contacted: pd.Series[Any], sources: _Sources) -> Estimate:
    if not sources.windows.sales:
        return Estimate(np.nan, n=len(contacted))
    found = sources.windows.sales[promotion.starts_at, promotion.ends_at]
    if sources.attributed is not None:
        mine = sources.attributed["promotion_id"] == promotion.promotion_id
        found = sources.attributed[mine].set_index("customer_id")["sales"]
    return _mean(contacted.map(found).fillna(0.0).to_numpy(dtype=float), sources.level)


def _against_holdout(promotion: Any, sources: _Sources) -> HoldoutComparison:
    counts, p, sales = sources.counts, promotion.promotion_id, sources.windows.sales
    earlier = _earlier(promotion, counts) if sales and counts.randomised(p) else None
    return compare_with_holdout(
        p,
        counts.decisions_of(p),
        sales.get((promotion.starts_at, promotion.ends_at)),
        counts.buyers.loc[counts.buyers["promotion_id"] == p, "customer_id"],
        counts.redeemers_of(p),
        sources.level,
        earlier=None if earlier is None else sales.get(earlier),
        days=np.nan if earlier is None else (earlier[1] - earlier[0]) / timedelta(days=1),
    )


def _difference(
    promotion: Any, contacted: pd.Series[Any], holdout: HoldoutComparison, sources: _Sources
) -> Difference:
    windows = sources.windows
    if not windows.sales:
        return not_identified(_("the shop's events have no amounts"), len(contacted))
    if (found := holdout.difference()) is not None:
        return found
    if why := broken_ratio(sources.counts.decisions_of(promotion.promotion_id)):
        return not_identified(why, len(contacted))
    start, end = promotion.starts_at, promotion.ends_at
    if start not in windows.features:
        why = _n(
            "only {n} contacted customer; {needed} are needed in each group",
            "only {n} contacted customers; {needed} are needed in each group",
            len(contacted),
            needed=FEWEST,
        )
        return not_identified(why, len(contacted))
    placebo = _compare(contacted, windows, _before(start), start, None, sources.level)
    return _compare(contacted, windows, start, end, placebo, sources.level)


def _compare(
    contacted: pd.Series[Any],
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
        return not_identified(_("no customer has history before the start"), len(contacted))
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
