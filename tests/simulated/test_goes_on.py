"""A shop that goes on: what it is told to assign decides what happens next, and nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from promolab.simulated import GoingShop, Truth, World
from promolab.simulated.discounts import order_money
from promolab.simulated.effects import running, weekly_rates
from promolab.simulated.keyed import Keyed
from promolab.simulated.oracles import moved, option_values, part_of
from promolab.simulated.orders import decide
from promolab.simulated.rounds import drawn, people_of
from promolab.simulated.world import NONE
from promolab.sources import load_shop
from promolab.sources.opening import simulated
from tests.refused import refused
from tests.simulated.conftest import written

SMALL = World(customers=400, weeks=12, variant="weekly", seed=3)


def same_rows(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Check that two tables hold the same rows, in whatever order."""
    keys = list(one.columns)
    both = (rows.sort_values(keys, ignore_index=True) for rows in (one, other))
    pd.testing.assert_frame_equal(*both)


def some(going: GoingShop, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return decisions that chance makes: a third gets something."""
    rng = np.random.default_rng([seed, going.week])
    places = rng.integers(0, len(going.options), going.world.customers)
    places[rng.uniform(size=len(places)) < 0.66] = NONE
    return going.decisions_of(places)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return GoingShop.begin(SMALL, tmp_path_factory.mktemp("begun") / "shop", load_shop).folder


def again(begun: Path, folder: Path) -> GoingShop:
    return GoingShop.begin(SMALL, shutil.copytree(begun, folder), load_shop)


@pytest.fixture
def going(begun: Path, tmp_path: Path) -> GoingShop:
    return again(begun, tmp_path / "shop")


@pytest.fixture(scope="module")
def three(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> GoingShop:
    found = again(begun, tmp_path_factory.mktemp("three") / "shop")
    for _ in range(3):
        found.decide(*some(found))
    return found


def test_it_begins_as_the_log_of_such_a_world_and_weeks_keep_those_before(going, three):
    shop, log = going.shop(), simulated(customers=400, weeks=13, variant="weekly", seed=3)
    start = pd.Timestamp(going.starts) - pd.Timedelta(hours=8)
    assert going.week == 12 and log.settings.default_week == shop.settings.default_week
    for table in ("events", "responses", "decisions", "promotions", "customers"):
        mine, theirs = shop[table].execute(), log[table].execute()
        if table in ("events", "responses"):
            theirs = theirs[theirs["ts"] < start]
        same_rows(mine, theirs)
    assert going.options == tuple(log.truth.promotions[-12:])
    # Rows are only added; reviews come days after their order, each once, with their order.
    before, after = shop.events.execute(), three.shop()
    rows, reviews = after.events.execute(), after.reviews.execute()
    same_rows(before, rows[rows["ts"] < before["ts"].max() + pd.Timedelta(seconds=1)])
    bought = rows.loc[rows["kind"] == "purchase", ["order_id", "ts"]].drop_duplicates("order_id")
    late = reviews.merge(bought, on="order_id", suffixes=("", "_order"))
    assert len(late) == len(reviews) and (late["ts"] > late["ts_order"]).all()
    claims = after.responses.execute().query("kind == 'claim'")
    assert not claims.duplicated(["promotion_id", "customer_id"]).any()


def test_nothing_of_the_future_is_in_it(three: GoingShop) -> None:
    shop = three.shop()
    start = pd.Timestamp(three.starts) - pd.Timedelta(hours=8)
    for table in ("events", "responses", "reviews", "exposures", "decisions"):
        assert shop[table].ts.max().execute() < start, table
    promotions = shop.promotions.execute()
    assert (promotions["starts_at"] <= start).all()
    assert set(promotions.loc[promotions["starts_at"] == start, "promotion_id"]) == {*three.options}
    # What was said to assign is what stands there, and who got something was exposed to it.
    decisions = shop.decisions.execute()
    last = decisions[decisions["ts"] == start - pd.Timedelta(weeks=1)]
    got = last[last["action"] != "none"]
    assert len(got) / len(last) == pytest.approx(0.33, abs=0.08)
    sent = shop.exposures.execute().merge(last, on=["customer_id", "ts"])
    assert len(sent) == len(got) and (sent["promotion_id"] == sent["action"]).all()
    found = shop.check()
    assert found.usable and not found.findings, found.to_frame().to_string()


def test_what_a_customer_does_hangs_on_her_own_assignments_alone(begun, tmp_path):
    shops = []
    for place in (0, 1):
        going = again(begun, tmp_path / str(place))
        for _ in range(3):
            places = np.full(400, NONE)
            places[::3] = 4
            places[1::3] = [NONE, 8][place]  # these alone differ
            going.decide(*going.decisions_of(places))
        shops.append(going.shop())
    for table in ("reviews", "responses", "events"):
        found = [shop[table].execute() for shop in shops]
        same_rows(*(rows[rows["customer_id"] % 3 != 2] for rows in found))
    assert len(found[0]) != len(found[1])


def test_keyed_numbers_are_even_and_apart_and_more_expected_are_never_fewer():
    rows, other = (Keyed(k, 1).of(np.arange(40_000), np.arange(40_000) % 7) for k in (5, 6))
    several = [one.uniform(size=40_000) for one in (rows, rows, other)]
    several += [*rows.uniform(size=(40_000, 2)).T]
    for even in several:
        assert kstest(even, "uniform").pvalue > 1e-4
        assert abs(np.corrcoef(even[:-1], even[1:])[0, 1]) < 0.02
    assert np.abs(np.corrcoef(several) - np.eye(5)).max() < 0.02
    assert kstest(rows.normal(2, 3, 40_000), "norm", (2, 3)).pvalue > 1e-4
    assert kstest(rows.exponential(2, 40_000), "expon", (0, 2)).pvalue > 1e-4
    assert set(rows.integers(5, 7, 40_000)) == {5, 6}
    counts = rows.poisson(np.full(40_000, 1.2))
    assert abs(counts.mean() - 1.2) < 0.02 and abs(counts.var() - 1.2) < 0.04
    # Counts of the same keys go up with their mean: what differs is what the promotion brings.
    rate = np.random.default_rng(0).uniform(0, 4, 5_000)
    low, high = (Keyed(1).of(np.arange(5_000)).poisson(one) for one in (rate, rate + 0.1))
    assert (high >= low).all() and 400 < (high > low).sum() < 600


@pytest.mark.parametrize("variant", ["weekly", "default"])
def test_the_truth_is_that_of_the_log(variant: str) -> None:
    world = World(customers=1_000, weeks=27 if variant == "weekly" else 26, variant=variant)
    people = people_of(world, 0)
    past = decide(world, people).action
    gain, discount = option_values(world, people, past)
    for place in range(0, world.per_round, 3):
        truth = Truth(world).effects(world.promotions[len(past[0]) * world.per_round + place].id)
        assert np.allclose(gain[:, place], truth["margin_effect"], atol=1e-9)
        assert np.allclose(discount[:, place], truth["discount_effect"], atol=1e-9)
        one = moved(world, people, np.arange(1_000), past, np.full(1_000, place))[0]
        assert np.allclose(one, gain[:, place], atol=1e-9)


def expected_margin(given: np.ndarray, weeks: range) -> float:
    """Return the margin expected of the customers of `SMALL` in some weeks."""
    world, people = replace(SMALL, weeks=24), people_of(SMALL, 0)
    action = np.full((400, len(world.rounds)), NONE)
    action[:, : given.shape[1]] = given
    factors, promotions = world.week_factors(), world.promotions
    rates = weekly_rates(world, people, action, promotions, factors, weeks)
    live = running(world, action, weeks).transpose(1, 0, 2)
    basket, off = zip(*(order_money(world, people, one, promotions) for one in live), strict=True)
    margin = np.array(basket) * people.margin_rate - np.array(off)
    return float((rates.T * margin).sum())


def gained(with_: np.ndarray, without: np.ndarray, weeks: range) -> float:
    """Return how much more profit one log is expected to bring than the other, contacts paid."""
    contacts = (with_ != NONE).sum() - (without != NONE).sum()
    return expected_margin(with_, weeks) - expected_margin(without, weeks) - 0.2 * float(contacts)


def test_added_profits_of_the_weeks_sum_to_what_all_rounds_add(three: GoingShop) -> None:
    going, log = three, decide(replace(SMALL, weeks=13), people_of(SMALL, 0)).action
    added = sum(going.added_profit(week) for week in (12, 13, 14))
    assert added == pytest.approx(gained(going._action, log, range(12, 22)), abs=1e-6)
    assert added > 0
    # Given what came after: with and without this week alone, in its window and horizon.
    without = going._action.copy()
    without[:, log.shape[1]] = NONE
    its_own, read = range(12, 12 + SMALL.window + 4), going.added_profit(12, after=True)
    assert read == pytest.approx(gained(going._action, without, its_own), abs=1e-6)
    assert read < going.added_profit(12)  # later rounds find the customers tired
    assert going.added_profit(14, after=True) == pytest.approx(going.added_profit(14), abs=1e-9)


def test_without_effects_nothing_is_added(tmp_path):
    world = World(customers=300, weeks=12, variant="weekly_null")
    going = GoingShop.begin(world, tmp_path / "null", load_shop)
    values = going.latent_values()
    assert (values.value == -0.2).all() and (values.cost == 0.2).all()
    going.decide(*some(going))
    many = (going._action[:, -1] != NONE).sum()
    assert going.added_profit(12) == pytest.approx(-0.2 * many)
    assert set(going.shop().events.execute()["discount"].dropna()) == {0.0}


def frames(going: GoingShop) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two decisions with both chances."""
    first, second = np.nonzero(going._eligible)[0][:2] + 1
    option = going.options[0]
    decisions = pd.DataFrame({"decision_id": ["a", "b"], "customer_id": [first, second]})
    chances = pd.DataFrame({"decision_id": ["a", "a", "b", "b"], "action": [option, "none"] * 2})
    decisions = decisions.assign(action=[option, "none"], propensity=[0.7, 0.3])
    return decisions, chances.assign(propensity=[0.7, 0.3] * 2)


def test_what_cannot_be_done_is_refused_and_leaves_the_shop_as_it_is(going: GoingShop) -> None:
    decisions, chances = frames(going)
    without, before = int(np.nonzero(~going._eligible)[0][0]) + 1, written(going.folder)
    for table, column, row, value, said in [
        (0, "customer_id", 0, 99_999, "no customer 99999"),
        (0, "customer_id", 0, decisions["customer_id"][1], "decided on twice"),
        (0, "customer_id", 0, without, "may not be contacted"),
        *((table, "action", 0, "W01-nothing", "does not start in") for table in (0, 1)),
        *((0, "propensity", 0, odd, "above 0 and at most 1") for odd in (0.0, 1.5)),
        (0, "propensity", 0, 0.6, "not the chance of the same action"),
        (1, "propensity", 0, 0.8, "sum to 1.1"),
        (1, "propensity", 0, -0.1, "below 0"),
        (1, "decision_id", 0, "c", "decisions have not"),
        (0, "decision_id", 1, "a", "stands twice"),
        (0, "propensity", 0, np.nan, "rows without propensity"),
    ]:
        given = frames(going)
        given[table].loc[row, column] = value
        refused(said, going.decide, *given)
    for start, said in [
        (pd.Timestamp("2024-05-27"), "expected the week"),
        (pd.Timestamp(going.starts, tz="Asia/Shanghai"), "expected UTC without one"),
    ]:
        refused(said, going.decide, decisions.assign(ts=start), chances)
    lacking = decisions.drop(columns="propensity")
    refused("lack the column 'propensity'", going.decide, lacking, chances)
    assert written(going.folder) == before and going.week == 12
    going.decide(decisions, chances)  # as it stands it is carried out
    assert going.week == 13
    refused("was not decided here", going.added_profit, 11)


def test_a_folder_of_something_else_is_left_and_two_runs_in_one_do_not_mix(going, tmp_path):
    refused("another world", GoingShop.begin, replace(SMALL, seed=4), going.folder, load_shop)
    refused("something else", GoingShop.begin, SMALL, tmp_path, load_shop)  # the shop lies in it
    other = GoingShop.begin(SMALL, going.folder, load_shop)
    going.decide(*some(going))
    before = written(going.folder / "weeks")
    assert other.week == 12
    refused("does another run go on", other.decide, *some(other, seed=1))
    assert written(going.folder / "weeks") == before


def test_a_week_not_finished_is_not_there_and_worth_and_spend_of_an_assignment(going):
    before = written(going.folder)
    left = going.folder / ".making-013" / "events"
    left.mkdir(parents=True)
    (left / "part-00000.parquet").write_bytes(b"half of it")
    opened = GoingShop.begin(SMALL, going.folder, load_shop)
    assert opened.week == 12 and written(going.folder) == before
    values = going.latent_values()
    assert values.value.shape == (len(going.contactable), 12) and (values.cost >= 0.2).all()
    best, places = values.value.argmax(axis=1), np.full(400, NONE)
    places[values.customers - 1] = best
    sent = going.decisions_of(places)[0].query("action != 'none'").iloc[::-2]  # in any order
    at = np.searchsorted(values.customers, sent["customer_id"])
    for told, of in zip(going.assigned_values(sent), (values.value, values.cost), strict=True):
        np.testing.assert_allclose(told, of[at, best[at]], rtol=1e-12)
    going.decide(*going.decisions_of(places))
    worth, cost = (of[np.arange(len(best)), best].sum() for of in (values.value, values.cost))
    assert going.added_profit(12) == pytest.approx(worth, abs=1e-9)
    # Where less is taken off than without it, the cost of an option is that of the contact.
    assert going.spent(12) == pytest.approx(cost, rel=0.02)


def test_chunks_of_customers_change_nothing_but_the_parts() -> None:
    people = people_of(SMALL, 0)
    after = replace(SMALL, weeks=14)
    action = decide(replace(SMALL, weeks=13), people).action
    given, nothing = np.column_stack([action, np.arange(400) % 12]), np.zeros((0, 2), dtype=int)
    whole = dict(drawn(after, people, given, nothing))
    half = dict(drawn(after, part_of(people, np.arange(200, 400)), given[200:], nothing))
    for table in ("events", "responses", "reviews"):
        one, other = (pd.DataFrame(dict(found[table])) for found in (whole, half))
        one = one[one["customer_id"] > 200]
        keys = ["customer_id", "ts", "kind"] if "kind" in one else ["customer_id", "ts"]
        ids = [frame.sort_values(keys)["customer_id"].tolist() for frame in (one, other)]
        assert ids[0] == ids[1]
