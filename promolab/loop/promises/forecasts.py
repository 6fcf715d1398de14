"""What is said of a week before it begins: response, spend and added profit, each twice sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import type_of
from promolab.campaign.past import clusters
from promolab.campaign.worth import load_worth
from promolab.checks import level_of
from promolab.folder import RunFolder
from promolab.loop.promises.assignment import (
    COUNTED,
    PROFIT,
    RANDOMISED,
    REDEMPTIONS,
    SPEND,
    UNKNOWN,
    Assigned,
    Group,
    assigned_of,
    rates_of,
    typed,
)
from promolab.loop.promises.outcomes import offers_of, segments_of, span_of
from promolab.loop.promises.windows import Noise, held_by, margins_known, noise_of, taken_off_each
from promolab.metrics import PastRatios, random_effects
from promolab.promotions import moment_of
from promolab.stats import normal_quantile, t_quantile

if TYPE_CHECKING:
    from promolab.campaign.worth import Worth
    from promolab.contract import Shop
    from promolab.metrics import PastRatios
    from promolab.promotions import Promotion


def forecast_week(
    shop: Shop,
    decisions: pd.DataFrame,
    chances: pd.DataFrame,
    worth: Worth | None = None,
    *,
    as_of: Any,
    week: str = "",
    segments: pd.Series[Any] | None = None,
    response: pd.DataFrame | None = None,
    ratios: PastRatios | None = None,
    costs: pd.DataFrame | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """Say what a week's decisions will bring: as a whole, by promotion and by segment.

    Profit is what scores of past decisions say of customers of whom as much was foretold as is of
    those contacted, drawn together as far as kinds and customers cannot be told apart: of what
    looks best by chance, predictions promise too much (`promolab.loop.promises.forecasts`).

    Parameters
    ----------
    shop : Shop
        With promotions, purchases and responses.
    decisions, chances : DataFrame
        Of the week, with the contract's columns of ``decisions`` and ``decision_propensities``: who
        gets what, who is held back, and what the chances were.
    worth : Worth, optional
        What the promotions are worth (`promolab.campaign.worth.week_worth`); without one nothing
        is said of profit.
    as_of : datetime
        UTC; nothing at or after it is read.
    week : str
        Written into each row.
    segments : Series, optional
        By customer_id.
    response : DataFrame, optional
        customer_id, promotion_id, p_redeemed, with ``ratios``, how far whole promotions missed it;
        without, nothing is said of responses.
    costs : DataFrame, optional
        promotion_id and ``cost``, ``cost_ci_low``, ``cost_ci_high`` of promotions of which
        ``worth`` does not tell (`promolab.campaign.outlook.LaunchEconomics.to_frame`).
    level : float
        Of both intervals.

    Returns
    -------
    DataFrame
        As the ledger has predictions; no row where nobody gets anything.
    """
    level_of(level)
    now = moment_of(as_of)
    found = assigned_of(decisions, chances, segments=segments, clusters=partial(clusters, shop))
    offers = offers_of(shop, found)
    if not found.got.any() or not offers:
        return typed((), "predictions")
    answers = None
    if response is not None and ratios is not None:
        answers = _Responses.read(shop, found, response, ratios)
    money = _Money.of(shop, found, offers, worth, now)
    rows = []
    for group in found.groups(by_segment=segments is not None):
        head: dict[str, Any] = {"week": week, "level": level, "n": int(group.got.sum())}
        head |= {"promotion_id": group.promotion_id, "segment": group.segment, "per": "total"}
        if answers is not None:
            count: dict[str, Any] = head | answers.of(group, level)
            count |= {"measure": REDEMPTIONS, "identification": COUNTED}
            rows += [count, rates_of(count)]
        rows.append(head | money.spend(group, level, costs))
        rows.append(head | money.profit(group, level))
    return typed(rows, "predictions")


def run_forecast(run: RunFolder) -> pd.DataFrame:
    """Return what a week's report says that its plan will bring.

    Parameters
    ----------
    run : RunFolder
        Of a week whose steps have run.

    Returns
    -------
    DataFrame
        As the ledger has predictions; no row where nobody is planned.
    """
    there = run.table_path("planned").exists()
    planned = run.read_table("planned") if there else pd.DataFrame()
    if planned.empty:
        return typed((), "predictions")
    from promolab.sources import load_shop

    shop = load_shop(run.path / "shop")
    starting = planned["promotion_id"].unique().tolist()
    there = run.table_path("uplift_log").exists()
    worth = load_worth(run, shop, starting) if there else None
    ratios = PastRatios.of((run.metrics.get("response") or {}).get("past_ratios"))
    return forecast_week(
        shop,
        run.read_table("decisions"),
        run.read_table("decision_propensities"),
        worth,
        as_of=run.as_of,
        week=str(run.week),
        segments=segments_of(run),
        response=planned,
        ratios=ratios,
        costs=run.read_table("economics"),
    )


@dataclass(frozen=True)
class _Responses:
    """Each customer's chance to respond to what they got, and how far such chances missed."""

    week: Assigned
    chance: np.ndarray = field(repr=False)
    types: list[str]
    ratios: PastRatios

    @classmethod
    def read(
        cls, shop: Shop, week: Assigned, response: pd.DataFrame, ratios: PastRatios
    ) -> _Responses:
        told = shop.promotions.execute().to_dict("records")
        types = {str(row["promotion_id"]): type_of(row) for row in told}
        got = response["promotion_id"].astype(str)
        place = pd.Index(week.promotions).get_indexer(pd.Index(got))
        who = pd.Index(week.customers).get_indexer(pd.Index(response["customer_id"]))
        mine = (who >= 0) & (place >= 0)
        mine &= week.action[np.maximum(who, 0)] == place
        chance = np.zeros(len(week))
        chance[who[mine]] = response["p_redeemed"].to_numpy(dtype=float)[mine]
        return cls(week, chance, [types.get(one, "") for one in week.promotions], ratios)

    def of(self, group: Group, level: float) -> dict[str, float]:
        """Return how many of a group will respond, with both intervals."""
        ratios, n = self.ratios, float(group.got.sum())
        action = self.week.action[group.got]
        sizes = np.bincount(action, self.chance[group.got], minlength=len(self.types))
        if not ratios.k:
            return ends_of(float(sizes.sum()), math.nan, math.nan, math.nan, n)
        means = sizes * np.array([ratios.mean(name) for name in self.types])
        errors = np.array([self._error(name) for name in self.types])
        by_type = np.bincount(pd.factorize(np.array(self.types, dtype=object))[0], means * errors)
        variance = float(by_type @ by_type + means @ means * math.expm1(ratios.sd**2))
        known = ratios.freedom >= 1 and bool(np.isfinite(means).all())
        quantile = float(t_quantile(level, ratios.freedom)) if known else math.nan
        total = float(means.sum())
        return ends_of(total, variance, total + 0.5, quantile, n)

    def _error(self, name: str) -> float:
        types = self.ratios.types
        place = 0 if types == ("",) else types.index(name) if name in types else None
        return self.ratios.other_error if place is None else self.ratios.errors[place]


