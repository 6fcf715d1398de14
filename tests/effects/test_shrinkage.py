"""Effects are drawn to the average as far as they come true; places within folds."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Experiment
from promolab.effects.model import UpliftModel
from promolab.effects.shrinkage import Forward, _line, place_within
from promolab.metrics.uplift import qini
from tests.draws import bounds, draws, noise
from tests.effects.made_up import of, trial

DRAWS = draws(40, 200)


def made(seed: int, n: int = 600, slope: float = 0.0, arms: int = 2) -> Experiment:
    """A trial of money: effects are 0 on average, and differ by ``slope`` per unit of b."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    rows = rows.assign(customer_id=range(n), arm=rng.integers(0, arms, n))
    rows["y"] = np.exp(rows["a"]) + rng.normal(size=n) + slope * rows["b"] * (rows["arm"] > 0)
    return Experiment(rows, "arm", 0, list("abcd"), ["y"], propensity=np.full((n, arms), 1 / arms))


def ahead(model: UpliftModel) -> np.ndarray:
    """Return the places within folds of effects predicted forward, by arm."""
    return np.column_stack([place_within(each, model.fold_) for each in model.forward_.order.T])


def test_with_few_customers_the_errors_of_average_and_slope_are_those_of_a_sample():
    # Two rows of each of four customers, one fold: slope 1 = 8/8, average 12/8.
    scores, away = np.array([3.0, 1, 2, 0, 5, 1, 0, 0]), np.tile([1.0, -1.0], 4)
    forward = Forward({}, scores[:, None], np.ones((8, 1), dtype=bool), np.zeros(8, dtype=int), 1)
    line = _line(forward, 0, away, np.repeat(np.arange(4), 2))
    assert (line.average, line.slope) == (1.5, 1.0)
    # Sums of the customers, of 8: 1, −1, 3, −3 of the average, 0, 0, 2, −2 of the slope; · 4/3.
    expected = np.array([[20.0, 12.0], [12.0, 8.0]]) / 64 * 4 / 3
    assert line.covariance == pytest.approx(expected)


def test_the_mean_of_shown_effects_is_the_doubly_robust_average(experiment, model):
    # Whichever learner predicts, also one that is off on average.
    for one in (model, UpliftModel("s", "ridge", folds=3).fit(experiment)):
        average = one.average().rows["effect"].to_numpy()
        for shown in (one.predict(experiment), one.effects_.to_numpy()):
            assert shown.mean(axis=0) == pytest.approx(average, rel=1e-9)


def test_shown_effects_come_true_where_predicted_ones_do_not():
    # As the learner says them, effects spread further than they are; drawn, as far as they are.
    slopes = []
    for seed in range(25):
        there, later = made(seed, 1_000, 0.5), made(1_000 + seed, 4_000, 0.5)
        model = UpliftModel("dr", "linear").fit(there, despite=["balance", "sample ratio"])
        if not model.calibrated_.told_apart:
            continue
        both = [model.predict(later, calibrated=each)[:, 0] for each in (True, False)]
        truth = 0.5 * later.frame["b"].to_numpy()
        slopes.append([np.cov(truth, shown)[0, 1] / shown.var() for shown in both])
    drawn, said = np.mean(slopes, axis=0)
    assert len(slopes) > 12 and 0.85 < drawn < 1.15 and said < drawn - 0.05


def test_the_best_learner_is_taken_for_each_arm(experiment, model):
    table = model.calibrated_.rows.set_index("arm")
    assert set(table["learner"]) <= {"ridge", "linear", "boosting"}
    assert table["slope"].between(0.5, 1).all() and (table["slope_low"] > 0).all()
    rows = experiment.frame
    assert table.loc["coupon", "spread"] == pytest.approx(rows["effect_coupon"].std(), rel=0.25)
    bent = rows.assign(y=rows["y"] + (rows["arm"] == "mail") * 3.0 * (rows["visits"].abs() > 1))
    known = ("orders", "age", "visits", "town")
    curved = UpliftModel().fit(of(bent, *known, propensity=experiment.propensity))
    learners = curved.calibrated_.rows.set_index("arm")["learner"]
    assert learners["mail"] == "boosting" and learners["coupon"] in ("ridge", "linear")


