"""What the standing holdout's readout takes: a year of a large shop, week by week."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from benchmarks.table import Row

CUSTOMERS, WEEKS, SECONDS = 100_000, 52, 60.0
BEGAN = datetime(2024, 1, 1)


def standing_readout(customers: int = CUSTOMERS, weeks: int = WEEKS) -> Iterator[Row]:
    """Yield the seconds that a year's readout takes, and those per customer against half of it."""
    half, whole = (_seconds(n, weeks) for n in (customers // 2, customers))
    yield Row(
        f"standing holdout read out, {customers:,} customers, {weeks} weeks",
        f"≤ {SECONDS:.0f} s, ≤ 2.5 × half as many customers",
        f"{whole:.1f} s, {whole / half:.1f} × half as many",
        whole <= SECONDS and whole <= 2.5 * half,
    )


def _seconds(customers: int, weeks: int) -> float:
    import ibis
    import numpy as np
    import pandas as pd

    from promolab.campaign.readout import standing_holdout
    from promolab.contract import Settings, Shop

    rng = np.random.default_rng(0)
    who = np.arange(customers)
    held = rng.random(customers) < 0.05
    decisions = pd.DataFrame({"decision_id": who, "customer_id": who, "ts": BEGAN})
    decisions = decisions.assign(
        action=np.where(held, "none", "p"),
        propensity=0.95,
        planned_action="p",
        holdout=np.where(held, "standing", "none"),
    )
    n = customers * weeks // 3
    events = pd.DataFrame({"customer_id": rng.integers(0, customers, n), "kind": "purchase"})
    seconds = rng.integers(-8 * 7 * 86_400, weeks * 7 * 86_400, n)
    events["ts"] = pd.Timestamp(BEGAN) + pd.to_timedelta(seconds, unit="s")
    events["amount"], events["order_id"] = rng.exponential(20.0, n).round(2), np.arange(n)
    events["product_id"], events["quantity"], events["discount"] = "x", 1, 0.0
    con = ibis.duckdb.connect()
    tables = {
        name: con.create_table(name, frame)
        for name, frame in {"decisions": decisions, "events": events}.items()
    }
    shop = Shop(tables, Settings(margin_rate=0.3))
    begun = time.monotonic()
    found = standing_holdout(shop, BEGAN + timedelta(weeks=weeks))
    assert found.weeks == weeks, found.summary()
    return time.monotonic() - begun
