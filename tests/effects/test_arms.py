"""The interval of a randomised difference covers a planted effect, and is no wider than needed."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_ind
from sklearn.linear_model import LogisticRegression, Ridge
from statsmodels.stats.proportion import confint_proportions_2indep

from promolab import assign
from promolab.contract import Experiment
from promolab.effects.differences import _folds, adjusted_difference, compare_arms, design_matrix
from promolab.effects.means import group_means, mean_of
from promolab.effects.model import UpliftModel
from promolab.metrics.uplift import effect_calibration, qini, rate
from tests.draws import check_cover, draws, ends_of

DRAWS = draws()
N = 1200
CHECKS = ["sample ratio", "balance", "overlap"]
EFFECT = 1.5


def counted(treated: tuple[int, int], control: tuple[int, int]):
    """Compare arms of so many successes among so many."""
    y = np.zeros(treated[1] + control[1], dtype=int)
    y[: treated[0]] = 1
    y[treated[1] : treated[1] + control[0]] = 1
    return compare_arms(y, np.repeat(["send", "holdout"], [treated[1], control[1]]))


@pytest.mark.parametrize(("held", "rate"), [(50, 0.01), (50, 0.15), (100, 0.05), (500, 0.03)])
@pytest.mark.parametrize("planted", [0.0, 0.02])
def test_shares_are_covered_over_customers_like_these(held, rate, planted):
    rng = np.random.default_rng(2)
    n1, p1 = 9 * held, rate + planted
    x1, x0 = rng.binomial(n1, p1, DRAWS), rng.binomial(held, rate, DRAWS)
    # With half a success, or one, expected in the holdout, nothing that covers is narrower.
    most = 0.7 if held * rate < 1 else 0.4 if held * rate < 2 else 0.12
    # Equal counts are compared once.
    pairs, place = np.unique(np.column_stack([x1, x0]), axis=0, return_inverse=True)
    found = ends_of(counted((int(a), n1), (int(b), held)).estimate for a, b in pairs)
    check_cover(found[place.ravel()], planted, wide=most)


@pytest.fixture(scope="module")
def households():
    """Outcomes without and with contact of 1,200 customers in 500 households that buy alike."""
    rng = np.random.default_rng(5)
    cluster = np.sort(rng.integers(0, 500, 1200))
    leaning = rng.beta(0.4, 2.5, 500)[cluster]
    without = rng.random(1200) < leaning
    spend = np.where(rng.random(1200) < 0.6, rng.gamma(2, 10, 500)[cluster], 0.0)
    bought, spent = without | (rng.random(1200) < 0.05), spend + rng.normal(3, 2, 1200)
    return cluster, {"share": (without * 1.0, bought * 1.0), "mean": (spend, spent)}


@pytest.mark.parametrize("kind", ["share", "mean"])
def test_differences_are_covered_by_assignment_of_households(households, kind):
    cluster, outcomes = households
    (y0, y1), shares = outcomes[kind], {"holdout": 0.2, "send": 0.8}
    ours, naive, truth = [], [], float((y1 - y0).mean())
    for draw in range(DRAWS):
        arm = assign(range(1200), f"{kind} {draw}", shares, 0, cluster=cluster).frame["arm"]
        seen = np.where(arm == "send", y1, y0)
        ours.append(compare_arms(seen, arm, cluster=cluster).estimate)
        naive.append(compare_arms(seen, arm).estimate)
    low, high = ends_of(naive)[:, 1:].T
    assert ((low <= truth) & (truth <= high)).mean() < 0.92
    check_cover(ends_of(ours), truth, wide=0.15)


def test_customers_drawn_anew_each_week_count_with_their_covariance():
    rng = np.random.default_rng(3)
    customer = np.tile(np.arange(300), 4)
    taste = rng.normal(0, 3, 300)[customer]
    found = []
    for _ in range(DRAWS):
        arm = np.where(rng.random(1200) < 0.3, "holdout", "send")
        y = taste + rng.normal(0, 1, 1200) + (arm == "send")
        found.append(compare_arms(y, arm, cluster=customer).estimate)
    check_cover(ends_of(found), 1)


def test_without_clusters_it_is_welch_and_newcombe():
    rng = np.random.default_rng(0)
    a, b = rng.gamma(2, 5, 80), rng.gamma(2, 4, 30)
    e = compare_arms(np.r_[a, b], ["send"] * 80 + ["holdout"] * 30).estimate
    expected = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (e.ci_low, e.ci_high) == pytest.approx(tuple(expected), rel=1e-9)
    for one, other in (((99, 900), (5, 100)), ((0, 40), (0, 50)), ((3, 60), (0, 9))):
        e = counted(one, other).estimate
        expected = confint_proportions_2indep(*one, *other, method="newcomb")
        assert (e.ci_low, e.ci_high) == pytest.approx(expected, rel=1e-9)
    # Each row its own cluster is no cluster.
    y, arm = [0, 1, 1, 0, 1, 0], ["send"] * 4 + ["holdout"] * 2
    for none in (range(6), [None] * 6):
        assert compare_arms(y, arm, cluster=none) == compare_arms(y, arm)


def test_arms_are_chosen_may_be_numbers_and_rows_come_in_any_order():
    arm, cluster = np.array(["holdout", "a", "b"] * 20), np.arange(60) // 6
    y, order = np.arange(60) % 7 < 2, np.random.default_rng(0).permutation(60)
    one = compare_arms(y, arm, treated="a", cluster=cluster)
    again = compare_arms(y[order], arm[order], treated="a", cluster=cluster[order])
    assert one.estimate.ends == pytest.approx(again.estimate.ends, abs=1e-12)
    assert one.estimate.n == 40 and one.arms[0] == "a"
    swapped = compare_arms(y, arm, control="a", treated="holdout")
    assert swapped.estimate.value == pytest.approx(-one.estimate.value)
    assert compare_arms([0] * 60, arm, treated="a", kind="mean").estimate.ci_high == 0
    bought = [1] * 5 + [0] * 95 + [1] * 99 + [0] * 801
    named = compare_arms(bought, ["0"] * 100 + ["1"] * 900, control="0")
    for kind, control in itertools.product((int, float), (0, 0.0, "0")):
        found = compare_arms(bought, np.repeat([0, 1], [100, 900]).astype(kind), control=control)
        assert found.estimate == named.estimate and found.arms == ("1", "0")


@pytest.fixture(scope="module")
def shop() -> tuple[np.ndarray, np.ndarray]:
    """Earlier sales and sales without a promotion of 1,200 customers; correlated about 0.8."""
    rng = np.random.default_rng(0)
    habit = rng.gamma(1.2, 150.0, N)
    earlier, later = (habit * rng.gamma(5.0, 0.2, N) for _ in range(2))
    return earlier.round(2), later.round(2)


@pytest.mark.parametrize("weighted", [False, True])
def test_an_earlier_figure_and_weights_are_those_of_least_squares(shop, weighted):
    """Pooled θ is the slope of y on arm and x (Frisch & Waugh), weights those of WLS."""
    x, y = shop
    arm = np.where(np.random.default_rng(1).random(N) < 0.9, "send", "holdout")
    y = y + 12 * (arm == "send")
    w = np.random.default_rng(2).uniform(1, 5, N) if weighted else np.ones(N)
    found = compare_arms(y, arm, earlier=x, weight=w if weighted else None)
    design = np.column_stack([np.ones(N), arm == "send", x])
    fit = sm.WLS(y, design, weights=w).fit(cov_type="HC1")
    assert found.estimate.value == pytest.approx(fit.params[1], rel=1e-9)
    width = found.estimate.ci_high - found.estimate.ci_low
    assert width == pytest.approx(2 * 1.97 * fit.bse[1], rel=0.03)


def test_weights_of_one_over_the_chance_cover_where_chances_differ(shop):
    """Good customers are contacted four times as often: the plain difference is off."""
    x, y = shop
    chance = np.where(x > np.median(x), 0.8, 0.2)
    home = np.arange(N) // 2  # drawn by household, which shares a chance
    chance = chance[2 * home]
    found, plain = [], 0
    for draw in range(DRAWS):
        send = (np.random.default_rng(draw).random(N)[2 * home]) < chance
        seen, arm = y + 15 * send, np.where(send, "send", "holdout")
        weight = 1 / np.where(send, chance, 1 - chance)
        found.append(compare_arms(seen, arm, weight=weight, earlier=x, cluster=home).estimate)
        if draw < 50:
            p = compare_arms(seen, arm, cluster=home).estimate
            plain += p.ci_low <= 15 <= p.ci_high
    assert plain == 0
    check_cover(ends_of(found), 15, slack=0.0, wide=0.08)


def plain_trial(kind: str, n: int = 300, arms=("holdout", "send"), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"customer_id": np.arange(n) // (2 if kind == "clustered" else 1)})
    rows["arm"] = rng.choice(list(arms), n)
    level = rng.normal(size=n)[rows["customer_id"]]
    money = np.exp(rng.normal(size=n) + level) + (rows["arm"] == "send")
    rows["y"] = (rng.random(n) < 0.1).astype(float) if kind == "share" else money
    return rows


@pytest.mark.parametrize("kind", ["money", "share", "clustered"])
@pytest.mark.parametrize("design", ["known", "constant"])
def test_average_curves_and_compare_arms_agree_on_a_plain_trial(kind, design):
    rows = plain_trial(kind)
    n, y, treated = len(rows), rows["y"], rows["arm"] == "send"
    how = {"propensity": [[0.5, 0.5]] * n} if design == "known" else {"design": design}
    model = UpliftModel().fit(Experiment(rows, "arm", "holdout", [], ["y"], **how), despite=CHECKS)
    customer, order = rows["customer_id"], np.arange(n) * 1.0
    compared = compare_arms(y, rows["arm"], cluster=customer).estimate
    curve, area = (one(y, treated, order, cluster=customer) for one in (qini, rate))
    bins = effect_calibration(y, treated, order, bins=1, cluster=customer).bins
    found = {
        "average": tuple(model.average().rows.loc[0, ["effect", "ci_low", "ci_high"]]),
        "qini": curve.effect.ends,
        "curve's end": curve.at(1.0).ends,
        "rate": area.effect.ends,
        "bin": tuple(bins.loc[0, ["observed", "ci_low", "ci_high"]]),
    }
    for name, figures in found.items():
        assert figures == pytest.approx(compared.ends, rel=1e-9, abs=1e-12), name
    # The scores' mean is the same difference, to the digit.
    assert model.scores_["send"].mean() == pytest.approx(compared.value, rel=1e-9)


def test_of_several_arms_each_is_compared_with_the_control_alone():
    rows = plain_trial("money", arms=("holdout", "mail", "send"))
    trial = Experiment(rows, "arm", "holdout", [], ["y"], design="constant")
    table = UpliftModel().fit(trial).average().rows.set_index("arm")
    for arm in ("mail", "send"):
        alone = compare_arms(rows["y"], rows["arm"], treated=arm).estimate
        assert tuple(table.loc[arm, ["effect", "ci_low", "ci_high"]]) == pytest.approx(alone.ends)


def test_one_row_does_not_take_all_certainty_and_is_named():
    rows = plain_trial("money")
    rows.loc[3, "y"] = 1e6
    trial = Experiment(rows, "arm", "holdout", [], ["y"], design="constant")
    model = UpliftModel().fit(trial)
    scores = model.scores_["send"].to_numpy()
    by_scores = mean_of(scores, np.arange(300), 0.95)
    assert by_scores.degrees > 20  # Kish's effective number less one was 1
    assert group_means(scores, np.zeros(300, int), 1, np.arange(300)).degrees[0] > 20
    compared, rest = compare_arms(rows["y"], rows["arm"]), rows.drop(index=3)
    alone = compare_arms(rest["y"], rest["arm"])
    assert compared.dominant.without.ends == pytest.approx(alone.estimate.ends)
    for said in (model.average(), compared):
        assert "ne customer makes up 99 % of the variance; without" in said.summary()
    assert alone.dominant is None and "makes up" not in alone.summary()
    rare = (np.arange(300) == 3).astype(float)  # of a rare share nobody is singled out
    assert compare_arms(rare, rows["arm"]).dominant is None


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
    assert design_matrix(pd.DataFrame({"same": amount * 0}), []).shape == (500, 0)
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
