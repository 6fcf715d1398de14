"""Plans learned from logs: what they are worth, what they must not do, what they refuse."""

import numpy as np
import pandas as pd
import pytest

from promolab.adaptive import LearnedPlan, PlanLearner, evaluate_plan, exact_plan
from promolab.adaptive.counting import counted_values, model_of
from promolab.adaptive.plan_log import Bins, read_log
from promolab.language import speaking
from promolab.simulated import CustomerProcess
from tests.adaptive.conftest import STATES
from tests.refused import refused, spoilt


def worth(learner: PlanLearner, process: CustomerProcess) -> float:
    """Return what a learned plan is truly worth."""
    there = process.states[~process.states["gone"]]
    plan = [*learner.choose(there, otherwise="none"), "none"]
    return exact_plan(process, learner.discount, plan=plan).value


@pytest.fixture(scope="module")
def counted(log: pd.DataFrame) -> PlanLearner:
    return PlanLearner(discount=0.9).fit(log, STATES)


@pytest.fixture(scope="module")
def network(log: pd.DataFrame) -> PlanLearner:
    return PlanLearner("cql", discount=0.9, sweeps=25).fit(log, STATES)


def test_what_is_learned_is_nearly_the_best_and_foretold_as_it_is(process, counted, network):
    best = exact_plan(process, 0.9).value
    for learner in (counted, network):
        truth = worth(learner, process)
        assert truth > 0.98 * best
        found = learner.found.value
        assert found.ci_low - 1 < truth < found.ci_high + 1
        frame = learner.found.to_frame().set_index("policy")
        assert frame.loc["1 ahead", "difference_low"] > 0


def test_counting_with_caution_is_not_led_on_by_what_a_log_seldom_did():
    """Where 85 % of a log is one action, what few rows praise by luck costs more than it brings."""
    process = CustomerProcess()
    nothing = exact_plan(process, plan=["none"] * 65).value
    chances = [0.85, 0.05, 0.05, 0.05]
    logged = exact_plan(process, plan=np.tile(chances, (65, 1))).value
    at: dict[float, list[float]] = {caution: [] for caution in (0.0, 3.0)}
    for seed in range(3):
        data = read_log(process.log(3_000, 26, chances, seed), STATES, None, None)
        bins = Bins(data.states, 8)
        model = model_of(data, bins.of_log, bins.count)
        for caution, found in at.items():
            q = counted_values(model, 0.97, caution=caution)
            plan = np.array(data.actions)[q.argmax(axis=1)][bins.of(process.states[STATES])]
            found.append(exact_plan(process, plan=plan).value)
    assert min(at[3.0]) > max(nothing, logged) > np.mean(at[0.0])


def test_counts_are_means_over_the_rows_of_each_state_and_action(log):
    data = read_log(log[log["customer_id"] < 200], STATES, None, None)
    bins = Bins(data.states, 8)
    model = model_of(data, bins.of_log, bins.count)
    known = data.following != -2
    mine = known & (bins.of_log == 3) & (data.action == 1)
    assert model.rows[3 * 4 + 1] == model.effective[3 * 4 + 1] == mine.sum() > 0
    assert model.reward[3 * 4 + 1] == pytest.approx(data.reward[mine].mean())
    myopic = counted_values(model, 0.97, caution=0, weeks=1)
    assert myopic[3, 1] == pytest.approx(data.reward[mine].mean())
    after = data.following[mine & (data.following >= 0)]
    best = counted_values(model, 0.97, caution=0, weeks=2)
    ahead = myopic.max(axis=1)[bins.of_log[after]].sum() / mine.sum()
    assert best[3, 1] == pytest.approx(data.reward[mine].mean() + 0.97 * ahead)


def test_nobody_gets_what_is_not_allowed_or_what_the_log_never_did_there(process, log):
    may = np.ones((len(log), 4), dtype=bool)
    never = (log["customer_id"] % 3 == 0).to_numpy()
    may[never, 1:] = False
    kept = log.assign(action=log["action"].where(~never, "none"))
    home = (kept["stock"] == 0).to_numpy()
    kept = kept[~(home & (kept["action"] == "recommendation"))]
    may = may[~(home & (log["action"] == "recommendation").to_numpy() & ~never)]
    actions = process.actions["action"]
    learner = PlanLearner(discount=0.9).fit(kept, STATES, actions=actions, allowed=may)
    there = process.states.iloc[:-1]
    allowed = np.tile([True, False, False, True], (8, 1))
    assert set(learner.choose(there, allowed)) <= {"none", "discount 30 %"}
    assert "recommendation" not in learner.choose(there[there["stock"] == 0])


