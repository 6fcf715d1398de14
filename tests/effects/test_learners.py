"""What each learner finds, and which of them survive a broken model on the way."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from promolab.contract import Experiment
from promolab.effects.learner_selection import predict_folds
from promolab.effects.learners.base_learners import Constant
from promolab.effects.learners.learners import Blend
from promolab.effects.model import UpliftModel
from promolab.effects.shrinkage import place_within
from promolab.errors import InputError
from promolab.metrics import qini
from tests.effects.made_up import assign, frame, of, targeted_chances, trial
from tests.refused import refused

KINDS = ("s", "t", "x", "r", "dr")
CHECKS, LINE = ["sample ratio", "balance", "placebo", "overlap"], LinearRegression()


@pytest.fixture(scope="module")
def randomised():
    return trial(4_000, seed=1)


# Ridge, and a line of scikit-learn's own, once with outcomes' models and once with scores.
OTHERS = [(kind, learner) for kind in ("t", "dr") for learner in ("ridge", LINE)]


@pytest.mark.parametrize(("kind", "learner"), [*((kind, "linear") for kind in KINDS), *OTHERS])
def test_every_learner_finds_linear_effects_of_two_arms(randomised, kind, learner):
    model = UpliftModel(kind, learner).fit(randomised)
    truth = randomised.frame[["effect_coupon", "effect_mail"]].to_numpy()
    found = model.predict(randomised, calibrated=False)
    assert np.sqrt(((found - truth) ** 2).mean()) < 0.2
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.9
    # Averages are those of the scores, whichever learner ranks.
    table = model.average().rows
    assert (np.abs(table["effect"] - truth.mean(axis=0)) < 4 * table["std_error"]).all()


@pytest.mark.parametrize("kind", ["x", "r"])  # one has weights, the other outcomes' models
def test_boosting_finds_an_effect_that_is_no_line(kind):
    experiment = trial(2_500, seed=2)
    rows = experiment.frame
    rows["y"] += (rows["arm"] == "coupon") * (2.0 * (rows["age"].abs() > 1) - 0.4 * rows["orders"])
    truth = 0.5 + 2.0 * (rows["age"].abs() > 1)
    model = UpliftModel(kind, "boosting", folds=2).fit(experiment)
    found = model.predict(experiment, calibrated=False)[:, 0]
    assert np.corrcoef(found, truth)[0, 1] > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_effects_of_training_rows_come_from_models_that_did_not_see_them(kind):
    experiment = trial(400, seed=3)
    # A tree grown to the end remembers every row: seen, its effect follows its outcome.
    tree = DecisionTreeRegressor(random_state=0)
    model = UpliftModel(kind, tree, outcome_learner="linear").fit(experiment)
    got = experiment.codes == 1
    seen = model.predict(experiment, calibrated=False)[got, 0]
    away = predict_folds(model._candidates.fitted, lambda fold: model.fold_ != fold, range(5))
    _, *found = np.corrcoef([experiment.y()[got], seen, away[got, 0]])[0]
    assert found[0] > found[1] + 0.2


def test_an_x_learner_finds_nothing_forward_where_nobody_gains():
    # One whose outcome models had seen the fold to predict found 0.04, by 6 errors.
    found = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        rows = pd.DataFrame(rng.normal(size=(600, 4)), columns=list("abcd"))
        rows["customer_id"], rows["mail"] = np.arange(600), rng.integers(0, 2, 600)
        rows["y"] = np.exp(rng.normal(size=600)) + rows["a"]
        even = np.full((600, 2), 0.5)
        money = Experiment(rows, "mail", 0, list("abcd"), ["y"], propensity=even)
        model = UpliftModel("x", "linear").fit(money, despite=["balance"])
        place = place_within(model.forward_.order[:, 0], model.fold_)
        known = np.isfinite(place)
        found.append(qini(None, None, place[known], gamma=model.forward_.gamma[known, 0]))
    values = np.array([each.qini for each in found])
    assert values.mean() < 2.5 * values.std(ddof=1) / 24**0.5
    assert sum(each.ci_low > 0 for each in found) <= 3


def test_the_x_learner_weighs_each_model_by_the_chance_of_the_other_arm():
    # With one in four treated, the model of the treated's effects, whose counterfactuals come of
    # the many controls, weighs three times the other: 3/4 · 2 + 1/4 · 10.
    blend = Blend(of_treated=Constant(2.0), of_control=Constant(10.0), share=0.25)
    assert blend.predict(np.empty((3, 0))).tolist() == [4.0, 4.0, 4.0]
    model = UpliftModel("x", "linear").fit(trial(1_200, seed=1))
    # Drawn with 0.4, 0.3, 0.3: of each arm and the control 3 in 7 are treated.
    blends = [part for part in model._candidates.fitted.parts if isinstance(part, Blend)]
    assert [blend.share for blend in blends] == pytest.approx([3 / 7, 3 / 7])


def test_dr_and_averages_from_scores_survive_either_broken_part_and_not_both():
    # Who orders more gets the coupon more often: chances as they were, and chances that lie.
    rows, known = frame(6_000, 7), ("orders", "age", "visits")
    chances, truth = targeted_chances(rows, 2.0), rows["effect_coupon"].mean()
    rows = assign(rows, chances, 8)
    right = of(rows, *known, propensity=chances[:, :2], arms=["none", "coupon"])
    wrong = of(rows, *known, propensity=0.5)
    for kind in ("dr", "t", "r"):
        for experiment, how in ((right, {"outcome_learner": DummyRegressor()}), (wrong, {})):
            model = UpliftModel(kind, **how).fit(experiment, despite=CHECKS)
            row = model.average().rows.iloc[0]
            assert abs(row["effect"] - truth) < 3.5 * row["std_error"]
            if kind == "dr":
                own = model.predict(right, calibrated=False).mean()
                assert abs(own - truth) < 3.5 * row["std_error"] < 0.45
    model = UpliftModel("dr", outcome_learner=DummyRegressor()).fit(wrong, despite=CHECKS)
    assert abs(model.predict(wrong, calibrated=False).mean() - truth) > 0.8
    assert str(model.identification_) == "not identified"


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_of_0_and_1(kind):
    experiment = trial(3_000, seed=4, binary=True)
    model = UpliftModel(kind).fit(experiment)
    table, means = model.average().rows, experiment.frame[["y_none", "y_coupon", "y_mail"]].mean()
    truth = means.to_numpy()[1:] - means["y_none"]
    assert (np.abs(table["effect"] - truth) < 4 * table["std_error"]).all()
    assert model.nuisance_.mu.min() >= 0 and model.nuisance_.mu.max() <= 1
    assert np.abs(model.predict(experiment, calibrated=False)).max() < 1


def test_a_classifier_learns_outcomes_but_no_effects_and_weights_must_be_taken():
    experiment = trial(1_500, seed=5, binary=True)
    classifier = HistGradientBoostingClassifier(max_iter=20)
    model = UpliftModel("dr", "linear", outcome_learner=classifier).fit(experiment)
    assert 0.05 < model.average().rows["effect"][0] < 0.3
    shape = UpliftModel("t", LogisticRegression()).fit(experiment).predict(experiment).shape
    assert shape == (1_500, 2)
    refused("an effect is a number: give", UpliftModel("dr", classifier).fit, experiment)
    refused("is a classifier and the outcome is", UpliftModel("t", classifier).fit, trial(1_500))
    with pytest.raises(InputError, match=r"KNeighborsRegressor takes no sample_weight.*kind=\"dr"):
        UpliftModel("r", KNeighborsRegressor()).fit(trial(600))
