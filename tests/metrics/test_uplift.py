"""Qini, TOC, AUTOC and their kin against exact cases, plain loops and resampling."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import t

from promolab.metrics.uplift import aipw_scores, compare_qini, effect_calibration, qini, rate
from promolab.stats import spread_of
from tests.draws import check_cover, draws, ends_of
from tests.refused import refused

FOUR = {"y": None, "treated": None, "score": [4, 3, 2, 1], "gamma": [12.0, 9.0, 8.0, 7.0]}
NAMES = ("radcliffe", "scikit-uplift", "causalml")


def experiment(seed: int = 0, n: int = 400, *, ties: bool = False, share: float = 0.4):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    score = np.round(score, 1) if ties else score
    treated = rng.random(n) < share
    y = 1 + rng.normal(size=n) + treated * (0.3 + 0.3 * score)
    return y, treated, score


def plain_gain(y, treated, score):
    """Points (share, gain) of the curve, a threshold at a time."""
    points = [(0.0, 0.0)]
    for cut in np.unique(score)[::-1]:
        top = score >= cut
        if treated[top].any() and not treated[top].all():
            effect = y[top & treated].mean() - y[top & ~treated].mean()
            points.append((top.mean(), top.mean() * effect))
    return np.array(points)


def test_even_effects_give_a_quarter_and_a_constant_score_nothing_whatever_the_order():
    effect = (np.arange(100_000) + 0.5) / 100_000
    found = rate(None, None, effect, gamma=effect)
    assert found.autoc == pytest.approx(1 / 4, abs=1e-5)
    assert found.qini == pytest.approx(1 / 12, abs=1e-9)
    assert qini(None, None, effect, gamma=effect).qini == pytest.approx(1 / 12, abs=1e-9)
    assert found.effect.value == pytest.approx(0.5)
    y, treated, score = experiment(ties=True)
    flat, customer = np.ones(len(y)), np.arange(len(y)) // 2
    mixed = np.random.default_rng(1).permutation(len(y))
    whole = rate(y, treated, score, cluster=customer)
    for order in (mixed, np.argsort(y), np.argsort(-y)):
        for none in (qini(y[order], treated[order], flat), qini(None, None, flat, gamma=y[order])):
            assert none.qini == none.std_error == 0 and none.curve["share"].tolist() == [0, 1]
        area = rate(y[order], treated[order], flat)
        assert area.autoc == area.autoc_ci_low == area.autoc_ci_high == 0
        assert area.summary().startswith("There is nothing to rank by: scores or outcomes are all")
        again = rate(y[order], treated[order], score[order], cluster=customer[order])
        assert again.estimate.ends == pytest.approx(whole.estimate.ends, abs=1e-12)
        assert np.allclose(again.toc, whole.toc)


@pytest.mark.parametrize("ties", [False, True])
def test_the_curve_is_what_a_threshold_at_a_time_gives(ties):
    y, treated, score = experiment(3, 100, ties=ties)
    points = plain_gain(y, treated, score)
    found = qini(y, treated, score)
    share, gain = points.T
    assert found.qini == pytest.approx(np.trapezoid(gain, share) - gain[-1] / 2)
    inside = found.curve[found.curve["share"] >= share[1]]
    assert np.allclose(inside["gain"], np.interp(inside["share"], share, gain))
    # AUTOC by a fine sum over TOC(q) = g(q)/q − g(1).
    q = (np.arange(2_000_000) + 0.5) / 2_000_000
    toc = np.interp(q, share, gain) / q - gain[-1]
    area = rate(y, treated, score)
    assert area.autoc == pytest.approx(toc.mean(), abs=1e-6)
    assert area.qini == pytest.approx((q * toc).mean(), abs=1e-9)
    assert area.qini == pytest.approx(found.qini, abs=1e-12)


def test_arms_that_are_mixed_unevenly_are_undone_by_their_propensity():
    # One treated and one control at every score: every top is balanced.
    rng = np.random.default_rng(2)
    score = np.repeat(rng.normal(size=300), 2)
    treated = np.tile([True, False], 300)
    y = rng.normal(size=600) + treated * score
    one = qini(y, treated, score)
    two = qini(None, None, score, gamma=aipw_scores(y, treated, 0.5))
    assert one.qini == pytest.approx(two.qini, abs=1e-12)
    assert one.effect.value == pytest.approx(two.effect.value, abs=1e-12)
    x = rng.normal(size=20_000)
    chance = np.where(x > 0, 0.8, 0.2)  # those with the best outcomes are treated more often
    treated = rng.random(20_000) < chance
    y = 2 * x + treated * 0.5 + rng.normal(size=20_000)
    naive, right = qini(y, treated, x), qini(y, treated, x, chance)
    assert naive.effect.ci_low > 1.5
    assert right.effect.ci_low < 0.5 < right.effect.ci_high
    assert right.ci_low < 0 < right.ci_high and right.estimator == "AIPW scores"
    y, treated, score = experiment()
    for same in (0.4, np.full(len(y), 0.4)):
        assert qini(y, treated, score, same).qini == qini(y, treated, score).qini


@pytest.mark.parametrize("kind", ["means", "scores", "ties"])
@pytest.mark.parametrize("name", ["qini", "autoc"])
def test_standard_errors_are_those_of_the_jackknife(kind, name):
    n = 150
    y, treated, score = experiment(5, n, ties=kind == "ties")

    def made(k):
        one = {"gamma": y[k]} if kind == "scores" else {"y": y[k], "treated": treated[k]}
        return {"qini": qini, "autoc": rate}[name](
            **{"y": None, "treated": None, "score": score[k]} | one
        )

    left_out = np.array([made(kept).value for kept in ~np.eye(n, dtype=bool)])
    expected, found = (n - 1) * left_out.std(ddof=1) / np.sqrt(n), made(slice(None))
    # A row on top weighs log n in AUTOC, so the jackknife's figure is a little larger there.
    rel = 0.16 if name == "autoc" else 0.1
    assert found.ci_high - found.ci_low == pytest.approx(2 * 1.97 * expected, rel=rel)


def test_rows_twice_with_their_customer_change_no_interval():
    y, treated, score = experiment(7, 500)
    twice = np.repeat(np.arange(500), 2)
    once, doubled, ignored = (
        qini(y[rows], treated[rows], score[rows], cluster=cluster)
        for rows, cluster in ((slice(None), None), (twice, twice), (twice, None))
    )
    assert doubled.qini == pytest.approx(once.qini, rel=0.03)
    assert doubled.std_error == pytest.approx(once.std_error, rel=0.02)
    width = [(x.curve["ci_high"] - x.curve["ci_low"])[[30, 50, 80]] for x in (once, doubled)]
    assert np.allclose(width[0], width[1], rtol=0.05)
    assert ignored.std_error < 0.75 * once.std_error


def world(rng, n):
    """Score is the effect, seen with noise; the effect has mean 0.3 and spread 0.3."""
    x = rng.normal(size=n)
    score = x + rng.normal(size=n)
    treated = rng.random(n) < 0.5
    return x + 2 * rng.normal(size=n) + treated * (0.3 + 0.3 * x), treated, score


def test_intervals_cover_the_truth():
    n = 1000
    slope = 0.3 / 2  # E[effect | score] = 0.3 + 0.15·score; score has variance 2
    # ∫ TOC dq = slope·sd·∫ E[z | top q] dq, known of the normal; by a fine grid.
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    z = -ndtri(u)
    truth = {
        "qini": slope * np.sqrt(2) * (z * (0.5 - u)).mean(),
        "autoc": slope * np.sqrt(2) * (z * -np.log(u)).mean(),
        "effect": 0.3,
        "top": 0.3 + slope * np.sqrt(2) * z[u < 0.3].mean(),
        "slope": 1.0,
    }
    truth["difference"] = truth["qini"] * (1 - np.sqrt(2 / 3))  # the other score: variance 3
    rng = np.random.default_rng(11)
    ends: dict[str, list[Any]] = {name: [] for name in truth}
    for _ in range(draws()):
        y, treated, score = world(rng, n)
        area, top = rate(y, treated, score), qini(y, treated, score).at(0.3)
        other = score + rng.normal(size=n)
        found = {**area.estimates, "effect": area.effect, "top": top * (1 / 0.3)}
        found["difference"] = compare_qini(y, treated, score, other).estimate
        found["slope"] = effect_calibration(y, treated, 0.3 + slope * score, bins=1).slope
        for name, x in found.items():
            ends[name].append(x)
    for name, value in truth.items():
        check_cover(ends_of(ends[name]), value, slack=0.0, wide=0.05)


def test_the_top_is_a_difference_in_means_and_a_ratio_to_no_known_sign_has_no_bounds():
    y, treated, score = experiment(13, 200)
    top = score >= np.sort(score)[-50]
    expected = y[top & treated].mean() - y[top & ~treated].mean()
    assert qini(y, treated, score).at(0.25).value == pytest.approx(0.25 * expected)
    y, treated, score = experiment(12, 300)
    known = qini(y, treated, score).relative
    shifted = qini(y - treated * qini(y, treated, score).effect.value, treated, score).relative
    assert np.isfinite([known.ci_low, known.ci_high]).all() and known.ci_low < known.value
    assert np.isinf([shifted.ci_low, shifted.ci_high]).all()


def test_a_pair_is_told_apart_better_than_two_intervals_suggest():
    y, treated, score = experiment(14, 3000)
    worse = score + 0.5 * np.random.default_rng(0).normal(size=3000)
    pair = compare_qini(y, treated, score, worse)
    one, two = qini(y, treated, score), qini(y, treated, worse)
    assert qini(y, treated, -score).facts()["verdict"] == "below"
    assert rate(y, treated, score).facts()["verdict"] == "above"
    two.plot(ax := one.plot(), label="worse")
    assert len(ax.get_legend().get_texts()) == 3
    assert pair.difference == pytest.approx(one.qini - two.qini, abs=1e-12)
    assert pair.std_error < 0.7 * np.hypot(one.std_error, two.std_error)
    same = compare_qini(y, treated, score, 3 * score)
    assert same.difference == 0 and same.std_error == pytest.approx(0, abs=1e-12)
    at_its_end = compare_qini(y, treated, score, worse, level=1 - pair.p_value)
    assert at_its_end.ci_low == pytest.approx(0, abs=1e-9)  # Student's, as the interval is
    swapped = compare_qini(y, treated, worse, score)
    assert swapped.difference == -pair.difference and swapped.p_value == pair.p_value


def test_right_effects_have_slope_one_and_stretched_ones_less():
    rng = np.random.default_rng(18)
    y, treated, score = world(rng, 20_000)
    right = 0.3 + 0.15 * score
    good = effect_calibration(y, treated, right)
    wide = effect_calibration(y, treated, 3 * right, cluster=np.arange(20_000) // 2)
    assert good.slope.ci_low < 1 < good.slope.ci_high
    assert good.difference.ci_low < 0 < good.difference.ci_high
    assert wide.slope.ci_high < 1 and wide.difference.ci_low > 0
    assert wide.slope.value == pytest.approx(good.slope.value / 3)
    assert len(good.bins) == 10 and good.bins["n"].sum() == 20_000
    low, predicted, high = (good.bins[name] for name in ("ci_low", "predicted", "ci_high"))
    assert ((low <= predicted) & (predicted <= high)).sum() >= 8
    top = right >= np.quantile(right, 0.9)
    expected = y[top & treated].mean() - y[top & ~treated].mean()
    assert good.bins["observed"].iloc[-1] == pytest.approx(expected, rel=0.02)
    flat = effect_calibration(y, treated, np.ones(20_000))
    assert np.isnan(flat.slope.value) and "equal" in flat.summary()


@pytest.mark.parametrize("way", ["rows", "customers"])
def test_what_qini_and_the_average_share_is_the_covariance_of_a_sample(way):
    found = qini(**FOUR, cluster=np.arange(4) if way == "customers" else None, level=0.8)
    # Qini is 1/2, the average 9: gains of 3, 5.25, 7.25 and 9. A row adds to the one
    # γ·(1/2 − its mid share) + the gain there − 5.5, and γ − 9 to the other.
    area, average = np.array([0.5, -0.25, -0.25, 0.0]), np.array([3.0, 0.0, -1.0, -2.0])
    # Products are summed, times 4/3, over 4²: variances 1/32 and 7/6, covariance 7/48.
    few = min(spread_of(x / 4, None).degrees for x in (area, average))
    z2 = t.ppf(0.9, few) ** 2
    error = t.ppf(0.9, spread_of(average / 4, None).degrees) * np.sqrt(7 / 6)
    assert found.effect.ends == pytest.approx((9.0, 9.0 - error, 9.0 + error))
    assert found.at(1.0).ends == found.effect.ends
    a, b, c = 81 - z2 * 7 / 6, 4.5 - z2 * 7 / 48, 1 / 4 - z2 / 32
    ends = (b + np.array([-1, 1]) * np.sqrt(b * b - a * c)) / a
    assert [found.relative.ci_low, found.relative.ci_high] == pytest.approx(ends.tolist())


@pytest.mark.parametrize("way", ["rows", "customers"])
def test_the_band_within_a_short_list_is_that_of_a_sample(way):
    found = qini(**FOUR, cluster=np.arange(4) if way == "customers" else None)
    # The upper half: its rows add γ less the slope of 9 around the cut, and the cut moves by half
    # of 9 − 10.5: 2.25 and −0.75 thrice. Squares of 6.75, times 4/3, over 4²: 0.75².
    away = 0.75 * t.ppf(0.975, 1)  # two rows lie above the cut
    assert found.at(0.5).ends == pytest.approx((5.25, 5.25 - away, 5.25 + away))
    # Less half of what the average has: 0.75, −0.75, −0.25 and 0.25.
    above = found.curve.set_index("share").loc[0.5]
    assert above["above"] == 0.75
    assert above["above_high"] - 0.75 == pytest.approx(np.sqrt(1.25 * 4 / 3) / 3 * away)


def test_an_arms_mean_is_weighted_by_one_over_each_rows_own_chance_of_several_arms():
    # Treated 10 and 2 with chances 0.8 and 0.2: (10/0.8 + 2/0.2) ÷ (1/0.8 + 1/0.2) = 3.6;
    # controls 4 and 1 with 0.5 and 0.2 of theirs: (4/0.5 + 1/0.2) ÷ (1/0.5 + 1/0.2) = 13/7.
    y, treated = [10.0, 2.0, 4.0, 1.0], [1, 1, 0, 0]
    gamma = aipw_scores(y, treated, [0.8, 0.2, 0.5, 0.8])
    one, none = 3.6, 13 / 7
    own = [(10 - one) / 0.8, (2 - one) / 0.2, -(4 - none) / 0.5, -(1 - none) / 0.2]
    assert gamma == pytest.approx(one - none + np.array(own))
    gamma = aipw_scores([1.0, 2.0, 3.0], [0, 1, 2], [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])
    assert np.isnan(gamma).tolist() == [[False, True], [False, True], [True, False]]
    rng = np.random.default_rng(19)
    n = 30_000
    x = rng.normal(size=n)
    chances = np.where(x[:, None] > 0, [0.5, 0.3, 0.2], [0.2, 0.3, 0.5])
    arm = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    y = x + np.array([0.0, 0.5, 1.0])[arm] + rng.normal(size=n)
    plain = aipw_scores(y, arm, chances)
    helped = aipw_scores(y, arm, chances, mu=x[:, None] + np.array([0.0, 0.5, 1.0]))
    for gamma in (plain, helped):
        assert (np.abs(gamma.mean(axis=0) - [0.5, 1.0]) < 4 * gamma.std(axis=0) / n**0.5).all()
    assert (helped.std(axis=0) < 0.8 * plain.std(axis=0)).all()
    # Two arms of three are one half each, not one third.
    two = arm < 2
    gamma = aipw_scores(y[two], arm[two], chances[two, 1] / chances[two, :2].sum(axis=1))
    assert abs(gamma.mean() - 0.5) < 4 * gamma.std() / two.sum() ** 0.5


def test_a_wrong_call_is_told_in_words():
    for change, words in [
        ({"y": [1.0, np.nan, 0, 1]}, "missing or infinite"),
        ({"y": ["a", "b", "c", "d"]}, "not numeric"),
        ({"treated": [1, 1, 1, 1]}, "treated is 1 in all"),
        ({"treated": [0, 1, 2, 1]}, "expected 0 and 1"),
        ({"treated": [0, 1, 1]}, "treated has 3 rows"),
        ({"score": [1, 2, 3]}, "score has 3 rows"),
        ({"score": [1, 2, 3, np.nan]}, "missing"),
        ({"propensity": [0.5, 0.5, 0.5, 1.0]}, "propensity is 1"),
        ({"propensity": [0.5, 0.5]}, "propensity has shape"),
        ({"gamma": [1, 2, 3, 4]}, "either gamma"),
        ({"y": None}, "y or treated is None"),
        ({"convention": "qinni"}, "known: causalml, radcliffe"),
        ({"convention": "causalml", "propensity": [0.5, 0.5, 0.5, 0.6]}, "ignores propensities"),
        ({"convention": "scikit-uplift", "y": [1.0, 2.0, 0.0, 1.0]}, "binary outcomes only"),
        ({"cluster": ["a", "b", None, "c"]}, "cluster has 1 missing"),
    ]:
        call = {"y": [1, 0, 1, 0], "treated": [1, 1, 0, 0], "score": [1, 2, 3, 4]}
        refused(words, qini, **call | change)
    y, treated, score = [1, 0, 1, 0], [1, 1, 0, 0], [1, 2, 3, 4]
    refused("share is 1.2", qini(y, treated, score).at, 1.2)
    refused("one arm only", effect_calibration, y, treated, score, bins=2)
    refused("knows no AIPW scores", qini, None, None, score, gamma=y, convention="causalml")
    refused("no row has arm 2", aipw_scores, y, [0, 1, 0, 1], np.full((4, 3), 1 / 3))
    refused("calls impossible", aipw_scores, y, [0, 1, 0, 1], np.tile([1.0, 0.0], (4, 1)))
    refused(r"mu has shape \(4, 3\)", aipw_scores, y, treated, 0.5, mu=np.ones((4, 3)))


def rows(seed: int, n: int, ties: bool):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    score = np.round(score, 1) if ties else score
    treated = rng.random(n) < 0.4
    y = (rng.random(n) < 1 / (1 + np.exp(1.5 - 0.5 * score - 0.6 * treated * score))).astype(float)
    return y, treated.astype(int), score


def by_causalml(y, treated, score):
    """`qini_score`: the frame sorted by pandas, gaps interpolated, the mean over 0 … n."""
    frame = pd.DataFrame({"y": y, "w": treated, "s": score}).sort_values("s", ascending=False)
    curve, n_t, n_c, y_t, y_c = [0.0], 0, 0, 0.0, 0.0
    for outcome, arm in zip(frame["y"], frame["w"], strict=True):
        n_t, n_c = n_t + arm, n_c + 1 - arm
        y_t, y_c = y_t + outcome * arm, y_c + outcome * (1 - arm)
        curve.append(y_t - y_c * n_t / n_c if n_c else np.nan)
    points = pd.Series(curve).interpolate()
    points = points / abs(points.iloc[-1])
    line = np.linspace(points.iloc[0], points.iloc[-1], len(points))
    return float((points.sum() - line.sum()) / len(points))


def scikit_uplift_curve(y, treated, score):
    """`qini_curve`: a point per distinct score, no control yet counted as none bought."""
    x, curve = [0], [0.0]
    for cut in np.unique(score)[::-1]:
        top = score >= cut
        n_t, n_c = int(treated[top].sum()), int((1 - treated[top]).sum())
        y_t, y_c = (y * treated)[top].sum(), (y * (1 - treated))[top].sum()
        x.append(int(top.sum()))
        curve.append(y_t - y_c * (n_t / n_c if n_c else 0.0))
    return np.array(x), np.array(curve)


def by_scikit_uplift(y, treated, score):
    """`qini_auc_score`: area above the line ÷ that of the ranking by y·t − y·(1 − t)."""
    x, curve = scikit_uplift_curve(y, treated, score)
    best_x, best = scikit_uplift_curve(y, treated, y * treated - y * (1 - treated))
    line = best_x[-1] * best[-1] / 2
    return float((np.trapezoid(curve, x) - line) / (np.trapezoid(best, best_x) - line))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [40, 400])
def test_each_library_gets_its_own_figure(n, ties):
    y, treated, score = rows(n, n, ties)
    found = qini(y, treated, score, convention="scikit-uplift")
    assert found.qini == pytest.approx(by_scikit_uplift(y, treated, score), abs=1e-12)
    for outcome in (y, y * np.random.default_rng(0).gamma(2.0, 10.0, n)):  # of money as well
        found = qini(outcome, treated, score, convention="causalml")
        assert found.qini == pytest.approx(by_causalml(outcome, treated, score), abs=1e-12)


def test_ties_and_effects_near_nothing_are_told_as_each_library_does():
    y, treated, _ = rows(6, 500, False)
    order, flat = np.argsort(-y * treated, kind="stable"), np.ones(500)
    tied = [qini(y[order], treated[order], flat, convention=name).qini for name in NAMES]
    assert tied[:2] == pytest.approx([0, 0], abs=1e-12) and abs(tied[2]) > 0.5
    y, treated, score = rows(7, 4000, False)
    effect = y[treated == 1].mean() - y[treated == 0].mean()
    shifted = y - treated * (effect - 1e-4)
    assert abs(qini(shifted, treated, score, convention="causalml").qini) > 50
    own = qini(y, treated, score).qini
    assert qini(shifted, treated, score).qini == pytest.approx(own, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "ties"),
    # Not causalml with ties: there a row left out reorders the others.
    [("causalml", False), ("scikit-uplift", False), ("scikit-uplift", True)],
)
def test_their_standard_errors_are_those_of_the_jackknife(name, ties):
    n = 200
    y, treated, score = rows(8, n, ties)
    y = np.where(treated == 1, np.maximum(y, score > -0.5), y)  # a clear effect to divide by
    left_out = [
        qini(y[keep], treated[keep], score[keep], convention=name).qini
        for keep in ~np.eye(n, dtype=bool)
    ]
    found = qini(y, treated, score, convention=name)
    assert found.std_error == pytest.approx(np.std(left_out) * (n - 1) / np.sqrt(n), rel=0.05)
