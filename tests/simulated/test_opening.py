"""The world of a simulated shop: what it is and refuses; made, kept and opened again."""

from datetime import timedelta

import numpy as np
import pytest

from promolab.simulated import tables as writing_tables
from promolab.simulated.truth import Truth
from promolab.simulated.world import AFTER, KINDS, World
from promolab.sources import load_shop
from promolab.sources.opening import simulated, stated_world
from tests.refused import refused
from tests.simulated.conftest import written

SMALL = {"customers": 400, "weeks": 11}


def test_the_same_seed_makes_the_same_shop_and_another_one_another(tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        simulated(**SMALL, seed=seed, folder=tmp_path / name)
    one, two, other = (written(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    same = {path.parts[0] for path in one if one[path] == other[path]}
    assert same == {"calendar", "products", "promotions", "promotion_products"}


def test_a_folder_is_used_again_and_what_was_not_finished_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    first = load_shop("simulated", **SMALL, folder=folder)
    with monkeypatch.context() as patch:
        patch.setattr(writing_tables, "write_shop", lambda *_: pytest.fail("made again"))
        again = load_shop("simulated", **SMALL, folder=str(folder))
    assert again.truth == first.truth == Truth(World(**SMALL))
    refused("something other", load_shop, "simulated", **SMALL, seed=9, folder=folder)
    whole = written(folder)
    (folder / "shop.toml").unlink()  # written last
    (folder / "events" / "part-00000.parquet").write_bytes(b"PAR1")
    simulated(**SMALL, folder=folder)
    assert written(folder) == whole


def test_a_folder_of_something_else_or_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    refused("empty folder", load_shop, "simulated", **SMALL, folder=tmp_path)
    refused("is a file", load_shop, "simulated", **SMALL, folder=tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    refused("cannot be written", simulated, **SMALL, folder=tmp_path / "mine.txt" / "shop")


def test_chunks_follow_one_another(tmp_path, monkeypatch):
    for module in ("tables", "truth"):
        monkeypatch.setattr(f"promolab.simulated.{module}.CHUNK", 150)
    shop = simulated(customers=401, weeks=11, seed=77, folder=tmp_path)
    truth = shop.truth.effects("W06-coupon")
    for ids in (shop.customers.execute().customer_id.sort_values(), truth.customer_id):
        assert ids.tolist() == list(range(1, 402))
    assert truth.margin_without.nunique() == 401
    bought = shop.events.filter(shop.events.kind == "purchase").execute()
    assert bought.groupby("order_id").customer_id.nunique().max() == 1
    assert bought.customer_id.max() > 300
    assert len(list((tmp_path / "events").iterdir())) == 3


def test_a_shop_of_one_kind_alone_and_one_whose_columns_hold_nothing_can_be_used():
    shop = simulated(customers=300, weeks=11, kinds=("full_reduction",))
    assert set(shop.promotions.execute().kind) == {"full_reduction"}
    assert set(shop.decisions.execute().action) <= {"W06-full_reduction", "none"}
    shop = simulated(customers=100)
    assert shop.reviews.promotion_id.notnull().sum().execute() == 0
    assert shop.check().usable and shop.reviews.promotion_id.type().is_string()


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
    shop = load_shop("simulated:customers=300,weeks=11", customers=200)
    assert shop.truth.world == World(customers=200, weeks=11)  # keywords go first
    refused("name=value", load_shop, "simulated:20000")
    refused("no 'settings'", load_shop, "simulated:settings=shop.toml")
    refused("'simulated' alone", load_shop, "complete_journey", customers=10)
