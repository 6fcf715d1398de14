"""What customers do beside ordering: browse, answer contacts, share, write reviews."""

from __future__ import annotations

import numpy as np

from promolab.simulated.decisions import NONE, Decisions
from promolab.simulated.orders import Orders, moments
from promolab.simulated.people import Customers, Goods, products_of
from promolab.simulated.world import KINDS, World

__all__ = ["browsing", "responses", "reviews"]

Columns = dict[str, np.ndarray]

GOOD = ("good value", "exactly as described", "would buy again", "arrived quickly", "my favourite")
FAIR = ("it is all right", "as expected", "could be cheaper", "nothing special")
BAD = ("not what I hoped for", "broke after a week", "too dear for what it is", "poor quality")
WORDS = np.array([*BAD, *FAIR, *GOOD], dtype=object)


def browsing(
    world: World, customers: Customers, goods: Goods, orders: Orders, factors: np.ndarray
) -> Columns:
    """Draw views, clicks, carts and shares.

    Visits lead to views, some of those to a click, some of those to a cart; what is bought was
    viewed, clicked and put into the cart before. Some of what was bought is shared.
    """
    rng = np.random.default_rng([world.seed, 5, int(customers.number[0])])
    often = 0.15 + 0.25 * np.sqrt(customers.rate / world.orders_a_week)
    visits = rng.poisson(often[:, None] * factors[None, : world.weeks])
    owner, week = (a.repeat(visits.ravel()) for a in np.indices(visits.shape).reshape(2, -1))
    second = moments(world, rng, customers, owner, week)
    views = 1 + rng.poisson(0.8, len(owner))
    seen = np.arange(views.sum()) - np.repeat(np.cumsum(views) - views, views)
    owner, second = owner.repeat(views), second.repeat(views) + 45 * seen
    product = products_of(rng, customers, owner, goods)
    step = rng.uniform(size=len(owner))
    place = np.arange(len(orders.line)) - np.searchsorted(orders.line, orders.line)
    bought = orders.owner[orders.line], orders.second[orders.line] - 5 * place, orders.product
    parts = [
        ("view", owner, second, product),
        ("click", owner[step < 0.3], second[step < 0.3] + 20, product[step < 0.3]),
        ("cart", owner[step < 0.06], second[step < 0.06] + 60, product[step < 0.06]),
        ("view", bought[0], bought[1] - 600, bought[2]),
        ("click", bought[0], bought[1] - 500, bought[2]),
        ("cart", bought[0], bought[1] - 300, bought[2]),
    ]
    # The loyal share more.
    shares = rng.uniform(size=len(orders.line)) < 0.06 * customers.loyalty[bought[0]]
    parts.append(("share", bought[0][shares], bought[1][shares] + 3_600, bought[2][shares]))
    return {
        "kind": np.concatenate([np.full(len(o), kind, dtype=object) for kind, o, _, _ in parts]),
        "owner": np.concatenate([o for _, o, _, _ in parts]),
        "second": np.concatenate([s for _, _, s, _ in parts]),
        "product": np.concatenate([p for _, _, _, p in parts]),
    }


