"""What nobody but the simulation knows: outcomes with a promotion and without, and yardsticks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import real_number
from promolab.contract import Shop
from promolab.errors import InputError, nearest
from promolab.simulated.orders import decide
from promolab.simulated.overlap import Course, course, outcomes_of
from promolab.simulated.people import Customers, draw_customers
from promolab.simulated.tables import CHUNK, CONTACT_COST
from promolab.simulated.world import Promotion, World

if TYPE_CHECKING:
    import pandas as pd


OUTCOMES = ("purchase", "orders", "sales", "margin")
USABLE = {
    "recommendation": (),
    "limited_time_discount": ("discount_rate",),
    "full_reduction": ("threshold", "reduction"),
    "coupon": ("discount_rate", "threshold"),
}
"""Terms of each kind."""


@dataclass(frozen=True)
class Truth:
    """The true effects of a simulated shop; worked out when asked for, written nowhere.

    Parameters
    ----------
    world : World
        What the shop was made from.

    Examples
    --------
    >>> truth = Truth(World(customers=1_000, weeks=12))
    >>> found = truth.effects("W07-full_reduction")
    >>> bool(found["margin_effect"].mean() > 0)
    True
    >>> nothing = Truth(World(customers=1_000, weeks=12, variant="null"))
    >>> float(nothing.effects("W07-coupon")["margin_effect"].abs().max())
    0.0
    """

    world: World

    def effects(
        self,
        promotion_id: str,
        *,
        discount_rate: float | None = None,
        threshold: float | None = None,
        reduction: float | None = None,
    ) -> pd.DataFrame:
        """Return what a promotion changes for each customer, given all else that the log assigned.

        That is: the contacts before, and where rounds overlap the promotions that still run and the
        rounds after, as the log drew them. What is assigned now moves them through fatigue.

        Parameters
        ----------
        promotion_id : str
            Of the table promotions; those of the last week, which nobody has been assigned yet,
            included.
        discount_rate, threshold, reduction : float, optional
            Other terms than its own, of the variant ``weekly`` alone: in the others what a
            promotion adds does not depend on them. What is not given is its own.

        Returns
        -------
        DataFrame of one row per customer
            customer_id; purchase (the chance of at least one), orders, sales and margin (expected,
            from the window's start to the end of the horizon) and discount (expected, taken off in
            the window by all that runs then) ``_without`` and ``_with``, and ``_effect``, their
            difference. Money in the shop's currency; the cost of the contact is not in.

        Raises
        ------
        InputError
            There is no such promotion, or it cannot have such terms.
        """
        given = {"discount_rate": discount_rate, "threshold": threshold, "reduction": reduction}
        found = _found(self.world, str(promotion_id))
        changed = _changed(self.world, found, {n: v for n, v in given.items() if v is not None})
        return _effects(self.world, changed).copy()

    @property
    def promotions(self) -> list[str]:
        """Ids of all promotions, in the order of their start."""
        return [p.id for p in self.world.promotions]

    def types(self, promotion_id: str) -> pd.Series[str]:
        """Return each customer's type, for teaching: the truth behind it is never known in a shop.

        ``put off``: fewer orders come. ``sure buyer``: no more orders come than without, or they
        do not pay for what is taken off. ``persuadable``: the margin rises by at least half of the
        mean rise. ``lost cause``: else.

        Parameters
        ----------
        promotion_id : str
            Of the table promotions.
        """
        import pandas as pd

        table = self.effects(promotion_id)
        margin, orders = table["margin_effect"], table["orders_effect"]
        rise = margin[margin > 0].mean() if (margin > 0).any() else np.inf
        names = np.select(
            [orders < 0, (margin <= 0) & (margin.abs().max() > 0), margin >= rise / 2],
            ["put off", "sure buyer", "persuadable"],
            "lost cause",
        )
        return pd.Series(names, index=pd.Index(table["customer_id"], name="customer_id"))


def _found(world: World, promotion_id: str) -> Promotion:
    found = {p.id: p for p in world.promotions}
    if promotion_id not in found:
        raise InputError(f"there is no promotion {promotion_id!r}; {nearest(promotion_id, found)}")
    return found[promotion_id]


def _changed(world: World, promotion: Promotion, given: dict[str, float]) -> Promotion:
    """Return the promotion with other terms.

    Raises
    ------
    InputError
        They do not go with its kind, or the world knows no other terms than its own.
    """
    if not given:
        return promotion
    if not world.overlaps:
        raise InputError(
            f"the variant {world.variant!r} knows {promotion.id} at its own terms alone; the truth "
            "at any depth is known of the variant 'weekly'"
        )
    usable = USABLE[promotion.kind]
    for name, value in given.items():
        if name not in usable:
            some = " and ".join(usable) or "no terms"
            raise InputError(f"{promotion.id} is a {promotion.kind}: it has {some}, no {name}")
        least = 0.01 if promotion.kind == "full_reduction" else 0
        real_number(name, value, least=least, most=1 if name == "discount_rate" else None)
    return dataclasses.replace(promotion, terms=dataclasses.replace(promotion.terms, **given))


@functools.lru_cache(maxsize=4)
def _others(world: World, first: int, number: int) -> tuple[Customers, np.ndarray, Course | None]:
    """Customers, log and course without a round: the same for all of its promotions."""
    customers = draw_customers(world, first, min(first + CHUNK, world.customers))
    action = decide(world, customers).action
    if not world.overlaps:
        return customers, action, None
    return customers, action, course(world, customers, action, number, promotions=world.promotions)


@functools.lru_cache(maxsize=8)
def _effects(world: World, promotion: Promotion) -> pd.DataFrame:
    import pandas as pd

    promotions = world.promotions
    place = next(n for n, p in enumerate(promotions) if p.id == promotion.id)
    promotions[place] = promotion
    number, own = divmod(place, world.per_round)
    parts = []
    for first in range(0, world.customers, CHUNK):
        customers, action, without = _others(world, first, number)
        found = outcomes_of(
            world, customers, action, number, own, promotions=promotions, without=without
        )
        parts.append(pd.DataFrame({"customer_id": customers.number, **found}))
    table = pd.concat(parts, ignore_index=True)
    for name in (*OUTCOMES, "discount"):
        table[f"{name}_effect"] = table[f"{name}_with"] - table[f"{name}_without"]
    return table


@dataclass(frozen=True, repr=False)
class SimulatedShop(Shop):
    """A shop that knows its truth.

    Parameters
    ----------
    truth : Truth
        Its true effects; `promolab.clean` and step 01 leave it behind.
    soiled : DataFrame or None
        With ``dirt``: table, row (from 0, in the order of the files), column, what was done to it,
        and the rule or flag of `promolab.clean` that finds it; empty where none does.
    of_world : callable, optional
        Makes the shop of another world, as this one was made.
    """

    truth: Truth = None  # type: ignore[assignment]
    soiled: pd.DataFrame | None = None
    of_world: Callable[[World], SimulatedShop] | None = None

    def with_tables(self, tables: Mapping[str, Any], **changes: Any) -> Shop:
        """Return a shop with other tables, which knows no truth."""
        plain = Shop(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Shop)})
        return plain.with_tables(tables, **changes)


Features = Callable[[SimulatedShop, datetime], "pd.DataFrame"]
"""From a shop and a moment to customer_id and features known before it."""


@dataclass(frozen=True)
class Choice:
    """Who gets a promotion, and what that is truly worth.

    Parameters
    ----------
    name : str
        ``nobody``, ``latent oracle``, ``attainable oracle``, or what a policy is called.
    customers : ndarray
        The ids of those chosen, the best first.
    added_profit : float
        True expected margin added over contacting nobody, less the contacts' cost, in the shop's
        currency: of all chosen together.
    """

    name: str
    customers: np.ndarray
    added_profit: float


def contactable(shop: SimulatedShop, promotion_id: str) -> np.ndarray:
    """Return the ids of those who may be chosen: contact allowed and no standing holdout.

    Parameters
    ----------
    shop : SimulatedShop
        The shop.
    promotion_id : str
        One of its promotions; whom its round's ``promotion`` holdout kept out may be chosen, for a
        policy is drawn a holdout of its own.
    """
    _check_promotion(shop, promotion_id)
    rights = shop.contact_rights
    allowed = rights.filter(rights.allowed).select("customer_id")
    decisions = shop.decisions
    standing = decisions.filter(decisions.holdout == "standing").select("customer_id").distinct()
    free = allowed.filter(allowed.customer_id.notin(standing.customer_id))
    return np.sort(free.execute()["customer_id"].to_numpy())


def added_profit(shop: SimulatedShop, promotion_id: str, customers: Iterable[int]) -> float:
    """Return the true expected profit that contacting these customers adds over ``nobody``.

    Parameters
    ----------
    shop : SimulatedShop
        The shop.
    promotion_id : str
        The promotion that they get.
    customers : iterable of int
        Their ids; each counts once.

    Returns
    -------
    float
        Sum of the effects on the margin, window and horizon, less the cost of the contacts.

    Raises
    ------
    InputError
        No such promotion, or a customer whom the shop does not have.

    Examples
    --------
    >>> from promolab.sources import simulated
    >>> shop = simulated(customers=2_000, weeks=12)
    >>> best = latent_oracle(shop, "W07-coupon", 0.3)
    >>> everybody = added_profit(shop, "W07-coupon", range(1, 2_001))
    >>> added_profit(shop, "W07-coupon", []) == 0 and best.added_profit > everybody / 2
    True
    """
    ids = np.unique(np.fromiter(customers, dtype=np.int64))
    gains = _gains(shop, promotion_id)
    unknown = ids[~np.isin(ids, gains.index)]
    if len(unknown):
        raise InputError(f"the shop has no customer {int(unknown[0])}")
    return float(gains.loc[ids.tolist()].sum())


def chosen(
    shop: SimulatedShop,
    promotion_id: str,
    effects: pd.Series[float],
    *,
    share: float | None = None,
    budget: float | None = None,
    name: str = "policy",
) -> Choice:
    """Let the allocator choose: those of the largest effects, as many as share or budget allow.

    Every yardstick and every policy under comparison go through here.

    Parameters
    ----------
    shop : SimulatedShop
        The shop.
    promotion_id : str
        The promotion.
    effects : Series
        A score per customer, indexed by customer_id. Who is not `contactable` is left out; ties go
        by customer_id.
    share : float, optional
        Of the contactable customers; either this or a budget.
    budget : float, optional
        For the contacts, in the shop's currency.
    name : str
        What the choice is called.

    Raises
    ------
    InputError
        Neither share nor budget, or both, or one that is out of range.
    """
    may = contactable(shop, promotion_id)
    if (share is None) == (budget is None):
        raise InputError("give either share or budget")
    if share is not None and not 0 <= share <= 1:
        raise InputError(f"share = {share}; expected 0 to 1")
    if budget is not None and budget < 0:
        raise InputError(f"budget = {budget}; expected 0 or more")
    many = round(share * len(may)) if share is not None else int((budget or 0) / CONTACT_COST)
    scores = effects.reindex(may).to_numpy(dtype=float)
    order = np.lexsort([may, np.where(np.isnan(scores), np.inf, -scores)])
    order = order[~np.isnan(scores[order])]
    ids = may[order[:many]]
    return Choice(name, ids, added_profit(shop, promotion_id, ids))


def nobody(shop: SimulatedShop, promotion_id: str) -> Choice:
    """Return the yardstick of contacting nobody: 0 by definition."""
    _check_promotion(shop, promotion_id)
    return Choice("nobody", np.array([], dtype=np.int64), 0.0)


def latent_oracle(
    shop: SimulatedShop,
    promotion_id: str,
    share: float | None = None,
    *,
    budget: float | None = None,
) -> Choice:
    """Return the choice of one who knows each customer's effect.

    Parameters
    ----------
    shop, promotion_id, share, budget
        As in `chosen`.

    Examples
    --------
    >>> from promolab.sources import simulated
    >>> shop = simulated(customers=2_000, weeks=12)
    >>> latent_oracle(shop, "W07-coupon", budget=20).customers.shape
    (100,)
    """
    truth = shop.truth.effects(promotion_id).set_index("customer_id")["margin_effect"]
    return chosen(shop, promotion_id, truth, share=share, budget=budget, name="latent oracle")


def attainable_oracle(
    shop: SimulatedShop,
    promotion_id: str,
    share: float | None = None,
    *,
    features: Features,
    independent: SimulatedShop | None = None,
    budget: float | None = None,
) -> Choice:
    """Return the choice of one who knows all about effects that can be seen.

    Parameters
    ----------
    shop, promotion_id, share, budget
        As in `chosen`.
    features, independent
        As in `attainable_effects`.
    """
    effects = attainable_effects(shop, promotion_id, features=features, independent=independent)
    return chosen(shop, promotion_id, effects, share=share, budget=budget, name="attainable oracle")


def attainable_effects(
    shop: SimulatedShop,
    promotion_id: str,
    *,
    features: Features,
    independent: SimulatedShop | None = None,
) -> pd.Series[float]:
    """Predict each customer's effect by a model of noise-free truth on an independent draw.

    Parameters
    ----------
    shop, promotion_id
        For whom, and of which promotion.
    features : callable
        ``features(shop, moment)`` returns a DataFrame of customer_id and what was known before
        the moment: numbers, and texts, which are taken as categories.
    independent : SimulatedShop, optional
        The independent draw: same world, another seed. Made where it is not given, with as many
        customers as the shop; give it where several promotions are asked for.

    Returns
    -------
    Series
        Effect on the margin, indexed by customer_id.

    Raises
    ------
    InputError
        The independent draw is the shop itself, or of another world.
    """
    import pandas as pd

    independent = independent or independent_draw(shop)
    _check_independent(shop, independent)
    there, here = (_dated(s, promotion_id, features) for s in (independent, shop))
    there = there.loc[:, there.nunique().gt(1)]
    words = [c for c in there if not pd.api.types.is_numeric_dtype(there[c])]
    levels = {c: pd.CategoricalDtype(sorted(there[c].dropna().unique())) for c in words}
    truth = independent.truth.effects(promotion_id).set_index("customer_id")["margin_effect"]
    model = boosted_trees()
    model.fit(there.astype(levels), truth.loc[there.index])
    found = model.predict(here[there.columns].astype(levels))
    return pd.Series(found, index=here.index, name="margin_effect")


def boosted_trees(many: int = 200) -> Any:
    """Return what learns effects from noise-free truth: so many boosted trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        categorical_features="from_dtype",
        early_stopping=False,
        learning_rate=0.05 * 200 / many,
        max_iter=many,
        max_leaf_nodes=15,
        min_samples_leaf=50,
        random_state=0,
    )


