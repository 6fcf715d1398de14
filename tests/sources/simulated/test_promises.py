"""What the issue of the simulated shop promises, over five seeds: it must not be an easy world."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promolab.features import build_features
from promolab.sources.simulated import Truth, World, simulated
from promolab.sources.simulated.world import KINDS

SEEDS = range(5)
CUSTOMERS, WEEKS = 8_000, 16


def observable(shop, week):
    """Features and attributes that are known when a week begins."""
    start = shop.truth.world.starts(week) - pd.Timedelta(hours=8)
    features = build_features(shop, start).execute()
    frame = features.merge(shop.customers.execute(), on="customer_id", how="right")
    frame["since"] = (start - frame["since"]).dt.days
    frame = frame.set_index("customer_id").sort_index().drop(columns=["as_of", "cluster_id"])
    frame = frame.loc[:, frame.nunique().gt(1) & frame.count().gt(100)]
    words = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
    return frame.astype(dict.fromkeys(words, "category"))


def explained(features, effect):
    """Share of the effect's variance that boosted trees explain out of sample."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    model = HistGradientBoostingRegressor(
        categorical_features="from_dtype", max_iter=30, learning_rate=0.16, max_leaf_nodes=8
    )
    folds = KFold(2, shuffle=True, random_state=0)
    found = cross_val_predict(model, features, effect, cv=folds)
    return 1 - np.mean((effect - found) ** 2) / np.var(effect)


def facts(variant, seed):
    """Measured facts of a shop, its effects averaged over the four kinds."""
    shop = simulated(customers=CUSTOMERS, weeks=WEEKS, seed=seed, variant=variant)
    world = shop.truth.world
    week = world.rounds[-1]
    features = observable(shop, week)
    rows = []
    for promotion in (p for p in world.promotions if p.week == week):
        truth = shop.truth.effects(promotion.id)
        effect, base = truth.margin_effect, truth.margin_without
        rows.append(
            {
                # Two kinds for each seed, in turn: fitting takes the most time here.
                "explained": explained(features, effect.to_numpy())
                if KINDS.index(promotion.kind) % 2 == seed % 2
                else np.nan,
                "mean": effect.mean() / base.mean(),
                "spread": effect.std() / effect.mean(),
                "rank": effect.corr(base, method="spearman"),
                "harmed": (effect < 0).mean(),
            }
        )
    return pd.DataFrame(rows).mean().to_dict() | weekly(shop)


def weekly(shop):
    """Customers who buy in a week, and how the weekly margin of a customer varies."""
    world = shop.truth.world
    lines = shop.events.filter(shop.events.kind == "purchase").join(shop.products, "product_id")
    lines = lines.mutate(
        week=(lines.ts.epoch_seconds() - int(pd.Timestamp(world.starts(0)).timestamp()) + 28_800)
        // 604_800,
        margin=(lines.amount + lines.discount) * lines.margin_rate - lines.discount,
    )
    sums = lines.group_by("customer_id", "week").aggregate(m=lines.margin.sum()).execute()
    n = CUSTOMERS * WEEKS
    mean = sums.m.sum() / n
    buyers = sums.groupby("week").size() / CUSTOMERS
    return {
        "least buyers": buyers.min(),
        "most buyers": buyers.max(),
        "cv": np.sqrt((sums.m**2).sum() / n - mean**2) / mean,
    }


@pytest.fixture(scope="module")
def default():
    return pd.DataFrame([facts("default", seed) for seed in SEEDS])


def within(values, low, high):
    return values.between(low, high).all()


def test_five_to_fifteen_percent_of_customers_buy_in_a_week(default):
    assert within(default["least buyers"], 0.05, 0.15) and within(
        default["most buyers"], 0.05, 0.15
    )


def test_effects_are_small_and_vary(default):
    assert within(default["mean"], 0.05, 0.15)
    assert within(default["spread"], 0.5, 1.5)


def test_the_best_customers_are_not_the_most_persuadable(default):
    assert within(default["rank"], 0.05, 0.2)


def test_contact_harms_some(default):
    assert within(default["harmed"], 0.05, 0.1)


def test_features_explain_about_half_of_the_effects(default):
    assert within(default["explained"], 0.4, 0.6)


def test_money_is_heavy_tailed(default):
    assert within(default["cv"], 3, 5)


def test_hard_effects_are_half_as_large_and_a_fifth_is_explained(default):
    hard = facts("hard", 0)
    assert 0.13 < hard["explained"] < 0.27
    assert 0.4 < hard["mean"] / default["mean"][0] < 0.6


def test_in_the_null_world_nothing_has_an_effect():
    truth = Truth(World(customers=5_000, weeks=WEEKS, variant="null"))
    for promotion in truth.promotions:
        found = truth.effects(promotion)
        for outcome in ("purchase", "orders", "sales", "margin"):
            assert (found[f"{outcome}_effect"] == 0).all()
            assert (found[f"{outcome}_with"] == found[f"{outcome}_without"]).all()
    assert set(truth.types(truth.promotions[0])) == {"lost cause"}
