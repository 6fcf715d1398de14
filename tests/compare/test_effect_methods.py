"""Ways to learn effects compared: shares, pairs, which is taken, and what cannot be compared."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab import UpliftModel, load_experiment
from promolab.compare import EffectComparison, compare_effects
from promolab.contract import Experiment
from promolab.effects import Refused, place_within, predict_models
from promolab.effects.learners import learners as shared
from promolab.effects.learners.aipw import fit_nuisance
from promolab.errors import InputError
from promolab.metrics import compare_qini, cost_curve, funded, qini
from tests.wording_lint import nonsense

HILLSTROM = Path(os.environ.get("PROMOLAB_DATA", "")) / "hillstrom.csv.gz"


def bent(n: int = 6_000, seed: int = 0, size: float = 2.0) -> Experiment:
    """Effects that no straight line sees: who is far from the middle gains."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {"customer_id": np.arange(n) // 2, "age": rng.normal(size=n // 2)[np.arange(n) // 2]}
    )
    rows["mail"] = rng.integers(0, 2, n)
    gain = size * (np.abs(rows["age"]) > 1)
    rows["y"] = rng.normal(size=n) + rows["mail"] * gain
    even = np.full((n, 2), 0.5)
    return Experiment(rows, "mail", 0, ["age"], ["y"], propensity=even)


