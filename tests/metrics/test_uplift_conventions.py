"""Other libraries' figures against their algorithms, written out a row at a time."""

import numpy as np
import pandas as pd
import pytest

from promolab.metrics.uplift import qini
from promolab.metrics.uplift._inputs import check_uplift
from promolab.metrics.uplift.conventions import CONVENTIONS


def rows(seed: int, n: int, ties: bool):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    score = np.round(score, 1) if ties else score
    treated = rng.random(n) < 0.4
    y = (rng.random(n) < 1 / (1 + np.exp(1.5 - 0.5 * score - 0.6 * treated * score))).astype(float)
    return y, treated.astype(int), score


def by_causalml(y, treated, score, *, normalised=True):
    """`qini_score`: the frame sorted by pandas, gaps interpolated, the mean over 0 … n."""
    frame = pd.DataFrame({"y": y, "w": treated, "s": score}).sort_values("s", ascending=False)
    curve, n_t, n_c, y_t, y_c = [0.0], 0, 0, 0.0, 0.0
    for outcome, arm in zip(frame["y"], frame["w"], strict=True):
        n_t, n_c = n_t + arm, n_c + 1 - arm
        y_t, y_c = y_t + outcome * arm, y_c + outcome * (1 - arm)
        curve.append(y_t - y_c * n_t / n_c if n_c else np.nan)
    points = pd.Series(curve).interpolate()
    points = points / abs(points.iloc[-1]) if normalised else points
    line = np.linspace(points.iloc[0], points.iloc[-1], len(points))
    return float((points.sum() - line.sum()) / len(points))


def by_causalml_auuc(y, treated, score):
    """`auuc_score`: running mean of treated less that of control, times the rows, normalised."""
    frame = pd.DataFrame({"y": y, "w": treated, "s": score}).sort_values("s", ascending=False)
    lift, n_t, n_c, y_t, y_c = [0.0], 0, 0, 0.0, 0.0
    for outcome, arm in zip(frame["y"], frame["w"], strict=True):
        n_t, n_c = n_t + arm, n_c + 1 - arm
        y_t, y_c = y_t + outcome * arm, y_c + outcome * (1 - arm)
        lift.append(y_t / n_t - y_c / n_c if n_t and n_c else np.nan)
    gain = pd.Series(lift).interpolate() * np.arange(len(lift))
    return float((gain / abs(gain.iloc[-1])).mean())


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


def by_pylift(y, treated, score, chance):
    """`get_scores`: row by row, every row 0.5/propensity, the step 1/N; Q_qini and q1_aqini."""
    weight = 0.5 / np.where(treated == 1, chance, 1 - chance)
    some, other = weight[treated == 1].sum(), weight[treated == 0].sum()
    yes = weight[(treated == 1) & (y > 0)].sum()
    other_yes = weight[(treated == 0) & (y > 0)].sum()
    n, lift = some + other, yes / some - other_yes / other
    x = [0, yes / n, 1 - other_yes / n, 1]
    if x[1] > x[2]:
        x[1] = x[2] = (x[1] + x[2]) / 2
    most = np.trapezoid([0, 2 * x[1], 2 * x[1], lift], x) - lift / 2
    areas = {}
    for name in ("qini", "aqini"):
        area = last = y_t = y_c = 0.0
        n_t = n_c = 1e-20
        for i in sorted(range(len(y)), key=lambda i: score[i], reverse=True):
            n_t, n_c = n_t + weight[i] * treated[i], n_c + weight[i] * (1 - treated[i])
            y_t += weight[i] * treated[i] * (y[i] > 0)
            y_c += weight[i] * (1 - treated[i]) * (y[i] > 0)
            now = y_t / some - (y_c / other if name == "qini" else y_c * n_t / (n_c * some))
            area, last = area + (now + last) / 2 / n, now
        areas[name] = area - lift / 2
    return areas["qini"], areas["aqini"] / most


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [40, 400])
def test_each_library_gets_its_own_figure(n, ties):
    y, treated, score = rows(n, n, ties)
    found = qini(y, treated, score, convention="causalml")
    assert found.qini == pytest.approx(by_causalml(y, treated, score), abs=1e-12)
    plain = by_causalml(y, treated, score, normalised=False)
    assert found.figures["qini_score(normalize=False)"] == pytest.approx(plain, abs=1e-9)
    auuc = by_causalml_auuc(y, treated, score)
    assert found.figures["auuc_score"] == pytest.approx(auuc, abs=1e-12)

    found = qini(y, treated, score, convention="scikit-uplift")
    assert found.qini == pytest.approx(by_scikit_uplift(y, treated, score), abs=1e-12)

    for chance in (None, 0.4, np.clip(0.4 + 0.1 * score, 0.1, 0.9)):
        found = qini(y, treated, score, chance, convention="pylift")
        known = np.full(n, treated.mean()) if chance is None else np.broadcast_to(chance, n)
        traditional, adjusted = by_pylift(y, treated, score, known)
        assert found.qini == pytest.approx(adjusted, abs=1e-12)
        assert found.figures["Q_qini"] == pytest.approx(traditional, abs=1e-12)


