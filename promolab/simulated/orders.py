"""What the shop decides and customers do: decisions, orders, browsing, responses, reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.simulated.discounts import claims, filled_up, offers_of, taken_off, topped_up
from promolab.simulated.effects import running, weekly_rates
from promolab.simulated.keyed import Draws, rows, some
from promolab.simulated.people import Customers, Goods, products_of
from promolab.simulated.shown import to_taste
from promolab.simulated.world import KINDS, NONE, World

HELD_BACK = 0.1
"""Share of those planned for a promotion who are held back: its holdout."""


@dataclass(frozen=True)
class Decisions:
    """The decisions of a chunk of customers, a column per round.

    Parameters
    ----------
    eligible : ndarray of bool, shape (n,)
        Who may be contacted; the others have no decision.
    planned, action : ndarray of int, shape (n, rounds)
        What was planned and what was done: a place among the round's promotions, or `NONE`.
    propensities : ndarray, shape (n, rounds, promotions of a round + 1)
        Chance of each of them, and last of none.
    """

    eligible: np.ndarray
    planned: np.ndarray
    action: np.ndarray
    propensities: np.ndarray


def decide(world: World, customers: Customers) -> Decisions:
    """Draw the decisions of every round.

    With the world's ``exploration`` as ε and K kinds, a decision is drawn evenly from all K + 1
    actions with chance ε, else it is what a planner would do: good customers get the kind that they
    seem to answer, the others nothing. Among a kind's promotions of a round chance decides evenly.
    A tenth of those planned for a promotion are held back.
    """
    n, kinds, rounds = len(customers.number), len(world.kinds), len(world.rounds)
    levels, actions = world.levels, world.per_round
    rng = np.random.default_rng([world.seed, 3, int(customers.number[0])])
    eligible = rng.uniform(size=n) < 0.92
    plan = np.empty((n, rounds, actions + 1))
    even = np.repeat([1 / levels, 1.0], [actions, 1]) * (world.exploration / (kinds + 1))
    for number in range(rounds):
        target = _planner(world, customers, rng)
        aim = np.eye(kinds + 1)[target] * (1 - world.exploration)
        plan[:, number] = even
        plan[:, number, :-1] += np.repeat(aim[:, :-1] / levels, levels, axis=1)
        plan[:, number, -1] += aim[:, -1]
    drawn = (rng.uniform(size=(n, rounds, 1)) > np.cumsum(plan, axis=2)).sum(axis=2)
    planned = np.where(np.minimum(drawn, actions) == actions, NONE, drawn)
    planned[~eligible] = NONE
    held = (rng.uniform(size=(n, rounds)) < HELD_BACK) | customers.standing[:, None]
    propensities = plan * (1 - HELD_BACK)
    propensities[:, :, -1] = 1 - propensities[:, :, :-1].sum(axis=2)
    propensities[customers.standing] = np.eye(actions + 1)[-1]
    return Decisions(eligible, planned, np.where(held, NONE, planned), propensities)


def _planner(world: World, customers: Customers, rng: np.random.Generator) -> np.ndarray:
    """Return what a planner would do: a place among the kinds, or their number for none."""
    n, kinds = len(customers.number), len(world.kinds)
    worth = np.log(customers.rate * customers.basket) + rng.normal(0, 0.7, n)
    places = [KINDS.index(kind) for kind in world.kinds]
    liked = customers.visible[:, places] + rng.normal(0, 1.0, (n, kinds))
    good = worth > np.log(world.orders_a_week * world.basket) - 0.5
    return np.where(good, liked.argmax(axis=1), kinds)


ON_SALE_DAY = 0.3
"""Share of a sale week's visits and orders that are on the sale day itself."""


@dataclass(frozen=True)
class Orders:
    """Order lines of a chunk of customers.

    Parameters
    ----------
    owner : ndarray of int, shape (orders,)
        Position of each order's customer.
    second : ndarray of int, shape (orders,)
        When, in local seconds since the world began.
    promotion : ndarray of int, shape (orders, window)
        Positions in the world's promotions of those that run for its owner in that week, or `NONE`;
        the newest first.
    redeemed : ndarray of bool, shape (orders, window)
        Whether each took something off.
    line : ndarray of int, shape (lines,)
        Each line's order.
    product, quantity : ndarray of int, shape (lines,)
    amount, discount, coupon : ndarray, shape (lines,)
        Money taken in, taken off, and the coupon's part of that.
    off : ndarray, shape (lines, window)
        What each of the promotions took off.
    """

    owner: np.ndarray
    second: np.ndarray
    promotion: np.ndarray
    redeemed: np.ndarray
    line: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    amount: np.ndarray
    discount: np.ndarray
    coupon: np.ndarray
    off: np.ndarray


