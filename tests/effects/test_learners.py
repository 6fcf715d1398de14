"""What each learner finds, and which of them survive a broken model on the way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

from promolab.contract import Experiment
from promolab.effects.learner_selection import predict_folds
from promolab.effects.learners.aipw import crump_cutoff, folds_of, kept_rows
from promolab.effects.learners.base_learners import Constant
from promolab.effects.learners.learners import Blend
from promolab.effects.learners.linear import pooled_lines, ridge
from promolab.effects.model import UpliftModel
from promolab.effects.shrinkage import place_within
from promolab.errors import InputError
from promolab.metrics import qini
from tests.effects.made_up import assign, frame, of, targeted_chances, trial
from tests.refused import refused

KINDS = ("s", "t", "x", "r", "dr")
CHECKS, LINE = ["sample ratio", "balance", "placebo", "overlap"], LinearRegression()
# Ridge, and a line of scikit-learn's own, once with outcomes' models and once with scores.
OTHERS = [(kind, learner) for kind in ("t", "dr") for learner in ("ridge", LINE)]


@pytest.mark.parametrize(("kind", "learner"), [*((kind, "linear") for kind in KINDS), *OTHERS])
def test_every_learner_finds_linear_effects_of_two_arms(kind, learner):
    randomised = trial(3_000, seed=1)
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


def test_estimated_chances_are_those_of_a_model_of_the_other_folds():
    experiment = of(trial(900).frame, "orders", "age", design="unknown")
    model = UpliftModel(folds=3).fit(experiment)
    Z = model._candidates.setting.outcome_design.matrix(experiment.X)
    for fold in range(3):
        there = model.fold_ == fold
        other = LogisticRegression(C=1.0, max_iter=1000).fit(Z[~there], experiment.codes[~there])
        chances = other.predict_proba(Z[there])
        assert model.nuisance_.propensity[there] == pytest.approx(chances, abs=1e-4)
    assert str(model.identification_) == "adjusted"


@pytest.mark.parametrize("learner", ["linear", "ridge", "pooled"])
def test_lines_worked_out_together_are_those_fitted_one_by_one(learner):
    chances = np.repeat([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [0.4, 0.0, 0.6]], 400, axis=0)
    experiment = trial(1_200, chances=chances, placebo=[], rounds=2, block="round")
    model = UpliftModel("dr", learner, folds=3).fit(experiment)
    found = model._candidates.fitted
    wide, possible = found.setting.rows.with_blocks(found.setting.Z), found.setting.possible
    for fold in range(3):
        there = model.fold_ == fold
        for arm in range(3):
            mine = (experiment.codes == arm) & ~there
            line = ridge(wide[mine], experiment.y()[mine])
            assert model.nuisance_.mu[there, arm] == pytest.approx(line.predict(wide[there]))
        for k in range(2):
            mine = possible[:, k] & ~there
            mine = mine & possible.all(axis=1) if learner == "pooled" else mine
            Z, scores = found.setting.Z, model.nuisance_.gamma
            line = ridge(Z[mine], scores[mine, k], penalty=0.0 if learner == "linear" else None)
            if learner == "pooled":
                line = pooled_lines(Z[mine], scores[mine], model.cluster_[mine])[k]
            predicted = found.fit(~there).predict(Z[there])[:, k]
            assert predicted == pytest.approx(line.predict(Z[there]))
    told = UpliftModel("dr", learner, folds=3).fit(experiment, like=model)
    pd.testing.assert_frame_equal(told.effects_by_others_, model.effects_by_others_)
    # One made of another one has chances that are made to sum to 1 anew: another last digit.
    again = replace(experiment, propensity=experiment.propensity + np.array([1e-15, 0.0, 0.0]))
    assert (again.propensity != experiment.propensity).any()
    told.fit(again, like=model)
    refused("leave it out", UpliftModel("dr", learner).fit, experiment, like=model)
    column = experiment.covariates[0]
    other = experiment.frame.assign(**{column: experiment.frame[column].to_numpy()[::-1]})
    refused("leave it out", told.fit, replace(experiment, frame=other), like=model)


def test_low_chances_are_clipped_and_known_ones_never_touched():
    rows = frame(3_000)
    experiment = of(assign(rows, targeted_chances(rows, 2.5)), "orders", "age", "visits")
    model = UpliftModel(clip=0.1).fit(experiment, despite=["balance"])
    lowest = model.nuisance_.propensity.min(axis=1)
    assert lowest.min() >= 0.1 / 1.1 - 1e-12 and (lowest < 0.1).sum() > 100
    assert model.nuisance_.propensity.sum(axis=1) == pytest.approx(1)
    chances = np.tile([0.9, 0.05, 0.05], (2_000, 1))
    model = UpliftModel(clip=0.1).fit(trial(2_000, chances=chances))
    assert (model.nuisance_.propensity == chances).all()


def test_trimming_leaves_the_variance_smallest():
    rng = np.random.default_rng(0)
    e = 1 / (1 + np.exp(-2.5 * rng.normal(size=4_000)))
    variance = 1 / e + 1 / (1 - e)
    cutoff = crump_cutoff(variance)
    best, *tried = (
        variance[variance <= c].mean() / (variance <= c).mean()
        for c in (cutoff, *np.sort(variance)[::7])
    )
    assert best <= min(tried)
    # The paper's equation: the worst row kept is worth twice the mean of those kept.
    assert cutoff == pytest.approx(2 * variance[variance <= cutoff].mean(), rel=0.01)


def test_rows_that_could_not_have_got_an_arm_count_in_no_figure_of_it_and_scores_are_the_papers():
    chances = np.tile([0.5, 0.25, 0.25], (4_000, 1))
    chances[:2_000] = [0.5, 0.5, 0.0]
    experiment = trial(4_000, 5, chances=chances)
    model = UpliftModel().fit(experiment)
    y, codes, mu = experiment.y(), experiment.codes, model.nuisance_.mu
    left = [np.where(codes == k, y - mu[:, k], 0.0) for k in range(3)]
    with np.errstate(divide="ignore", invalid="ignore"):
        psi = [np.where(e > 0, mu[:, k] + left[k] / e, np.nan) for k, e in enumerate(chances.T)]
    expected = np.column_stack([psi[1] - psi[0], psi[2] - psi[0]])
    assert model.scores_.to_numpy() == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert model.nuisance_.control == pytest.approx(psi[0], abs=1e-12)
    assert model.scores_["mail"].isna().tolist() == [True] * 2_000 + [False] * 2_000
    table = model.average().rows.set_index("arm")
    assert table["n"].to_dict() == {"coupon": 4_000, "mail": 2_000}
    truth = experiment.frame["effect_mail"][2_000:].mean()
    assert abs(table.loc["mail", "effect"] - truth) < 4 * table.loc["mail", "std_error"]
    assert np.isfinite(model.effects_.to_numpy()).all()


def test_a_row_is_kept_by_a_chance_that_of_the_control_as_well_or_none_is_left_out():
    chances = np.array([[0.5, 0.5], [0.96, 0.04], [0.04, 0.96]])
    assert kept_rows(chances, 0.05).ravel().tolist() == [True, False, False]
    assert kept_rows(chances, None).all()
    chances = np.array([[0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [0.02, 0.49, 0.49], [0.4, 0.6, 0.0]])
    yes, no, one = [True, True], [False, False], [True, False]
    assert kept_rows(chances, None).tolist() == [yes, no, yes, one]
    assert kept_rows(chances, 0.05).tolist() == [yes, no, no, one]
    # 1/e_k + 1/e_0 is 6 for twenty rows and 1,002 for one that hardly got nothing: it leaves.
    many = np.vstack([np.tile([0.5, 0.25, 0.25], (20, 1)), [[0.001, 0.4995, 0.4995]]])
    assert kept_rows(many, "optimal").tolist() == [[True, True]] * 20 + [[False, False]]


def test_folds_hold_whole_customers_whatever_the_order_of_the_rows():
    ids = pd.Series(np.random.default_rng(0).integers(0, 300, 1_000))
    fold, order = folds_of(ids, 5, 3), np.random.default_rng(1).permutation(1_000)
    assert (folds_of(ids[order], 5, 3) == fold[order]).all()
    mine = pd.Series(fold).groupby(ids)
    assert mine.nunique().max() == 1 and np.ptp(np.bincount(mine.first())) <= 1
    assert (folds_of(ids, 5, 4) != fold).mean() > 0.5


@pytest.mark.filterwarnings("ignore")
def test_average_effects_agree_with_econml_on_the_same_learners_and_folds():
    def with_products(X):
        """Columns, two arms (one-hot, last) and their products."""
        return np.column_stack([X, *(X[:, :-2] * arm[:, None] for arm in X[:, -2:].T)])

    dr = pytest.importorskip("econml.dr")
    experiment = of(trial(3_000, seed=2).frame, "orders", "age", "visits")
    model = UpliftModel("dr", LinearRegression(), trim=None).fit(experiment)
    Z = model._candidates.setting.Z
    folds = [(np.flatnonzero(model.fold_ != f), np.flatnonzero(model.fold_ == f)) for f in range(5)]
    other = dr.DRLearner(
        model_propensity=LogisticRegression(C=1.0, max_iter=1000),
        model_regression=make_pipeline(FunctionTransformer(with_products), LinearRegression()),
        model_final=LinearRegression(),
        cv=folds,
        min_propensity=0.01,
    ).fit(experiment.y(), experiment.codes, X=Z)
    table = model.average().rows
    theirs = np.array([float(other.ate(Z, T0=0, T1=k)) for k in (1, 2)])
    assert (np.abs(table["effect"] - theirs) < 0.1 * table["std_error"]).all()
    apart = np.abs(other.effect(Z, T0=0, T1=1) - model.predict(experiment, calibrated=False)[:, 0])
    assert apart.max() < 0.01
