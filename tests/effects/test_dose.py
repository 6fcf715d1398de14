"""The dose-response of a kind: its curve covers the truth, and rises where it must."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Experiment
from promolab.effects import UpliftModel, dose_response
from promolab.effects.dose import MOST, _rising
from tests.draws import bounds
from tests.refused import refused, spoilt

EFFECTS = np.array([1.0, 2.0, 3.0])


def fitted(trial, outcome="margin"):
    return UpliftModel("dr", "ridge", folds=2).fit(trial, outcome)


def drawn(effects, n=4_000, rounds=6, spread=0.0, seed=0, doses=(0.05, 0.1, 0.2), taste=0.0):
    """Decisions of some rounds with a promotion of each dose; effects by dose, with a spread.

    Customers differ in what they buy anyway by ``taste``, which is the same in all rounds.
    """
    rng = np.random.default_rng(seed)
    size = n * rounds
    number = np.repeat(np.arange(rounds), n)
    taken = rng.integers(0, 2 * len(doses), size)
    got = taken < len(doses)
    place = np.where(got, taken, 0)
    own = np.array(effects) + rng.normal(0, spread, (rounds, len(doses)))
    y = rng.normal(0, 1, size) + np.tile(taste * rng.normal(size=n), rounds)
    y += np.where(got, own[number, place], 0.0)
    named = np.array([[f"P{r}-{p}" for p in range(len(doses))] for r in range(rounds)])
    frame = pd.DataFrame({"customer_id": np.tile(np.arange(n), rounds), "margin": y})
    frame["round"], frame["share_of_arm"] = number.astype(str), 1 / len(doses)
    frame["action"] = np.where(got, named[number, place], "none")
    frame["arm"] = np.where(got, "coupon", "none")
    return of(frame, block="round"), dict(zip(named.ravel(), doses * rounds, strict=True))


def of(frame, **how):
    even = [[0.5, 0.5]] * len(frame)
    return Experiment(frame, "arm", "none", [], ["margin"], propensity=even, **how)


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_the_curve_covers_the_truth(spread):
    inside, off = [], []
    for seed in range(30):
        trial, doses = drawn(EFFECTS, n=250, rounds=8, spread=spread, seed=seed, taste=2.0)
        found = dose_response(fitted(trial), doses)
        low, high = (found.frame[end].to_numpy() for end in ("ci_low", "ci_high"))
        inside.append((low <= EFFECTS) & (high >= EFFECTS))
        off.append(((found.frame["effect"] - EFFECTS) / found.frame["std_error"]).mean())
    assert np.mean(inside) >= bounds(0.95, 90)[0] - 0.02
    assert abs(np.mean(off)) < 3.3 / np.sqrt(len(off))  # not biased


def test_without_columns_it_is_the_difference_of_means_of_a_round():
    trial, doses = drawn(EFFECTS, rounds=1)
    found = dose_response(fitted(trial), doses)
    frame = trial.frame
    none = frame.loc[frame["arm"] == "none", "margin"]
    for row, promotion in zip(found.frame.itertuples(), sorted(doses), strict=True):
        mine = frame.loc[frame["action"] == promotion, "margin"]
        assert row.effect == pytest.approx(mine.mean() - none.mean(), abs=1e-3)
        error = np.sqrt(mine.var() / len(mine) + none.var() / len(none))
        assert row.std_error == pytest.approx(error, rel=0.05) and row.n == len(mine)
    assert np.isnan(found.spread) and found.degrees == np.inf


def test_the_spread_between_promotions_of_a_dose_is_found_and_is_in_the_interval():
    made = (drawn(EFFECTS, rounds=20, n=1_000, spread=s) for s in (0.0, 0.5))
    plain, wide = (dose_response(fitted(trial), doses) for trial, doses in made)
    assert plain.spread < 0.12 and 0.35 < wide.spread < 0.65
    assert wide.frame["std_error"].min() > 2 * plain.frame["std_error"].max()
    assert wide.degrees == pytest.approx(57, rel=0.3)  # 60 promotions less 3 doses


def test_the_average_and_the_factor_by_hand_and_outside_the_drawn_doses_it_is_less_sure():
    trial, doses = drawn(EFFECTS, rounds=4)
    model = fitted(trial)
    found = dose_response(model, doses)
    assert found.average.value == pytest.approx(model.average().rows["effect"][0], abs=0.01)
    for dose, wanted in [(0.05, 0.5), (0.1, 1.0), (0.2, 1.5), (0.15, 1.25)]:
        factor, error = found.factor(dose)
        assert factor == pytest.approx(wanted, abs=4 * error) and 0.003 < error < 0.05
    assert found.at(0.15).value == pytest.approx((found.at(0.1).value + found.at(0.2).value) / 2)
    assert found.share @ found.frame["effect"] == pytest.approx(found.average.value)
    assert [found.extrapolated(at) for at in (0.04, 0.05, 0.13, 0.4)] == [True, False, False, True]
    inside, outside = found.at(0.2), found.at(0.4)
    assert outside.value == inside.value
    assert outside.ci_high - outside.ci_low > 3 * (inside.ci_high - inside.ci_low)
    assert found.factor(0.4)[1] > 3 * found.factor(0.2)[1]
    refused("depth", found.at, -0.1)
    assert found.to_frame()["n"].sum() == (trial.frame["arm"] == "coupon").sum()


def test_of_nothing_no_multiple_is_taken_one_dose_says_nothing_and_many_are_grouped():
    trial, doses = drawn([0.5, -0.52], doses=(0.1, 0.2))
    found = dose_response(fitted(trial), doses)
    assert found.average.ci_low < 0 < found.average.ci_high
    factor, error = found.factor(0.1)
    assert factor == 1 and error * abs(found.average.value) > 0.4
    trial, doses = drawn([1.0], doses=(0.1,))
    found = dose_response(fitted(trial), doses)
    assert found.factor(0.1) == (1.0, 0.0) and found.extrapolated(0.11)
    doses = tuple(np.linspace(0.02, 0.4, 10).round(3))
    trial, named = drawn(np.linspace(1, 2, 10), doses=doses, rounds=3)
    found = dose_response(fitted(trial), named)
    assert len(found.frame) == MOST and found.frame["promotions"].sum() == 30
    assert found.frame["dose"].is_monotonic_increasing


def test_rising_effects_are_pooled_where_they_fall():
    trial, doses = drawn([2.0, 1.0, 3.0])
    model = fitted(trial)
    free = dose_response(model, doses)
    risen = dose_response(model, doses, monotone=True)
    assert not free.monotone and free.frame["effect"].iloc[1] < free.frame["effect"].iloc[0]
    effect = risen.frame["effect"]
    assert effect.iloc[0] == pytest.approx(effect.iloc[1]) == pytest.approx(1.5, abs=0.1)
    assert (np.diff(risen.frame[["effect", "ci_low", "ci_high"]], axis=0) >= -1e-12).all()
    assert _rising(np.array([3.0, 1.0, 2.0]), np.ones(3)).tolist() == [2.0, 2.0, 2.0]


def test_rising_intervals_cover_where_the_truth_rises():
    """A flat truth pools most: there an interval that only shrinks would fail."""
    inside = []
    for seed in range(30):
        trial, doses = drawn([1.0, 1.0, 1.0], n=150, rounds=2, seed=seed)
        rows = dose_response(fitted(trial), doses, monotone=True).frame
        inside.append(((rows["ci_low"] <= 1) & (rows["ci_high"] >= 1)).all())
    assert np.mean(inside) >= 0.85


def test_what_cannot_be_measured_is_a_sentence():
    trial, doses = drawn([1.0, 2.0, 3.0], n=400, rounds=1)
    model = fitted(trial)
    refused("there is no arm 'cupon'", dose_response, model, doses, "cupon")
    refused("none of the promotions", dose_response, model, {"X": 0.1})
    refused("depth of P0-0", dose_response, model, doses | {"P0-0": -1.0})
    deep = trial.frame["action"] == "P0-2"
    most = trial.frame["action"].mask(deep & (deep.cumsum() > 1), "P0-1")
    one = fitted(of(trial.frame.assign(action=most)))
    spoilt("1 decision got P0-2", dose_response, one, doses)
    unknown = fitted(of(trial.frame.drop(columns="action")))
    refused("which promotion was taken", dose_response, unknown, doses)