def responses(world: World, customers: Customers, decisions: Decisions, orders: Orders) -> Columns:
    """Draw what those assigned did about it: delivered … redeem, purchase, unsubscribe."""
    rng = np.random.default_rng([world.seed, 6, int(customers.number[0])])
    owner, number = np.nonzero(decisions.action != NONE)
    action = decisions.action[owner, number]
    promotion = number * len(world.kinds) + action
    start = np.array(world.rounds)[number] * 7 * 86_400 + 9 * 3_600
    liking = customers.visible[owner, [KINDS.index(world.kinds[a]) for a in action]]
    chain = rng.uniform(size=len(owner))
    opened = chain < 1 / (1 + np.exp(0.6 - 0.5 * liking))
    clicked = chain < 1 / (1 + np.exp(2.0 - 0.6 * liking))
    off = rng.uniform(size=len(owner)) < np.where(customers.averse[owner], 0.05, 0.004)
    cross = rng.uniform(size=len(owner)) < np.where(customers.averse[owner], 0.01, 0.0005)
    delay = (rng.exponential(6 * 3_600, len(owner)) + 60).astype(np.int64)
    delay = np.minimum(delay, 6 * 86_400)
    delivered = rng.uniform(size=len(owner)) < 0.97
    parts = [
        (kind, owner[which], promotion[which], (start + wait)[which], np.full(which.sum(), np.nan))
        for kind, which, wait in (
            ("delivered", delivered, 30),
            ("open", delivered & opened, delay),
            ("click", delivered & clicked, delay + 30),
            ("unsubscribe", delivered & off, delay + 60),
            ("complaint", delivered & cross, delay + 90),
        )
    ]
    amount = np.bincount(orders.line, weights=orders.amount, minlength=len(orders.owner)).round(2)
    during = orders.promotion != NONE
    parts.append(_claims(world, rng, orders, (owner, promotion, start + delay + 45), clicked))
    for kind, which in (("purchase", during), ("redeem", during & orders.redeemed)):
        some = orders.owner[which], orders.promotion[which], orders.second[which] + 1
        parts.append((kind, *some, amount[which]))
    return {
        "kind": np.concatenate([np.full(len(p[1]), p[0], dtype=object) for p in parts]),
        "owner": np.concatenate([p[1] for p in parts]),
        "promotion": np.concatenate([p[2] for p in parts]),
        "second": np.concatenate([p[3] for p in parts]),
        "amount": np.concatenate([p[4] for p in parts]),
    }


def _claims(
    world: World,
    rng: np.random.Generator,
    orders: Orders,
    sent: tuple[np.ndarray, np.ndarray, np.ndarray],
    clicked: np.ndarray,
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coupons are claimed by all who use one, just before, and by some who never do."""
    coupons = np.array([p.kind == "coupon" for p in world.promotions] + [False])
    used = np.nonzero(coupons[orders.promotion] & orders.redeemed)[0]
    _, firsts = np.unique(
        orders.owner[used] * len(coupons) + orders.promotion[used], return_index=True
    )
    used = used[firsts]  # orders stand in the order of time
    idle = coupons[sent[1]] & clicked & (rng.uniform(size=len(clicked)) < 0.5)
    idle &= ~np.isin(
        sent[0] * len(coupons) + sent[1],
        orders.owner[used] * len(coupons) + orders.promotion[used],
    )
    parts = (
        (orders.owner[used], orders.promotion[used], orders.second[used] - 120),
        tuple(values[idle] for values in sent),
    )
    who, which, when = (np.concatenate(both) for both in zip(*parts, strict=True))
    return "claim", who, which, when, np.full(len(who), np.nan)


def reviews(world: World, customers: Customers, orders: Orders) -> Columns:
    """Draw reviews of some order lines: a rating from the product's quality, and words."""
    rng = np.random.default_rng([world.seed, 7, int(customers.number[0])])
    written = np.nonzero(rng.uniform(size=len(orders.line)) < 0.03)[0]
    product = orders.product[written]
    quality = np.sin(product * 12.9898) * 0.8 + 3.9  # the same product is as good for everybody
    rating = np.clip(np.round(quality + rng.normal(0, 0.9, len(written))), 1, 5).astype(np.int64)
    low = np.select([rating <= 2, rating == 3], [0, len(BAD)], len(BAD) + len(FAIR))
    many = np.select([rating <= 2, rating == 3], [len(BAD), len(FAIR)], len(GOOD))
    words = WORDS[low + np.floor(rng.uniform(size=len(written)) * many).astype(np.int64)]
    order = orders.line[written]
    later = rng.integers(2 * 86_400, 12 * 86_400, len(written))
    return {
        "owner": orders.owner[order],
        "product": product,
        "second": orders.second[order] + later,
        "rating": rating,
        "text": words,
        "promotion": orders.promotion[order],
        "order": order,
    }
