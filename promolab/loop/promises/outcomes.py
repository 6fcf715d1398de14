"""What came of a week's decisions: by assignment, against those who got nothing by chance."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past import clusters, response_spans, settles_at
from promolab.checks import level_of
from promolab.contract import read_operations
from promolab.features import known_until
from promolab.folder import RunFolder, state_of
from promolab.loop.promises.assignment import (
    COUNTED,
    PROFIT,
    PROVISIONAL,
    RANDOMISED,
    REDEMPTIONS,
    SETTLED,
    SPEND,
    UNKNOWN,
    Assigned,
    Group,
    assigned_of,
    rates_of,
    typed,
)
from promolab.loop.promises.windows import (
    HORIZON,
    Span,
    brought_in,
    fitted,
    margins_known,
    windows_of,
)
from promolab.promotions import (
    Promotion,
    discounts_in_windows,
    moment_of,
    promotion_costs,
    read_promotions,
    responses_between,
)
from promolab.stats import t_quantile, wilson

if TYPE_CHECKING:
    from promolab.contract import Shop


def week_outcomes(
    shop: Shop,
    decisions: pd.DataFrame,
    chances: pd.DataFrame,
    *,
    as_of: Any,
    week: str = "",
    segments: pd.Series[Any] | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    r"""Read what came of a week's decisions.

    Those who got something are compared with those who got nothing and could have got it, each of
    these weighted by the chance of the one over that of the other, after what was known before is
    allowed for: the sum over the contacted of :math:`Y - \hat\mu_0(X)`, less that over the others
    of :math:`(Y - \hat\mu_0(X)) e_j(X) / e_0(X)`. So parts add up to the whole.

    Parameters
    ----------
    shop : Shop
        With promotions, purchases and responses, as known at ``as_of``.
    decisions, chances : DataFrame
        Of one week, with the contract's columns of ``decisions`` and ``decision_propensities``.
    as_of : datetime
        UTC; nothing at or after it is read.
    week : str
        Written into each row.
    segments : Series, optional
        By customer_id, as they were at the decision.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        As the ledger has outcomes; no row before anything began, or of a week in
        which nobody got anything. Provisional until window, horizon and return days of all
        promotions are over. Where margins are not known there is no profit, and the spend is
        counted. The interval of a count is that of its expected value (Wilson).

    References
    ----------
    Hirano, Imbens & Ridder (2003), Econometrica 71 (weights for the treated, known chances);
    Lin (2013), Annals of Applied Statistics 7 (adjustment).
    """
    level_of(level)
    now = min(moment_of(as_of), known_until(shop))
    found = assigned_of(decisions, chances, segments=segments, clusters=partial(clusters, shop))
    offers = offers_of(shop, found)
    if not found.got.any() or not offers or min(o.starts_at for o in offers) >= now:
        return typed((), "outcomes")
    span = span_of(found, offers)
    told = {"week": week, "level": level, "known_at": now, "state": _state(shop, offers, span, now)}
    responded = _responded(shop, found, offers, now)
    money = _Money.read(shop, found, offers, span, now) if margins_known(shop) else None
    spent = spent_on_each(shop, found, offers, responded, now) if money is None else None
    rows = []
    for group in found.groups(by_segment=segments is not None):
        keys = {"promotion_id": group.promotion_id, "segment": group.segment}
        n, came = int(group.got.sum()), int(responded[group.got].sum())
        head: dict[str, Any] = told | keys | {"n": n}
        low, high = (float(end) * n for end in wilson(came, n, level))
        count: dict[str, Any] = {"value": float(came), "ci_low": low, "ci_high": high}
        count |= {"measure": REDEMPTIONS, "identification": COUNTED}
        rows += [head | count, rates_of(head | count)]
        if money is None:
            rows.append(head | spend_row(group, spent, level))
        else:
            rows += [head | part for part in money.of(group, level)]
    return typed(rows, "outcomes")


def past_outcomes(
    run: RunFolder, shop: Shop, as_of: Any = None, *, weeks: Collection[str] | None = None
) -> pd.DataFrame:
    """Return what became of the plans of earlier weeks of a reports folder.

    Parameters
    ----------
    run : RunFolder
        The week whose report looks back.
    shop : Shop
        Cleaned.
    as_of : datetime, optional
        UTC; nothing at or after it is read; by default the run's own.
    weeks : collection of str, optional
        Only these of the earlier weeks; by default all of them.

    Returns
    -------
    DataFrame
        As the ledger has outcomes, of weeks whose plan was released: a draft has no outcome.
    """
    now: datetime = run.as_of if as_of is None else as_of
    parts = []
    for week in run.reports.weeks():
        if week >= run.week or (weeks is not None and str(week) not in weeks):
            continue
        earlier = run.reports.run(week)
        if state_of(earlier.manifest) == "draft":
            continue
        plan = (earlier.read_table(name) for name in ("decisions", "decision_propensities"))
        found = week_outcomes(shop, *plan, as_of=now, week=str(week), segments=segments_of(earlier))
        parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else typed((), "outcomes")


def segments_of(run: RunFolder) -> pd.Series[Any] | None:
    """Return each customer's segment as a week's folder has it."""
    if not run.table_path("segments").exists():
        return None
    found: pd.Series[Any] = run.read_table("segments").set_index("customer_id")["segment"]
    return found


def offers_of(shop: Shop, week: Assigned) -> list[Promotion]:
    """Return the promotions that somebody was assigned, in the order of their places."""
    places = np.unique(week.action[week.got])
    ids = shop.promotions.promotion_id.execute()
    texts = {str(one): one for one in ids}
    wanted = [texts[week.promotions[p]] for p in places if week.promotions[p] in texts]
    return list(read_promotions(shop, wanted).values()) if wanted else []


def span_of(week: Assigned, offers: Iterable[Promotion]) -> Span:
    """Return when outcomes of a week's decisions count: all windows, and the horizon."""
    starts, ends = zip(*((o.starts_at, o.ends_at) for o in offers), strict=True)
    low, end = (pd.Timestamp(t).to_pydatetime() for t in (min(starts), max(ends)))
    return Span(min(week.ts, low), low, end, end + HORIZON)


