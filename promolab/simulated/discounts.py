"""What promotions take off: of single orders, and of an expected one, whatever runs together."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promolab.simulated.people import Customers
from promolab.simulated.world import NONE, Promotion, World

NEAR = 0.75
"""From which share of a threshold on a basket may be filled up to it."""


def claims(customers: Customers) -> np.ndarray:
    """Return the chance that an order uses a coupon."""
    return 0.2 + 0.6 * customers.sensitivity


def topped_up(world: World, customers: Customers) -> np.ndarray:
    """Return the chance that a basket just below a threshold is filled up to it."""
    return 0.6 * world.effect_scale * customers.sensitivity


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
        counts = binom.pmf(np.arange(lines + 1)[None], lines, interest[:, None])
        found += weight * counts @ chances[lines - 1, : lines + 1]
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
    # Where there is no coupon, or nothing to fill up to, nobody asks for the other case.
    cases = [(0, 1)[: 1 + (kind in offers.kind)] for kind in ("coupon", "full_reduction")]
    for claimed, raised, place in itertools.product(*cases, range(len(shares))):
        spent = full if raised else at
        found = _order_discount(offers, mine, cut, spent, shares[place], bool(claimed))
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
    # Rows as one number each: whole rows would be sorted as bytes.
    together = np.ravel_multi_index(tuple((live - NONE).T), (len(promotions) + 1,) * live.shape[1])
    _, first, which = np.unique(together, return_index=True, return_inverse=True)
    order, ends = np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))
    for row, who in zip(live[first], np.split(order, ends[:-1]), strict=True):
        now = tuple(None if place == NONE else promotions[place] for place in row)
        if any(p is not None and p.terms.depth for p in now):
            basket[who], discount[who] = _expected(world, customers, who, now)
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
