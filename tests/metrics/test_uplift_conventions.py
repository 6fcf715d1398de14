"""Other libraries' figures against their algorithms, written out a row at a time."""

import numpy as np
import pandas as pd
import pytest

from promolab.metrics.uplift import qini

NAMES = ("radcliffe", "scikit-uplift", "causalml")


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
