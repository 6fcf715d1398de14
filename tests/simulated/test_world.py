"""The world: its rounds, its days, and what it refuses."""

from datetime import timedelta

import numpy as np
import pytest

from promolab.simulated.world import AFTER, KINDS, World
from promolab.sources import load_shop
from promolab.sources.opening import stated_world
from tests.refused import refused


@pytest.mark.parametrize("weeks", [11, 12, 16, 26, 46, 104])
def test_windows_and_horizons_never_overlap_and_end_with_the_log(weeks):
    world = World(weeks=weeks)
    rounds = np.array(world.rounds)
    assert len(rounds) >= 1 and (np.diff(rounds) > AFTER).all()
    assert rounds.max() + AFTER <= weeks - 1 and rounds.min() >= 5
    # The last week has promotions, and no decisions yet.
    assert {p.week for p in world.promotions} == {*world.rounds, weeks - 1}


def test_a_round_has_each_kind_once_and_weeks_share_shocks_season_and_sale_days():
    world = World(weeks=60)
    assert len(World(weeks=46).rounds) == 8
    for week in world.rounds:
        assert sorted(p.kind for p in world.promotions if p.week == week) == sorted(KINDS)
    days = [world.starts(week) + timedelta(day) for week, day in world.sale_days.items()]
    assert [(d.month, d.day) for d in days] == [(6, 18), (11, 11), (6, 18)]
    shocks = [World(weeks=52, seed=seed).week_factors() for seed in range(8)]
    calm = World(weeks=52, shock=0.0).week_factors()
    ratios = np.log(np.array(shocks) / calm)
    assert 0.06 < ratios.std() < 0.1
    assert abs(np.corrcoef(ratios)[np.triu_indices(8, 1)]).mean() < 0.25
    assert calm[3] > 1.15 * calm[2] and calm[24] > 1.15 * calm[23]  # 618 and 双11
    assert calm.argmin() not in (3, 24) and calm[13] > calm[39]  # the season turns


def test_what_cannot_be_is_refused_in_words():
    for given, says in [
        ({"customer": 100}, "did you mean 'customers'"),
        ({"customers": 5}, "at least 10"),
        ({"customers": 1e4}, "whole number"),
        ({"weeks": 10}, "11 to 260 weeks"),
        ({"variant": "hrd"}, "'hard'"),
        ({"exploration": 1.5}, "shares"),
        ({"standing": 0.5}, "shares"),
        *(({"standing": odd}, "expected a number from 0 on") for odd in (-0.1, float("nan"))),
        *(({"kinds": odd}, "recommendation") for odd in (("gift",), (), "coupon+coupon", 3)),
        ({"every": 4}, "five weeks"),
        ({"weeks": 12, "every": 7}, "expected 5 to 6"),
    ]:
        refused(says, load_shop, "simulated", **given)


def test_the_same_world_is_the_same_however_written_also_on_a_command_line():
    one = World(customers=500, exploration=1.0, kinds=("coupon",))
    other = World(customers=np.int64(500), exploration=1, kinds=["coupon"])
    assert one == other and repr(one) == repr(other) and hash(one) == hash(other)
    stated = stated_world("simulated:customers=20000, variant=hard,kinds=coupon+recommendation")
    kinds = ("coupon", "recommendation")
    assert World(**stated) == World(customers=20_000, variant="hard", kinds=kinds)
    refused("name=value", load_shop, "simulated:20000")
    refused("no 'settings'", load_shop, "simulated:settings=shop.toml")
    refused("'simulated' alone", load_shop, "complete_journey", customers=10)
