"""What a log tells of a plan that it did not follow, and of which plans it cannot tell."""

import numpy as np
import pandas as pd
import pytest

from promolab.adaptive import evaluate_plan, exact_plan
from promolab.adaptive.evaluation import PLAN, PlanEvaluation, _Judge, compare_plans
from promolab.adaptive.plan_log import Bins, PlanLog, policy_chances, read_log
from promolab.language import speaking
from promolab.stats import estimate_of
from tests.adaptive.conftest import STATES
from tests.draws import check_cover, draws, ends_of
from tests.refused import refused, spoilt


def valued(log: PlanLog, plan: np.ndarray) -> PlanEvaluation:
    """Evaluate a plan that is given by rows, and nothing beside it."""
    chances = policy_chances(plan, log.actions, len(plan))
    return compare_plans(log, {PLAN: [chances]}, 0.9, 0.9, Bins(log.states, 8))


def test_intervals_hold_the_truth_of_a_plan_that_no_logged_path_follows(process):
    best = exact_plan(process, 0.9)
    action = (
        best.frame["action"]
        .iloc[:-1]
        .set_axis(best.frame[STATES].iloc[:-1].to_numpy() @ [1, 10, 1000])
    )
    found = []
    for seed in range(draws()):
        log = read_log(process.log(1_200, 8, seed=seed), STATES, None, None)
        plan = action[log.states.to_numpy() @ [1, 10, 1000]].to_numpy()
        chances = policy_chances(plan, log.actions, len(plan))
        told = _Judge(log, Bins(log.states, 8).of_log, None, 0.9).value([chances])
        found.append((told.refused, estimate_of(told.value, told.added, log.customer, 0.9)))
    answered = [each for refused, each in found if not refused]
    assert len(answered) > 0.95 * len(found)
    check_cover(ends_of(answered), best.value, 0.9, slack=0.02)


def test_it_is_the_definition_written_out(log):
    """q by iteration over the rows of each state and action, in plain loops."""
    some = log[log["customer_id"] < 150]
    found = evaluate_plan(some, "discount 15 %", states=STATES, discount=0.8)
    rows = some.sort_values(["customer_id", "week"]).reset_index(drop=True)
    state = rows.groupby(STATES).ngroup().to_numpy()
    follows = (rows["customer_id"].diff().shift(-1) == 0).to_numpy()
    known = rows["week"].to_numpy() < 11
    q = np.zeros(state.max() + 1)  # of the one action that the plan takes
    for _ in range(200):
        later = np.where(follows, np.append(q[state[1:]], 0.0), 0.0)
        target = rows["reward"] + 0.8 * later
        mine = known & (rows["action"] == "discount 15 %").to_numpy()
        q = target[mine].groupby(state[mine]).mean().reindex(range(len(q))).fillna(0).to_numpy()
    first = rows["week"].to_numpy() == 0
    assert found.refused  # 150 customers, and so no figure: the frame's neither
    assert found.frame["value"].isna().all()
    plan = read_log(some, STATES, None, None)
    table = np.tile(np.eye(4)[plan.actions.index("discount 15 %")], (len(rows), 1))
    judge = _Judge(plan, Bins(plan.states, 8).of_log, None, 0.8)
    assert judge.value([table]).value == pytest.approx(q[state[first]].mean())


def test_the_order_of_rows_the_ids_and_the_form_of_a_plan_do_not_matter(log):
    found = evaluate_plan(log, "none", states=STATES, discount=0.9)
    mixed = log.sample(frac=1, random_state=0)
    ids = "c" + mixed["customer_id"].astype(str)
    rows = np.where(mixed["week"] >= 0, "none", "")
    for plan in (rows, np.tile([1, 0, 0, 0], (len(mixed), 1)), "none"):
        other = evaluate_plan(mixed.assign(customer_id=ids), plan, states=STATES, discount=0.9)
        assert other.value.value == pytest.approx(found.value.value)
        assert other.value.ci_low == pytest.approx(found.value.ci_low)


