"""How long a simulated shop takes to make and to go on, and what it promises at its full size."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import fresh
from benchmarks.table import Row, Run, at_most, part, within

if TYPE_CHECKING:
    import pandas as pd

    from promolab.simulated.truth import SimulatedShop

WEEKS, SEEDS = 26, 5
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


@part("simulated", "simulated shops made")
def shops_made(run: Run) -> Iterator[Row]:
    """Yield time and memory of a shop of 100,000 customers, and of a million with ``--large``."""
    for customers in (100_000, 1_000_000) if run.large else (100_000,):
        with tempfile.TemporaryDirectory(prefix="promolab-simulated-") as folder:
            found = fresh("simulated:make", customers, f"{folder}/shop")
        what = f"simulated shop, {customers:,} customers × {WEEKS} weeks"
        told = f"{found['events']:,} events, {found['disk_mb']:,.0f} MB"
        if customers == 100_000:
            yield at_most(what, found["seconds"], 60, "s", told)
        yield at_most(f"{what}, memory", found["peak_mb"] / 1024, 3, "GB")


def make(customers: int, folder: str) -> dict[str, Any]:
    """Make a shop and return what that took."""
    from promolab.sources.opening import simulated

    begun, place = time.perf_counter(), Path(folder)
    shop = simulated(customers=customers, weeks=WEEKS, folder=place)
    seconds = time.perf_counter() - begun
    disk = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 2**20
    return {"seconds": seconds, "disk_mb": disk, "events": int(shop.events.count().execute())}


@part("simulated", "what ten simulated shops promise")
def promises() -> Iterator[Row]:
    """Yield what is measured of five seeds' shops of 20,000 customers, and of the hard variant."""
    found, hard = (
        [fresh("simulated:facts", variant, seed) for seed in range(SEEDS)]
        for variant in ("default", "hard")
    )
    for name, what, low, high in FACTS:
        values = [one[name] for one in found]
        yield within(f"simulated shop, {SEEDS} seeds: {what}", values, low, high)
    ratios = [h["mean"] / d["mean"] for h, d in zip(hard, found, strict=True)]
    yield within("hard shop: mean effect / the default shop's", ratios, 0.4, 0.6)
    explained = [one["explained"] for one in hard]
    what = "hard shop: variance of effects that features explain"
    yield within(what, explained, 0.15, 0.25)


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


# --- shops that go on --------------------------------------------------------------------------

GOING = {20_000: (3.0, 2.0), 100_000: (15.0, 10.0)}
"""Customers, and the most seconds for a week and for the values of all its promotions."""


@part("simulated", "simulated shops that go on")
def going_on() -> Iterator[Row]:
    """Yield what a week takes, and what the truth of all its promotions takes."""
    for customers, (of_week, of_values) in GOING.items():
        with tempfile.TemporaryDirectory(prefix="promolab-going-") as folder:
            found = fresh("simulated:weeks", customers, f"{folder}/shop")
        what = f"a simulated shop of {customers:,} goes on"
        yield at_most(f"{what}, memory", found["peak_mb"] / 1024, 3, "GB")
        yield at_most(f"{what}: a week drawn", found["week"], of_week, "s of processor")
        what += ": the truth of a week's promotions"
        yield at_most(what, found["values"], of_values, "s of processor")


def weeks(customers: int, folder: str) -> dict[str, float]:
    """Let a shop go on for three weeks by decisions that chance makes; return the most seconds."""
    import numpy as np
    import pandas as pd

    from promolab import load_shop
    from promolab.simulated import GoingShop, World

    world = World(customers=customers, weeks=WEEKS, variant="weekly")
    going = GoingShop.begin(world, Path(folder), load_shop)
    took: dict[str, list[float]] = {"week": [], "values": []}
    for week in range(3):
        places = np.random.default_rng(week).integers(-1, len(going.options), customers)
        decisions, _ = going.decisions_of(places)
        actions = np.array([*going.options, "none"], dtype=object)
        chances = pd.DataFrame(
            {
                "decision_id": np.repeat(decisions["decision_id"].to_numpy(), len(actions)),
                "action": np.tile(actions, len(decisions)),
                "propensity": 1 / len(actions),
            }
        )
        begun = time.process_time()
        going.latent_values()
        took["values"].append(time.process_time() - begun)
        begun = time.process_time()
        going.decide(decisions.assign(propensity=1 / len(actions)), chances)
        took["week"].append(time.process_time() - begun)
    return {name: max(each) for name, each in took.items()}
