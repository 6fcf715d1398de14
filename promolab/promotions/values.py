"""What each promotion is worth with each customer, and what it is expected to cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import along, labelled, level_of, same_length
from promolab.errors import InputError, nearest
from promolab.promotions.parts import (
    alike,
    in_window,
    luck_of,
    missing_later,
    moved_effect,
    parts_of,
)
from promolab.promotions.spending import WEEK, OrderValues
from promolab.promotions.terms import Coupon, FullReduction, Promotion
from promolab.promotions.waterfalls import SOURCES, Waterfall
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class PromotionValues(Result):
    """Net incremental profit and cost of promotions; made by `promotion_values`.

    Parameters
    ----------
    promotions : tuple of Promotion
        The columns.
    orders : OrderValues
        The rows.
    value, value_se : ndarray of shape (n, P)
        Expected net incremental profit per customer, and its standard error: effect on margin,
        already net of the discount, moved to the promotion's own terms, + the funder's part of the
        discount − the contact.
    cost, cost_se : ndarray of shape (n, P)
        What is charged to the budget: the shop's part of the expected discount + the contact + what
        redemptions cost beside it.
    discount, anyway : ndarray of shape (n, P)
        Expected discount, whoever pays it, and what of it goes to orders that come anyway.
    extrapolated : ndarray of bool, shape (P,)
        Whose terms lie outside what was drawn: not in any total.
    spread : ndarray of shape (P,)
        Standard deviation between promotions of the kind, as a share of the effect.
    cost_spread : ndarray of shape (P,)
        How far the cost as a whole may lie from what is expected, as a share (one standard
        deviation).
    given : mapping
        What the values were made from; `waterfall` splits them by it.
    level : float
        Of the intervals.
    """

    promotions: tuple[Promotion, ...]
    orders: OrderValues = field(repr=False)
    value: np.ndarray = field(repr=False)
    value_se: np.ndarray = field(repr=False)
    cost: np.ndarray = field(repr=False)
    cost_se: np.ndarray = field(repr=False)
    discount: np.ndarray = field(repr=False)
    anyway: np.ndarray = field(repr=False)
    extrapolated: np.ndarray
    spread: np.ndarray
    cost_spread: np.ndarray
    given: Mapping[str, np.ndarray] = field(repr=False)
    level: float = 0.9

    @property
    def customers(self) -> np.ndarray:
        """Ids of the rows, shape (n,)."""
        return np.asarray(self.orders.frame["customer_id"].to_numpy())

    @property
    def names(self) -> list[str]:
        """Ids of the promotions, as texts."""
        return [str(p.promotion_id) for p in self.promotions]

    def place(self, promotion_id: Any) -> int:
        """Return the column of a promotion.

        Raises
        ------
        InputError
            There is none of that id.
        """
        if str(promotion_id) not in self.names:
            raise InputError(
                f"there is no promotion {str(promotion_id)!r} among the values; "
                f"{nearest(str(promotion_id), self.names)}"
            )
        return self.names.index(str(promotion_id))

    def total(self, promotion_id: Any, what: str = "value", chosen: Any = None) -> Estimate:
        """Add the value or the cost of a promotion up over customers, with its interval.

        Parameters
        ----------
        promotion_id : object
            The promotion.
        what : {"value", "cost"}
            What to add up.
        chosen : array-like of bool or float, shape (n,), optional
            Who gets it, or the chance of that; by default everybody.

        Returns
        -------
        Estimate
            What differs between promotions misses all customers alike. So do the standard errors of
            effects, for one model made them all, unless ``mean_se`` said how sure their mean is;
            what is expected of single customers' orders misses each by itself.
        """
        j, weight = self.place(promotion_id), _weights(chosen, len(self.orders))
        n = int((weight > 0).sum())
        figures, own = (self.value, self.value_se) if what == "value" else (self.cost, self.cost_se)
        total = float(weight @ figures[:, j])
        if what == "value":
            error = self._value_error(j, weight)
        else:
            discount = float(weight @ (self.cost[:, j] - self.promotions[j].contact_cost))
            shared = self.cost_spread[j] * discount
            error = math.hypot(shared, float(np.sqrt(np.sum((weight * own[:, j]) ** 2))))
        half = normal_quantile(self.level) * error
        return Estimate(total, total - half, total + half, n)

    def _value_error(self, j: int, weight: np.ndarray) -> float:
        given, moved = self.given, self.given["moved"][:, j]
        mean_se = given["mean_se"][j]
        drawn = float(weight @ given["moved_se"][:, j])
        if np.isfinite(mean_se):
            drawn = float(weight.sum() * mean_se * abs(given["factor"][j]))
        steps = float(weight @ given["effect"][:, j]) * given["factor_se"][j]
        between = float(weight @ moved) * self.spread[j]
        funded = self.promotions[j].funder_share * float(weight @ self.discount[:, j])
        return math.hypot(drawn, steps, between, funded * self.cost_spread[j])

    def cost_luck(self) -> np.ndarray:
        """Return the standard deviation of what each customer will truly cost, shape (n, P).

        Beside ``cost_se``, by which the expected cost may miss, orders come by chance.
        """
        log_sd = self.orders.frame["log_sd"].to_numpy(float)
        found = np.empty_like(self.cost)
        for j, one in enumerate(self.promotions):
            parts = parts_of(one, self.orders, _column(self.given, j))
            luck = luck_of(parts.discount, parts.redeeming, log_sd)
            found[:, j] = np.hypot(self.cost_se[:, j], (1 - one.funder_share) * luck)
        return found

    def share_anyway(self, promotion_id: Any, chosen: Any = None) -> float:
        """Return which share of the discount goes to orders that come anyway; nan without one."""
        j, weight = self.place(promotion_id), _weights(chosen, len(self.orders))
        whole = float(weight @ self.discount[:, j])
        return float(weight @ self.anyway[:, j]) / whole if whole > 0 else math.nan

    def waterfall(self, promotion_id: Any, chosen: Any = None) -> Waterfall:
        """Split the net incremental profit of a promotion into what makes it.

        Parameters
        ----------
        promotion_id : object
            The promotion.
        chosen : array-like of bool or float, shape (n,), optional
            Who gets it, or the chance of that; by default everybody.

        Returns
        -------
        Waterfall
            Its bars add up to the net incremental profit.
        """
        j, weight = self.place(promotion_id), _weights(chosen, len(self.orders))
        promotion = self.promotions[j]
        parts = parts_of(promotion, self.orders, _column(self.given, j))
        amounts = {name: float(weight @ part) for name, part in parts.bars.items()}
        handed: tuple[float, ...] = ()
        if isinstance(promotion, Coupon):
            handed = float(weight.sum()), float(weight @ -np.expm1(-parts.redeeming))
        net = self.total(promotion_id, "value", weight)
        return Waterfall(
            self._bars(j, amounts, net),
            net,
            self.total(promotion_id, "cost", weight),
            str(promotion.promotion_id),
            promotion.face_value(self.orders.currency),
            bool(self.extrapolated[j]),
            handed,
            self.orders.currency,
            self.level,
            promotion.kind,
            self.share_anyway(promotion_id, weight),
            promotion.title,
        )

    def _bars(self, j: int, amounts: Mapping[str, float], net: Estimate) -> pd.DataFrame:
        """Return the bars of a waterfall from the sums of its parts."""
        import pandas as pd

        measured, apart = (self.given[name][j] for name in ("after_measured", "pulled_forward"))
        sources = {**SOURCES, **({} if measured else {"later": "computed"})}
        parts = {} if apart else {"extra": "whole"}
        if isinstance(self.promotions[j], FullReduction):
            parts["anyway"] = "above"
        if not isinstance(self.promotions[j], Coupon):
            parts["contact"] = "contacts"
        bars = pd.DataFrame({"name": list(sources), "source": list(sources.values())})
        bars["part"] = bars["name"].replace(parts)
        bars["amount"] = bars["name"].map(amounts)
        # What is measured carries the uncertainty of the whole and of what was taken off.
        error = normal_quantile(self.level) * self.cost_spread[j] * bars["amount"].abs()
        error = error.mask(bars["source"] == "measured", (net.ci_high - net.ci_low) / 2)
        error = error.mask(bars["source"] == "stated", 0.0)
        bars = bars.assign(ci_low=bars["amount"] - error, ci_high=bars["amount"] + error)
        return bars[["name", "part", "amount", "ci_low", "ci_high", "source"]]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion, were everybody to get it.

        Returns
        -------
        DataFrame
            promotion_id, kind, face_value, customers, paying (those with a value above 0), value,
            value_low, value_high, cost, cost_low, cost_high, extrapolated.
        """
        import pandas as pd

        rows = []
        for j, one in enumerate(self.promotions):
            value, cost = (self.total(one.promotion_id, what) for what in ("value", "cost"))
            rows.append(
                {
                    "promotion_id": one.promotion_id,
                    "kind": one.kind,
                    "face_value": one.face_value(self.orders.currency),
                    "customers": len(self.orders),
                    "paying": int((self.value[:, j] > 0).sum()),
                    **dict(zip(("value", "value_low", "value_high"), value.ends, strict=True)),
                    **dict(zip(("cost", "cost_low", "cost_high"), cost.ends, strict=True)),
                    "extrapolated": bool(self.extrapolated[j]),
                }
            )
        return pd.DataFrame(rows)

    def facts(self) -> dict[str, Any]:
        """Return the currency of all amounts."""
        return {"currency": self.orders.currency}