def test_propensities_make_up_for_who_got_what_within_a_bin(process):
    """Two states in one bin, of which one is worth more and got the action more often."""
    rng, n = np.random.default_rng(0), 20_000
    rich = rng.random(n) < 0.5
    chance = np.where(rich, 0.8, 0.2)
    sent = rng.random(n) < chance
    week = pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "week": 0,
            "x": 1.0,
            "action": np.where(sent, "send", "none"),
            "propensity": np.where(sent, chance, 1 - chance),
            "reward": 10.0 * rich + rng.normal(size=n),
        }
    )
    log = pd.concat([week, week.assign(week=1)])
    found = evaluate_plan(log, "send", states=["x"], discount=0.0)
    assert found.value.ci_low < 5 < found.value.ci_high and found.value.size.value < 5.3


def test_a_log_that_hardly_went_there_cannot_tell_and_says_so(process, log, skewed):
    few = evaluate_plan(log[log["customer_id"] < 300], "none", states=STATES)
    assert few.refused == "few" and np.isnan(few.value.value)
    assert "fewer than 400" in few.summary()
    rare = read_log(skewed[skewed["customer_id"] < 900], STATES, None, None)
    thin = valued(rare, np.repeat("discount 30 %", len(rare.action)))
    assert thin.refused == "thin" and "fewer than 30 rows" in thin.summary()
    with speaking("zh"):
        assert "日志无法说明" in thin.summary()


def test_a_plan_stands_beside_what_is_simpler(log):
    chances = np.tile([0.85, 0.05, 0.05, 0.05], (len(log), 1))
    found = evaluate_plan(log, chances, states=STATES, discount=0.9, against={"mine": "none"})
    rows = found.frame.set_index(["policy", "action"])
    assert rows.loc[("mine", ""), "value"] == rows.loc[("always", "none"), "value"]
    logged, plan = (rows.xs((name, "")) for name in ("logged", "plan"))
    assert plan["value"] - logged["value"] == pytest.approx(logged["difference"])
    assert logged["contacts"] == pytest.approx(0.75, abs=0.02) and plan["contacts"] < 0.3
    assert "more than what the log did" in found.summary()
    assert found.plot().get_title("left")


@pytest.mark.parametrize(
    ("change", "named", "sentence"),
    [
        (
            {},
            {"discount": 1.0},
            "discount = 1.0; expected a number from 0 to below 1, such as 0.97",
        ),
        ({}, {"plan": "coupon"}, "plan = 'coupon' is unknown; .*known: discount 15 %"),
        ({}, {"actions": ["none", "coupon"]}, "'coupon' is in one of actions and the log alone"),
        ({}, {"actions": ["none"]}, "name all that the log took"),
        ({}, {"states": ["stok"]}, "there is no column 'stok' in log; did you mean 'stock'"),
        ({"propensity": 0.0}, {}, "have a propensity of 0, or above 1; what was done"),
        ({"week": 0}, {}, "repeat a customer and week, whose rewards would count twice"),
        ({"stock": np.nan}, {}, "log.stock has .* missing"),
        ({"gone": True}, {}, "come after their customer was gone"),
        ({"propensity": None}, {}, "has no column propensity; give the chance"),
        ({}, {"allowed": np.ones((2, 4), bool)}, "allowed = .*; expected True or False in shape"),
        ({}, {"plan": ["none"]}, "plan = .*; expected an action per row"),
    ],
)
def test_what_a_log_or_a_plan_lacks_is_said(log, change, named, sentence):
    some = log[log["customer_id"] < 30].assign(**change)
    some = some.dropna(axis=1, how="all") if change == {"propensity": None} else some
    call = {"plan": "none", "states": STATES} | named
    refused(sentence, evaluate_plan, some, **call)


def test_a_plan_may_not_do_what_is_not_allowed(log):
    may = np.ones((len(log), 4), dtype=bool)
    may[::2, 1] = False
    first = sorted(set(log["action"]) - {"none"})[0]
    rows = np.repeat(first, len(log))
    kept = log.assign(action=log["action"].where(may.all(axis=1), "none"))
    refused("allowed does not allow", evaluate_plan, kept, rows, states=STATES, allowed=may)
    found = evaluate_plan(kept, first, states=STATES, allowed=may, discount=0.5)
    assert found.frame.query("policy == 'always' and action == @first")["contacts"].iloc[0] < 0.6


def test_customers_of_one_week_tell_nothing(log):
    spoilt("two weeks in a row", evaluate_plan, log[log["week"] == 3], "none", states=STATES)
    refused("log is empty or no DataFrame", evaluate_plan, [], "none", states=STATES)
