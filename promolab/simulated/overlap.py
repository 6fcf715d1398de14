"""Rounds that overlap, variant ``weekly``: what runs when, what it adds, what it takes off."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.simulated.effects import (
    ADDED,
    NEAR,
    REGULARS,
    bounded,
    claims,
    expected,
    topped_up,
)
from promolab.simulated.people import Customers
from promolab.simulated.world import AFTER, KINDS, Promotion, World, strength

NONE = -1
MEMORY = 0.75
"""φ's contacts: one of a week ago counts as this many, one of two weeks ago as its square …"""
FIRST_WEEK = 0.6
"""Share of what a promotion adds that comes in the first of its two weeks."""
OWN_LUCK = 0.15
"""Spread (of the logarithm) of what promotions of the same terms add."""


def tired(world: World, action: np.ndarray) -> np.ndarray:
    """Return c, the remembered contacts before each round, shape (n, rounds)."""
    found = np.zeros(action.shape)
    for number in range(1, action.shape[1]):
        before = found[:, number - 1] + (action[:, number - 1] != NONE)
        found[:, number] = MEMORY**world.every * before
    return found


def recent_contacts(world: World, action: np.ndarray, number: int) -> np.ndarray:
    """Return how often each customer was contacted in the two rounds before a round."""
    return np.asarray((action[:, max(number - 2, 0) : number] != NONE).sum(axis=1))


@functools.lru_cache(maxsize=8)
def luck(world: World) -> np.ndarray:
    """Return u of every promotion: what it adds against another one of the same terms."""
    rng = np.random.default_rng([world.seed, 9])
    drawn = rng.normal(0, OWN_LUCK, len(world.promotions))
    return np.asarray(np.exp(drawn - OWN_LUCK**2 / 2))


def usual_orders(world: World, customers: Customers) -> np.ndarray:
    """Return by how many orders usual terms move each customer by kind, shape (n, kinds)."""
    rho, sigma = world.visible, world.spread_of_effects
    z = np.sqrt(rho) * customers.visible + np.sqrt(1 - rho) * customers.hidden
    gamma = world.more_for_regulars * np.array([REGULARS[kind] for kind in KINDS])
    size = world.effect_scale * world.added_orders * np.array([ADDED[kind] for kind in KINDS])
    of_rate = (customers.rate[:, None] / world.orders_a_week) ** gamma
    found = size * of_rate * np.exp(sigma * z - sigma**2 / 2)
    return np.where(customers.settled[:, None], 0.0, found)


def weekly_rates(
    world: World,
    customers: Customers,
    action: np.ndarray,
    promotions: Sequence[Promotion],
    factors: np.ndarray,
    weeks: range,
    *,
    lucky: bool = True,
) -> np.ndarray:
    """Return expected orders of some weeks given all that was assigned, shape (n, weeks).

    Parameters
    ----------
    action : ndarray of int, shape (n, rounds)
        What each customer gets in each round: a place in the round, or `NONE`.
    promotions : sequence of Promotion
        Of all rounds, a round's behind one another.
    factors : ndarray
        Season and shock of every week.
    weeks : range
        Which weeks.
    lucky : bool
        Whether each promotion has its own luck; without, it adds what its terms do on average.
    """
    base = usual_orders(world, customers)
    contacts = tired(world, action)
    kind = np.array([KINDS.index(p.kind) for p in promotions])
    size = np.array([strength(p.kind, p.terms) for p in promotions])
    size = size * luck(world) if lucky else size
    starts = np.array([p.week for p in promotions])[:: world.per_round]
    later = np.full(AFTER, -world.pulled_forward / AFTER)
    course = np.concatenate([[FIRST_WEEK, 1 - FIRST_WEEK], later])
    harm = -world.effect_scale * world.put_off_by * customers.rate[:, None]
    rates = customers.rate[:, None] * factors[None, weeks.start : weeks.stop]
    for number in range(action.shape[1]):
        first = int(starts[number]) - weeks.start
        low, high = max(first, 0), min(first + len(course), len(weeks))
        who = np.nonzero(action[:, number] != NONE)[0] if low < high else ()
        if len(who) == 0:
            continue
        place = number * world.per_round + action[who, number]
        added = base[who, kind[place]] * size[place]
        added *= np.exp(-world.fatigue * contacts[who, number])
        change = added[:, None] * course[low - first : high - first]
        rates[who, low:high] += np.where(customers.averse[who, None], harm[who], change)
    return bounded(rates)


