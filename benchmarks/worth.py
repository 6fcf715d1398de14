"""What customers are worth: orders foretold out of time on real customers, a million at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row
from promolab.profiles.bg_nbd import fit_orders

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = (28, 56, 84)
"""Days, the last before an origin, in which a regression counts orders as rates."""
ORIGINS = ("2017-05-01", "2017-06-12", "2017-07-24", "2017-09-04", "2017-10-02")
TOTAL, SLOPES, MEAN_SLOPE = 0.05, (0.85, 1.10), (0.90, 1.05)
CUSTOMERS, SECONDS = 1_000_000, 5.0


def orders_come() -> Iterator[Row]:
    """Yield how well twelve weeks' orders of Complete Journey's households were foretold."""
    import pandas as pd

    import promolab
    from promolab.profiles.order_forecast import RECENT_DAYS, checked, histories

    shop = promolab.load_shop("complete_journey")
    found, boosted = [], []
    for text in ORIGINS:
        # Each with the earlier ones that it is calibrated by, known at that time alone.
        moments = [pd.Timestamp(text) - pd.Timedelta(days=RECENT_DAYS * i) for i in range(4)]
        past = histories(shop, [m.to_pydatetime() for m in moments])
        past = [old for old in past if old.days >= RECENT_DAYS]
        found.append(checked(shop, past)[0])
        if len(past) > 1:
            boosted.append((found[-1], by_regression(shop, past)))
    rows = [check.row(0.0, 0.9) for check in found]
    off = [row["foretold"] / row["came"] - 1 for row in rows]
    slopes = [row["slope"] for row in rows]
    yield Row(
        f"Complete Journey, orders of 12 weeks from {len(rows)} origins: totals",
        f"within {TOTAL:.0%}",
        f"{min(off):+.1%} to {max(off):+.1%}",
        max(map(abs, off)) <= TOTAL,
    )
    yield Row(
        "the same: slope of what came on what was foretold, each and in the mean",
        f"{SLOPES[0]}–{SLOPES[1]}, {MEAN_SLOPE[0]}–{MEAN_SLOPE[1]}",
        f"{min(slopes):.2f} to {max(slopes):.2f}, {np.mean(slopes):.2f}",
        SLOPES[0] <= min(slopes)
        and max(slopes) <= SLOPES[1]
        and MEAN_SLOPE[0] <= np.mean(slopes) <= MEAN_SLOPE[1],
    )
    for name in ("own frequency", "the last 12 weeks"):
        ends = []
        for check in found:
            then, came = check.past, check.came
            peer = then.recent if name != "own frequency" else (
                then.orders / np.maximum(then.age, 7.0) * RECENT_DAYS
            )  # fmt: skip
            ends.append(paired(np.abs(check.told - came) - np.abs(peer - came)))
        better = name == "own frequency"
        yield Row(
            f"the same: absolute error less that of {name}, paired",
            "interval below 0 at each" if better else "no interval above 0",
            "; ".join(f"{m:+.2f} [{low:+.2f}, {high:+.2f}]" for low, m, high in ends),
            all(high < 0 for *_, high in ends) if better else all(low <= 0 for low, *_ in ends),
        )

    ends = [
        paired(np.abs(check.told - check.came) - np.abs(p - check.came)) for check, p in boosted
    ]
    yield Row(
        f"the same: absolute error less that of a boosted regression, {len(ends)} origins with "
        "an earlier one to learn from",
        "no interval above 0",
        "; ".join(f"{m:+.2f} [{low:+.2f}, {high:+.2f}]" for low, m, high in ends),
        all(low <= 0 for low, *_ in ends),
    )


def by_regression(shop: Any, past: Sequence[Any]) -> np.ndarray:
    """Return what a boosted regression foretells for the newest of some moments.

    It learns the orders of the twelve weeks after each earlier moment, from rates over equal
    windows and the days since the last order up to the longest of them: never from totals or
    tenure, which grow with the data.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    from promolab.profiles.order_forecast import RECENT_DAYS, ordered_between

    now, *before = past
    spans = [
        (i * len(WINDOWS) + j, old.as_of - timedelta(days=days), old.as_of)
        for i, old in enumerate(past)
        for j, days in enumerate(WINDOWS)
    ]
    counted = ordered_between(shop, spans)
    ahead = [(i, old.as_of, old.as_of + timedelta(days=RECENT_DAYS)) for i, old in enumerate(past)]
    came = ordered_between(shop, ahead)

    def orders(table: pd.DataFrame, span: int, customers: np.ndarray) -> np.ndarray:
        rows = table[table["span"] == span].set_index("customer_id")["orders_placed"]
        return rows.reindex(customers).fillna(0).to_numpy(float)

    def known(i: int, old: Any) -> np.ndarray:
        places = range(i * len(WINDOWS), (i + 1) * len(WINDOWS))
        rates = [
            orders(counted, k, old.customers) / d for k, d in zip(places, WINDOWS, strict=True)
        ]
        return np.column_stack([*rates, np.minimum(old.age - old.recency, WINDOWS[-1])])

    model = HistGradientBoostingRegressor(loss="poisson", max_iter=100, min_samples_leaf=50)
    model.set_params(learning_rate=0.05, max_leaf_nodes=8, random_state=0)
    model.fit(
        np.vstack([known(i, old) for i, old in enumerate(before, 1)]),
        np.concatenate([orders(came, i, old.customers) for i, old in enumerate(before, 1)]),
    )
    return np.asarray(model.predict(known(0, now)))


def paired(gap: np.ndarray) -> tuple[float, float, float]:
    """Return the ends of a mean's interval around it."""
    half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    return gap.mean() - half, gap.mean(), gap.mean() + half


def million() -> Iterator[Row]:
    """Yield how long a million customers take to fit and to foretell."""
    rng = np.random.default_rng(0)
    n = CUSTOMERS
    age = rng.uniform(50, 365, n)
    x = rng.poisson(rng.gamma(0.8, 1 / 30, n) * age * rng.uniform(0.2, 1, n)).astype(float)
    recency = np.where(x > 0, age * rng.beta(np.maximum(x, 1), 1.5), 0.0)
    begin = time.perf_counter()
    model = fit_orders(x, recency, age)
    fitted = time.perf_counter() - begin
    model.orders(x, recency, age, 84)
    whole = time.perf_counter() - begin
    yield Row(
        f"BG/NBD of {n:,} customers: fit, and orders of 12 weeks",
        f"≤ {SECONDS:.0f} s",
        f"{fitted:.1f} s, {whole:.1f} s with orders",
        whole <= SECONDS,
    )