def test_money_ties_and_effects_near_nothing_are_told_as_each_library_does():
    y, treated, score = rows(5, 200, False)
    money = y * np.random.default_rng(0).gamma(2.0, 10.0, 200)
    own = qini(money, treated, score, convention="causalml").qini
    assert own == pytest.approx(by_causalml(money, treated, score), abs=1e-12)
    counted = qini(money, treated, score, convention="pylift").qini
    assert counted == pytest.approx(qini(y, treated, score, convention="pylift").qini)
    y, treated, _ = rows(6, 500, False)
    order, flat = np.argsort(-y * treated, kind="stable"), np.ones(500)
    found = {
        name: qini(y[order], treated[order], flat, convention=name).qini for name in CONVENTIONS
    }
    assert found["radcliffe"] == 0
    assert found["scikit-uplift"] == pytest.approx(0, abs=1e-12)
    assert found["pylift"] > 0.5 and abs(found["causalml"]) > 0.5
    y, treated, score = rows(7, 4000, False)
    effect = y[treated == 1].mean() - y[treated == 0].mean()
    shifted = y - treated * (effect - 1e-4)
    assert abs(qini(shifted, treated, score, convention="causalml").qini) > 50
    assert qini(shifted, treated, score).qini == pytest.approx(
        qini(y, treated, score).qini, abs=2e-3
    )


@pytest.mark.parametrize(
    ("name", "ties"),
    # Not causalml with ties: there a row left out reorders the others.
    [
        ("causalml", False),
        ("scikit-uplift", False),
        ("scikit-uplift", True),
        ("pylift", False),
        ("pylift", True),
    ],
)
def test_their_standard_errors_are_those_of_the_jackknife(name, ties):
    n = 300
    y, treated, score = rows(8, n, ties)
    y = np.where(treated == 1, np.maximum(y, score > -0.5), y)  # a clear effect to divide by
    chance = 0.4 if name == "pylift" else None
    theirs = CONVENTIONS[name]
    assert theirs is not None

    def figure(keep):
        data = check_uplift(y[keep], treated[keep], None, None, None, 0.95)
        return theirs(data, score[keep], chance)

    full = figure(np.ones(n, dtype=bool))
    left_out = np.array([figure(keep).value for keep in ~np.eye(n, dtype=bool)])
    parts = (n - 1) * (full.value - left_out)
    assert np.corrcoef(parts, full.influence)[0, 1] > 0.99
    assert full.influence.std() == pytest.approx(parts.std(), rel=0.05)
    found = qini(y, treated, score, chance, convention=name)
    assert found.std_error == pytest.approx(parts.std() / np.sqrt(n), rel=0.05)