def ends_of(
    value: float, variance: float, noise: float, quantile: float, most: float = math.inf
) -> dict[str, float]:
    """Return a figure above 0 with the interval of its mean and that of what will be counted.

    Parameters
    ----------
    value : float
    variance : float
        Of its expected value.
    noise : float
        What chance adds to that.
    quantile : float
        Of the intervals, in standard deviations; nan without any.
    most : float
        It cannot be more.

    Examples
    --------
    >>> found = ends_of(100.0, 100.0, 100.0, 1.645)
    >>> round(found["ci_low"]), round(found["readout_low"]), round(found["readout_high"])
    (84, 79, 125)
    """
    told = {"value": min(value, most)}
    for name, var in (("ci", variance), ("readout", variance + noise)):
        s = math.sqrt(math.log1p(var / value**2)) if value > 0 else math.nan
        for end, sign in (("low", -1), ("high", 1)):
            told[f"{name}_{end}"] = min(value * math.exp(sign * quantile * s - s * s / 2), most)
    return told


KNOWN = 0.9
"""Share of those contacted of whom past decisions must tell, to speak for the others too."""
OWN_MISSES = 0.12
"""By what share forecasts of what each promotion takes off miss, beyond how much weeks differ.

How many orders a promotion adds is told of all together. In simulated shops whose rounds overlap,
what single promotions took off lay so far from what was foretold (`benchmarks/promises.py`).
"""
_NOTHING = dict.fromkeys(("value", "ci_low", "ci_high", "readout_low", "readout_high"), np.nan)


