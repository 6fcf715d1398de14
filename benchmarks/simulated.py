"""How long a simulated shop takes to make, and what it promises at its full size.

Run as ``python -m benchmarks.simulated make CUSTOMERS FOLDER`` or ``… facts SEED VARIANT`` it
measures once and prints JSON: a fresh process, for the peak memory of a process never falls.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import own_peak_mb, run_watched
from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.simulated.truth import SimulatedShop

CUSTOMERS, WEEKS = 100_000, 26
MAX_SECONDS, MAX_MB = 60.0, 3 * 1024.0
LARGE = 1_000_000
SEEDS = 5
FACTS = (
    ("buyers_low", "fewest buyers in a week", 0.05, 0.15),
    ("buyers_high", "most buyers in a week", 0.05, 0.15),
    ("mean", "mean effect / baseline", 0.05, 0.15),
    ("spread", "spread of effects / their mean", 0.5, 1.5),
    ("rank", "rank correlation of effect and baseline", 0.05, 0.2),
    ("harmed", "customers harmed", 0.05, 0.1),
    ("explained", "variance of effects that features explain", 0.4, 0.6),
    ("cv", "variation of a customer's weekly margin", 3.0, 5.0),
)


def a_shop_in_a_minute() -> Iterator[Row]:
    """Yield time and memory of a shop of 100,000 customers."""
    found = _made(CUSTOMERS)
    what = f"simulated shop, {CUSTOMERS:,} customers × {WEEKS} weeks"
    told = f"{found['seconds']:.0f} s, {found['events']:,} events, {found['disk_mb']:,.0f} MB"
    yield Row(what, f"≤ {MAX_SECONDS:.0f} s", told, found["seconds"] <= MAX_SECONDS)
    yield Row(f"{what}, memory", "≤ 3 GB", _gb(found["peak_mb"]), found["peak_mb"] <= MAX_MB)


def a_large_shop_in_bounded_memory() -> Row:
    """Return the memory that a shop of a million customers takes; it needs some 5 GB of disk."""
    found = _made(LARGE)
    told = (
        f"{_gb(found['peak_mb'])}; {found['seconds']:.0f} s, {found['events']:,} events, "
        f"{found['disk_mb'] / 1024:.1f} GB on disk"
    )
    what = f"simulated shop, {LARGE:,} customers × {WEEKS} weeks, memory"
    return Row(what, "≤ 3 GB", told, found["peak_mb"] <= MAX_MB)


def promises() -> Iterator[Row]:
    """Yield what is measured of five seeds' shops of 20,000 customers, and of the hard variant."""
    found = [_facts("default", seed) for seed in range(SEEDS)]
    for name, what, low, high in FACTS:
        values = [one[name] for one in found]
        told = f"{min(values):.3f} to {max(values):.3f}"
        ok = low <= min(values) and max(values) <= high
        yield Row(f"simulated shop, {SEEDS} seeds: {what}", f"{low:g}–{high:g}", told, ok)
    hard = [_facts("hard", seed) for seed in range(SEEDS)]
    ratios = [h["mean"] / d["mean"] for h, d in zip(hard, found, strict=True)]
    explained = [h["explained"] for h in hard]
    yield Row(
        "hard shop: mean effect / the default shop's",
        "0.4–0.6",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        min(ratios) >= 0.4 and max(ratios) <= 0.6,
    )
    yield Row(
        "hard shop: variance of effects that features explain",
        "0.15–0.25",
        f"{min(explained):.3f} to {max(explained):.3f}",
        min(explained) >= 0.15 and max(explained) <= 0.25,
    )


def make(customers: int, folder: Path) -> dict[str, Any]:
    """Make a shop and return what that took."""
    from promolab.sources.opening import simulated

    begun = time.perf_counter()
    shop = simulated(customers=customers, weeks=WEEKS, folder=folder)
    seconds = time.perf_counter() - begun
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    peak = own_peak_mb()
    events = int(shop.events.count().execute())
    return {"seconds": seconds, "peak_mb": peak, "disk_mb": disk, "events": events}