def running(world: World, action: np.ndarray, weeks: range) -> np.ndarray:
    """Return which promotions run for whom in each week, shape (n, weeks, window).

    Positions in the world's promotions, or `NONE`; the one that began in the week itself first.
    """
    found = np.full((len(action), len(weeks), world.window), NONE)
    for number in range(action.shape[1]):
        mine = action[:, number]
        place = np.where(mine == NONE, NONE, number * world.per_round + mine)
        for age in range(world.window):
            at = world.rounds[0] + number * world.every + age - weeks.start
            if 0 <= at < len(weeks):
                found[:, at, age] = place
    return found


@dataclass(frozen=True)
class Offers:
    """Promotions as arrays, an entry each, and a last one for `NONE`."""

    kind: np.ndarray
    category: np.ndarray
    threshold: np.ndarray
    reduction: np.ndarray
    rate: np.ndarray
    stacking: np.ndarray


STACKING = ("limited_time_discount", "full_reduction", "coupon")
"""In which order promotions that add to others are taken off, each from what is left."""


def stacks(kind: str) -> bool:
    """Return whether a promotion of this kind adds to others in one order."""
    return kind in ("limited_time_discount", "coupon")


def offers_of(promotions: Sequence[Promotion | None]) -> Offers:
    """Return promotions as arrays; money in cents."""
    listed = [*promotions, None]
    terms = [p.terms if p else None for p in listed]
    return Offers(
        kind=np.array([p.kind if p else "" for p in listed], dtype=object),
        category=np.array([p.category if p else NONE for p in listed]),
        threshold=np.array([round(t.threshold * 100) if t else 0 for t in terms], dtype=float),
        reduction=np.array([round(t.reduction * 100, 6) if t else 0 for t in terms], dtype=float),
        rate=np.array([t.discount_rate if t else 0.0 for t in terms]),
        stacking=np.array([p is not None and stacks(p.kind) for p in listed]),
    )


def taken_off(
    offers: Offers,
    live: np.ndarray,
    claimed: np.ndarray,
    line: np.ndarray,
    money: np.ndarray,
    category: np.ndarray,
    *,
    whole: bool = True,
) -> np.ndarray:
    """Return what each promotion takes off each line, shape (lines, window), in cents.

    Of those that do not stack, the one that takes most off an order counts (then the earlier one);
    those that do come after it, each on what is left.

    Parameters
    ----------
    offers : Offers
        All promotions.
    live : ndarray of int, shape (orders, window)
        Which run for an order, the newest first.
    claimed : ndarray of bool, shape (orders,)
        Whether its coupons are used.
    line, money, category : ndarray, shape (lines,)
        Each line's order, cents and category.
    whole : bool
        Whether each line's discount is rounded to a cent, halves up.
    """
    kind, stacking = offers.kind[live], offers.stacking[live]
    found = np.zeros((len(line), live.shape[1]))

    def off(age: int, left: np.ndarray) -> np.ndarray:
        mine = live[:, age]
        total = np.bincount(line, weights=left, minlength=len(live))
        counts = (total > 0) & (total >= offers.threshold[mine] - 1e-6)
        counts &= (kind[:, age] != "coupon") | claimed
        fits = (offers.category[mine][line] == category) | (
            kind[:, age] != "limited_time_discount"
        )[line]
        part = offers.reduction[mine] / np.maximum(total, 1e-9)
        raw = counts[line] * left * (fits * offers.rate[mine][line] + part[line])
        return np.asarray(np.floor(raw + 0.5 + 1e-7) if whole else raw)

    ages = range(live.shape[1])[::-1]  # the earlier one first
    alone = np.stack([off(age, money) * ~stacking[line, age] for age in ages], axis=1)
    sums = np.stack(
        [np.bincount(line, weights=one, minlength=len(live)) for one in alone.T], axis=1
    )
    best = sums.argmax(axis=1)
    for place, age in enumerate(ages):
        found[:, age] = np.where(best[line] == place, alone[:, place], 0.0)
    for name, age in itertools.product(STACKING, ages):
        which = stacking[:, age] & (kind[:, age] == name)
        if which.any():
            found[:, age] += np.where(which[line], off(age, money - found.sum(axis=1)), 0.0)
    return found