def draw_orders(
    world: World,
    customers: Customers,
    goods: Goods,
    decisions: Decisions,
    factors: np.ndarray,
    week: int | None = None,
) -> Orders:
    """Draw the orders of all weeks, or of one of the variant ``weekly`` alone."""
    only = [] if week is None else [week]
    rng = np.random.default_rng([world.seed, 4, int(customers.number[0]), *only])
    weeks = range(world.weeks) if week is None else range(week, week + 1)
    return orders_of(world, customers, goods, decisions.action, factors, weeks, rng)


def orders_of(
    world: World,
    customers: Customers,
    goods: Goods,
    action: np.ndarray,
    factors: np.ndarray,
    weeks: range,
    rng: Draws,
) -> Orders:
    """Draw the orders of some weeks given all that was assigned, shape (n, rounds)."""
    promotions = world.promotions
    rates = weekly_rates(world, customers, action, promotions, factors, weeks)
    number = customers.number
    counts = rows(rng, number[:, None], np.array(weeks)).poisson(rates)
    owner, when = (axis.repeat(counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
    when = when + weeks.start
    turn = _turns(counts.ravel())
    second = moments(world, rows(rng, number[owner], when, turn), customers, owner, when)
    order = np.lexsort([second, owner])
    owner, when, second = owner[order], when[order], second[order]
    of_lines, rng = rng, rows(rng, number[owner], when, turn[order])
    promotion = running(world, action, weeks)[owner, when - weeks.start]
    sigma = world.noise_of_baskets
    gross = customers.basket[owner] * np.exp(rng.normal(0, sigma, len(owner)) - sigma**2 / 2)
    raised = rng.uniform(size=len(owner)) < topped_up(world, customers)[owner]
    offers, cents = offers_of(promotions), gross * 100
    if world.overlaps:
        cents = np.round(cents)
    gross = np.where(raised, filled_up(offers, promotion, cents), cents) / 100
    lines = 1 + rng.poisson(1.2, len(owner))
    line = np.repeat(np.arange(len(owner)), lines)
    each = rows(of_lines, number[owner[line]], when[line], turn[order][line], _turns(lines))
    share = 0.02 + each.exponential(size=len(line))  # nothing is for nothing
    share /= np.bincount(line, weights=share)[line]
    money = np.round(gross[line] * share, 2)
    product = products_of(each, customers, owner[line], goods)
    product = to_taste(world, customers, goods, (owner[line], when[line], product), each)
    claimed = rng.uniform(size=len(owner)) < claims(customers)[owner]
    if world.overlaps:
        money = _summing(line, money, gross)
        cents, category = np.round(money * 100), goods.category[product]
        off = taken_off(offers, promotion, claimed, line, cents, category) / 100
    else:
        off = _discounts(world, goods, claimed, promotion[:, 0], gross, line, product, money)
    discount = off.sum(axis=1)
    quantity = np.clip(np.round(money / goods.price[product]), 1, 60).astype(np.int64)
    by_coupon = np.array([p.kind == "coupon" for p in promotions] + [False])[promotion]
    taken = [np.bincount(line, weights=one, minlength=len(owner)) > 0 for one in off.T]
    return Orders(
        owner=owner,
        second=second,
        promotion=promotion,
        redeemed=np.column_stack(taken),
        line=line,
        product=product,
        quantity=quantity,
        amount=np.round(money - discount, 2),
        discount=discount,
        coupon=np.where(by_coupon[line], off, 0.0).sum(axis=1),
        off=off,
    )


def _turns(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, … for as many rows as each count says."""
    return np.asarray(np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts))


def _summing(line: np.ndarray, money: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Let the lines of an order sum to its basket, by cents at its largest line."""
    order = np.lexsort([-money, line])
    largest = order[np.searchsorted(line, np.arange(len(gross)))]
    found = money.copy()
    found[largest] += gross - np.bincount(line, weights=money, minlength=len(gross))
    return np.asarray(np.round(found, 2))


def _terms(world: World, promotion: np.ndarray, name: str) -> np.ndarray:
    values = [getattr(p.terms, name) for p in world.promotions]
    return np.asarray(np.array([*values, 0.0])[promotion])


def _discounts(
    world: World,
    goods: Goods,
    claimed: np.ndarray,
    promotion: np.ndarray,
    gross: np.ndarray,
    line: np.ndarray,
    product: np.ndarray,
    money: np.ndarray,
) -> np.ndarray:
    rate = _terms(world, promotion, "discount_rate")
    kinds = np.array([p.kind for p in world.promotions] + ["none"])[promotion]
    claimed = (kinds != "coupon") | claimed
    category = np.array([p.category for p in world.promotions] + [NONE])[promotion]
    fits = (kinds == "coupon")[line] | (goods.category[product] == category[line])
    off = np.where(fits, (rate * claimed)[line], 0.0) * money
    reaches = (gross >= _terms(world, promotion, "threshold") - 1e-9) & (kinds == "full_reduction")
    reduction = _terms(world, promotion, "reduction") * reaches
    return np.asarray(np.round(off + reduction[line] * money / gross[line], 2))[:, None]


def moments(
    world: World,
    rng: Draws,
    customers: Customers,
    owner: np.ndarray,
    week: np.ndarray,
) -> np.ndarray:
    """Draw a local second within a week by each customer's habits, or on its sale day."""
    n = len(owner)
    weekend = rng.uniform(size=n) < customers.weekend[owner]
    day = np.where(weekend, rng.integers(5, 7, n), rng.integers(0, 5, n))
    sale = np.full(world.weeks, -1)
    for number, weekday in world.sale_days.items():
        sale[number : number + 1] = weekday
    day = np.where((sale[week] >= 0) & (rng.uniform(size=n) < ON_SALE_DAY), sale[week], day)
    hour = np.clip(customers.hour[owner] + rng.normal(0, 2, n), 7, 22.99)
    found: np.ndarray = (week * 7 + day) * 86_400 + hour * 3600
    return found.astype(np.int64)


Columns = dict[str, np.ndarray]


def browsing(
    world: World,
    customers: Customers,
    goods: Goods,
    orders: Orders,
    factors: np.ndarray,
    weeks: range,
    rng: Draws,
) -> Columns:
    """Draw views, clicks, carts and shares.

    Visits lead to views, some of those to a click, some of those to a cart; what is bought was
    viewed, clicked and put into the cart before. Some of what was bought is shared.
    """
    number = customers.number
    often = 0.15 + 0.25 * np.sqrt(customers.rate / world.orders_a_week)
    mean = often[:, None] * factors[None, weeks.start : weeks.stop]
    visits = rows(rng, number[:, None], np.array(weeks)).poisson(mean)
    owner, week = (a.repeat(visits.ravel()) for a in np.indices(visits.shape).reshape(2, -1))
    week, turn = week + weeks.start, _turns(visits.ravel())
    visit = rows(rng, number[owner], week, turn)
    second = moments(world, visit, customers, owner, week)
    views = 1 + visit.poisson(0.8, len(owner))
    seen = _turns(views)
    view = rows(rng, *(key.repeat(views) for key in (number[owner], week, turn)), seen)
    owner, second = owner.repeat(views), second.repeat(views) + 45 * seen
    product = products_of(view, customers, owner, goods)
    product = to_taste(world, customers, goods, (owner, week.repeat(views), product), view)
    step = view.uniform(size=len(owner))
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
    line = _lines(rng, customers, orders)
    shares = line.uniform(size=len(orders.line)) < 0.06 * customers.loyalty[bought[0]]
    parts.append(("share", bought[0][shares], bought[1][shares] + 3_600, bought[2][shares]))
    return {
        "kind": np.concatenate([np.full(len(o), kind, dtype=object) for kind, o, _, _ in parts]),
        "owner": np.concatenate([o for _, o, _, _ in parts]),
        "second": np.concatenate([s for _, _, s, _ in parts]),
        "product": np.concatenate([p for _, _, _, p in parts]),
    }


def _lines(rng: Draws, customers: Customers, orders: Orders) -> Draws:
    owner, place = orders.owner[orders.line], _turns(np.bincount(orders.line))
    return rows(rng, customers.number[owner], orders.second[orders.line], place)


def responses(
    world: World,
    customers: Customers,
    sent: np.ndarray,
    orders: Orders,
    rng: Draws,
    since: int = 0,
    claimed: tuple[np.ndarray, np.ndarray] | None = None,
) -> Columns:
    """Draw what those assigned did about it: delivered … redeem, purchase, unsubscribe.

    Parameters
    ----------
    sent : ndarray of int, shape (n, rounds)
        What each got, from round ``since`` on: a place in the round, or `NONE`.
    claimed : tuple of ndarray of int, optional
        Customers and promotions whose coupon was claimed before these orders.
    """
    owner, number = np.nonzero(sent != NONE)
    action, number = sent[owner, number], number + since
    rng = rows(rng, customers.number[owner], number)
    promotion = number * world.per_round + action
    start = np.array(world.rounds)[number] * 7 * 86_400 + 9 * 3_600
    liking = customers.visible[owner, [KINDS.index(world.kinds[a // world.levels]) for a in action]]
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
    whose, moment, worth = (
        np.repeat(values, world.window) for values in (orders.owner, orders.second, amount)
    )
    parts.append(
        _claims(world, rng, orders, (owner, promotion, start + delay + 45), clicked, claimed)
    )
    for kind, which in (("purchase", during), ("redeem", during & orders.redeemed)):
        mine = which.ravel()
        some = whose[mine], orders.promotion[which], moment[mine] + 1
        parts.append((kind, *some, worth[mine]))
    return {
        "kind": np.concatenate([np.full(len(p[1]), p[0], dtype=object) for p in parts]),
        "owner": np.concatenate([p[1] for p in parts]),
        "promotion": np.concatenate([p[2] for p in parts]),
        "second": np.concatenate([p[3] for p in parts]),
        "amount": np.concatenate([p[4] for p in parts]),
    }


def _claims(
    world: World,
    rng: Draws,
    orders: Orders,
    sent: tuple[np.ndarray, np.ndarray, np.ndarray],
    clicked: np.ndarray,
    before: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coupons are claimed by all who use one, just before, and by some who never do."""
    coupons = np.array([p.kind == "coupon" for p in world.promotions] + [False])
    used, age = np.nonzero(coupons[orders.promotion] & orders.redeemed)
    which = orders.promotion[used, age]
    pairs, firsts = np.unique(orders.owner[used] * len(coupons) + which, return_index=True)
    if before is not None:
        firsts = firsts[~np.isin(pairs, before[0] * len(coupons) + before[1])]
    used, which = used[firsts], which[firsts]  # orders stand in the order of time
    idle = coupons[sent[1]] & clicked & (rng.uniform(size=len(clicked)) < 0.5)
    idle &= ~np.isin(sent[0] * len(coupons) + sent[1], pairs)
    parts = (
        (orders.owner[used], which, orders.second[used] - 120),
        tuple(values[idle] for values in sent),
    )
    who, whose, when = (np.concatenate(both) for both in zip(*parts, strict=True))
    return "claim", who, whose, when, np.full(len(who), np.nan)


def reviews(customers: Customers, orders: Orders, rng: Draws) -> Columns:
    """Draw which order lines are reviewed, and the stars: they follow the product's quality."""
    rng = _lines(rng, customers, orders)
    written = np.nonzero(rng.uniform(size=len(orders.line)) < 0.03)[0]
    rng = some(rng, written)
    product = orders.product[written]
    quality = np.sin(product * 12.9898) * 0.8 + 3.9  # the same product is as good for everybody
    rating = np.clip(np.round(quality + rng.normal(0, 0.9, len(written))), 1, 5).astype(np.int64)
    rng.uniform(size=len(written))  # chose the words once: what follows keeps its numbers
    order = orders.line[written]
    later = rng.integers(2 * 86_400, 12 * 86_400, len(written))
    return {
        "owner": orders.owner[order],
        "product": product,
        "second": orders.second[order] + later,
        "rating": rating,
        "promotion": orders.promotion[order].max(axis=1),  # of several the newest
        "order": order,
    }