def test_a_budget_is_a_price_that_the_counted_plan_keeps_to(process, log):
    free = PlanLearner(discount=0.9).fit(log, STATES)
    bound = PlanLearner(discount=0.9, budget=0.2).fit(log, STATES)
    there = process.states.iloc[:-1]
    contacts = [
        exact_plan(process, 0.9, plan=[*each.choose(there), "none"]).contacts
        for each in (free, bound)
    ]
    assert contacts[0] > 0.2 >= contacts[1] - 0.01 and bound.found.price > 0 == free.found.price
    dear = PlanLearner(discount=0.9, price=1_000.0).fit(log, STATES)
    assert set(dear.choose(process.states.iloc[:-1])) == {"none"}


def test_a_network_says_whether_it_beats_counting_and_how_it_came_to_rest(network, tmp_path):
    found = network.found
    assert found.facts()["verdict"] in ("above", "unsure", "below")
    assert "counting" in found.summary().split(":")[0]
    curves = found.curves
    assert curves["sweep"].tolist() == list(range(1, 26))
    assert curves["moved"].iloc[-1] <= 0.02 < curves["moved"].max()
    assert curves["drift"].iloc[-1] < 0.1 < curves["drift"].max()
    assert len(found.plot_curves().lines) == 2
    assert LearnedPlan.load(found.save(tmp_path / "plan")).summary() == network.found.summary()
    with speaking("zh"):
        assert "计数" in network.found.summary()


def test_cql_stays_nearer_to_the_log_than_plain_fitted_iteration(skewed):
    """The greater α, the more of the rows get what the log mostly did."""
    held = PlanLearner("cql", alpha=3.0, discount=0.9, sweeps=15).fit(skewed, STATES)
    assert held.found.apart < 0.02
    assert "something else than the log mostly did" in held.found.summary()
    free = PlanLearner("counting", discount=0.9).fit(skewed, STATES)
    assert free.found.apart > 0.1


def test_what_cannot_be_learned_or_asked_is_said(process, log, counted):
    with pytest.raises(ValueError, match="kind = 'dqn' is unknown"):
        PlanLearner("dqn")
    for named, sentence in [
        ({"discount": 1}, "discount = 1; expected a number from 0 to below 1"),
        ({"budget": -0.1}, "budget = -0.1; expected a number from 0"),
        ({"price": -1}, "price = -1"),
        ({"sweeps": 0}, "sweeps = 0"),
    ]:
        refused(sentence, PlanLearner, **named)
    refused("call fit", PlanLearner().choose, process.states)
    hasty = PlanLearner("fqi", sweeps=11)
    refused("has not converged: in the last 10 of 11 sweeps", hasty.fit, log, STATES)
    some = log[log["customer_id"] < 300]
    spoilt("The log cannot tell what the plan is worth: .* 400", PlanLearner().fit, some, STATES)
    strange = process.states.iloc[:2].assign(stock=[0.0, 1.7])
    refused(r"1 of 2 states are in no row of the log.*stock = 1.7", counted.choose, strange)
    assert counted.choose(strange, otherwise="none")[1] == "none"
    refused("allowed = .*; expected True or False", counted.choose, strange, np.ones((2, 3), bool))
    refused("no column 'stock' in states", counted.choose, strange[["fatigue", "reference"]])
    refused("learned from 3,000 of these", evaluate_plan, log, counted, states=STATES)
    new = process.log(1_500, 12, seed=9).assign(customer_id=lambda rows: -1 - rows["customer_id"])
    found = evaluate_plan(new, counted, states=STATES, discount=0.9)
    assert found.value.ci_low < worth(counted, process) < found.value.ci_high


def test_states_of_many_values_are_binned_between_quantiles():
    states = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100) % 3})
    bins = Bins(states, 4)
    assert bins.count == 12 and len(np.unique(bins.of_log[:24])) == 3
    far = pd.DataFrame({"x": [-5.0, 500.0, 3.0], "y": [0.0, 1.0, 7.0]})
    assert (bins.of(far) >= 0).tolist() == [True, True, False]
