"""Rounds of a shop that goes on: the log it begins with, decisions checked, weeks drawn by keys."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError, nearest
from promolab.simulated.going_folder import Folder, Making, as_table
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
    rows_of,
    small_tables,
    times,
)
from promolab.simulated.world import NONE, Promotion, World

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


NOTHING = "none"
NEEDED = ("decision_id", "customer_id", "action", "propensity")
NEEDED_CHANCES = ("decision_id", "action", "propensity")
CLOSE = 1e-6
"""By how much chances may miss 1."""


def places_of(actions: pd.Series[str], promotions: Sequence[str], week: str) -> np.ndarray:
    """Return each action's place among the promotions of the week, or `NONE`.

    Raises
    ------
    InputError
        An action that is neither one of them nor ``none``.
    """
    import pandas as pd

    found = pd.Index([*promotions, NOTHING]).get_indexer(pd.Index(actions.astype(object)))
    if (found < 0).any():
        wrong = actions.iloc[int((found < 0).argmax())]
        raise InputError(
            f"action {wrong!r} does not start in {week}; "
            f"{nearest(str(wrong), [*promotions, NOTHING])}"
        )
    return np.where(found == len(promotions), NONE, found)


def numbers_of(customers: pd.Series[int], many: int) -> np.ndarray:
    """Return each customer's position in a shop of so many.

    Raises
    ------
    InputError
        A customer whom the shop does not have, or one twice.
    """
    import pandas as pd

    found = pd.to_numeric(customers, errors="coerce").to_numpy(dtype=float)
    wrong = ~((found >= 1) & (found <= many) & (found == np.floor(found)))
    if wrong.any():
        raise InputError(f"the shop has no customer {customers.iloc[int(wrong.argmax())]}")
    position = found.astype(np.int64) - 1
    twice = np.bincount(position, minlength=many) > 1
    if twice.any():
        raise InputError(f"customer {int(twice.argmax()) + 1} is decided on twice; expected once")
    return position


def check_columns(frame: pd.DataFrame, needed: Sequence[str], table: str) -> None:
    """Raise an InputError where a table lacks a column, or a value of one."""
    for name in needed:
        if name not in frame:
            raise InputError(f"{table} lack the column {name!r}; expected {', '.join(needed)}")
        if frame[name].isna().any():
            raise InputError(f"{table} have rows without {name}; every row needs one")


def check_chances(decisions: pd.DataFrame, chances: pd.DataFrame) -> None:
    """Check that chances are such, sum to 1 in each decision, and are those of the decisions.

    Raises
    ------
    InputError
        They are not.
    """
    import pandas as pd

    ids = pd.Index(decisions["decision_id"])
    if ids.has_duplicates:
        raise InputError(f"decision {ids[ids.duplicated()][0]!r} stands twice; each needs its own")
    own = decisions["propensity"].to_numpy(dtype=float)
    if not ((own > 0) & (own <= 1)).all():
        wrong = decisions.iloc[int((~((own > 0) & (own <= 1))).argmax())]
        raise InputError(
            f"decision {wrong['decision_id']!r} has propensity {wrong['propensity']}; what was "
            "done had a chance above 0 and at most 1"
        )
    which = ids.get_indexer(pd.Index(chances["decision_id"]))
    if (which < 0).any():
        wrong = chances["decision_id"].iloc[int((which < 0).argmax())]
        raise InputError(f"decision_propensities have decision {wrong!r}, which decisions have not")
    value = chances["propensity"].to_numpy(dtype=float)
    if not ((value >= 0) & (value <= 1)).all():
        raise InputError("decision_propensities have a chance below 0 or above 1")
    total = np.bincount(which, weights=value, minlength=len(ids))
    if (np.abs(total - 1) > CLOSE).any():
        at = int((np.abs(total - 1) > CLOSE).argmax())
        raise InputError(
            f"the chances of decision {ids[at]!r} sum to {total[at]:.6g}; expected 1, with every "
            "action that was possible in decision_propensities"
        )
    done = chances["action"].to_numpy() == decisions["action"].to_numpy()[which]
    same = np.abs(value[done] - own[which[done]]) <= CLOSE
    if len(np.unique(which[done])) < len(ids) or done.sum() > len(ids) or not same.all():
        raise InputError(
            "decisions.propensity is not the chance of the same action in decision_propensities; "
            "each decision's action must stand there once, with that chance"
        )


def check_times(decisions: pd.DataFrame, start: datetime) -> None:
    """Raise an InputError where a decision is not taken in the week that begins then (UTC)."""
    if decisions["ts"].dtype.kind != "M" or getattr(decisions["ts"].dtype, "tz", None) is not None:
        raise InputError("decisions have times (ts) with a zone, or none; expected UTC without one")
    end = start + timedelta(weeks=1)
    wrong = ~decisions["ts"].between(start, end, inclusive="left")
    if wrong.any():
        raise InputError(
            f"decision {decisions['decision_id'][wrong].iloc[0]!r} is dated "
            f"{decisions['ts'][wrong].iloc[0]}; expected the week from {start} (UTC) on"
        )


ORDERS, BROWSING, RESPONSES, REVIEWS = 14, 15, 16, 17
"""What random numbers are for; the log's have others."""
FIRST_ORDER = 10**12
"""Below it are the order ids of the log."""


@functools.lru_cache(maxsize=4)
def people_of(world: World, first: int) -> Customers:
    """Return a chunk of customers."""
    return draw_customers(world, first, min(first + CHUNK, world.customers))


def write_log(world: World, folder: Folder, like: Path | None = None) -> None:
    """Write what was known when the world's last week began: the shop of `write_shop`, cut there.

    Parameters
    ----------
    world : World
        Whose last week is the first to be decided from outside.
    folder : Folder
        Where no week is known yet.
    like : Path, optional
        Where the weeks of a shop of the same world lie: what it began with is copied.
    """
    first = world.weeks - 1
    making, since = Making(folder.weeks, first), (len(world.rounds) - 1) * world.per_round
    if like is not None and (like / making.target.name).exists():
        shutil.copytree(like / making.target.name, making.place, dirs_exist_ok=True)
        return making.publish()
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
                reviews.append(as_table(rows_of(columns, mine)))
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
    yield "decision_propensities", {name: pa.array(chances[name]) for name in NEEDED_CHANCES}
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
        Keyed(seed, RESPONSES),
        newest,
        (claimed[:, 0] - customers.number[0], claimed[:, 1]),
    )
    yield "responses", response_columns(world, customers, answers)
    written = reviews(customers, orders, Keyed(seed, REVIEWS))
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