def filled_up(offers: Offers, live: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Return baskets filled up to the nearest threshold of a full reduction, where one is near."""
    goal = np.where(offers.kind[live] == "full_reduction", offers.threshold[live], np.inf)
    near = (gross[:, None] < goal) & (gross[:, None] >= NEAR * goal)
    goal = np.where(near, goal, np.inf).min(axis=1)
    return np.asarray(np.where(np.isfinite(goal), goal, gross))


BINS = 24
MOST_LINES = 10


@functools.lru_cache(maxsize=1)
def _shares() -> tuple[np.ndarray, np.ndarray]:
    """Return shares of an order's money, and their chances given lines and lines of a category."""
    rng = np.random.default_rng(0)
    edges = np.linspace(0, 1, BINS + 1)
    chances = np.zeros((MOST_LINES, MOST_LINES + 1, BINS + 2))
    drawn = []
    for lines in range(1, MOST_LINES + 1):
        chances[lines - 1, 0, 0] = chances[lines - 1, lines, -1] = 1
        parts = 0.02 + rng.exponential(size=(20_000, lines))
        sums = np.cumsum(parts, axis=1) / parts.sum(axis=1, keepdims=True)
        for mine in range(1, lines):
            counted = np.histogram(sums[:, mine - 1], edges)[0]
            chances[lines - 1, mine, 1:-1] = counted / len(parts)
            drawn.append(sums[:, mine - 1])
    every = np.concatenate(drawn)
    which = np.digitize(every, edges[1:-1])
    middle = np.bincount(which, weights=every) / np.bincount(which)
    return np.concatenate([[0.0], middle, [1.0]]), chances


def share_chances(interest: np.ndarray) -> np.ndarray:
    """Return the chances of the `_shares` of a category in an order, shape (n, shares)."""
    from scipy.stats import binom, poisson

    _, chances = _shares()
    found = np.zeros((len(interest), BINS + 2))
    weights = poisson.pmf(np.arange(MOST_LINES), 1.2)
    for lines, weight in enumerate(weights / weights.sum(), 1):
        counts = binom.pmf(np.arange(MOST_LINES + 1)[None], lines, interest[:, None])
        found += weight * counts @ chances[lines - 1]
    return found


@dataclass(frozen=True)
class Pieces:
    """An order's basket and discount as straight lines between breaks of its basket, by share.

    Parameters
    ----------
    breaks : ndarray, shape (pieces + 1,)
        Money of the basket before anything is filled up, from 0 to infinity.
    discount : ndarray, shape (2, 2, 2, shares, pieces)
        By whether coupons are claimed, whether baskets are filled up, level and slope.
    basket : ndarray, shape (2, pieces)
        Filled up: level and slope.
    categories : tuple of int
        Whose shares are meant.
    """

    breaks: np.ndarray
    discount: np.ndarray
    basket: np.ndarray
    categories: tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def _pieces(live: tuple[Promotion | None, ...]) -> Pieces:
    """Work out `Pieces` of promotions that run together, in money rather than cents."""
    offers = offers_of(live)
    cut = [p.category for p in live if p and p.kind == "limited_time_discount"]
    bends = bool(cut) and any(p and p.kind == "coupon" for p in live)
    nodes = _shares()[0] if bends else np.array([0.0, 1.0])
    shares = np.zeros((1 + len(cut), len(cut))) if not bends else nodes[:, None]
    if not bends:
        shares[1:] = np.eye(len(cut))
    breaks = _breaks(offers, shares)
    ends = np.append(breaks, breaks[-1] * 2 + 1e5)
    points = np.stack([ends[:-1] + part * np.diff(ends) for part in (0.25, 0.75)])
    flat = np.arange(len(live))[None]
    none = len(live)
    mine = np.where([p is None for p in live], none, flat)
    at = points.ravel()
    full = filled_up(offers, np.broadcast_to(mine, (len(at), len(live))), at)
    discount = np.zeros((2, 2, 2, len(shares), len(breaks)))
    for claimed, raised, (place, share) in itertools.product((0, 1), (0, 1), enumerate(shares)):
        found = _order_discount(offers, mine, cut, full if raised else at, share, bool(claimed))
        discount[claimed, raised, :, place] = _straight(points, found.reshape(points.shape))
    basket = _straight(points, full.reshape(points.shape))
    basket[0] /= 100
    discount[:, :, 0] /= 100
    return Pieces(breaks / 100, discount, basket, tuple(cut))


def _straight(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    slope = (values[1] - values[0]) / (points[1] - points[0])
    return np.stack([values[0] - slope * points[0], slope])


def _breaks(offers: Offers, shares: np.ndarray) -> np.ndarray:
    """Baskets (cents) at which a threshold is reached, before discounts or after some of them."""
    full = offers.kind == "full_reduction"
    coupon, cut = offers.kind == "coupon", offers.kind == "limited_time_discount"
    kept = 1 - shares @ offers.rate[cut] if cut.any() else np.ones(1)
    minus = np.concatenate([[0.0], offers.reduction[full]])
    earlier = np.concatenate([[1.0], 1 - offers.rate[coupon]])
    after = offers.threshold[coupon][:, None, None, None] / kept[:, None, None]
    after = after / earlier[:, None] + minus
    alone = offers.threshold[full]
    return np.unique(np.concatenate([[0.0], alone, NEAR * alone, after.ravel()]).round(6))


def _order_discount(
    offers: Offers,
    mine: np.ndarray,
    cut: Sequence[int],
    gross: np.ndarray,
    share: np.ndarray,
    claimed: bool,
) -> np.ndarray:
    """Return what is taken off orders of which the promoted categories have these shares."""
    parts = np.append(share, 1 - share.sum())
    category = np.tile([*cut, NONE - 1], len(gross))
    line = np.repeat(np.arange(len(gross)), len(parts))
    money = (gross[:, None] * parts).ravel()
    live = np.broadcast_to(mine, (len(gross), mine.shape[-1]))
    used = np.full(len(gross), claimed)
    off = taken_off(offers, live, used, line, money, category, whole=False)
    return np.bincount(line, weights=off.sum(axis=1), minlength=len(gross))


def order_money(
    world: World, customers: Customers, live: np.ndarray, promotions: Sequence[Promotion]
) -> tuple[np.ndarray, np.ndarray]:
    """Return an order's expected basket and discount given what runs, shape (n,) each.

    Parameters
    ----------
    live : ndarray of int, shape (n, window)
        Which of the promotions run, or `NONE`.
    """
    basket, discount = customers.basket.copy(), np.zeros(len(customers.basket))
    kinds, which = np.unique(live, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(which.ravel(), minlength=len(kinds)))
    for row, who in zip(kinds, np.split(order, ends[:-1]), strict=True):
        together = tuple(None if place == NONE else promotions[place] for place in row)
        if any(p is not None and p.terms.depth for p in together):
            basket[who], discount[who] = _expected(world, customers, who, together)
    return basket, discount


def _expected(
    world: World, customers: Customers, who: np.ndarray, live: tuple[Promotion | None, ...]
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import ndtr

    pieces, sigma = _pieces(live), world.noise_of_baskets
    mean = customers.basket[who][:, None]
    with np.errstate(divide="ignore"):
        z = (np.log(np.append(pieces.breaks, np.inf) / mean) + sigma**2 / 2) / sigma
    chance, money = np.diff(ndtr(z)), mean * np.diff(ndtr(z - sigma))
    shares = pieces.discount.shape[3]
    if len(pieces.categories) == 1 and shares > 2:
        weights = share_chances(customers.interest[who, pieces.categories[0]])
    else:
        own = customers.interest[who][:, list(pieces.categories)]
        weights = np.column_stack([1 - own.sum(axis=1), own])
    q, t = claims(customers)[who], topped_up(world, customers)[who]
    off = np.zeros(len(who))
    kinds = {p.kind for p in live if p}
    # Where there is no coupon, or nothing to fill up to, one case is as the other.
    of_claims = ((0, 1 - q), (1, q)) if "coupon" in kinds else ((0, np.ones(len(who))),)
    of_fills = ((0, 1 - t), (1, t)) if "full_reduction" in kinds else ((0, np.ones(len(who))),)
    for (claimed, of_claim), (raised, of_fill) in itertools.product(of_claims, of_fills):
        level, slope = pieces.discount[claimed, raised]
        each = (weights @ level) * chance + (weights @ slope) * money
        off += of_claim * of_fill * each.sum(axis=1)
    level, slope = pieces.basket
    full = (level * chance + slope * money).sum(axis=1)
    return (1 - t) * mean[:, 0] + t * full, off


@dataclass(frozen=True)
class Course:
    """What each week from a round's start to the end of its horizon brings, shape (n, weeks) each.

    Parameters
    ----------
    rates : ndarray
        Expected orders.
    basket, discount : ndarray
        Of one of them.
    """

    rates: np.ndarray
    basket: np.ndarray
    discount: np.ndarray

    def outcomes(self, world: World, customers: Customers, ending: str) -> dict[str, np.ndarray]:
        """Return purchase, orders, sales, margin, and the discount in the window."""
        orders, paid = self.rates.sum(axis=1), self.basket - self.discount
        margin = self.basket * customers.margin_rate[:, None] - self.discount
        window = slice(0, world.window)
        return {
            f"purchase_{ending}": -np.expm1(-orders),
            f"orders_{ending}": orders,
            f"sales_{ending}": (self.rates * paid).sum(axis=1),
            f"margin_{ending}": (self.rates * margin).sum(axis=1),
            f"discount_{ending}": (self.rates * self.discount)[:, window].sum(axis=1),
        }


def course(
    world: World,
    customers: Customers,
    action: np.ndarray,
    number: int,
    own: int | np.ndarray = NONE,
    *,
    promotions: Sequence[Promotion],
    without: Course | None = None,
    lucky: bool = True,
) -> Course:
    """Work out the course of a round when all get the same in it, and else what the log assigned.

    Parameters
    ----------
    action : ndarray of int, shape (n, rounds)
        The log: a place in each round, or `NONE`.
    number, own : int
        The round (that after the last of the log is the one of the last week), and the place in it
        that all get instead, or each.
    promotions : sequence of Promotion
        All of the world's.
    without : Course, optional
        The course with none, known already: after the window an order is as it is there.
    lucky : bool
        As in `weekly_rates`; without, each week is as busy as the others, too.
    """
    taken = np.column_stack([action, np.full(len(action), NONE)])
    taken[:, number] = own
    first = world.rounds[0] + number * world.every
    weeks = range(first, first + world.window + AFTER)
    factors = world.week_factors() if lucky else np.ones(world.lasts)
    rates = weekly_rates(world, customers, taken, promotions, factors, weeks, lucky=lucky)
    live = running(world, taken, weeks[: len(weeks) if without is None else world.window])
    money = [order_money(world, customers, now, promotions) for now in live.transpose(1, 0, 2)]
    basket, discount = (np.column_stack(columns) for columns in zip(*money, strict=True))
    if without is not None:
        basket = np.column_stack([basket, without.basket[:, world.window :]])
        discount = np.column_stack([discount, without.discount[:, world.window :]])
    return Course(rates, basket, discount)


def outcomes_of(
    world: World,
    customers: Customers,
    action: np.ndarray,
    number: int,
    own: int | np.ndarray,
    *,
    promotions: Sequence[Promotion] = (),
    without: Course | None = None,
    lucky: bool = True,
) -> dict[str, np.ndarray]:
    """Return what is expected of customers with a promotion of a round and without, of any variant.

    Parameters
    ----------
    world, customers, action, number, without, lucky
        As in `course`.
    own : int or ndarray of int
        A place in the round; where rounds overlap perhaps another one each.
    promotions : sequence of Promotion, optional
        By default the world's.

    Returns
    -------
    dict of ndarray of shape (n,)
        As `promolab.simulated.effects.expected`.
    """
    promotions = promotions or world.promotions
    if not world.overlaps:
        factors = world.week_factors() if lucky else np.ones(world.lasts)
        contacts = recent_contacts(world, action, number)
        mine = promotions[number * world.per_round + int(own)]
        return expected(world, customers, mine, contacts, factors)
    given: Any = {"promotions": promotions, "lucky": lucky}
    without = without or course(world, customers, action, number, **given)
    with_ = course(world, customers, action, number, own, without=without, **given)
    return without.outcomes(world, customers, "without") | with_.outcomes(world, customers, "with")
