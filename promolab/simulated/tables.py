"""The contract's tables of a simulated shop, written a chunk of customers at a time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from promolab.errors import InputError
from promolab.simulated.discounts import stacks
from promolab.simulated.orders import (
    Columns,
    Decisions,
    Orders,
    browsing,
    decide,
    draw_orders,
    responses,
    reviews,
)
from promolab.simulated.people import Customers, draw_customers, draw_goods
from promolab.simulated.phrases import review_words
from promolab.simulated.shown import SHOWN, write_calls, write_pictures
from promolab.simulated.world import (
    AGES,
    BEGIN,
    CATEGORIES,
    CHANNELS,
    MARGIN_RATES,
    NONE,
    SALE_DAYS,
    TIERS,
    Promotion,
    World,
)

WORLD = "simulated.json"


def described(world: World) -> str:
    """Return a world as its file holds it."""
    return json.dumps(dataclasses.asdict(world), indent=1)


def holds(folder: Path, world: World) -> bool:
    """Tell whether a folder holds this world's shop, whole.

    Raises
    ------
    InputError
        It holds something else.
    """
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; a simulated shop is written to a folder")
    made = folder / WORLD
    if made.exists() and made.read_text("utf-8") == described(world):
        return (folder / "shop.toml").exists()
    if any(folder.iterdir()):
        raise InputError(
            f"{folder} holds something other than this simulated shop; give an empty folder, or "
            "none at all"
        )
    return False


CHUNK = 50_000
"""Customers drawn at a time: bounds the memory."""
OFFSET = timedelta(hours=8)
"""Of Asia/Shanghai, which has no summer time."""
CONTACT_COST = 0.2
CHANNEL = "app"
WEEK = 7 * 86_400
"""Seconds."""


def write_shop(world: World, folder: Path) -> None:
    """Write every table of the contract as parquet, and the shop's ``shop.toml``.

    Parameters
    ----------
    world : World
        The shop's world.
    folder : Path
        Where to write; empty, or not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Written first: what was not finished is known for this world's, and made again.
    (folder / WORLD).write_text(described(world), "utf-8")
    for table, columns in small_tables(world):
        if table == "products" and world.variant in SHOWN:
            columns = {**columns, **write_pictures(world, folder, draw_goods(world))}
        _write(folder / table, 0, columns)
    for first in range(0, world.customers, CHUNK):
        last = min(first + CHUNK, world.customers)
        for table, columns in chunk_tables(world, first, last):
            kept = before(columns, world.weeks) if table == "reviews" else columns
            _write(folder / table, first // CHUNK, kept)
        if world.variant in SHOWN:
            asked = write_calls(world, folder, draw_customers(world, first, last))
            _write(folder / "questions", first // CHUNK, {**asked, "ts": times(asked["ts"])})
    # Written last: a folder without it is not finished.
    (folder / "shop.toml").write_text(settings_of(world), "utf-8")


def _write(folder: Path, part: int, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(dict(columns)), folder / f"part-{part:05d}.parquet")


def before(columns: Mapping[str, Any], week: int) -> dict[str, Any]:
    """Return the rows of a table whose time is before a week (from 0) begins."""
    return rows_of(columns, columns["ts"] < times(np.array(week * WEEK)))


def rows_of(columns: Mapping[str, Any], mine: np.ndarray) -> dict[str, Any]:
    """Return some rows of a table."""
    return {
        name: values[mine] if isinstance(values, np.ndarray) else values.filter(mine)
        for name, values in columns.items()
    }


def settings_of(world: World) -> str:
    """Return the text of the shop's ``shop.toml``."""
    end = world.starts(world.weeks)
    last = world.starts(world.weeks - 1).isocalendar()
    return f"""\
name = "Simulated shop"
currency = "CNY"
zone = "Asia/Shanghai"
channel = "{CHANNEL}"
default_week = "{last.year}-W{last.week:02d}"
opened = "{BEGIN:%Y-%m-%d}"
closed = "{end:%Y-%m-%d}"
note = "Made up: {world.customers:,} customers, {world.weeks} weeks, seed {world.seed}, \
variant {world.variant}. Its true effects are known."

[customers.attributes]
age = "age"
tier = "tier"
signup_channel = "signup_channel"
"""


def times(seconds: np.ndarray) -> np.ndarray:
    """Return local seconds since the world began as UTC times without a zone."""
    begin = np.datetime64(BEGIN - OFFSET, "us")
    return begin + np.asarray(seconds, dtype=np.int64) * np.timedelta64(1_000_000, "us")


Named = Iterator[tuple[str, Mapping[str, Any]]]
"""Tables' names and their columns."""


def small_tables(world: World) -> Named:
    """Yield the tables that no customer is in; of the promotions those of all rounds."""
    goods = draw_goods(world)
    number = np.arange(len(goods.price)) + 1
    brand = np.where(number % 4 == 0, "Own brand", [f"Brand {n % 23 + 1}" for n in number])
    products = {
        "product_id": number,
        "category": np.array(CATEGORIES)[goods.category],
        "department": np.where(goods.category < 6, "everyday", "occasional"),
        "brand": brand,
        "private_label": number % 4 == 0,
        "margin_rate": MARGIN_RATES[goods.category],
    }
    yield "products", products
    yield from promotion_tables(world, world.promotions)
    days = [
        (name, datetime(year, month, day) - OFFSET)
        for year in range(BEGIN.year, world.starts(world.weeks).year + 1)
        for name, (month, day) in SALE_DAYS.items()
    ]
    yield (
        "calendar",
        {
            "name": [name for name, _ in days],
            "starts_at": [start for _, start in days],
            "ends_at": [start + timedelta(days=1) for _, start in days],
        },
    )


def promotion_tables(world: World, promotions: Sequence[Promotion]) -> Named:
    """Yield the tables of some promotions, and of what they are for."""
    terms = [p.terms for p in promotions]
    # The other variants' tables are from before the contract knew these columns.
    rules = {
        "steps": [1.0 if p.kind == "full_reduction" else None for p in promotions],
        "stacking": [stacks(p.kind) for p in promotions],
    }
    starts = [world.starts(p.week) - OFFSET for p in promotions]
    yield (
        "promotions",
        {
            "promotion_id": [p.id for p in promotions],
            "kind": [p.kind for p in promotions],
            "starts_at": starts,
            "ends_at": [start + timedelta(weeks=world.window) for start in starts],
            "channel": [CHANNEL] * len(promotions),
            "discount_rate": [t.discount_rate or None for t in terms],
            "threshold": [t.threshold or None for t in terms],
            "reduction": [t.reduction or None for t in terms],
            **(rules if world.overlaps else {}),
            "contact_cost": [CONTACT_COST] * len(promotions),
        },
    )
    # Coupons and full reductions are for the whole shop.
    goods, number = draw_goods(world), np.arange(len(draw_goods(world).price)) + 1
    pairs = [
        (p.id, n)
        for p in promotions
        for n in number[(goods.category == p.category) | (p.kind in ("coupon", "full_reduction"))]
    ]
    yield (
        "promotion_products",
        {"promotion_id": [p for p, _ in pairs], "product_id": [n for _, n in pairs]},
    )


def chunk_tables(world: World, first: int, last: int) -> Named:
    """Yield the tables of a chunk of customers, reviews after the world's last week included."""
    goods, factors = draw_goods(world), world.week_factors()
    customers = draw_customers(world, first, last)
    decisions = decide(world, customers)
    orders = draw_orders(world, customers, goods, decisions, factors)
    order_ids = np.arange(len(orders.owner)) + 1 + first // CHUNK * 1_000_000_000
    yield from customer_tables(customers, decisions.eligible)
    yield from _decision_tables(world, customers, decisions)
    streams = (np.random.default_rng([world.seed, purpose, first + 1]) for purpose in (5, 6, 7))
    of_browsing, of_responses, of_reviews = streams
    browsed = browsing(world, customers, goods, orders, factors, range(world.weeks), of_browsing)
    yield "events", event_columns(customers, orders, browsed, order_ids)
    answers = responses(world, customers, decisions.action, orders, of_responses)
    yield "responses", response_columns(world, customers, answers)
    written = reviews(customers, orders, of_reviews)
    yield "reviews", review_columns(world, customers, written, order_ids)


def response_columns(world: World, customers: Customers, found: Columns) -> dict[str, Any]:
    """Return the table of what those assigned did about it."""
    import pyarrow as pa

    ids = np.array([p.id for p in world.promotions], dtype=object)
    return {
        "promotion_id": ids[found["promotion"]],
        "customer_id": customers.number[found["owner"]],
        "ts": times(found["second"]),
        "kind": found["kind"],
        "amount": pa.array(found["amount"], mask=np.isnan(found["amount"])),
    }


def review_columns(
    world: World, customers: Customers, found: Columns, order_ids: np.ndarray
) -> dict[str, Any]:
    """Return the table of reviews, some of them without stars."""
    import pyarrow as pa

    text, _, starred = review_words(world, customers, found)
    ids = np.array([p.id for p in world.promotions] + [None], dtype=object)
    return {
        "customer_id": customers.number[found["owner"]],
        "product_id": found["product"] + 1,
        "ts": times(found["second"]),
        "rating": pa.array(found["rating"], mask=~starred),
        "text": text,
        "promotion_id": ids[found["promotion"]],
        "order_id": order_ids[found["order"]],
    }


def customer_tables(customers: Customers, eligible: np.ndarray) -> Named:
    """Yield who the customers are, and who of them may be contacted."""
    n = len(customers.number)
    since = np.datetime64(BEGIN - OFFSET, "us") - customers.since * np.timedelta64(1, "D")
    columns = {
        "customer_id": customers.number,
        "status": np.full(n, "active"),
        "since": since,
        "cluster_id": customers.household,
        "age": np.array(AGES)[customers.age],
        "tier": np.array(TIERS)[customers.tier],
        "signup_channel": np.array(CHANNELS)[customers.channel],
        "interest_in_offers": customers.offers,
    }
    yield "customers", columns
    rights = {
        "customer_id": customers.number,
        "channel": np.full(n, CHANNEL),
        "allowed": eligible,
        "since": np.full(n, np.datetime64(BEGIN - OFFSET, "us")),
    }
    yield "contact_rights", rights


def _decision_tables(world: World, customers: Customers, decisions: Decisions) -> Named:
    kinds, rounds = world.per_round, len(world.rounds)
    owner = np.repeat(np.nonzero(decisions.eligible)[0], rounds)
    number = np.tile(np.arange(rounds), len(owner) // max(rounds, 1))
    names = np.array([p.id for p in world.promotions[: kinds * rounds]], dtype=object)
    names = np.column_stack([names.reshape(rounds, kinds), np.full(rounds, "none", dtype=object)])
    action, planned = decisions.action[owner, number], decisions.planned[owner, number]
    chances = decisions.propensities[owner, number]
    decision = np.array([f"D{n}-{r}" for n, r in zip(customers.number[owner], number, strict=True)])
    start = times(np.array(world.rounds, dtype=np.int64)[number] * 7 * 86_400)
    held = np.where((planned != NONE) & (action == NONE), "promotion", "none")
    rows = {
        "decision_id": decision,
        "customer_id": customers.number[owner],
        "ts": start,
        "action": names[number, action],
        "propensity": chances[np.arange(len(owner)), action],
        "planned_action": names[number, planned],
        "holdout": np.where(customers.standing[owner], "standing", held),
    }
    yield "decisions", rows
    yield (
        "decision_propensities",
        {
            "decision_id": np.repeat(decision, kinds + 1),
            "action": names[number].ravel(),
            "propensity": chances.ravel(),
        },
    )
    sent = action != NONE
    yield (
        "exposures",
        {
            "promotion_id": names[number, action][sent],
            "customer_id": customers.number[owner][sent],
            "ts": start[sent],
            "channel": np.full(int(sent.sum()), CHANNEL),
        },
    )


def event_columns(
    customers: Customers,
    orders: Orders,
    browsed: Columns,
    order_ids: np.ndarray,
    *,
    own: bool = False,
) -> dict[str, Any]:
    """Return the table of what customers did: the chain, and the orders' lines.

    With ``own``, a customer's times do not hang on how many rows the others have.
    """
    import pandas as pd
    import pyarrow as pa

    lines, seen = len(orders.line), len(browsed["owner"])
    empty = np.full(seen, np.nan)
    owner = np.concatenate([browsed["owner"], orders.owner[orders.line]])
    second = np.concatenate([browsed["second"], orders.second[orders.line]])
    order = pa.concat_arrays(
        [pa.nulls(seen, pa.int64()), pa.array(order_ids[orders.line], pa.int64())]
    )
    sorting = np.lexsort([np.arange(seen + lines), second])
    # Two visits may fall on one second: these microseconds keep their rows apart.
    visitor = pd.Series(browsed["owner"])
    turn = visitor.groupby(visitor).cumcount().to_numpy() if own else np.arange(seen)
    apart = np.concatenate([turn % 1_000_000, np.zeros(lines, dtype=np.int64)])
    columns: dict[str, Any] = {
        "customer_id": customers.number[owner][sorting],
        "ts": (times(second) + apart * np.timedelta64(1, "us"))[sorting],
        "kind": np.concatenate([browsed["kind"], np.full(lines, "purchase", dtype=object)])[
            sorting
        ],
        "product_id": np.concatenate([browsed["product"], orders.product])[sorting] + 1,
        "order_id": order.take(pa.array(sorting)),
    }
    for name, values in (
        ("quantity", orders.quantity),
        ("amount", orders.amount),
        ("discount", orders.discount),
        ("coupon_discount", orders.coupon),
    ):
        filled = np.concatenate([empty, values])[sorting]
        columns[name] = pa.array(filled, mask=np.isnan(filled))
    return columns
