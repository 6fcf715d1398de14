"""Write a shop of any size, made from the real one's: Complete Journey's households, many times.

Each customer is given the history of a real household, thinned or repeated order by order to an
activity of its own, so that order sizes, categories, prices, seasons and promotions (a list is
contacted, some redeem) stay real. Nothing is drawn: every choice is a hash of the seed and of what
is chosen, so that the same numbers give the same shop. Memory does not grow with the events.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

EVENTS_PER_CUSTOMER = 50
SPREAD = 0.5
"""Standard deviation of the log activity, beside the spread that the households bring along."""
KEPT_RESPONSES = 0.8
"""Copies of one household that answer alike would make the answers too easy to predict."""
CHUNK = 2_000_000
"""Events sorted and written at once."""
ROW_GROUP = 250_000

# A share between 0 and 1 that is fixed by the seed and by what it is drawn for.
_UNIFORM = """CREATE MACRO uniform(what, a, b, c) AS
    (hash({seed}, what, a, b, c) >> 11) / 9007199254740992.0"""

_CUSTOMERS = """CREATE TABLE people AS
    SELECT i AS customer, household, {scale} * exp({spread} * z - {spread} * {spread} / 2) AS times
    FROM (SELECT i, 1 + (hash({seed}, 'household', i) % {households}) AS household,
                 sqrt(-2 * ln(1 - uniform('size', i, 0, 0)))
                 * cos(2 * pi() * uniform('angle', i, 0, 0)) AS z
          FROM range(1, {customers} + 1) AS r(i))"""

# Whole weeks and some minutes, so that weekdays and opening hours stay what they are.
_ORDERS = """CREATE TABLE made AS
    SELECT customer, number, if(moved BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}',
                                moved, ts) AS ts
    FROM (SELECT p.customer, o.number, o.ts, o.ts
                 + to_days(7 * (floor(3 * uniform('week', p.customer, o.number, c))::INTEGER - 1))
                 + to_seconds(floor(5400 * uniform('minute', p.customer, o.number, c))::INTEGER
                              - 2700) AS moved, c
          FROM people p
          JOIN real_orders o USING (household),
               range(0, floor(p.times + uniform('order', p.customer, o.number, 0))::BIGINT) AS r(c))
    ORDER BY ts, customer, number, c"""

_EVENTS = """
    SELECT m.customer AS customer_id, m.ts, 'purchase' AS kind, l.product_id,
           10000000000 + m.rowid AS order_id, l.quantity, l.amount, l.discount, l.coupon_discount,
           l.store_id
    FROM made m JOIN real_lines l USING (number)
    WHERE m.rowid >= {start} AND m.rowid < {end}
    ORDER BY m.rowid, l.line"""

_SMALL = {
    "customers": """SELECT p.customer AS customer_id, c.* EXCLUDE (customer_id)
        FROM people p JOIN households h USING (household)
        LEFT JOIN customers c ON c.customer_id = h.customer_id ORDER BY 1""",
    "products": "SELECT * FROM products ORDER BY ALL",
    "promotions": "SELECT * FROM promotions ORDER BY ALL",
    "promotion_products": "SELECT * FROM promotion_products ORDER BY ALL",
    "exposures": """SELECT e.promotion_id, p.customer AS customer_id, e.* EXCLUDE (promotion_id,
               customer_id)
        FROM people p JOIN households h USING (household)
        JOIN exposures e ON e.customer_id = h.customer_id ORDER BY e.ts, 1, 2""",
    "responses": """SELECT r.promotion_id, p.customer AS customer_id, r.* EXCLUDE (promotion_id,
               customer_id)
        FROM people p JOIN households h USING (household)
        JOIN responses r ON r.customer_id = h.customer_id
        WHERE uniform('answer', p.customer, r.promotion_id, 0) < {kept} ORDER BY ALL""",
}


def make_shop(folder: Path, events: int, customers: int | None = None, *, seed: int = 0) -> int:
    """Write a folder of parquet files in the table contract, and its ``shop.toml``.

    Parameters
    ----------
    folder : Path
        Where to; made if it is not there.
    events : int
        About how many order lines; the number made is within a few percent of it (of thousands).
    customers : int, optional
        How many customers; by default one per 50 events.
    seed : int
        Another one gives another shop.

    Returns
    -------
    int
        Events written.
    """
    import pyarrow.parquet as pq

    from promolab import load_shop

    shop = load_shop("complete_journey")
    con = shop.backend.con
    customers = customers or max(1, events // EVENTS_PER_CUSTOMER)
    folder.mkdir(parents=True, exist_ok=True)
    _prepare(con, events, customers, seed)
    for name, query in _SMALL.items():
        target = str(folder / f"{name}.parquet").replace("'", "''")
        con.execute(f"COPY ({query.format(kept=KEPT_RESPONSES)}) TO '{target}' (FORMAT parquet)")
    first, last = shop.span()
    con.execute(_ORDERS.format(first=first, last=last))
    written = 0
    with contextlib.ExitStack() as stack:
        writer: Any = None
        for start, end in _chunks(con):
            found = con.execute(_EVENTS.format(start=start, end=end)).to_arrow_table()
            writer = writer or stack.enter_context(
                pq.ParquetWriter(folder / "events.parquet", found.schema, compression="snappy")
            )
            writer.write_table(found, row_group_size=ROW_GROUP)
            written += len(found)
    title = f"Complete Journey, made to {written:,} events of {customers:,} customers"
    settings = replace(shop.settings, name=title)
    (folder / "shop.toml").write_text(settings.to_toml(), encoding="utf-8")
    return written


def _prepare(con: Any, events: int, customers: int, seed: int) -> None:
    """Number the real households, orders and lines, and give each customer a household."""
    con.execute(_UNIFORM.format(seed=seed))
    con.execute(
        "CREATE TABLE households AS SELECT customer_id, row_number() OVER (ORDER BY customer_id) "
        "AS household FROM (SELECT DISTINCT customer_id FROM events)"
    )
    con.execute(
        "CREATE TABLE real_lines AS SELECT dense_rank() OVER (ORDER BY order_id, customer_id, ts) "
        "AS number, row_number() OVER (ORDER BY order_id, customer_id, ts, product_id, amount) "
        "AS line, * FROM events ORDER BY line"
    )
    con.execute(
        "CREATE TABLE real_orders AS SELECT number, min(household) AS household, min(ts) AS ts, "
        "count(*) AS lines FROM real_lines JOIN households USING (customer_id) "
        "GROUP BY number ORDER BY number"
    )
    households, lines = con.execute(
        "SELECT count(DISTINCT household), sum(lines) FROM real_orders"
    ).fetchone()
    scale = events / (lines / households * customers)
    values = {"seed": seed, "scale": scale, "spread": SPREAD}
    con.execute(_CUSTOMERS.format(households=households, customers=customers, **values))
    # The households' own sizes and the activities do not come out at their means exactly.
    expected = con.execute(
        "SELECT sum(times * lines) FROM people JOIN real_orders USING (household)"
    ).fetchone()[0]
    con.execute(f"UPDATE people SET times = times * {events / expected!r}")


def _chunks(con: Any) -> Iterator[tuple[int, int]]:
    """Yield which orders, by their position in time, are written next."""
    orders, lines = con.execute(
        "SELECT count(*), sum(lines) FROM made JOIN real_orders USING (number)"
    ).fetchone()
    step = max(1, int(orders * CHUNK / lines))
    for low in range(0, orders, step):
        yield low, min(orders, low + step)
