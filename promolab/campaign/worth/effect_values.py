"""From a shop's own decisions to what each promotion that starts is worth and costs.

What the page of effects learned is saved in the run folder for the pages after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook import type_of
from promolab.campaign.past import known_at
from promolab.campaign.worth.log import UNDISCOUNTED, kinds_in, of_kinds, scored_log
from promolab.effects import UpliftModel, dose_response
from promolab.errors import InputError, PromolabError
from promolab.metrics import PastRatios, random_effects
from promolab.policy import PolicyRows
from promolab.promotions import (
    Coupon,
    FullReduction,
    LimitedTimeDiscount,
    PromotionValues,
    depth_of,
    kinds_answered,
    moment_of,
    order_values,
    promotion_values,
    read_promotions,
    threshold_of,
)
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.effects import DoseResponse
    from promolab.folder import RunFolder
    from promolab.promotions import Promotion


MODEL = "uplift.safetensors"
LOG, TERMS = "uplift_log", "uplift_terms"
LEVEL = 0.95
"""Of the model's intervals, from which standard errors are read."""
RARE = 0.001
"""Share of past decisions at either end beyond whose predicted effects nobody counts as known."""


@dataclass(frozen=True)
class Worth:
    """What each promotion that starts is worth with each customer; made by `week_worth`.

    Parameters
    ----------
    as_of : datetime
        Nothing at or after it was read (UTC).
    amounts : PromotionValues
        Value and cost of n customers and P promotions.
    log : DataFrame
        `scored_log` of the model.
    support : ndarray of bool of shape (n, P)
        Whether past decisions tell of the customer: the predicted effect lies among theirs.
    spread : float
        Standard deviation between promotions of one kind, as a share of the effect.
    known : DataFrame
        What was known of each customer.
    before : bool
        Whether the log's effects are before discounts.
    """

    as_of: datetime
    amounts: PromotionValues = field(repr=False)
    log: pd.DataFrame = field(repr=False)
    support: np.ndarray = field(repr=False)
    spread: float
    known: pd.DataFrame = field(repr=False)
    before: bool = False

    @cached_property
    def rows(self) -> PolicyRows | None:
        """Past decisions by which policies are valued: an arm per promotion that is measured.

        At its own terms. None where none is.
        """
        return policy_rows(self.log, self.amounts, before=self.before)

    @property
    def customers(self) -> np.ndarray:
        """Ids of the rows, in order."""
        return self.amounts.customers

    @property
    def promotions(self) -> list[str]:
        """Ids of the columns, as texts."""
        return self.amounts.names

    @property
    def headline(self) -> np.ndarray:
        """What may stand in a headline: supported, and measured at such terms, shape (n, P)."""
        return np.asarray(self.support & ~self.amounts.extrapolated)

    def places(self, customers: Iterable[Any]) -> np.ndarray:
        """Return the row of each of some customers; −1 of one who was not known."""
        return np.asarray(pd.Index(self.customers).get_indexer(pd.Index(list(customers))))


