"""What became of the promotions that ended lately: counts, costs, and a careful comparison."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.assignment import (
    ASSIGNED,
    action_of,
    broken_ratio,
    obstacle,
    read_decisions,
)
from promolab.campaign.past.outcomes import (
    answers_of,
    contacts_before,
    earlier_span,
    overlap_words,
    response_spans,
    settles_at,
    shifted,
)
from promolab.campaign.readout.holdout import HoldoutComparison, compare_with_holdout
from promolab.campaign.readout.promotion_readout import PromotionReadout, Readout, judge, pays_from
from promolab.campaign.readout.similar_customers import (
    no_amounts,
    sales_windows,
    similar_difference,
)
from promolab.checks import whole_number
from promolab.contract import read_operations
from promolab.effects import FEWEST_COMPARED as FEWEST
from promolab.effects import Difference, not_identified
from promolab.promotions import (
    buyers_in_windows,
    discounts_in_windows,
    kinds_answered,
    kinds_recorded,
    moment_of,
    promotion_costs,
    responses_between,
)
from promolab.results import Estimate, words_of
from promolab.stats import normal_quantile, wilson
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from promolab.contract import Shop


HARM = ("unsubscribe", "complaint")
LEVEL = 0.95


def read_out(shop: Shop, as_of: Any, weeks: int = 8) -> Readout:
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
        over, all is provisional. The verdict follows one `rule`.

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
    promotions = _ended(shop, now, weeks)
    if promotions.empty:
        return Readout(now, weeks, (), zone=shop.zone)
    read = _Tables(shop, promotions, now)
    # Sums of floats split over threads differ in their last digits.
    with single_threaded("blas"):
        rows = tuple(read.promotion(p) for p in promotions.itertuples())
    overlap = overlap_words(read.contacts, read.windows, promotions["promotion_id"].tolist())
    return Readout(now, weeks, rows, overlap, shop.zone)


def _ended(shop: Shop, now: datetime, weeks: int) -> pd.DataFrame:
    """Return the promotions, the latest end first, with when each settles and its returns end."""
    optional: dict[str, Any] = {"type": "", "contact_cost": np.nan, "funder_share": 0.0}
    promotions = shop.promotions
    known = ["promotion_id", "kind", "starts_at", "ends_at"]
    known += [c for c in optional if c in promotions.columns]
    table: pd.DataFrame = promotions.select(*known).execute()
    for column, value in optional.items():
        table[column] = table[column].fillna(value) if column in table else value
    first = shifted(now, -7 * weeks, shop.zone)
    table = table[(table["ends_at"] <= now) & (table["ends_at"] > first)]
    attribution = read_operations(shop.settings).attribution
    settles = [
        settles_at(p.starts_at, p.ends_at, attribution, shop.zone) for p in table.itertuples()
    ]
    returns = [
        min(shifted(end, attribution.return_days, shop.zone), now)
        for end in table["ends_at"].dt.to_pydatetime()
    ]
    table = table.assign(
        text=table["promotion_id"].astype(str),
        settles=pd.Series(settles, index=table.index, dtype="datetime64[us]"),
        until=pd.Series(returns, index=table.index, dtype="datetime64[us]"),
    )
    return table.sort_values(["ends_at", "text"], ascending=[False, True], ignore_index=True)


class _Tables:
    """What the promotions that ended are read from.

    ``windows`` and ``contacts`` hold all promotions that started before the date; ``decisions`` and
    ``earlier`` those of each that ended, with the time whose sales are allowed for where a holdout
    tells; ``costs`` its discounts by column of the events.
    """

    def __init__(self, shop: Shop, promotions: pd.DataFrame, now: datetime) -> None:
        self.shop, self.now = shop, now
        self.operations = read_operations(shop.settings)
        table = shop.promotions.filter(shop.promotions.starts_at < now)
        self.windows = table.select("promotion_id", "starts_at", "ends_at").execute()
        self.contacts = contacts_before(shop, self.windows, now)
        ids = promotions["promotion_id"]
        spans = response_spans(promotions, self.operations.attribution, shop.zone)
        self.responses = responses_between(shop, spans, now)
        mine = self.contacts[self.contacts["promotion_id"].isin(ids)]
        self.answers = answers_of(mine, self.responses)
        self.recorded, self.answered = kinds_recorded(shop, now), kinds_answered(shop, now)
        actions = {p: action_of(shop, p) for p in ids}
        decided = read_decisions(shop, sorted(set(actions.values())), now)
        decisions = {p: decided[decided["action"] == action] for p, action in actions.items()}
        held = [bool((decisions[p]["arm"] != ASSIGNED).any()) for p in ids]
        nobody = pd.DataFrame(columns=["promotion_id", "customer_id"])
        self.buyers = buyers_in_windows(shop, promotions[held]) if any(held) else nobody
        self.decisions, self.costs = decisions, _discounts(shop, promotions)
        told: dict[Any, Any] = {p.promotion_id: p for p in promotions.itertuples()}
        earlier = {p: _earlier(told[p], d) for p, d in decisions.items() if not obstacle(d)}
        sizes = self.answers.groupby("promotion_id").size()
        similar = [p for p in ids if p not in earlier and sizes.get(p, 0) >= FEWEST]
        windows_of = promotions[["starts_at", "ends_at", "until"]].to_numpy(dtype="datetime64[us]")
        until = {span: span[1] for span in earlier.values()}
        until |= {(low, high): end for low, high, end in windows_of.tolist()}
        starts = [told[p].starts_at.to_pydatetime() for p in similar]
        self.earlier, self.sales = earlier, sales_windows(shop, starts, until)

    def promotion(self, promotion: Any) -> PromotionReadout:
        """Return what became of one promotion."""
        p, kind, shop = promotion.promotion_id, promotion.kind, self.shop
        answers = self.answers[self.answers["promotion_id"] == p]
        contacted, redeemed = answers["customer_id"], answers["redeem"] > 0
        known, unknown = kind in self.answered, Estimate(np.nan, n=len(answers))
        discount = self._discount(promotion, contacted, contacted[redeemed])
        kinds = [kind for kind in HARM if kind in self.recorded]
        harm = self._share((answers[kinds] > 0).any(axis=1)) if kinds else unknown
        holdout = self._against_holdout(promotion)
        difference = self._difference(promotion, contacted, holdout)
        # A recommendation takes nothing off; what its products were reduced by is no cost of it.
        taken_off = 0.0 if kind == "recommendation" else discount.value
        ends_at, economics = promotion.ends_at.to_pydatetime(), self.operations.economics
        costs = promotion_costs(shop, ends_at, promotion._asdict(), economics)
        currency, redemptions = shop.settings.currency, int(answers["redeem"].sum())
        needed = pays_from(len(answers), redemptions, taken_off, costs, currency)
        settles: datetime = promotion.settles.to_pydatetime()
        return PromotionReadout(
            promotion_id=p,
            name=shop.promotion_name(kind, p),
            type=str(promotion.type),
            starts_at=promotion.starts_at.to_pydatetime(),
            ends_at=ends_at,
            contacts=len(answers),
            delivered=self._customers(answers, "delivered"),
            redeemers=int(redeemed.sum()) if known else None,
            redemptions=redemptions if known else None,
            redemption_rate=self._share(redeemed) if known else unknown,
            unsubscribed=self._customers(answers, "unsubscribe"),
            complained=self._customers(answers, "complaint"),
            harm=harm,
            discount_cost=discount,
            sales=self._mean_sales(promotion, contacted),
            difference=difference,
            holdout=holdout,
            pays_from=needed,
            settles_at=settles,
            provisional=self.now < settles,
            verdict=judge(difference, harm, needed, provisional=self.now < settles),
            currency=currency,
            kind=str(kind),
        )

    def _customers(self, answers: pd.DataFrame, kind: str) -> int | None:
        """Return how many customers responded so; None where the shop never records it."""
        return int((answers[kind] > 0).sum()) if kind in self.recorded else None

    def _share(self, some: pd.Series[bool]) -> Estimate:
        k, n = int(some.sum()), len(some)
        low, high = wilson(k, n)
        return Estimate(k / n if n else np.nan, float(low), float(high), n)

    def _mean(self, customers: pd.Series[Any], amounts: pd.Series[Any]) -> Estimate:
        values = customers.map(amounts).fillna(0.0).to_numpy(dtype=float)
        n = len(values)
        if n < 2:
            return Estimate(float(values.mean()) if n else np.nan, n=n)
        half = normal_quantile(LEVEL) * values.std(ddof=1) / np.sqrt(n)
        mean = float(values.mean())
        return Estimate(mean, mean - half, mean + half, n)

    def _discount(
        self, promotion: Any, contacted: pd.Series[Any], redeemers: pd.Series[Any]
    ) -> Estimate:
        """Return the sum over the contacted, as it varies with who was contacted."""
        n, coupon = len(contacted), promotion.kind == "coupon"
        cost = self.costs.get("coupon_discount" if coupon else "discount")
        unknown = coupon and promotion.kind not in self.answered  # of whom it was
        if cost is None or unknown or n == 0:
            return Estimate(np.nan, n=n)
        own = cost[cost["promotion_id"] == promotion.promotion_id]
        own = own.set_index("customer_id")["discount"]
        e = self._mean(contacted, own[own.index.isin(redeemers if coupon else contacted)])
        # A discount is hardly ever negative, as a normal interval of a few large ones might be;
        # where more was taken back than off, nothing is cut from its own figure.
        low = max(n * e.ci_low, min(n * e.value, 0.0))
        return Estimate(n * e.value, low, n * e.ci_high, n)

    def _mean_sales(self, promotion: Any, contacted: pd.Series[Any]) -> Estimate:
        if not self.sales.sales:
            return Estimate(np.nan, n=len(contacted))
        return self._mean(contacted, self.sales.sales[promotion.starts_at, promotion.ends_at])

    def _against_holdout(self, promotion: Any) -> HoldoutComparison:
        p, sales, rows = promotion.promotion_id, self.sales.sales, self.responses
        earlier = self.earlier.get(p) if sales else None
        redeemed = (rows["promotion_id"] == p) & (rows["kind"] == "redeem")
        return compare_with_holdout(
            p,
            self.decisions[p],
            sales[promotion.starts_at, promotion.ends_at] if sales else None,
            self.buyers.loc[self.buyers["promotion_id"] == p, "customer_id"],
            rows.loc[redeemed, "customer_id"],
            earlier=None if earlier is None else sales[earlier],
            days=np.nan if earlier is None else (earlier[1] - earlier[0]) / timedelta(days=1),
        )

    def _difference(
        self, promotion: Any, contacted: pd.Series[Any], holdout: HoldoutComparison
    ) -> Difference:
        n = len(contacted)
        if not self.sales.sales:
            return no_amounts(n)
        if (found := holdout.difference()) is not None:
            return found
        if why := broken_ratio(self.decisions[promotion.promotion_id]):
            return not_identified(why, n)
        start, end = promotion.starts_at, promotion.ends_at
        if start not in self.sales.features:
            words = words_of(__name__, "similar", contacted=n, needed=FEWEST)
            return not_identified(words.say("few"), n)
        return similar_difference(contacted, self.sales, start, end)


def _discounts(shop: Shop, promotions: pd.DataFrame) -> dict[str, pd.DataFrame]:
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


def _earlier(promotion: Any, decisions: pd.DataFrame) -> tuple[datetime, datetime]:
    """Return the time whose sales are allowed for: before anything was decided."""
    end = min(promotion.starts_at, decisions["ts"].min()).to_pydatetime()
    return earlier_span(end, (promotion.ends_at - promotion.starts_at).to_pytimedelta())