def _weights(chosen: Any, n: int) -> np.ndarray:
    weight = np.ones(n) if chosen is None else np.asarray(chosen, dtype=float)
    if weight.shape != (n,):
        raise InputError(
            f"chosen has shape {weight.shape}; expected ({n},), whether each customer gets it"
        )
    return weight


def promotion_values(
    promotions: Mapping[Any, Promotion] | Sequence[Promotion],
    orders: OrderValues,
    effect: ArrayLike,
    effect_se: ArrayLike,
    *,
    response: ArrayLike | None = None,
    factor: ArrayLike | None = None,
    factor_se: ArrayLike | None = None,
    usual: Sequence[Promotion] | None = None,
    spread: ArrayLike | None = None,
    mean_se: ArrayLike | None = None,
    extrapolated: ArrayLike | None = None,
    pulled_forward: ArrayLike | None = None,
    level: float = 0.9,
) -> PromotionValues:
    """Work out what each promotion is worth with each customer, and what it costs.

    Parameters
    ----------
    promotions : mapping or sequence of Promotion
        P promotions (`promolab.promotions.read_promotions`).
    orders : OrderValues
        Of the n customers, made with ``promotions=`` the same ids.
    effect, effect_se : array-like of shape (n, P)
        Effect of each promotion's kind on the margin of each customer, net of the discount and
        before the contact's cost, over window and horizon, in the currency; and standard errors.
    response : array-like of shape (n, P), optional
        Chance that a customer contacted redeems it at least once (0–1); nan where it is not known.
        Without, it follows from how often the customer orders, and from the effect.
    factor, factor_se : array-like of shape (P,), optional
        By what the effect of the kind is multiplied at the promotion's own terms, along the
        measured dose-response; by default 1.
    usual : sequence of P Promotion, optional
        Promotions of the terms at which each one's effect was measured in the mean, such as the
        middle of the depths drawn. With them extra orders are moved, customer by customer, and
        the discount is each promotion's own; without, the effect as a whole.
    spread : array-like of shape (P,), optional
        Standard deviation between promotions of the kind, as a share of the effect.
    mean_se : array-like of shape (P,), optional
        Standard error of the kind's mean effect: how sure totals are.
    extrapolated : array-like of bool, shape (P,), optional
        Promotions whose terms lie outside those that were drawn.
    pulled_forward : array-like of shape (P,), optional
        Measured share (0–1) of the extra purchases that are missing again after the window; nan
        where it is not known: then it follows from how many more orders came in past windows than
        the effects on margin, which hold what is missing, account for.
    level : float
        Of the intervals of totals.

    Returns
    -------
    PromotionValues

    Raises
    ------
    InputError
        Shapes that differ, numbers that are missing, standard errors below 0, a share that is none,
        or a promotion that does not say what it takes off.

    Notes
    -----
    A discount reprices every order in the window: those that come anyway, those filled up to a
    threshold, and the extra ones. The measured effect is net of all of it, so it anchors the value;
    the expected discount comes from the chance to redeem, or the orders expected, and the
    distribution of the customer's order values.

    Examples
    --------
    >>> from promolab import load_shop
    >>> from promolab.promotions import order_values, read_promotions
    >>> shop = load_shop("simulated", customers=300, weeks=12)
    >>> ids = ["W12-recommendation", "W12-coupon"]
    >>> offers = read_promotions(shop, ids)
    >>> orders = order_values(shop, "2024-08-11 16:00", promotions=list(offers))
    >>> found = promotion_values(offers, orders, np.full((300, 2), 3.0), np.ones((300, 2)))
    >>> found.value.shape, bool((found.cost >= 0.2 - 1e-9).all())
    ((300, 2), True)
    """
    offers = _checked(promotions, orders)
    n, many = len(orders), len(offers)

    names, ids = [str(one.promotion_id) for one in offers], orders.frame["customer_id"]
    effect, effect_se, response = (
        along(ids.set_axis(ids) if labelled(table) else None, table, name, "orders", columns=names)
        for name, table in [("effect", effect), ("effect_se", effect_se), ("response", response)]
    )

    def each(name: str, told: Any, usual: float, **bounds: Any) -> np.ndarray:
        if labelled(told):
            told = along(None, told.to_frame().T, name, "promotions", columns=names).T.iloc[:, 0]
        return _numbers(name, usual if told is None else told, (many,), **bounds)

    moved = _numbers("effect", effect, (n, many))
    error = _numbers("effect_se", effect_se, (n, many), least=0)
    chance = np.nan if response is None else response
    # A window of several weeks evens out what differs between them.
    weeks = np.array([max(one.days / WEEK, 1.0) for one in offers])
    given = {
        "effect": moved,
        "response": _numbers("response", chance, (n, many), least=0, most=1, missing=True),
        "factor": each("factor", factor, 1.0),
        "factor_se": each("factor_se", factor_se, 0.0, least=0),
        "mean_se": each("mean_se", mean_se, np.nan, least=0, missing=True),
        "pulled_forward": each(
            "pulled_forward", pulled_forward, np.nan, least=-1, most=0.99, missing=True
        ),
    }
    between = each("spread", spread, 0.0, least=0)
    of_cost = orders.week_spread / np.sqrt(weeks)
    measured = np.isfinite(given["pulled_forward"])
    given["pulled_forward"] = _pulled_forward(offers, orders, given, usual)
    given["after_measured"] = measured.astype(float)
    given["moved"], slope = _moved(offers, orders, given, usual)
    given["moved_se"] = error * np.abs(slope)
    worked = [parts_of(one, orders, _column(given, j)) for j, one in enumerate(offers)]
    discount = np.column_stack([w.discount for w in worked])
    discount_se = np.column_stack([w.discount_se for w in worked])
    # A contact, and what redemptions cost beside the discount.
    contact = np.column_stack(
        [one.contact_cost + w.handling for one, w in zip(offers, worked, strict=True)]
    )
    funded = np.array([one.funder_share for one in offers])
    shared = of_cost * discount
    steps, differ = moved * given["factor_se"], given["moved"] * between
    paid = funded * np.hypot(discount_se, shared)
    return PromotionValues(
        offers,
        orders,
        given["moved"] + funded * discount - contact,
        np.sqrt(given["moved_se"] ** 2 + steps**2 + differ**2 + paid**2),
        (1 - funded) * discount + contact,
        (1 - funded) * discount_se,
        discount,
        np.column_stack([w.anyway for w in worked]),
        each("extrapolated", extrapolated, 0.0).astype(bool),
        between,
        of_cost,
        given,
        level_of(level),
    )


