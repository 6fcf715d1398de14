"""What the simulated shop promises: it must not be an easy world."""

import pandas as pd

from benchmarks.simulated import facts
from promolab.simulated.truth import Truth
from promolab.simulated.world import World
from tests.draws import draws

SEEDS = range(draws(1, most=3))
CUSTOMERS, WEEKS = 5_000, 16

PROMISED = {
    "buyers_low": (0.05, 0.15),  # five to fifteen percent of customers buy in a week
    "buyers_high": (0.05, 0.15),
    "mean": (0.05, 0.15),  # effects are small
    "spread": (0.5, 1.5),  # and vary
    "rank": (0.05, 0.2),  # the best customers are not the most persuadable
    "harmed": (0.05, 0.1),  # contact harms some
    "explained": (0.4, 0.6),  # features explain about half of the effects
    "cv": (3, 5),  # money is heavy-tailed
}


def test_the_world_is_as_it_promises_and_hard_effects_are_half_as_large():
    """By what `make bench` measures of shops at their full size, of smaller ones by fewer trees."""
    shops = [("default", seed) for seed in SEEDS] + [("hard", 0)]
    found = pd.DataFrame([facts(*shop, CUSTOMERS, WEEKS, quick=True) for shop in shops])
    default, hard = found.iloc[:-1], found.iloc[-1]
    outside = [name for name, ends in PROMISED.items() if not default[name].between(*ends).all()]
    assert not outside, default[outside].to_string()
    assert 0.13 < hard["explained"] < 0.27 and 0.4 < hard["mean"] / default["mean"][0] < 0.6


def test_in_the_null_world_nothing_has_an_effect():
    truth = Truth(World(customers=1_000, weeks=WEEKS, variant="null"))
    for promotion in truth.promotions:
        found = truth.effects(promotion)
        for outcome in ("purchase", "orders", "sales", "margin"):
            assert (found[f"{outcome}_effect"] == 0).all()
            assert (found[f"{outcome}_with"] == found[f"{outcome}_without"]).all()
