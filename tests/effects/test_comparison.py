"""The adjusted difference on data whose truth is known, and against other implementations."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from promolab.effects.differences import _folds, adjusted_difference, design_matrix
from tests.draws import check_cover, draws, ends_of

EFFECT = 1.5


def draw(n: int, rng: np.random.Generator, strength: float = 0.7, effect: float = EFFECT):
    """Return outcome, contacted, covariates: who spends more is contacted more often."""
    x = rng.normal(size=(n, 3))
    chance = 1 / (1 + np.exp(0.4 - strength * (x[:, 0] + 0.5 * x[:, 1])))
    a = rng.random(n) < chance
    y = 10 + 3 * x[:, 0] + x[:, 1] + effect * a + rng.normal(size=n) * 2
    return y, a, x


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    n = 500
    found = ends_of(
        adjusted_difference(y, a, x, np.arange(n)).estimate
        for y, a, x in (draw(n, rng, strength=0.5) for _ in range(draws()))
    )
    made = found[np.isfinite(found).all(axis=1)]
    assert len(made) > 0.97 * len(found)  # overlap is good: the rules hardly ever refuse
    check_cover(made, EFFECT)
    # No wider than 1.25 times what knowing the outcome model and every group's size would give.
    width = (made[:, 2] - made[:, 1]).mean()
    assert width < 1.25 * 2 * 1.96 * 2 * np.sqrt(1 / 215 + 1 / 150)


@pytest.mark.parametrize("wrong", ["outcome", "propensity"])
def test_one_wrong_model_is_mended_by_the_other(wrong):
    rng = np.random.default_rng(3)
    n = 20_000
    x = rng.normal(size=(n, 1))
    bent = x[:, 0] ** 2
    score = x[:, 0] if wrong == "outcome" else 0.5 * bent - 0.5
    level = 2 * bent if wrong == "outcome" else 2 * x[:, 0]
    a = rng.random(n) < 1 / (1 + np.exp(-0.7 * score))
    y = level + EFFECT * a + rng.normal(size=n)
    e = adjusted_difference(y, a, x, np.arange(n)).estimate
    assert e.value == pytest.approx(EFFECT, abs=0.15)


def test_agrees_with_scikit_learn_fold_by_fold():
    rng = np.random.default_rng(4)
    n = 900
    y, a, x = draw(n, rng)
    ids = [f"c{i}" for i in range(n)]
    fold = _folds(ids)
    e, m = np.empty(n), np.empty(n)
    for k in range(5):
        out, rest = fold == k, fold != k
        chances = LogisticRegression(C=1, tol=1e-10).fit(x[rest], a[rest])
        e[out] = chances.predict_proba(x[out])[:, 1]
        m[out] = Ridge(alpha=1).fit(x[rest & ~a], y[rest & ~a]).predict(x[out])
    assert y[a].mean() - y[~a].mean() > EFFECT + 1.5  # a plain difference is far off
    w = e[~a] / (1 - e[~a])
    expected = (y - m)[a].mean() - np.average((y - m)[~a], weights=w)
    found = adjusted_difference(y, a, x, ids)
    assert found.estimate.value == pytest.approx(expected, abs=1e-5)
    assert found.effective_others == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-5)
    assert found.beyond_share == (e[a] > e[~a].max()).mean()
    # Whatever the order of the rows and the type of ids.
    numbers, order = np.arange(n), rng.permutation(n)
    one = adjusted_difference(y, a, x, numbers).estimate
    other = adjusted_difference(y[order], a[order], x[order], numbers[order].astype(str)).estimate
    assert other.ends == pytest.approx(one.ends, abs=1e-9)


def not_identified(found, words):
    assert found.identification == "not identified" and words in found.why
    assert np.isnan(found.estimate.value) and np.isnan(found.estimate.ci_low)
    assert "Not identified" in found.summary()


def test_nothing_is_claimed_without_overlap_of_few_or_of_what_stays_apart():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(2000, 1))
    a = x[:, 0] + 0.05 * rng.normal(size=2000) > 0
    not_identified(adjusted_difference(x[:, 0] + a, a, x, np.arange(2000)), "unlike anybody")
    y, a, x = draw(3000, np.random.default_rng(8), strength=3.5)
    not_identified(adjusted_difference(y, a, x, np.arange(3000)), "weighted to be alike")
    y, a, x = draw(3000, rng)
    few = a & (np.cumsum(a) <= 49)
    found = adjusted_difference(y, few, x, np.arange(3000))
    not_identified(found, "only 49 contacted")
    assert found.contacted_mean == y[few].mean()
    spend = (a + rng.normal(size=3000))[:, None]  # selects, and is not among the covariates
    not_identified(adjusted_difference(y, a, x, np.arange(3000), balance=spend), "earlier spend")


def test_a_difference_before_the_start_betrays_hidden_selection():
    rng = np.random.default_rng(11)
    n = 4000
    hidden = rng.normal(size=n)
    x = rng.normal(size=(n, 2))
    a = rng.random(n) < 1 / (1 + np.exp(-hidden - x[:, 0]))
    ids = np.arange(n)
    was, after = (x[:, 0] + hidden + rng.normal(size=n) for _ in range(2))
    before = adjusted_difference(was, a, x, ids)
    assert before.identified  # nothing recorded tells
    found = adjusted_difference(after, a, x, ids, placebo=before)
    not_identified(found, "before the start as well")
    sound = adjusted_difference(rng.normal(size=n), a, x, ids)
    assert adjusted_difference(after, a, x, ids, placebo=sound).placebo == sound.estimate


def test_the_kind_of_design():
    amount = np.random.default_rng(12).lognormal(3, 1, 500)
    X = design_matrix(pd.DataFrame({"amount": amount, "same": 1.0}), ["amount"])
    assert X.mean(axis=0) == pytest.approx([0, 0], abs=1e-9) and X.std(axis=0) == pytest.approx(1)
    # Linear spend is explained by the column that is not bent, whose largest values are cut.
    assert np.corrcoef(X[:, 1], amount)[0, 1] > 0.95
    assert X[:, 1].max() < 0.6 * (amount.max() - amount.mean()) / amount.std()


def test_one_customer_who_makes_up_most_of_the_variance_is_named() -> None:
    y, a, x = draw(1500, np.random.default_rng(8))
    without = adjusted_difference(y, a, x, np.arange(1500))
    y[np.flatnonzero(a)[0]] += 5_000.0
    found = adjusted_difference(y, a, x, np.arange(1500))
    assert "; one customer makes up " in found.why and "variance" not in without.why
    assert "without them it is 1.3 [1.0, 1.5]" in found.why