def _state(shop: Shop, offers: Iterable[Promotion], span: Span, now: datetime) -> str:
    rule = read_operations(shop.settings).attribution
    over = [settles_at(o.starts_at, o.ends_at, rule, shop.zone) for o in offers]
    return SETTLED if now >= max([*over, span.high]) else PROVISIONAL


def _responded(
    shop: Shop, week: Assigned, offers: Iterable[Promotion], now: datetime
) -> np.ndarray:
    """Return who of those who got something responded to it, shape (n,)."""
    rule = read_operations(shop.settings).attribution
    spans = response_spans(windows_of(offers), rule, shop.zone, kinds=("redeem",))
    rows = responses_between(shop, spans, now)
    place = pd.Index(week.promotions).get_indexer(pd.Index(rows["promotion_id"].astype(str)))
    who = pd.Index(week.customers).get_indexer(pd.Index(rows["customer_id"]))
    there = (who >= 0) & (place >= 0)
    mine = there & (week.action[np.maximum(who, 0)] == place)
    found = np.zeros(len(week), dtype=bool)
    found[who[mine]] = True
    return found


def spent_on_each(
    shop: Shop, week: Assigned, offers: Iterable[Promotion], responded: np.ndarray, now: datetime
) -> np.ndarray | None:
    """Return what the contact of each customer cost the shop, shape (n,).

    Discounts on the promotion's products in its window, of coupons those of who redeemed; contacts
    and coupons. None where the shop does not say which products, or what was taken off.
    """
    if shop.lacks("past spend on a promotion's products") is not None:
        return None
    told = read_operations(shop.settings).economics
    found = np.zeros(len(week))
    for offer in offers:
        place = week.promotions.index(str(offer.promotion_id))
        mine = week.action == place
        row = {"kind": offer.kind, "contact_cost": offer.contact_cost}
        row["funder_share"] = offer.funder_share
        costs = promotion_costs(shop, now, row, told, margin_rate=told.contact_cost)
        found += np.where(mine, costs.contact_cost.value, 0.0)
        if offer.kind == "recommendation":  # takes nothing off
            continue
        coupon = offer.kind == "coupon"
        column = "coupon_discount" if coupon else "discount"
        if not shop.has("events", column):
            return None
        sums = discounts_in_windows(shop, windows_of([offer]), column)
        off = sums.groupby("customer_id")["discount"].sum().reindex(week.customers).fillna(0.0)
        paying = mine & responded if coupon else mine
        each = (1 - costs.funder_share) * off.to_numpy(dtype=float) + costs.coupon_cost.value
        found += np.where(paying, each, 0.0)
    return found


