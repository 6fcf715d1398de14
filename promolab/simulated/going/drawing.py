"""One round's weeks, drawn for a chunk of customers by keys of customer and week."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from promolab.simulated.keyed import Keyed
from promolab.simulated.orders import Orders, browsing, orders_of, responses, reviews
from promolab.simulated.people import Customers, draw_goods
from promolab.simulated.tables import WEEK, event_columns, response_columns, review_columns
from promolab.simulated.world import Promotion, World

ORDERS, BROWSING, RESPONSES, REVIEWS = 14, 15, 16, 17
"""What random numbers are for; the log's have others."""
FIRST_ORDER = 10**12
"""Below it are the order ids of the log."""


def order_ids(customers: Customers, orders: Orders) -> np.ndarray:
    """Return ids that hang on customer, week and turn alone: nobody else's orders move them."""
    week = orders.second // WEEK
    pair = orders.owner * 1_000 + week
    starts = np.searchsorted(pair, pair)  # orders stand by customer and time
    turn = np.arange(len(pair)) - starts
    number = customers.number[orders.owner]
    return np.asarray(FIRST_ORDER + number * 100_000 + week * 100 + turn)


def drawn(
    world: World,
    customers: Customers,
    action: np.ndarray,
    claimed: np.ndarray,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events, responses and reviews of the newest round's weeks.

    Parameters
    ----------
    world : World
        Whose last week is that of the round after it.
    customers : Customers
        A chunk.
    action : ndarray of int, shape (n, rounds)
        All that they were assigned, the newest round included.
    claimed : ndarray of int, shape (claims, 2)
        Of `claims_of`, before these weeks.
    """
    goods, factors = draw_goods(world), world.week_factors()
    newest = action.shape[1] - 1
    weeks = range(world.weeks - 1 - world.every, world.weeks - 1)
    seed = world.seed
    orders = orders_of(world, customers, goods, action, factors, weeks, Keyed(seed, ORDERS))
    ids = order_ids(customers, orders)
    browsed = browsing(world, customers, goods, orders, factors, weeks, Keyed(seed, BROWSING))
    yield "events", event_columns(customers, orders, browsed, ids, own=True)
    answers = responses(
        world,
        customers,
        action[:, newest:],
        orders,
        newest,
        Keyed(seed, RESPONSES),
        (claimed[:, 0] - customers.number[0], claimed[:, 1]),
    )
    yield "responses", response_columns(world, customers, answers)
    written = reviews(world, customers, orders, Keyed(seed, REVIEWS))
    yield "reviews", review_columns(world, customers, written, ids)


def claims_of(
    columns: Mapping[str, Any], promotions: Sequence[Promotion], since: int
) -> np.ndarray:
    """Return who claimed which of the promotions from ``since`` on, shape (claims, 2).

    Customers by their ids, promotions by their positions among all.
    """
    import pandas as pd

    which = np.asarray(columns["kind"]) == "claim"
    place = pd.Index([p.id for p in promotions]).get_indexer(columns["promotion_id"][which])
    found = np.column_stack([columns["customer_id"][which], place])
    return np.asarray(found[place >= since])