def week_worth(
    shop: Shop,
    as_of: Any,
    model: UpliftModel,
    log: pd.DataFrame,
    promotions: Iterable[Any],
    *,
    terms: pd.DataFrame | None = None,
    responses: pd.DataFrame | None = None,
    like: Worth | None = None,
) -> Worth | None:
    """Work out what each promotion that starts is worth with each customer, and costs.

    The effect of a promotion is its kind's, moved to its own terms, with what promotions of a kind
    differ by between rounds in its interval.

    Parameters
    ----------
    shop : Shop
        With promotions and purchases.
    as_of : datetime
        When it is decided (UTC if it has no zone); nothing at or after it is read.
    model : UpliftModel
        Of the shop's own decisions, an arm per kind; one that was saved does.
    log : DataFrame
        `scored_log` of the model.
    promotions : iterable
        Ids of those that start.
    terms : DataFrame, optional
        `moved_terms` of these promotions, of a model that was saved since; worked out by default,
        of a saved model without what depths do.
    responses : DataFrame, optional
        customer_id, promotion_id and chance (0–1): of a response, as past promotions bear it out.
        What is taken off follows from it; without, from how often customers order and from the
        effect, and misses as far as that does.
    like : Worth, optional
        Of the same promotions and moment, by another model: who orders what is not counted again.

    Returns
    -------
    Worth or None
        None where the log is empty, for effects are not known then, or none of the promotions is of
        a kind that was drawn.

    Raises
    ------
    InputError
        The shop has no such promotion.

    Examples
    --------
    >>> from promolab import UpliftModel, load_shop
    >>> from promolab.campaign.worth import scored_log, week_worth
    >>> from promolab.features import decisions_experiment
    >>> shop = load_shop("simulated", customers=1_000, weeks=16, exploration=1.0)
    >>> model = UpliftModel("dr", "ridge").fit(decisions_experiment(shop, by="kind", early=True))
    >>> ids = ["W16-coupon", "W16-recommendation"]
    >>> found = week_worth(shop, "2024-09-08 16:00", model, scored_log(model), ids)
    >>> found.amounts.value.shape, found.promotions == ids, found.rows.arms == tuple(ids)
    ((993, 2), True, True)
    """
    now, kinds = moment_of(as_of), kinds_in(log)
    offers = read_promotions(shop, list(promotions))
    known = {name: one for name, one in offers.items() if one.kind in kinds}
    if not known or log.empty:
        return None
    if terms is None:
        terms = moved_terms(shop, log, list(known.values()), model if model.has_rows else None)
    moved = terms.set_index("promotion_id").loc[[str(name) for name in known]]
    described = known_at(shop, now) if like is None else like.known
    columns = [one.kind for one in known.values()]
    effect, error = _effects(model, described, columns)
    average = model.average(LEVEL).rows.set_index("arm")
    if like is None:
        orders = order_values(shop, now, customers=described["customer_id"], promotions=list(known))
    else:
        orders = like.amounts.orders
    spread, chances = spread_of(log), None
    if responses is not None:
        told = responses.assign(promotion_id=responses["promotion_id"].astype(str))
        wide = told.pivot_table("chance", "customer_id", "promotion_id", observed=True)
        chances = wide.reindex(described["customer_id"], columns=[str(name) for name in known])
    values = promotion_values(
        known,
        orders,
        effect,
        error,
        response=chances,
        factor=moved["factor"],
        factor_se=moved["factor_se"],
        spread=spread,
        mean_se=_error(average.loc[columns, "effect"], average.loc[columns, "ci_high"]),
        extrapolated=moved["extrapolated"],
    )
    each, place = np.unique(columns, return_inverse=True)
    ends = np.quantile(of_kinds(log, "effect", each.tolist()), [RARE, 1 - RARE], axis=0)[:, place]
    near = 1e-9 * np.abs(ends).max()
    support = (effect >= ends[0] - near) & (effect <= ends[1] + near)
    return Worth(now, values, log, np.asarray(support), spread, described)