def facts(
    variant: str, seed: int, customers: int = 20_000, weeks: int = WEEKS, *, quick: bool = False
) -> dict[str, float]:
    """Measure one shop at its last round of decisions; effects are averaged over the kinds.

    ``quick`` asks half of the kinds, the other half of the next seed, what features explain, by few
    trees: fitting takes the most time.
    """
    import pandas as pd

    from promolab.sources.opening import simulated

    shop = simulated(customers=customers, weeks=weeks, seed=seed, variant=variant)
    world = shop.truth.world
    week = world.rounds[-1]
    features = observable(shop, week)
    rows = []
    for place, promotion in enumerate(p for p in world.promotions if p.week == week):
        truth = shop.truth.effects(promotion.id).set_index("customer_id").loc[features.index]
        effect, base = truth["margin_effect"], truth["margin_without"]
        left_out = quick and place % 2 != seed % 2
        rows.append(
            {
                "explained": None if left_out else explained(features, effect, quick=quick),
                "mean": effect.mean() / base.mean(),
                "spread": effect.std() / effect.mean(),
                "rank": effect.corr(base, method="spearman"),
                "harmed": (effect < 0).mean(),
            }
        )
    means = pd.DataFrame(rows).mean()
    return {str(name): float(value) for name, value in means.items()} | weekly(shop)


def observable(shop: SimulatedShop, week: int) -> pd.DataFrame:
    """Return features and attributes known when a week begins, indexed by customer_id."""
    import pandas as pd

    from promolab.features import build_features

    start = pd.Timestamp(shop.truth.world.starts(week)) - pd.Timedelta(hours=8)
    known = build_features(shop, start.to_pydatetime()).execute()
    frame = known.merge(shop.customers.execute(), on="customer_id", how="right")
    frame["since"] = (start - frame["since"]).dt.days
    frame = frame.set_index("customer_id").sort_index().drop(columns=["as_of", "cluster_id"])
    frame = frame.loc[:, frame.nunique().gt(1) & frame.count().gt(100)]
    words = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
    typed: pd.DataFrame = frame.astype(dict.fromkeys(words, "category"))
    return typed


def explained(features: pd.DataFrame, effect: pd.Series[float], *, quick: bool = False) -> float:
    """Return the share of the effect's variance that boosted trees explain out of sample."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    trees, rate, leaves = (30, 0.16, 8) if quick else (100, 0.07, 12)
    model = HistGradientBoostingRegressor(
        categorical_features="from_dtype",
        max_iter=trees,
        learning_rate=rate,
        max_leaf_nodes=leaves,
    )
    folds = KFold(2 if quick else 5, shuffle=True, random_state=0)
    found = cross_val_predict(model, features, effect, cv=folds)
    return float(1 - ((effect - found) ** 2).mean() / effect.var(ddof=0))


def weekly(shop: SimulatedShop) -> dict[str, float]:
    """Return who buys in a week, and how a customer's weekly margin varies."""
    import numpy as np
    import pandas as pd

    world = shop.truth.world
    begin = int(pd.Timestamp(world.starts(0)).timestamp()) - 8 * 3_600
    lines = shop.events.filter(shop.events.kind == "purchase").join(shop.products, "product_id")
    lines = lines.mutate(
        week=(lines.ts.epoch_seconds() - begin) // 604_800,
        margin=(lines.amount + lines.discount) * lines.margin_rate - lines.discount,
    )
    sums = lines.group_by("customer_id", "week").aggregate(m=lines.margin.sum()).execute()
    n = world.customers * world.weeks
    mean = sums["m"].sum() / n
    buyers = sums.groupby("week").size() / world.customers
    cv = np.sqrt((sums["m"] ** 2).sum() / n - mean**2) / mean
    return {
        "buyers_low": float(buyers.min()),
        "buyers_high": float(buyers.max()),
        "cv": float(cv),
    }


def _made(customers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="promolab-simulated-") as folder:
        arguments = ["-m", "benchmarks.simulated", "make", str(customers), f"{folder}/shop"]
        told: dict[str, Any] = json.loads(run_watched(arguments).stdout)
        return told


def _facts(variant: str, seed: int) -> dict[str, float]:
    usage = run_watched(["-m", "benchmarks.simulated", "facts", str(seed), variant])
    found: dict[str, float] = json.loads(usage.stdout)
    return found


def _gb(mb: float) -> str:
    return f"{mb / 1024:.2f} GB"


if __name__ == "__main__":
    if sys.argv[1] == "make":
        print(json.dumps(make(int(sys.argv[2]), Path(sys.argv[3]))))
    else:
        print(json.dumps(facts(sys.argv[3], int(sys.argv[2]))))
