"""Tables that name their rows are read by the names, wherever two of them meet."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from promolab import allocate, metrics
from promolab.contract import Experiment
from promolab.effects import UpliftModel, costs_of
from promolab.metrics import policy_value
from promolab.policy import Holdouts
from tests.refused import refused

RNG = np.random.default_rng(3)
WHO = [f"c{k:02}" for k in range(40)]
VALUE = pd.DataFrame(RNG.normal(2, 2, (40, 3)), WHO, ["mail", "coupon", "gift"])
COST = pd.DataFrame(RNG.uniform(0.5, 3, (40, 3)), WHO, VALUE.columns)


def shuffled(table):
    moved = table.sample(frac=1, random_state=1)
    return moved[moved.columns[::-1]] if isinstance(moved, pd.DataFrame) else moved


def chosen(cost=COST, **more):
    found = allocate(VALUE, cost, budget=15, **more)
    return found.choice.tolist(), found.spend, found.value


@pytest.mark.parametrize(
    "more",
    [
        {"eligible": COST < 2},
        {"cost_se": COST, "budget_risk": 0.1},
        {"groups": pd.Series(np.arange(40) % 2, WHO), "floors": {"1": (0, 3)}},
        {"capacity": pd.Series([2, 30, 1], VALUE.columns)},
        {"holdouts": Holdouts(pd.Series(np.arange(40) % 4 == 0, WHO), 0.25)},
    ],
)
def test_an_allocation_reads_every_table_by_its_labels(more):
    moved = {name: shuffled(each) if hasattr(each, "iloc") else each for name, each in more.items()}
    if "holdouts" in more:
        moved["holdouts"] = Holdouts(shuffled(more["holdouts"].standing), 0.25)
    assert chosen(shuffled(COST), **moved) == chosen(**more)


def test_of_arrays_the_stated_customers_are_the_labels_and_those_that_do_not_match_are_refused():
    arrays = {"customers": WHO, "promotions": [*COST], "budget": 15}
    # The last one's labels are places alone.
    for cost in (COST.to_numpy(), COST.sample(frac=1), COST.reset_index(drop=True)):
        found = allocate(VALUE.to_numpy(), cost, **arrays)
        assert (found.choice.tolist(), found.spend, found.value) == chosen()
    refused("'c07'.*'other'", chosen, COST.rename(index={"c07": "other"}))
    refused("column.*'gift'.*'gifts'", chosen, COST.rename(columns={"gift": "gifts"}))
    refused("eligible has .*'c00'", chosen, eligible=(COST < 2).reset_index(drop=True))
    refused("cost and value have indexes that repeat", chosen, COST.set_axis(["c"] * 40))


def test_measures_pair_rows_by_their_labels():
    y = pd.Series(np.arange(40) % 3 == 0, WHO)
    score, who = pd.Series(RNG.normal(size=40), WHO) + y, pd.Series(np.arange(40) // 2, WHO)
    treated = pd.Series(np.arange(40) % 2, WHO)
    for name in ("roc", "precision_recall", "lift", "compare_auc"):
        door = getattr(metrics, name)
        more = (score - treated,) if name == "compare_auc" else ()
        plain = door(y, score, *more, cluster=who)
        moved = door(y, shuffled(score), *more, cluster=shuffled(who))
        assert moved.to_frame().equals(plain.to_frame())
    chance = 1 / (1 + np.exp(-score))
    for door in (partial(metrics.measure, metric="brier"), metrics.calibration):
        assert door(y, shuffled(chance)).to_dict() == door(y, chance).to_dict()
    for door in (metrics.qini, metrics.rate):
        moved = door(y, shuffled(treated), shuffled(score))
        assert moved.to_dict() == door(y, treated, score).to_dict()
    refused("y_score has as many rows as y_true", metrics.roc, y, score.reset_index(drop=True))


def test_policies_predictions_and_chances_are_read_by_their_labels():
    log = pd.DataFrame({"action": np.arange(40) % 2, "reward": RNG.normal(size=40)}, WHO)
    log["propensity"] = 0.5
    policy = pd.DataFrame(RNG.dirichlet([1, 1], 40), WHO, ["none", "mail"])
    guess = pd.DataFrame(RNG.normal(size=(40, 2)), WHO, policy.columns)
    plain = policy_value(log, policy, guess, least_effective=1)
    moved = policy.sample(frac=1, random_state=2)
    assert policy_value(log, moved, shuffled(guess), least_effective=1).value == plain.value

    rows = log.assign(customer_id=WHO, age=np.arange(40.0), arm=np.where(log.action, "mail", "no"))
    chances = pd.DataFrame({"no": np.linspace(0.2, 0.8, 40)}, WHO).assign(mail=lambda t: 1 - t.no)
    trials = [
        Experiment(rows, "arm", "no", ["age"], ["reward"], propensity=each)
        for each in (chances, shuffled(chances))
    ]
    assert np.array_equal(trials[0].propensity, trials[1].propensity)
    both = pd.DataFrame({"b": [1.0, 2.0], "a": [3.0, 4.0]})
    assert costs_of(both, 2, ("a", "b")).tolist() == [[3.0, 1.0], [4.0, 2.0]]
    assert costs_of(both.iloc[0], 2, ("a", "b")).tolist() == [[3.0, 1.0]] * 2


def test_a_fitted_model_says_whether_it_pays_and_by_default_nothing_does():
    told, sure = (allocate(VALUE, COST, budget=15, pays=pays) for pays in (None, True))
    assert not told.tested and "Not tested whether it pays" in told.summary()
    assert sure.tested and sure.choice.tolist() == told.choice.tolist()
    rng = np.random.default_rng(0)
    arm, value = rng.integers(0, 2, 2_000), np.full((500, 1), 2.0)
    rows = pd.DataFrame({"customer_id": range(2_000), "age": rng.normal(size=2_000), "arm": arm})
    for adds in (0.0, 3.0):
        rows["y"] = rng.normal(size=2_000) + adds * arm
        trial = Experiment(rows, "arm", 0, ["age"], ["y"], propensity=[[0.5, 0.5]] * 2_000)
        model = UpliftModel("dr", "ridge").fit(trial)
        plan = allocate(value, np.ones((500, 1)), budget=100, promotions=["1"], pays=model)
        assert plan.tested and bool(plan.contacted) is (adds > 0)
    said = "pays is a model of the arms"
    refused(said, allocate, value, value, promotions=["mail"], pays=model)
