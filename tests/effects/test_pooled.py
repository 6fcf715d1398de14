"""Arms that learn from each other: nearer to the truth where they are alike, apart where not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from promolab import UpliftModel
from promolab.contract import Experiment
from promolab.effects.learners.linear import PENALTIES, pooled_lines, ridge
from promolab.effects.shrinkage import pooled_scores, pooled_slopes, shrunk_scores
from promolab.errors import InputError
from promolab.features import decisions_experiment
from promolab.sources import simulated

sm = pytest.importorskip("statsmodels.api")


def test_arms_that_are_alike_are_learned_better_together() -> None:
    """Squared errors of the effects where four arms do the same."""
    errors = {"pooled": 0.0, "ridge": 0.0}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, arm = rng.normal(size=(6_000, 5)), rng.integers(0, 5, 6_000)
        effect = 1.0 + X @ [1.0, 0.5, 0, 0, 0]
        frame = pd.DataFrame(X, columns=list("abcde")).assign(customer_id=range(6_000), arm=arm)
        frame["y"] = 8 * rng.normal(size=6_000) + effect * (arm > 0)
        even = np.full((6_000, 5), 0.2)
        trial = Experiment(frame, "arm", 0, list("abcde"), ["y"], propensity=even)
        for learner in errors:
            found = UpliftModel("dr", learner, folds=3).fit(trial).predict(trial.X)
            errors[learner] += float(np.mean((found - effect[:, None]) ** 2))
    assert errors["pooled"] < 0.75 * errors["ridge"]


def test_one_line_for_all_and_one_of_its_own() -> None:
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(4_000, 3))
    own = np.array([0.0, 3.0])
    scores = (Z @ [1.0, 0.0, 0.0])[:, None] + Z[:, 1:2] * own + rng.normal(size=(4_000, 2))
    customer = np.arange(4_000) // 2
    first, second = pooled_lines(Z, scores, customer)
    np.testing.assert_allclose(first.coefficients, [1, 0, 0], atol=0.1)
    np.testing.assert_allclose(second.coefficients, [1, 3, 0], atol=0.1)
    alike = pooled_lines(Z, np.column_stack([scores[:, 0]] * 2), customer)
    np.testing.assert_array_equal(alike[0].coefficients, alike[1].coefficients)


def test_columns_that_move_nothing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(20_000, 40))
    scores = (2 * Z[:, 0] - Z[:, 1])[:, None] + 20 * rng.normal(size=(20_000, 3))
    line = pooled_lines(Z, scores, np.arange(20_000) // 5)[0]
    ours = float(((line.coefficients - np.r_[2.0, -1.0, np.zeros(38)]) ** 2).sum())
    shrunk = ridge(Z, scores.mean(axis=1)).coefficients - np.r_[2.0, -1.0, np.zeros(38)]
    assert (line.coefficients == 0).sum() > 20
    assert ours < 0.6 * float((shrunk**2).sum())
    monkeypatch.setattr("promolab.effects.learners.linear.STEP", 30)  # all penalties are tried
    whole = pooled_lines(Z, scores, np.arange(20_000) // 5)[0]
    np.testing.assert_array_equal(whole.coefficients, line.coefficients)


def test_rows_of_one_customer_are_no_new_evidence() -> None:
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(300), 30)
    Z, own = rng.normal(size=(300, 20))[who], 5 * rng.normal(size=(300, 1))[who]
    scores = own + rng.normal(size=(9_000, 2))  # customers differ; nothing here says how
    kept = [
        pooled_lines(Z, scores, customer)[0].coefficients for customer in (who, np.arange(9_000))
    ]
    assert np.abs(kept[0]).sum() < 0.5 * np.abs(kept[1]).sum()


@pytest.mark.parametrize("lasting", [0.2, 0.8])
def test_of_differences_seen_soon_so_much_is_shown_as_lasts(lasting: float) -> None:
    rng = np.random.default_rng(5)
    found = []
    every = np.ones((2_000, 3), dtype=bool)
    for _ in range(100):
        away, noise, later = rng.normal(size=(3, 2_000, 3))
        effect = 2 + away * [0.9, 0.9, 0.3]
        soon, whole = effect + 4 * noise, lasting * effect + 4 * noise + 4 * later
        slope, variance = pooled_slopes(soon, whole, every, away, np.arange(2_000))
        found.append(np.r_[slope, np.sqrt(variance)])
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
    np.testing.assert_allclose(mean[:3], lasting * np.array([0.9, 0.9, 0.3]), atol=0.05)
    assert (mean[3:] > 0.6 * spread[:3]).all() and (mean[3:] < 1.6 * spread[:3]).all()


@pytest.mark.parametrize(("spread", "least", "most"), [(0.0, 0.0, 0.7), (3.0, 0.9, 1.05)])
def test_averages_are_drawn_together_as_far_as_chance_has_it(spread, least, most):
    rng = np.random.default_rng(2)
    errors = np.zeros(2)
    for _ in range(200):
        truth = 1 + spread * rng.normal(size=4)
        gamma = truth + 10 * rng.normal(size=(400, 4))
        drawn = shrunk_scores(gamma, np.ones((400, 4), dtype=bool), np.zeros((400, 4)))
        errors += [((mean.mean(axis=0) - truth) ** 2).sum() for mean in (drawn, gamma)]
    assert least < errors[0] / errors[1] < most


def test_how_arms_differ_is_told_soon_as_far_as_that_lasts() -> None:
    rng, every = np.random.default_rng(6), np.ones((400, 4), dtype=bool)
    errors, customer = np.zeros(2), np.arange(400)
    for _ in range(200):
        away, own = rng.normal(size=(400, 1)) * np.ones(4), rng.normal(size=4)
        noise = 3 * rng.normal(size=(400, 4))
        soon = 3 + own + away + noise
        whole = 1.5 + own / 2 + away / 2 + noise + 12 * rng.normal(size=(400, 4))
        slope, _, both = pooled_scores(soon, whole, every, away, customer)
        alone = shrunk_scores(whole, every, slope * away)
        found = [each.mean(axis=0) - each.mean() for each in (both, alone)]
        errors += [float(((each - (own - own.mean()) / 2) ** 2).sum()) for each in found]
    assert errors[0] < 0.8 * errors[1]
    same = pooled_scores(whole, whole, every, away, customer)
    np.testing.assert_array_equal(same[2], shrunk_scores(whole, every, same[0] * away))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(240, 3))
    return Z, 1 + Z @ [0.5, 0, -1] + rng.normal(size=240), rng.uniform(0.1, 2, 240)


def test_without_a_penalty_it_is_least_squares_and_a_repeated_column_changes_nothing(data):
    Z, y, weight = data
    other = sm.WLS(y, sm.add_constant(Z), weights=weight).fit().predict()
    assert ridge(Z, y, weight, penalty=0.0).predict(Z) == pytest.approx(other, rel=1e-9)
    twice = np.column_stack([Z, Z[:, 0]])
    fit = ridge(twice, y, weight, penalty=0.0)
    assert fit.predict(twice) == pytest.approx(other, rel=1e-9)
    empty = np.empty((4, 0))  # with nothing to learn it is the mean
    assert ridge(empty, np.array([1.0, 2.0, 3.0, 6.0])).predict(empty).tolist() == [3.0] * 4


def test_ridge_has_the_least_generalised_cross_validation_score(data):
    Z, y, _ = data
    Z = np.column_stack([Z, np.random.default_rng(1).normal(size=(len(y), 30))])
    n, scores, fits = len(y), [], []
    centred = Z - Z.mean(axis=0)
    for penalty in PENALTIES * n:
        model = Ridge(alpha=penalty).fit(Z, y)
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(33), centred.T)
        scores.append(((y - model.predict(Z)) ** 2).sum() / (n - 1 - np.trace(hat)) ** 2)
        fits.append(model.predict(Z))
    best = int(np.argmin(scores))
    assert 0 < best < len(PENALTIES) - 1
    assert ridge(Z, y).predict(Z) == pytest.approx(fits[best], abs=1e-8)


def _trial(*, early: bool, n: int = 4_000, lost: float = 0.3) -> tuple[Experiment, np.ndarray]:
    """Return decisions of which the window tells much and the whole time, being noisy, little."""
    rng = np.random.default_rng(3)
    age, mail = rng.normal(size=n), rng.integers(0, 2, n)
    window = mail * (1 + age) + rng.normal(size=n)
    rows = pd.DataFrame({"customer_id": range(n), "age": age, "mail": mail, "window": window})
    rows["margin"] = window - lost * mail * (1 + age) + 60 * rng.normal(size=n)
    how = {"propensity": np.full((n, 2), 0.5), "early": ["window"] if early else []}
    return Experiment(rows, "mail", 0, ["age"], ["margin"], **how), (1 - lost) * (1 + age)


def test_the_window_tells_customers_apart_where_the_whole_time_cannot() -> None:
    plain, effect = _trial(early=False)
    assert not UpliftModel().fit(plain).calibrated_.told_apart
    trial, _ = _trial(early=True)
    model = UpliftModel().fit(trial)
    assert model.calibrated_.told_apart
    assert np.corrcoef(model.predict(trial)[:, 0], effect)[0, 1] > 0.99
    told = model.targeting()
    assert told.found and told.by_effect.ci_low < 0
    assert "margin in the window per decision" in told.verdict()
    curves = told.plot().get_legend_handles_labels()[1][:2]
    assert curves and all(label.endswith("over the whole time") for label in curves)


def test_averages_are_the_outcomes_what_is_lost_again_not_believed_and_no_feature() -> None:
    (plain, _), (trial, _) = _trial(early=False), _trial(early=True)
    one, other = UpliftModel("dr", "ridge").fit(plain), UpliftModel("dr", "ridge").fit(trial)
    pd.testing.assert_frame_equal(one.average().rows, other.average().rows)
    pd.testing.assert_frame_equal(one.scores_, other.scores_)
    trial, _ = _trial(early=True, n=40_000, lost=0.9)
    slope = UpliftModel("dr", "ridge").fit(trial).calibrated_.rows["slope"].iloc[0]
    assert slope < 0.7  # 0.1 is left, and noise
    trial, _ = _trial(early=False, n=100)
    with pytest.raises(InputError, match="is an outcome and cannot be a covariate"):
        Experiment(trial.frame, "mail", 0, ["window"], ["margin"], early=["window"])


def test_decisions_count_margin_and_discount_in_the_window() -> None:
    shop = simulated(customers=60, weeks=11)
    early = decisions_experiment(shop, by="kind", early=True)
    within = decisions_experiment(shop, by="kind", horizon_days=0)
    assert early.early == ("margin_in_window", "discount_in_window") and within.early == ()
    assert early.covariates == within.covariates and early.outcomes == within.outcomes
    both = early.frame.merge(within.frame, on="decision_id", suffixes=("", "_there"))
    np.testing.assert_allclose(both["margin_in_window"], both["margin_there"])
    assert (early.frame["discount_in_window"][early.codes == 0] == 0).all()
    assert early.frame["discount_in_window"].sum() > 0
