"""Layers and the standing holdout: nobody in two experiments, true chances, nobody contacted."""

import hashlib

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, chisquare

from promolab import assign
from promolab.abtest import Layer, StandingHoldout
from tests.abtest.test_hashing import by_the_book
from tests.draws import draws

HALVES = {"control": 0.5, "treatment": 0.5}
LAYER = Layer("coupons", {"spring": 0.5, "loyalty": 0.3, "free": 0.1}, seed=3)
OUT = StandingHoldout(0.05)
N = 20_000


def arms(name="spring", **more):
    return assign(range(N), name, HALVES, 0, **more).to_frame()["arm"].astype(str).to_numpy()


def test_the_place_in_a_layer_follows_from_the_hash_alone():
    key = hashlib.sha256(b"customer:3:layer coupons").digest()[:16]
    place = np.array([by_the_book(str(i).encode(), key) / 2**64 for i in range(400)])
    within = {"spring": place < 0.5, "loyalty": (place >= 0.5) & (place < 0.8)}
    for name, expected in within.items():
        found = assign(range(400), name, HALVES, 0, layer=LAYER).frame["arm"]
        assert ((found != "elsewhere") == expected).all()
        # Inside, the arm is the one that it is without a layer.
        alone = assign(range(400), name, HALVES, 0).frame["arm"].astype(str)
        assert (found.astype(str)[expected] == alone[expected]).all()


def test_nobody_is_in_two_experiments_a_new_one_moves_nobody_and_layers_are_independent():
    inside = np.stack([arms(name, layer=LAYER) != "elsewhere" for name in LAYER.experiments])
    assert inside.sum(axis=0).max() == 1
    for found, share in zip(inside.sum(axis=1), LAYER.experiments.values(), strict=True):
        assert binom.ppf(0.0005, N, share) <= found <= binom.ppf(0.9995, N, share)
    more = Layer("coupons", {**LAYER.experiments, "late": 0.1}, seed=3)
    for name in LAYER.experiments:
        assert (arms(name, layer=LAYER) == arms(name, layer=more)).all()
    late = arms("late", layer=more)
    assert set(late) == {"control", "treatment", "elsewhere"}
    other = Layer("banners", {"blue": 0.5, "red": 0.5})
    a, b = arms("spring", layer=LAYER), arms("blue", layer=other)
    rows = [[((a == x) & (b == y)).sum() for y in np.unique(b)] for x in np.unique(a)]
    assert chi2_contingency(np.array(rows)).pvalue > 0.001


def test_the_standing_holdout_is_the_weekly_plans_and_clusters_share_a_place():
    weekly = assign(range(N), "standing holdout", {"holdout": 0.05, "send": 0.95}, 0).frame["arm"]
    for name in ("spring", "loyalty"):
        found = arms(name, layer=LAYER, holdout=OUT)
        assert ((found == "standing") == (weekly == "holdout").to_numpy()).all()
    household = np.arange(N) // 3
    found = arms(cluster=household, layer=LAYER, holdout=OUT)
    assert (found == found[3 * household]).all()


def test_propensities_are_the_chances_over_names():
    expected = {"standing": 0.05, "elsewhere": 0.95 * 0.5, "control": 0.2375, "treatment": 0.2375}
    times, customers, counts = draws(), 25, np.zeros(4)
    for draw in range(times):
        layer = Layer(f"layer {draw}", {"a": 0.25, f"name {draw}": 0.5})
        out = StandingHoldout(0.05, seed=draw)
        result = assign(range(customers), f"name {draw}", HALVES, 0, layer=layer, holdout=out)
        assert result.shares == pytest.approx(expected)
        frame = result.to_frame()
        np.testing.assert_allclose(frame["propensity"], frame["arm"].astype(str).map(expected))
        counts += [result.counts[arm] for arm in expected]
    planned = np.array([*expected.values()]) * times * customers
    assert chisquare(counts, planned).pvalue > 0.001