def _effects(
    model: UpliftModel, described: pd.DataFrame, kinds: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the effect of each kind on each customer, and its standard error, shape (n, P)."""
    covariates = model.covariates_
    table = model.effect(described.reindex(columns=list(covariates)), LEVEL)
    effect = np.column_stack([table[(kind, "effect")] for kind in kinds])
    high = np.column_stack([table[(kind, "ci_high")] for kind in kinds])
    return effect, _error(effect, high)


def _error(value: Any, high: Any) -> np.ndarray:
    half = np.maximum(np.asarray(high, dtype=float) - np.asarray(value, dtype=float), 0.0)
    return np.asarray(half / normal_quantile(LEVEL))


def spread_of(log: pd.DataFrame) -> float:
    """Return how much promotions of one kind differ, as a share of their mean effect.

    Parameters
    ----------
    log : DataFrame
        `scored_log`; a kind's promotions of one round count as one.

    Returns
    -------
    float
        Standard deviation between rounds, chance taken out (DerSimonian & Laird 1986), over the
        mean effect of the kind: of all kinds together whose effect can be told from 0, for a few
        rounds of one tell little; at most 1. 0 where no kind has two rounds.
    """
    values, variances = [], []
    for kind in kinds_in(log):
        rounds = log.groupby("ts")[f"score.{kind}"].agg(["mean", "var", "count"])
        variance = rounds["var"] / rounds["count"]
        one = random_effects(rounds["mean"], variance)
        if one.k > 1 and abs(one.mean) > normal_quantile(LEVEL) * one.se:
            values.append(rounds["mean"] / one.mean)
            variances.append(variance / one.mean**2)
    if not values:
        return 0.0
    return min(float(random_effects(pd.concat(values), pd.concat(variances)).sd), 1.0)


def policy_rows(
    log: pd.DataFrame, values: PromotionValues, *, before: bool = False
) -> PolicyRows | None:
    """Return past decisions as what they would tell of this week's promotions, measured ones only.

    Parameters
    ----------
    log : DataFrame
        `scored_log`.
    values : PromotionValues
        Of this week's promotions.
    before : bool
        Whether the log's effects are before discounts (`undiscounted`), which are taken off here.

    Notes
    -----
    What a decision would be charged follows the discount that was expected of it when it was made;
    its level is this week's: the mean discount of the promotion over today's customers.
    """
    mine = np.flatnonzero(~values.extrapolated)
    if not len(mine):
        return None
    offers = [values.promotions[j] for j in mine]
    kinds = [one.kind for one in offers]
    factor = values.given["factor"][mine]
    funded = np.array([one.funder_share for one in offers])
    # What is paid beside the discount.
    contact = (values.cost[:, mine] - (1 - funded) * values.discount[:, mine]).mean(axis=0)
    told = of_kinds(log, "discount", kinds)
    mean = told.mean(axis=0)
    today = values.discount[:, mine].mean(axis=0)
    scale = np.divide(today, mean, out=np.zeros_like(mean), where=mean > 0)
    discount = np.where(mean > 0, told * scale, today)
    cost = (1 - funded) * discount + contact
    left = -cost if before else funded * discount - contact
    early = all(f"soon.{kind}" in log for kind in kinds)

    def at_terms(part: str) -> np.ndarray:
        return np.asarray(of_kinds(log, part, kinds) * factor + left)

    return PolicyRows(
        at_terms("score"),
        at_terms("effect"),
        cost,
        log["fold"].to_numpy(),
        log["customer_id"].to_numpy(),
        tuple(values.names[j] for j in mine),
        of_kinds(log, "response", kinds),
        log["outcome"].to_numpy(dtype=float),
        soon=at_terms("soon") if early else None,
    )


def save_effects(run: RunFolder, shop: Shop, model: UpliftModel, promotions: Iterable[Any]) -> None:
    """Write the model, its scored decisions and how effects move to what starts.

    Parameters
    ----------
    run : RunFolder
        Gets ``uplift.safetensors``, ``tables/uplift_log.parquet`` and ``uplift_terms.parquet``; of
        a model that shows no effect of the shop's own decisions, or that cannot be saved, empty
        tables and no model.
    shop : Shop
        With its decisions.
    model : UpliftModel
        Fitted.
    promotions : iterable
        Ids of those that start.
    """
    log = scored_log(model)
    path = run.path / MODEL
    path.unlink(missing_ok=True)
    if not log.empty:
        try:
            run.wrote(model.save(path))
        except InputError:  # a forest stays on its page
            log = log.iloc[:0]
    offers = list(read_promotions(shop, list(promotions)).values()) if len(log) else []
    offers = [one for one in offers if one.kind in kinds_in(log)]
    run.write_table(LOG, log, by=["ts", "customer_id"])
    run.write_table(TERMS, moved_terms(shop, log, offers, model), by="promotion_id")


def load_worth(run: RunFolder, shop: Shop, promotions: Iterable[Any]) -> Worth | None:
    """Work out what promotions are worth, from what `save_effects` left in the run folder.

    Parameters
    ----------
    run : RunFolder
        Of the week.
    shop : Shop
        The same shop.
    promotions : iterable
        Ids of those that start.

    Returns
    -------
    Worth or None
        None where effects are not known, or none of the promotions is of a kind that was drawn.
    """
    log, ids = run.read_table(LOG), list(promotions)
    if log.empty or not ids:
        return None
    model, responses = UpliftModel.load(run.path / MODEL), expected_chances(run, shop)
    terms = run.read_table(TERMS)
    return week_worth(shop, run.as_of, model, log, ids, terms=terms, responses=responses)


def expected_chances(run: RunFolder, shop: Shop) -> pd.DataFrame:
    """Return customer_id, promotion_id and chance: each response score as past promotions bear out.

    Summed up over a list that is the forecast of its responses (`promolab.campaign.outlook`). Kinds
    whose answers were never recorded have no row.
    """
    told = (run.metrics.get("response") or {}).get("past_ratios")
    ratios, offers = PastRatios.of(told), shop.promotions.execute()
    offers = offers[offers["kind"].isin(kinds_answered(shop, run.as_of))]
    times = {
        row["promotion_id"]: ratios.mean(type_of(row)) if ratios.k else 1.0
        for row in offers.to_dict("records")
    }
    scores = run.read_table("scores")
    chance = scores["p_redeemed"] * scores["promotion_id"].map(times)
    return scores[["customer_id", "promotion_id"]].assign(chance=chance.clip(upper=1.0)).dropna()


TERM_COLUMNS = ("promotion_id", "factor", "factor_se", "extrapolated")
NEAR = 1e-9
LEAST_SPREAD = 0.2
"""Standard deviation of factors that depths have at least: none is believed to make no difference.
"""


def moved_terms(
    shop: Shop, log: pd.DataFrame, promotions: Sequence[Promotion], model: UpliftModel | None = None
) -> pd.DataFrame:
    """Return how the effects of their kinds move to the terms of some promotions.

    Parameters
    ----------
    shop : Shop
        With promotions.
    log : DataFrame
        `promolab.campaign.worth.scored_log`: which promotions were drawn.
    promotions : sequence of Promotion
        Of kinds that the log knows.
    model : UpliftModel, optional
        What the log was made of, with its rows: it measures what depth does.

    Returns
    -------
    DataFrame
        promotion_id (text), factor (by which the kind's average effect is multiplied), factor_se,
        extrapolated. Terms that were drawn alone are those of the average: factor 1. Where a kind
        was drawn at several depths, the factor is that of `promolab.effects.dose_response`, drawn
        to 1 as far as the depths of all kinds differ by no more than chance; of margin before
        discounts (`promolab.campaign.worth.undiscounted`) it is told by the window. All
        else is extrapolated, at factor 1: a depth or a threshold outside those that were drawn,
        and depths of which too few decisions tell.
    """
    if not promotions:
        return pd.DataFrame(columns=list(TERM_COLUMNS))
    names = set(shop.promotions.promotion_id.cast("string").execute())
    drawn = read_promotions(shop, sorted(set(map(str, log["action"].unique())) & names))
    by_kind: dict[str, list[Promotion]] = {}
    for one in drawn.values():
        by_kind.setdefault(one.kind, []).append(one)
    curves = {kind: _curve(kind, all_drawn, model) for kind, all_drawn in by_kind.items()}
    spread = _spread_of([one for one in curves.values() if one is not None])
    rows = [
        (str(p.promotion_id), *_moved(p, by_kind.get(p.kind, []), curves.get(p.kind), spread))
        for p in promotions
    ]
    return pd.DataFrame(rows, columns=list(TERM_COLUMNS))


def _curve(kind: str, drawn: Sequence[Promotion], model: UpliftModel | None) -> DoseResponse | None:
    """Return what a kind adds at each depth drawn; None where that is not known."""
    doses = {str(one.promotion_id): depth_of(one) for one in drawn}
    known = {name: each for name, each in doses.items() if not math.isnan(each)}
    if model is None or not known or len({terms_of(one) for one in drawn}) < 2:
        return None
    try:
        return dose_response(model, known, kind, early=model.outcome_ == UNDISCOUNTED)
    except PromolabError:
        return None


def _spread_of(curves: Sequence[DoseResponse]) -> float:
    """Return the variance of factors between depths, of all kinds, chance taken out.

    Of one kind few depths tell it (empirical Bayes: Morris 1983).
    """
    found = [one.factor(float(dose)) for one in curves for dose in one.frame["dose"]]
    told = [(away - 1) ** 2 - error**2 for away, error in found if math.isfinite(error)]
    errors = [error**2 for _, error in found if math.isfinite(error)]
    if not told:
        return LEAST_SPREAD**2
    weight = 1 / np.maximum(np.array(errors), 1e-12)
    return float(max(np.average(told, weights=weight), LEAST_SPREAD**2))


def _moved(
    promotion: Promotion,
    drawn: Sequence[Promotion],
    curve: DoseResponse | None,
    spread: float,
) -> tuple[float, float, bool]:
    """Return factor, its standard error, and whether the terms are extrapolated."""
    known = {terms_of(one) for one in drawn}
    if known == {terms_of(promotion)}:
        return 1.0, 0.0, False
    depth, least = depth_of(promotion), threshold_of(promotion)
    floors = [threshold_of(one) for one in drawn]
    inside = bool(floors) and min(floors) - NEAR <= least <= max(floors) + NEAR
    if curve is None or not inside or math.isnan(depth):
        return 1.0, 0.0, True
    try:
        factor, error = curve.factor(depth)
    except PromolabError:
        return 1.0, 0.0, True
    if not math.isfinite(error):
        return 1.0, 0.0, True
    # Drawn to 1 as far as chance alone would have it so far away; what is left is not known.
    part = spread / (spread + error**2) if error > 0 else 1.0
    left = math.sqrt(part) * error
    return 1 + part * (factor - 1), left, curve.extrapolated(depth)


def terms_of(promotion: Promotion) -> tuple[Any, ...]:
    """Return what a promotion takes off, as what can be compared; nan is None.

    Examples
    --------
    >>> from datetime import datetime
    >>> window = {"starts_at": datetime(2024, 7, 1), "ends_at": datetime(2024, 7, 8)}
    >>> terms_of(LimitedTimeDiscount(promotion_id=1, rate=0.1, **window))
    ('limited_time_discount', 0.1)
    """
    told: tuple[float, ...] = ()
    if isinstance(promotion, LimitedTimeDiscount):
        told = (promotion.rate,)
    elif isinstance(promotion, FullReduction):
        told = (promotion.threshold, promotion.reduction, promotion.steps)
    elif isinstance(promotion, Coupon):
        told = (promotion.value, promotion.rate, promotion.minimum)
    return (promotion.kind, *(None if np.isnan(x) else round(float(x), 9) for x in told))
