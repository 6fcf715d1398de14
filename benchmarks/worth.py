"""What customers are worth: orders foretold out of time on real customers, a million at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, part, within

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = (28, 56, 84)
"""Days, the last before an origin, in which a regression counts orders as rates."""
ORIGINS = ("2017-05-01", "2017-06-12", "2017-07-24", "2017-09-04", "2017-10-02")


@part("worth", "orders foretold")
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
    what = f"Complete Journey, orders of 12 weeks from {len(rows)} origins: "
    off = [row["foretold"] / row["came"] - 1 for row in rows]
    yield within(f"{what}totals off by", off, -0.05, 0.05, "%")
    slopes = [row["slope"] for row in rows]
    yield within(f"{what}slope of what came on what was foretold", slopes, 0.85, 1.1)
    yield within(f"{what}the slopes' mean", float(np.mean(slopes)), 0.9, 1.05)
    own = [(c, c.past.orders / np.maximum(c.past.age, 7.0) * RECENT_DAYS) for c in found]
    yield _no_worse(f"{what}own frequency", own, better=True)
    yield _no_worse(f"{what}the last 12 weeks", [(check, check.past.recent) for check in found])
    yield _no_worse(f"{what}a boosted regression, where there is an earlier one", boosted)


def _no_worse(what: str, pairs: Sequence[tuple[Any, np.ndarray]], *, better: bool = False) -> Row:
    """Compare absolute errors, paired by customer, with those of another forecast."""
    gaps = [np.abs(check.told - check.came) - np.abs(peer - check.came) for check, peer in pairs]
    halves = [1.96 * gap.std(ddof=1) / np.sqrt(len(gap)) for gap in gaps]
    ends = [(gap.mean() - half, gap.mean() + half) for gap, half in zip(gaps, halves, strict=True)]
    return Row(
        f"{what}: absolute error above its, paired",
        "interval below 0 at each" if better else "no interval above 0",
        "; ".join(f"[{low:+.2f}, {high:+.2f}]" for low, high in ends),
        bool(all(high < 0 if better else low <= 0 for low, high in ends)),
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