def _checked(
    promotions: Mapping[Any, Promotion] | Sequence[Promotion], orders: OrderValues
) -> tuple[Promotion, ...]:
    offers = tuple(promotions.values() if isinstance(promotions, Mapping) else promotions)
    if not offers or not all(isinstance(one, Promotion) for one in offers):
        raise InputError(
            "promotions holds what is no promotion, or nothing; give what "
            "promolab.promotions.read_promotions returned"
        )
    names = [str(one.promotion_id) for one in offers]
    if len(set(names)) < len(names):
        raise InputError(f"promotions = {names}; expected each promotion once")
    for one in names:
        orders.place(one)
    return offers


def _moved(
    offers: Sequence[Promotion],
    orders: OrderValues,
    given: Mapping[str, np.ndarray],
    usual: Sequence[Promotion] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return effects at the promotions' own terms, and how they change with what was measured."""
    effect, factor = given["effect"], given["factor"]
    if usual is None:
        return effect * factor, np.broadcast_to(factor, effect.shape)
    same_length(promotions=offers, usual=usual)
    found = []
    for j, (own, before) in enumerate(zip(offers, usual, strict=True)):
        later = float(given["pulled_forward"][j])
        there, here = (in_window(one, orders, later) for one in (alike(before, own), own))
        found.append(moved_effect(there, here, effect[:, j], float(factor[j])))
    moved, slope = (np.column_stack(columns) for columns in zip(*found, strict=True))
    return moved, slope


def _pulled_forward(
    offers: Sequence[Promotion],
    orders: OrderValues,
    given: Mapping[str, np.ndarray],
    usual: Sequence[Promotion] | None,
) -> np.ndarray:
    """Return the share of extra orders missing later: what is given, else what past windows say."""
    found = given["pulled_forward"].copy()
    unknown = np.flatnonzero(np.isnan(found)).tolist()
    before = offers if usual is None else [alike(*pair) for pair in zip(usual, offers, strict=True)]
    windows = [in_window(before[j], orders) for j in unknown]
    found[unknown] = missing_later(windows, [given["effect"][:, j] for j in unknown], orders.lift)
    return found


def _column(given: Mapping[str, np.ndarray], j: int) -> dict[str, np.ndarray]:
    return {name: values[..., j] for name, values in given.items()}


def _numbers(
    name: str,
    values: Any,
    shape: tuple[int, ...],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    missing: bool = False,
) -> np.ndarray:
    """Return finite numbers of a shape, one number standing for all; nan where one may miss."""
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds what is no number; expected shape {shape}") from None
    if found.shape != shape and found.ndim:
        raise InputError(
            f"{name} has shape {found.shape}; expected {shape}: "
            f"{'a row per customer and ' if len(shape) == 2 else ''}a column per promotion"
        )
    found = np.broadcast_to(found, shape)
    bad = ~np.isfinite(found) & ~(np.isnan(found) & missing)
    bad |= (found < least) | (found > most)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        span = "finite numbers" if least == -math.inf else f"numbers from {least:g}"
        span += "" if most == math.inf else f" to {most:g}"
        raise InputError(f"{name} holds {found[place]:g} at {place}; expected {span}")
    return found
