"""What a shop that goes on begins with, and the rows that stay behind for the week after."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.simulated.going.checking import NOTHING
from promolab.simulated.going.drawing import claims_of
from promolab.simulated.going.folder import Folder, Making, as_table
from promolab.simulated.orders import decide
from promolab.simulated.people import Customers, draw_customers
from promolab.simulated.tables import (
    CHANNEL,
    CHUNK,
    WEEK,
    before,
    chunk_tables,
    small_tables,
    times,
)
from promolab.simulated.world import World

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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