def test_where_nothing_can_be_told_apart_everybody_has_the_average_and_it_is_said():
    nothing = made(3)
    model = UpliftModel().fit(nothing, despite=["balance"])
    found = model.calibrated_
    assert not found.told_apart and found.rows["learner"].tolist() == ["constant"]
    names = ["effect", "ci_low", "ci_high"]
    (shown,) = model.effect(nothing)[1][names].drop_duplicates().to_numpy()
    assert shown == pytest.approx(model.average().rows.loc[0, names].tolist(), rel=1e-9)
    assert model.by_group(5).of(1).rows["group"].tolist() == ["all alike"]


def test_intervals_hold_the_average_effect_of_customers_predicted_alike():
    inside, width, many = [], [], made(10_000, 5_000, 0.6)
    x = np.linspace(-1.5, 1.5, 7)
    for seed in range(30):
        there = made(seed, 2_000, 0.6)
        model = UpliftModel("dr", "ridge").fit(there, despite=["balance", "sample ratio"])
        new = pd.DataFrame({"a": 0.0, "b": x, "c": 0.0, "d": 0.0})
        shown = model.effect(new)[1]
        raw = model._candidates.drawn.away(many.X)[:, 0]
        line = np.polyfit(raw, 0.6 * many.frame["b"].to_numpy(), 1) if raw.any() else [0.0]
        expected = np.polyval(line, model._candidates.drawn.away(new)[:, 0])
        inside.append(((shown["ci_low"] <= expected) & (expected <= shown["ci_high"])).mean())
        width.append((shown["ci_high"] - shown["ci_low"]).iloc[3])
    # Several points of one line hang together: three standard errors of 30 lines are 0.12.
    assert 0.83 < np.mean(inside) <= 0.995
    assert np.mean(width) < 0.5


def test_places_are_within_the_fold_and_equal_where_effects_are_or_nothing_ranks(experiment, model):
    effects, first = model.effects_["coupon"], model.fold_ == 0
    expected = (effects[first].rank() - 0.5) / int(first.sum())
    places = place_within(effects.to_numpy(), model.fold_)
    assert places[first] == pytest.approx(expected.to_numpy())
    # 2,003 customers: folds differ in size, and places of equal effects must not.
    model = UpliftModel().fit(trial(2_003, covariates=[]))
    assert set(place_within(model.effects_["mail"].to_numpy(), model.fold_)) == {0.5}
    assert set(ahead(model)[model.fold_ > 0].ravel()) == {0.5}


def test_forward_places_come_from_earlier_folds_alone(experiment, model):
    forward, first = ahead(model), model.fold_ == 0
    assert np.isnan(forward[first]).all() and np.isfinite(forward[~first]).all()
    assert forward[~first, 1].max() > 0.99
    # What a later fold holds changes nothing of an earlier one, the choice of learners included.
    found = model._candidates.forward
    scores = found.gamma.copy(order="K")
    scores[model.fold_ >= 3] = 1e6
    changed = Forward(found.predicted, scores, found.kept, found.fold, found.folds)
    for name in ("order", "scaled", "drawn"):
        before, after = (getattr(each, name)[model.fold_ <= 3] for each in (found, changed))
        np.testing.assert_array_equal(before, after)


def test_nothing_is_told_apart_beyond_chance():
    found, z = 0, []
    for seed in range(DRAWS):
        without_effect = made(seed, arms=3)
        model = UpliftModel("dr", "linear").fit(without_effect, despite=["balance", "sample ratio"])
        found += model.calibrated_.told_apart
        row = []
        for places in (ahead(model)[:, 0], model._candidates.away("linear")[:, 0]):
            kept = np.isfinite(places)
            one = qini(None, None, places[kept], gamma=model.scores_[1].to_numpy()[kept])
            row.append(one.qini / one.std_error)
        z.append(row)
    assert found / DRAWS <= bounds(0.025, DRAWS)[1]
    forward, crossed = np.std(z, axis=0)
    assert abs(forward - 1) < noise(DRAWS) and crossed > 1.1 * forward
    assert abs(np.mean(z, axis=0)).max() < 3.3 / np.sqrt(DRAWS)