@dataclass(frozen=True)
class _Money:
    """What the promotions of a week cost and add, and how sure that is.

    Parameters
    ----------
    week : Assigned
    column : ndarray of int of shape (n,)
        Of what each got, in ``fit``; −1 where past decisions do not tell of it or of them.
    fit : Scores or None
        What scores of past decisions say, where effects are known.
    place : ndarray of int of shape (n,)
        Row of each customer in ``fit``.
    off : ndarray of shape (n,)
        What is taken off for each because of what they got.
    noise : Noise or None
    """

    week: Assigned
    column: np.ndarray = field(repr=False)
    fit: Scores | None = field(repr=False)
    place: np.ndarray = field(repr=False)
    off: np.ndarray = field(repr=False)
    noise: Noise | None = field(repr=False)

    @classmethod
    def of(
        cls, shop: Shop, week: Assigned, offers: Sequence[Promotion], worth: Worth | None,
        now: datetime,
    ) -> _Money:  # fmt: skip
        off, nowhere = np.zeros(len(week)), np.full(len(week), -1)
        if worth is None or worth.rows is None or not margins_known(shop):
            return cls(week, nowhere, None, nowhere, off, None)
        told = pd.Index(worth.promotions).get_indexer(pd.Index(week.promotions))
        measured = np.where((told >= 0) & ~worth.amounts.extrapolated[told], told, -1)
        noise = noise_of(shop, week.customers, span_of(week, offers), now)
        place = worth.places(week.customers)
        column = np.where(week.got & (place >= 0), measured[np.maximum(week.action, 0)], -1)
        rows = np.flatnonzero(column >= 0)
        held = [(p, who[rows]) for p, who in held_by(shop, week.customers, now, offers)]
        off[rows] = taken_off_each(
            worth.amounts, place[rows], column[rows], noise.beside[rows], held
        )
        return cls(week, column, Scores(worth), place, off, noise)

    def spend(self, group: Group, level: float, costs: pd.DataFrame | None) -> dict[str, Any]:
        """Return what a group costs, with both intervals."""
        rows = np.flatnonzero(group.got & (self.column >= 0))
        columns, n = self.column[rows], int(group.got.sum())
        value = variance = noise = 0.0
        if self.fit is not None and self.noise is not None and len(rows):
            amounts, place, off = self.fit.worth.amounts, self.place[rows], self.off[rows]
            own = 1 - np.array([p.funder_share for p in amounts.promotions])[columns]
            contact = np.array([p.contact_cost for p in amounts.promotions])[columns]
            value = float((contact + off).sum())
            by_promotion = np.bincount(columns, off)
            variance = float(off @ amounts.cost_spread[columns]) ** 2
            variance += OWN_MISSES**2 * float(by_promotion @ by_promotion)
            variance += float((amounts.cost_se[place, columns] ** 2).sum())
            # Discounts come now and then, of some size each: the variance of their sum is what is
            # expected of it times that size.
            beside, size = self.noise.beside, self.noise.per_discount
            whole = (own * off).sum() + own**2 @ beside[rows]
            noise = size * float(whole + group.weight(self.week) ** 2 @ beside)
        if len(rows) >= KNOWN * n:  # the others are taken to be like them
            whole = n / len(rows)
            value, variance, noise = value * whole, variance * whole**2, noise * whole**2
        else:
            more = self._stated(group, costs)
            if more is None:
                return _NOTHING | {"measure": SPEND, "identification": UNKNOWN}
            value, variance = value + more[0], variance + more[1]
        found = ends_of(value, variance, noise, normal_quantile(level))
        return found | {"measure": SPEND, "identification": COUNTED}

    def _stated(self, group: Group, costs: pd.DataFrame | None) -> tuple[float, float] | None:
        """Return value and variance of what promotions cost of which past decisions do not tell.

        Of a part of a promotion's customers, the same part.
        """
        if costs is None:
            return None
        rows = costs.assign(text=costs["promotion_id"].astype(str)).set_index("text")
        value = variance = 0.0
        for place in group.places:
            name, got = self.week.promotions[place], self.week.action == place
            part = (group.got & got).sum() / max(got.sum(), 1)
            if not part or (self.column[got] >= 0).any():
                continue
            if name not in rows.index:
                return None
            row = rows.loc[name]
            spread = (row["cost_ci_high"] - row["cost_ci_low"]) / 2 / normal_quantile(0.9)
            value += float(row["cost"] * part)
            variance += float(np.nan_to_num(spread) * part) ** 2
        return value, variance

    def profit(self, group: Group, level: float) -> dict[str, Any]:
        """Return what a group adds, with both intervals."""
        rows = np.flatnonzero(group.got & (self.column >= 0))
        if self.fit is None or self.noise is None or len(rows) < KNOWN * group.got.sum():
            return _NOTHING | {"measure": PROFIT, "identification": UNKNOWN}
        whole = group.got.sum() / len(rows)
        value, variance = self.fit.total(self.place[rows], self.column[rows], whole)
        each = self.noise.margin
        noise = float(each[group.got].sum() + group.weight(self.week) ** 2 @ each)
        half = normal_quantile(level) * math.sqrt(variance)
        readable = variance + noise if group.enough(self.week) else math.nan
        wide = normal_quantile(level) * math.sqrt(readable)
        told = {"value": value, "ci_low": value - half, "ci_high": value + half}
        told |= {"readout_low": value - wide, "readout_high": value + wide}
        return told | {"measure": PROFIT, "identification": RANDOMISED}