def spend_row(group: Group, spent: np.ndarray | None, level: float) -> dict[str, Any]:
    """Return what a group cost, with the interval of its expected value."""
    if spent is None:
        nothing = dict.fromkeys(("value", "ci_low", "ci_high"), np.nan)
        return nothing | {"measure": SPEND, "identification": UNKNOWN}
    mine = pd.Series(spent[group.got])
    value, n = float(mine.sum()), len(mine)
    half = float(t_quantile(level, max(n - 1, 1)) * np.sqrt(n) * (mine.std() if n > 1 else 0.0))
    ends = {"value": value, "ci_low": max(value - half, 0.0), "ci_high": value + half}
    return ends | {"measure": SPEND, "identification": COUNTED}


@dataclass(frozen=True)
class _Money:
    """Margin and discounts of a week's customers, what was foretold of them taken off."""

    week: Assigned
    margin: np.ndarray = field(repr=False)
    discount: np.ndarray = field(repr=False)
    contact: np.ndarray = field(repr=False)
    funded: np.ndarray = field(repr=False)

    @classmethod
    def read(
        cls, shop: Shop, week: Assigned, offers: Iterable[Promotion], span: Span, now: datetime
    ) -> _Money:
        found = brought_in(shop, week.customers, span, now)
        weight = week.weight
        costs = {str(o.promotion_id): (o.contact_cost, o.funder_share) for o in offers}
        of_each = np.array([costs.get(name, (0.0, 0.0)) for name in week.promotions], dtype=float)
        some = weight > 0

        def left(y: np.ndarray) -> np.ndarray:
            x = found.before
            if some.sum() <= 5 * x.shape[1]:
                x = x[:, :1]
            return y - x @ fitted(x[some], y[some], weight[some]) if some.any() else y

        return cls(week, left(found.margin), left(found.discount), of_each[:, 0], of_each[:, 1])

    def of(self, group: Group, level: float) -> list[dict[str, Any]]:
        """Return spend and profit of a group."""
        week, action = self.week, np.maximum(self.week.action, 0)
        n = int(group.got.sum())
        contacts = float(self.contact[action[group.got]].sum())
        nothing = {"value": np.nan, "ci_low": np.nan, "ci_high": np.nan, "identification": UNKNOWN}
        if not group.enough(week):
            return [nothing | {"measure": SPEND}, nothing | {"measure": PROFIT}]
        own = self.funded[action]
        odds = week.odds[:, group.places]
        # What a supplier pays comes back: of those who got nothing, as of those they stand for.
        shared = odds @ self.funded[group.places]
        control = group.weight(week)
        treated = group.got & week.comparable
        whole = n / int(treated.sum())  # who could not have got nothing is taken to be like others
        nobody = week.got | ~group.inside
        kept = np.where(nobody, 0.0, control - shared)
        back = np.where(nobody, 0.0, shared)
        spend = treated * (1 - own) * self.discount - kept * self.discount
        profit = treated * (self.margin + own * self.discount)
        profit -= control * self.margin + back * self.discount
        rows = []
        for measure, scores, paid in ((SPEND, spend, contacts), (PROFIT, profit, -contacts)):
            value = whole * float(scores.sum()) + paid
            half = whole * self._half(scores, treated, control > 0, level)
            ends = {"value": value, "ci_low": value - half, "ci_high": value + half}
            rows.append(ends | {"measure": measure, "identification": RANDOMISED})
        return rows

    def _half(
        self, scores: np.ndarray, treated: np.ndarray, control: np.ndarray, level: float
    ) -> float:
        """Return half the width of the interval of a sum of scores."""
        centred = np.where(treated, scores - scores[treated].mean(), scores)
        sums = np.bincount(self.week.cluster, centred)
        few = min(int(treated.sum()), int(control.sum()))
        return float(t_quantile(level, max(few - 1, 1)) * np.sqrt(sums @ sums))
