"""What a shop that goes on begins with, and what each round's weeks add, drawn by keys."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.simulated.going.checking import NOTHING
from promolab.simulated.going.folder import Folder, Making, as_table
from promolab.simulated.keyed import Keyed
from promolab.simulated.orders import Orders, browsing, decide, orders_of, responses, reviews
from promolab.simulated.people import Customers, draw_customers, draw_goods
from promolab.simulated.tables import (
    CHANNEL,
    CHUNK,
    WEEK,
    before,
    chunk_tables,
    event_columns,
    response_columns,
    review_columns,
    small_tables,
    times,
)
from promolab.simulated.world import Promotion, World

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


ORDERS, BROWSING, RESPONSES, REVIEWS = 14, 15, 16, 17
"""What random numbers are for; the log's have others."""
FIRST_ORDER = 10**12
"""Below it are the order ids of the log."""


@functools.lru_cache(maxsize=4)
def people_of(world: World, first: int) -> Customers:
    """Return a chunk of customers."""
    return draw_customers(world, first, min(first + CHUNK, world.customers))


def write_log(world: World, folder: Folder) -> None:
    """Write what was known when the world's last week began: the shop of `write_shop`, cut there.

    Parameters
    ----------
    world : World
        Whose last week is the first to be decided from outside.
    folder : Folder
        Where no week is known yet.
    """
    first = world.weeks - 1
    making, since = Making(folder.weeks, first), (len(world.rounds) - 1) * world.per_round
    for table, columns in small_tables(world):
        making.write(table, 0, as_table(columns))
    reviews, claimed, eligible, assigned = [], [], [], []
    for start in range(0, world.customers, CHUNK):
        orders: Any = ()
        for table, columns in chunk_tables(world, start, min(start + CHUNK, world.customers)):
            known = before(columns, first) if table in ("events", "responses") else columns
            if table == "reviews":
                # Of an order that is known: a review is written days later.
                mine = np.isin(columns["order_id"], orders)
                reviews.append(as_table({name: v[mine] for name, v in columns.items()}))
                continue
            making.write(table, start // CHUNK, as_table(known))
            if table == "events":
                orders = known["order_id"].drop_null().to_numpy(zero_copy_only=False)
            if table == "responses":
                claimed.append(claims_of(known, world.promotions, since))
        found = decide(world, people_of(world, start))
        assigned.append(found.action.astype(np.int8))
        eligible.append(found.eligible)
    making.keep("assigned", np.concatenate(assigned))
    making.keep("eligible", np.concatenate(eligible))
    keep_rest(making, first, reviews, claimed)
    making.publish()


def keep_rest(
    making: Making, week: int, reviews: Sequence[pa.Table], claimed: Sequence[np.ndarray]
) -> None:
    """Write the reviews that are known when a week begins, and keep the others and the claims."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pa.concat_tables(reviews)
    known = pc.less(rows["ts"], pa.scalar(times(np.array(week * WEEK)), rows["ts"].type))
    making.write("reviews", 0, rows.filter(known))
    making.keep_rows("reviews", rows.filter(pc.invert(known)))
    making.keep("claimed", np.concatenate(claimed))


def decided_tables(
    decisions: pd.DataFrame, chances: pd.DataFrame
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the tables of decisions, of their chances, and of whom they contact."""
    import pandas as pd
    import pyarrow as pa

    rows = {
        name: decisions[name].to_numpy() for name in ("decision_id", "customer_id", "ts", "action")
    }
    rows["customer_id"] = pd.to_numeric(decisions["customer_id"]).to_numpy()
    rows["propensity"] = decisions["propensity"].to_numpy(dtype=float)
    planned = decisions["planned_action"] if "planned_action" in decisions else decisions["action"]
    held = decisions["holdout"].to_numpy() if "holdout" in decisions else NOTHING
    yield (
        "decisions",
        {
            **rows,
            "planned_action": planned.to_numpy(),
            "holdout": np.broadcast_to(np.asarray(held, dtype=object), len(planned)),
        },
    )
    names = ("decision_id", "action", "propensity")
    yield "decision_propensities", {name: pa.array(chances[name]) for name in names}
    sent = rows["action"] != NOTHING
    yield (
        "exposures",
        {
            "promotion_id": rows["action"][sent],
            "customer_id": rows["customer_id"][sent],
            "ts": rows["ts"][sent],
            "channel": np.full(int(sent.sum()), CHANNEL),
        },
    )


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
