"""The log: who was assigned what, by which chances."""

import numpy as np
import pandas as pd
import pytest

from promolab.simulated.orders import HELD_BACK
from promolab.simulated.world import World
from promolab.sources.opening import simulated


@pytest.fixture(scope="module")
def log(shop):
    return shop.decisions.execute(), shop.decision_propensities.execute()


def test_there_is_a_row_for_each_eligible_customer_and_holdouts_are_never_contacted(shop, log):
    decisions, _ = log
    rights = shop.contact_rights.execute()
    allowed = rights[rights.allowed].customer_id
    assert 0.88 < len(allowed) / shop.truth.world.customers < 0.95
    counts = decisions.groupby("customer_id").size()
    assert sorted(counts.index) == sorted(allowed)
    assert (counts == len(shop.truth.world.rounds)).all()
    assert decisions.decision_id.is_unique
    standing = decisions.holdout.eq("standing").groupby(decisions.customer_id).mean()
    assert set(standing) == {0, 1} and 0.035 < standing.mean() < 0.065
    assert (decisions[decisions.holdout != "none"].action == "none").all()
    assert (decisions[decisions.holdout == "standing"].propensity == 1).all()
    held = decisions[decisions.holdout == "promotion"]
    planned = decisions[(decisions.planned_action != "none") & (decisions.holdout != "standing")]
    assert abs(len(held) / len(planned) - HELD_BACK) < 0.02


def test_chances_name_what_was_done_and_frequencies_match_them(log):
    decisions, chances = log
    sums = chances.groupby("decision_id").propensity.sum()
    assert len(sums) == len(decisions) and np.allclose(sums, 1, atol=1e-12)
    done = decisions.merge(chances, on=["decision_id", "action"], suffixes=("", "_listed"))
    assert len(done) == len(decisions)
    assert (done.propensity == done.propensity_listed).all() and (done.propensity > 0).all()
    drawn = decisions[decisions.holdout != "standing"]
    listed = chances[chances.decision_id.isin(drawn.decision_id)]
    did = drawn.set_index("decision_id").action
    hit = (listed.decision_id.map(did) == listed.action).to_numpy()
    # By action, and by how likely it was.
    found = listed.assign(hit=hit).groupby(["action", listed.propensity.round(6).rename("p")])
    found = found.hit.agg(["mean", "size"]).reset_index()
    found["error"] = np.sqrt(found.p * (1 - found.p) / found["size"])
    found = found[found["size"] * found.p * (1 - found.p) > 25]
    assert (abs(found["mean"] - found.p) < 4 * found.error).all()
    assert set(found.action) == set(listed.action)


def test_a_fifth_of_decisions_explore_the_rest_targets_and_exposures_are_those(shop, log):
    world = shop.truth.world
    decisions, chances = log
    assert World().exploration >= 0.2
    free = decisions[decisions.holdout != "standing"].decision_id
    least = chances[chances.decision_id.isin(free)].propensity.min()
    actions = len(world.kinds) + 1
    assert np.isclose(least, 0.25 / actions * (1 - HELD_BACK))
    sent = decisions[decisions.action != "none"]
    exposed = shop.exposures.execute()
    keys, by = ["customer_id", "promotion_id", "ts"], ["customer_id", "ts"]
    both = sent.assign(promotion_id=sent["action"])[keys], exposed[keys]
    pairs = [frame.sort_values(by, ignore_index=True) for frame in both]
    pd.testing.assert_frame_equal(*pairs)
    assert not exposed.duplicated(["customer_id", "ts"]).any()  # one promotion per decision
    bought = shop.events.filter(shop.events.kind == "purchase").execute()
    spent = bought.groupby("customer_id").amount.sum()
    money = decisions.customer_id.map(spent).fillna(0)
    planned = decisions.planned_action != "none"
    assert money[planned].mean() > 1.4 * money[~planned].mean()


def test_without_exploration_some_actions_cannot_happen():
    shop = simulated(customers=1_000, weeks=11, exploration=0.0)
    chances = shop.decision_propensities.execute().propensity
    assert set(chances.round(9)) == {0.0, round(HELD_BACK, 9), round(1 - HELD_BACK, 9), 1.0}
