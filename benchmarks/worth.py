"""What customers are worth: orders foretold out of time on real customers, a million at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.table import Row
from promolab.profiles.ordering import fit_orders

ORIGINS = ("2017-05-01", "2017-06-12", "2017-07-24", "2017-09-04", "2017-10-02")
TOTAL, SLOPES, MEAN_SLOPE = 0.05, (0.85, 1.10), (0.90, 1.05)
CUSTOMERS, SECONDS = 1_000_000, 5.0


def orders_come() -> Iterator[Row]:
    """Yield how well twelve weeks' orders of Complete Journey's households were foretold."""
    import pandas as pd

    import promolab
    from promolab.profiles.foretelling import checked
    from promolab.profiles.histories import RECENT_DAYS, histories

    shop = promolab.load_shop("complete_journey")
    found = []
    for text in ORIGINS:
        # Each with the earlier ones that it is calibrated by, known at that time alone.
        moments = [pd.Timestamp(text) - pd.Timedelta(days=RECENT_DAYS * i) for i in range(4)]
        past = histories(shop, [m.to_pydatetime() for m in moments])
        past = [old for old in past if old.days >= RECENT_DAYS]
        found.append(checked(shop, past)[0])
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
            gap = np.abs(check.told - came) - np.abs(peer - came)
            half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
            ends.append((gap.mean() - half, gap.mean(), gap.mean() + half))
        better = name == "own frequency"
        yield Row(
            f"the same: absolute error less that of {name}, paired",
            "interval below 0 at each" if better else "no interval above 0",
            "; ".join(f"{m:+.2f} [{low:+.2f}, {high:+.2f}]" for low, m, high in ends),
            all(high < 0 for *_, high in ends) if better else all(low <= 0 for low, *_ in ends),
        )


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