def independent_draw(shop: SimulatedShop) -> SimulatedShop:
    """Make a shop of the same world from another seed."""
    world = dataclasses.replace(shop.truth.world, seed=shop.truth.world.seed + 1_000_003, dirt=0.0)
    if shop.of_world is None:
        raise InputError("this shop was not opened by load_shop('simulated'): give independent=")
    return shop.of_world(world)


def _check_independent(shop: SimulatedShop, other: SimulatedShop) -> None:
    mine, theirs = shop.truth.world, other.truth.world
    if theirs.seed == mine.seed:
        raise InputError(f"the independent draw has the shop's own seed, {mine.seed}")
    alike = dataclasses.replace(theirs, seed=mine.seed, dirt=mine.dirt, customers=mine.customers)
    if alike != mine:
        raise InputError("the independent draw is of another world than the shop")


def _dated(shop: SimulatedShop, promotion_id: str, features: Features) -> pd.DataFrame:
    own = shop.promotions.filter(shop.promotions.promotion_id == promotion_id).execute()
    table = features(shop, own["starts_at"].iloc[0].to_pydatetime()).set_index("customer_id")
    return table.sort_index()


def _check_promotion(shop: SimulatedShop, promotion_id: str) -> None:
    shop.truth.effects(promotion_id)  # says which promotions there are, where it is none of them


def _gains(shop: SimulatedShop, promotion_id: str) -> pd.Series[float]:
    table = shop.truth.effects(promotion_id).set_index("customer_id")
    return table["margin_effect"] - CONTACT_COST