def null_trial(n: int, seed: int) -> Experiment:
    """Return a trial of money in which nobody gains anything."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    rows["customer_id"], rows["mail"] = np.arange(n), rng.integers(0, 2, n)
    rows["y"] = np.exp(rng.normal(size=n)) + rows["a"]
    return Experiment(rows, "mail", 0, list("abcd"), ["y"], propensity=np.full((n, 2), 0.5))


@pytest.fixture(scope="module")
def compared() -> EffectComparison:
    return compare_effects(bent(), ["dr/linear", "t/linear", "t/boosting"])


def test_what_lines_do_not_see_is_taken_by_paired_differences_of_the_same_scores(compared):
    assert compared.methods == ("dr", "dr/linear", "t/linear", "t/boosting")
    assert "t/boosting" in compared.beaten_by("dr/linear")
    assert compared.chosen in ("dr", "t/boosting")  # the first tries boosting by itself
    lines = compare_effects(
        bent(), {"line": UpliftModel("dr", "linear"), "trees": UpliftModel("t", "boosting")}
    )
    assert (lines.chosen, lines.best) == ("trees", "trees")
    assert "is beaten by trees" in lines.summary()
    # The figures of two models fitted one by one, measured by hand.
    trial = bent()
    models = [
        UpliftModel(kind, learner).fit(trial)
        for kind, learner in (("dr", "linear"), ("t", "boosting"))
    ]
    gamma = models[0].scores_.iloc[:, 0].to_numpy()
    places = [place_within(m.forward_.order[:, 0], m.fold_) for m in models]
    known = np.isfinite(places[0])
    how: dict[str, Any] = {"gamma": gamma[known], "cluster": models[0].cluster_[known]}
    a, b = (place[known] for place in places)
    both = compared.pairs.set_index(["measure", "first", "second"])
    for measure in ("qini", "autoc"):
        hand = compare_qini(None, None, a, b, weighting=measure, **how)
        row = both.loc[(measure, "dr/linear", "t/boosting")]
        assert row["difference"] == pytest.approx(hand.difference, rel=1e-9)
        assert row["p_value"] == pytest.approx(hand.p_value, rel=1e-9)
    spent = cost_curve(None, None, a, 1.0, **how)
    assert compared.figure("dr/linear", "value").value == pytest.approx(spent.at(0.3).value)
    ones, budget = np.ones(len(a)), 0.3 * len(a)
    gain = ((funded(a, ones, budget) - funded(b, ones, budget)) * gamma[known]).mean()
    assert both.loc[("value", "dr/linear", "t/boosting"), "difference"] == pytest.approx(gain)
    back = both.loc[("value", "t/boosting", "dr/linear")]
    assert back["difference"] == pytest.approx(-gain) and back["difference_low"] < -gain


def test_alike_effects_keep_the_first_and_none_are_found_where_there_are_none():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"customer_id": range(3000), "age": rng.normal(size=3000)})
    rows["mail"], rows["y"] = rng.integers(0, 2, 3000), rng.normal(size=3000)
    trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=np.full((3000, 2), 0.5))
    alike = compare_effects(trial, ["t/linear", "s/linear"])
    assert alike.chosen == "dr"
    assert "not certain that there is anything to find" in alike.summary()
    # An X-learner whose outcome models had seen the fold to predict found 0.04, by 6 errors.
    models = {name: UpliftModel(*name.split("/")) for name in ("dr/linear", "x/linear")}
    found = []
    for seed in range(24):
        trial = null_trial(600, seed)
        forward = predict_models(trial, models, despite=["balance"])
        place = place_within(forward.effects["x/linear"], forward.fold)
        known = np.isfinite(place)
        found.append(qini(None, None, place[known], gamma=forward.gamma[known]))
    values = np.array([each.qini for each in found])
    assert values.mean() < 2.5 * values.std(ddof=1) / 24**0.5
    assert sum(each.ci_low > 0 for each in found) <= 3


def test_what_methods_share_is_worked_out_once(monkeypatch):
    asked: list[str] = []

    def counted(rows, Z, design, learner, *more):
        asked.append(learner.outcome.__name__)
        return fit_nuisance(rows, Z, design, learner, *more)

    monkeypatch.setattr(shared, "fit_nuisance", counted)
    names = ("dr/linear", "dr/ridge", "t/linear", "s/boosting", "x/boosting", "r/linear")
    models = {name: UpliftModel(*name.split("/")) for name in names}
    found = predict_models(null_trial(400, 3), models, despite=["balance"])
    assert asked == [
        "straight_outcome"
    ]  # ridge regression predicts outcomes alike, the others need none
    assert list(found.effects) == list(names) and all(s > 0 for s in found.seconds.values())


def told(compared: EffectComparison, **figures: Any) -> EffectComparison:
    """The comparison of two methods with other figures."""
    frame, pairs = compared.frame.copy(), compared.pairs.copy()
    for name, values in figures.items():
        if name == "p":
            pairs["p_value"] = values
        else:
            frame[name] = values
    return replace(compared, frame=frame, pairs=pairs)


def test_the_default_is_never_half_of_what_another_finds():
    names = {"dr": UpliftModel(), "t/linear": UpliftModel("t", "linear")}
    two = told(compare_effects(bent(2_000, size=0.0), names), p=0.4, autoc=0.0, value=0.0)
    seen: dict[str, Any] = {"qini_low": [-0.01, 0.001], "qini_surely": [False, True]}
    twice = told(two, qini=[0.010, 0.021], **seen)
    assert (twice.unbeaten(), twice.chosen) == ("dr", "t/linear")
    assert (
        "dr is not beaten beyond noise, but finds no more than half of what t/linear finds."
        in twice.summary()
    )
    less = told(two, qini=[0.010, 0.019], **seen)
    assert less.chosen == "dr" and "no other finds more beyond noise" in less.summary()
    noise = told(two, qini=[0.010, 0.050], qini_low=-0.1, qini_surely=False)
    assert noise.chosen == "dr" and "not certain that there is anything" in noise.summary()
    doubtful = told(two, qini=[-0.010, 0.021], **(seen | {"qini_surely": False}))
    assert doubtful.chosen == "t/linear"
    assert "t/linear finds. With all 2 taken at once it is not certain" in doubtful.summary()
    autoc = told(two, qini=0.01, autoc=[0.1, 0.3], autoc_low=[0.0, 0.1], qini_surely=True)
    assert autoc.chosen == "dr" and autoc.take("autoc") == "t/linear"


def test_costs_change_the_order():
    trial = bent(4_000)
    names = {"t": UpliftModel("t", "boosting"), "x": UpliftModel("x", "boosting")}
    dear = np.where(np.abs(trial.X["age"]) > 1, 50.0, 1.0)  # who gains costs more than it brings
    same, other = compare_effects(trial, names), compare_effects(trial, names, cost=dear)
    assert other.figure("t", "value").value < same.figure("t", "value").value
    assert other.figure("t", "qini").value < 0.5 * same.figure("t", "qini").value


def test_it_shows_itself_and_equal_calls_give_equal_figures(compared, tmp_path):
    assert nonsense(compared.summary()) == []
    assert "after Holm" in compared.summary() and "3,000 customers" not in compared.summary()
    assert "2,400 customers" in compared.summary()  # the first fifth only teaches
    assert "seconds" in compared.to_table().text and compared.plot() is not None
    assert compared.to_dict()["methods"]["t/boosting"]["qini"] > 0
    again = EffectComparison.load(compared.save(tmp_path / "compared.zip"))
    assert again.summary() == compared.summary()
    assert (compared.frame["seconds"] > 0).all()
    again = compare_effects(bent(), ["dr/linear", "t/linear", "t/boosting"])
    one, other = (frame.drop(columns="seconds") for frame in (compared.frame, again.frame))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_what_cannot_be_is_said_and_a_trial_that_a_check_refuses_is_not_compared():
    for options, message in [
        ({"trial": pd.DataFrame()}, r"trial is a DataFrame; give an Experiment"),
        ({"methods": ["dr"]}, r"methods names 1 method; give two or more"),
        ({"methods": ["t", "q/linear"]}, r"kind = 'q' is unknown"),
        ({"methods": ["t", "t"]}, r"expected at least one, each once"),
        ({"methods": ["t/forests"]}, r"learner 'forests' is unknown"),
        ({"methods": {"a": 1, "b": 2}}, r"the method 'a' is a int; give an UpliftModel"),
        ({"measure": "auc"}, r"measure = 'auc' is unknown"),
        ({"budget": 30}, r"budget = 30; expected a share"),
        ({"folds": 2}, r"folds = 2; expected a whole number from 3 on"),
        ({"cost": 0.0}, r"cost is 0, negative or missing"),
        ({"cost": [1.0, 2.0]}, r"cost has shape \(2,\)"),
        ({"outcome": "z"}, r"z"),
        ({"arm": 2}, r"arm = 2 is unknown"),
    ]:
        with pytest.raises(InputError, match=message):
            compare_effects(**{"trial": bent(400), "methods": ["dr", "t/linear"]} | options)
    trial = bent(400)
    frame = trial.frame.assign(mail=(np.arange(400) < 4).astype(int))  # half was promised
    broken = Experiment(frame, "mail", 0, ["age"], ["y"], propensity=np.full((400, 2), 0.5))
    with pytest.raises(Refused):
        compare_effects(broken, ["dr/linear", "t/linear"])


@pytest.mark.skipif(not HILLSTROM.is_file(), reason="PROMOLAB_DATA has no hillstrom.csv.gz")
def test_a_public_mailing_is_compared():
    whole = load_experiment("hillstrom", path=HILLSTROM)
    rows = np.random.default_rng(0).permutation(len(whole.frame))[:8_000]
    some, chances = np.sort(rows), whole.propensity
    assert chances is not None
    frame = whole.frame.iloc[some].reset_index(drop=True)
    part = replace(whole, frame=frame, propensity=chances[some])
    names = {"dr": UpliftModel("dr", "linear"), "t": UpliftModel("t", "linear")}
    found = compare_effects(part, names, "visit")
    assert found.outcome == "visit" and found.right == "randomised"
    assert set(found.frame["method"]) == {"dr", "t"}
    assert nonsense(found.summary()) == []
    women = compare_effects(part, names, "visit", arm="Womens E-Mail")
    assert women.figure("dr").value != found.figure("dr").value