USUAL = 0.5
"""By what share of the mean effect kinds, and customers as they are foretold, usually differ.

The least that is believed before the data speak: of four kinds chance often shows no difference.
"""


class Scores:
    """What scores of past decisions say of customers with promotions.

    Parameters
    ----------
    worth : Worth
        With ``rows``.

    Notes
    -----
    For each kind the doubly robust scores of its effect are regressed on what models that had not
    seen the customer foretold: a mean, and what one standard deviation of the foretold is worth.
    Their errors, with one another's, come from what single customers moved them by. Both are then
    shrunk: empirical Bayes, with a flat prior for the common mean. What folds share needs no wider
    error (as in `promolab.policy.plan_value`), for no figure here is of what they chose.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), Generic machine learning inference on
    heterogeneous treatment effects (the regression); Efron & Morris (1973), JASA 68 (shrinking);
    Andrews, Kitagawa & McCloskey (2024), QJE 139 (inference on winners).
    """

    def __init__(self, worth: Worth) -> None:
        assert worth.rows is not None
        rows, amounts = worth.rows, worth.amounts
        self.worth = worth
        self.columns = np.array([amounts.place(arm) for arm in rows.arms])
        kinds = np.array([amounts.promotions[c].kind for c in self.columns], dtype=object)
        names, self.kind = np.unique(kinds.astype(str), return_inverse=True)
        self.left = amounts.value - amounts.given["moved"]
        self.centre, self.sd = np.zeros(len(names)), np.zeros(len(names))
        found, moved = np.zeros(2 * len(names)), []
        clusters = int(rows.cluster.max()) + 1
        for k in range(len(names)):
            j = int(np.argmax(np.where(self.kind == k, np.abs(self._factor), -1.0)))
            some, left = rows.eligible[:, j], float(self.left[:, self.columns[j]].mean())
            factor = self._factor[j] or 1.0
            x, y = ((a[some, j] - left) / factor for a in (rows.effect, rows.gamma))
            # Within folds: the mean that others foretell of a fold is low where its own is high.
            fold = np.searchsorted(rows.folds, rows.fold[some])
            x = x - (np.bincount(fold, x) / np.maximum(np.bincount(fold), 1))[fold]
            self.centre[k] = float(amounts.given["moved"][:, self.columns[j]].mean()) / factor
            spread = float(x.std())
            apart = spread > 1e-6 * float(np.abs(y).mean())
            self.sd[k] = spread if apart else 0.0
            z = x / spread if apart else np.zeros(len(x))
            design = np.column_stack([np.ones(len(z)), z])
            inverse = np.linalg.pinv(design.T @ design)
            line = inverse @ (design.T @ y)
            found[2 * k : 2 * k + 2] = line
            parts = (design * (y - design @ line)[:, None]) @ inverse
            moved += [np.bincount(rows.cluster[some], part, clusters) for part in parts.T]
        influence = np.column_stack(moved)
        self.estimate, self.covariance = _shrunk(found, influence.T @ influence)

    @property
    def _factor(self) -> np.ndarray:
        return np.asarray(self.worth.amounts.given["factor"][self.columns], dtype=float)

    def total(self, place: np.ndarray, columns: np.ndarray, whole: float) -> tuple[float, float]:
        """Return what customers with promotions add, and the variance of that.

        Parameters
        ----------
        place, columns : ndarray of int of shape (m,)
            Of each customer the row, and the column, of ``worth.amounts``.
        whole : float
            The sum stands for so many times as many.
        """
        amounts, kinds = self.worth.amounts, len(self.centre)
        # How depths differ is taken to be usual where past decisions do not tell: a ratio to a mean
        # effect near 0 has no error worth its name.
        steps = np.hypot(1.0, amounts.given["factor_se"][self.columns] / USUAL)
        steps = amounts.given["factor_se"][self.columns] / steps
        means, apart = np.zeros(len(self.columns)), np.zeros(len(self.columns))
        left = 0.0
        for j, column in enumerate(self.columns):
            mine = place[columns == column]
            means[j] = len(mine) * self._factor[j]
            foretold = float(amounts.given["moved"][mine, column].sum())
            sd = self.sd[self.kind[j]]
            apart[j] = (foretold - means[j] * self.centre[self.kind[j]]) / sd if sd else 0.0
            left += float(self.left[mine, column].sum())
        weight = np.zeros(2 * kinds)
        np.add.at(weight, 2 * self.kind, means)
        np.add.at(weight, 2 * self.kind + 1, apart)
        gross = means * self.estimate[2 * self.kind] + apart * self.estimate[2 * self.kind + 1]
        # A round's promotions of one kind do better or worse together.
        between = np.bincount(self.kind, gross * amounts.spread[self.columns], kinds)
        factor = np.where(self._factor == 0, 1.0, self._factor)
        terms = gross / factor * steps
        value = float(weight @ self.estimate) + left
        variance = float(weight @ self.covariance @ weight + between @ between + terms @ terms)
        return value * whole, variance * whole**2


def _shrunk(found: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and differences drawn together, and their covariance.

    Parameters
    ----------
    found : ndarray of shape (2 · K,)
        Of each kind the mean, and what one standard deviation of the foretold is worth.
    covariance : ndarray of shape (2 · K, 2 · K)
    """
    kinds = len(found) // 2
    mean, apart = found[0::2], found[1::2]
    own, error = np.diag(covariance)[0::2], np.diag(covariance)[1::2]
    common = random_effects(mean, own)
    usual = USUAL * max(abs(common.mean), common.se) if common.k else 0.0
    between = common.sd**2 if common.k > 1 else 0.0
    between = max(between, usual**2, 1e-12)
    within = max(float(np.mean(apart**2 - error)), usual**2, 1e-12)
    prior = np.zeros_like(covariance)
    prior[0::2, 0::2] = (np.eye(kinds) - 1 / kinds) / between
    prior[1::2, 1::2] = np.eye(kinds) / within
    ridge = 1e-9 * max(float(np.trace(covariance)), 1e-12)
    precision = np.linalg.inv(covariance + ridge * np.eye(len(found)))
    posterior = np.linalg.inv(precision + prior)
    return posterior @ (precision @ found), posterior
