"""The AUC, precision and recall against scikit-learn, errors against definitions and resampling."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from promolab.metrics import auc_within, compare_auc, precision_recall, roc
from promolab.stats import wilson
from tests.metrics.conftest import simulated
from tests.refused import refused


def structural_components(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's V10 and V01, every pair compared."""
    x, z = score[y][:, None], score[~y][None, :]
    wins = (x > z) + 0.5 * (x == z)
    return wins.mean(axis=1), wins.mean(axis=0)


def obuchowski(
    y: np.ndarray, scores: list[np.ndarray], cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and their covariance matrix, cluster by cluster as in Obuchowski (1997)."""
    parts = [structural_components(y, score) for score in scores]
    aucs = np.array([v10.mean() for v10, _ in parts])
    m, n = int(y.sum()), int((~y).sum())
    ids = np.unique(cluster)

    def sums(side: int, rows: np.ndarray) -> np.ndarray:
        each = [part[side] - auc for part, auc in zip(parts, aucs, strict=True)]
        return np.array([[v[cluster[rows] == c].sum() for c in ids] for v in each])

    v10, v01 = sums(0, y), sums(1, ~y)
    i10, i01, i = len(set(cluster[y])), len(set(cluster[~y])), len(ids)
    s10 = v10 @ v10.T * i10 / ((i10 - 1) * m)
    s01 = v01 @ v01.T * i01 / ((i01 - 1) * n)
    s11 = v10 @ v01.T * i / (i - 1)
    return aucs, s10 / m + s01 / n + (s11 + s11.T) / (m * n)


@pytest.fixture
def sample() -> dict[str, np.ndarray]:
    return simulated(np.random.default_rng(3), 120)


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_curve_and_area_are_those_of_scikit_learn(decimals):
    rows = simulated(np.random.default_rng(0), 300)
    score = np.round(rows["score"] + 1e-3 * np.arange(len(rows["y"])) / 7, decimals)
    result = roc(rows["y"], score)
    fpr, tpr, thresholds = roc_curve(rows["y"], score)
    assert result.auc == pytest.approx(roc_auc_score(rows["y"], score), abs=1e-12)
    np.testing.assert_allclose(result.fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(result.tpr, tpr, atol=1e-12)
    np.testing.assert_allclose(result.thresholds, thresholds)
    assert (result.n, result.positives) == (len(score), rows["y"].sum())


def test_infinite_scores_are_ranked_and_tiny_samples_get_honest_intervals():
    y, score = [0, 1, 0, 1], [-np.inf, np.inf, np.inf, 0.5]
    assert roc(y, score).auc == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    perfect = roc([0, 0, 0, 1, 1], [1, 2, 3, 4, 5])
    assert (perfect.auc, perfect.ci_high) == (1, 1)
    assert perfect.ci_low == pytest.approx(0.025 ** (1 / 2))
    reverse = roc([1, 1, 0, 0, 0], [1, 2, 3, 4, 5])
    assert (reverse.ci_low, reverse.ci_high) == (0, pytest.approx(1 - 0.025 ** (1 / 2)))
    single = roc([0, 0, 1, 0], [1, 2, 3, 4])
    assert (single.ci_low, single.ci_high) == (0, 1)
    assert np.isnan(single.std_error) and single.to_dict()["std_error"] is None
    assert single.summary().startswith("AUC 0.67 [0.00, 1.00]")


def test_variances_are_delongs_and_clustered_obuchowskis(sample):
    y, score = sample["y"], sample["score"]
    v10, v01 = structural_components(y, score)
    expected = v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)
    assert roc(y, score).std_error ** 2 == pytest.approx(expected, rel=1e-10)
    each_its_own = roc(y, score, cluster=np.arange(len(y)))
    assert each_its_own.std_error == pytest.approx(roc(y, score).std_error, rel=1e-10)
    y, score, cluster = sample["y"], sample["score"], sample["cluster"]
    aucs, covariance = obuchowski(y, [score], cluster)
    result = roc(y, score, cluster=cluster)
    assert result.auc == pytest.approx(aucs[0], rel=1e-12)
    assert result.std_error**2 == pytest.approx(covariance[0, 0], rel=1e-10)
    assert result.std_error > 1.05 * roc(y, score).std_error
    named = roc(y, score, cluster=pd.Series([f"household {c}" for c in cluster]))
    assert (named.ci_low, named.clusters) == (pytest.approx(result.ci_low), 120)


def test_difference_of_two_is_paired(sample):
    y, cluster = sample["y"], sample["cluster"]
    scores = [sample["score"], sample["other"]]
    aucs, covariance = obuchowski(y, scores, cluster)
    result = compare_auc(y, scores[0], scores[1], cluster=cluster)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert (result.auc_a, result.auc_b) == (pytest.approx(aucs[0]), pytest.approx(aucs[1]))
    assert result.difference == pytest.approx(aucs[0] - aucs[1])
    assert result.std_error == pytest.approx(error, rel=1e-10)
    assert result.ci_low == pytest.approx(result.difference - 1.959964 * error, abs=1e-6)
    told_apart = result.ci_low > 0 or result.ci_high < 0
    assert ("cannot be told apart" in result.summary()) is not told_apart
    same = compare_auc(y, scores[0], 2 * scores[0] + 1, cluster=cluster)
    assert (same.difference, same.p_value, same.ci_low, same.ci_high) == (0, 1, 0, 0)
    back = compare_auc(y, scores[1], scores[0], cluster=cluster)
    assert back.difference == pytest.approx(-result.difference)
    assert back.p_value == pytest.approx(result.p_value)


def test_within_groups_is_the_mean_weighted_by_pairs(sample):
    frame = pd.DataFrame(sample)
    # One group of one class, between the others in order of appearance.
    frame.loc[frame["group"] == 2, "y"] = False
    frame["y"] = frame["y"].astype(bool)
    result = auc_within(frame["y"], frame["score"], frame["group"], cluster=frame["cluster"])
    assert result.left_out == (2,)
    used = frame[frame["group"] != 2]
    aucs, pairs = {}, {}
    for group, rows in used.groupby("group"):
        aucs[group] = roc_auc_score(rows["y"], rows["score"])
        pairs[group] = rows["y"].sum() * (~rows["y"]).sum()
    expected = sum(aucs[g] * pairs[g] for g in aucs) / sum(pairs.values())
    assert result.auc == pytest.approx(expected, rel=1e-12)
    assert (result.n, result.positives) == (len(used), used["y"].sum())
    by_group = result.by_group.set_index("group")
    assert by_group["auc"].to_dict() == pytest.approx(aucs)
    rows = used[used["group"] == 3]
    alone = roc(rows["y"], rows["score"], cluster=rows["cluster"])
    assert by_group.loc[3, "ci_low"] == pytest.approx(alone.ci_low)
    assert by_group.loc[3, "ci_high"] == pytest.approx(alone.ci_high)


def test_within_one_group_it_is_the_roc_and_rows_may_come_in_any_order(sample):
    y, score, cluster = sample["y"], sample["score"], sample["cluster"]
    one, whole = auc_within(y, score, np.zeros(len(y)), cluster), roc(y, score, cluster)
    for name in ("auc", "std_error", "ci_low", "ci_high"):
        assert getattr(one, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    y, score, group = sample["y"], sample["score"], sample["group"]
    moved = score + 100 * group
    assert auc_within(y, moved, group).auc == pytest.approx(auc_within(y, score, group).auc)
    compared = compare_auc(y, moved, score, group=group)
    assert (compared.difference, compared.p_value) == (pytest.approx(0, abs=1e-12), 1)
    again = np.random.default_rng(0).permutation(len(sample["y"]))
    a = roc(sample["y"], sample["score"], sample["cluster"])
    b = roc(sample["y"][again], sample["score"][again], sample["cluster"][again])
    assert (a.auc, a.ci_low, a.std_error) == pytest.approx(
        (b.auc, b.ci_low, b.std_error), rel=1e-12
    )


def test_bad_input_is_named_and_labels_and_scores_that_are_swapped_told_apart():
    for y, score, cluster, message in [
        ([0, 0], [1, 2], None, r"y_true holds one class only \(2 rows, all 0\); an AUC needs both"),
        ([1, 1], [1, 2], None, r"one class only \(2 rows, all 1\)"),
        ([], [], None, "y_true is empty"),
        ([0, 1], [1, 2, 3], None, "y_score has 3 rows and y_true 2"),
        ([0, 1], [1, np.nan], None, "y_score has 1 missing value of 2"),
        ([0, 1], ["a", "b"], None, "y_score holds 'a'; expected numbers"),
        ([0, 2], [1, 2], None, "y_true holds 2; expected 0 and 1"),
        (["no", "yes"], [1, 2], None, "expected 0 and 1"),
        ([0, np.nan], [1, 2], None, "y_true has 1 missing value of 2"),
        ([0, 1], [1, 2], [None, "a"], "cluster has 1 missing value of 2"),
        ([0, 1], [1, 2], [1.0, np.nan], "cluster has 1 missing value of 2"),
        ([0, 1], [1, 2], [1], "cluster has 1 rows and y_true 2"),
        ([[0, 1], [1, 0]], [1, 2], None, "y_true has shape"),
    ]:
        refused(message, roc, y, score, cluster=cluster)
    refused("2 groups holds one", auc_within, [0, 0, 1, 1], [1, 2, 3, 4], ["a", "a", "b", "b"])
    refused("score_b has 1 rows", compare_auc, [0, 1], [1, 2], [1])
    refused("level = 95; expected a share", roc, [0, 1], [1, 2], level=95)
    y, p = [0, 1, 1, 0], [0.2, 0.9, 0.4, 0.3]
    for measure_of in (roc, precision_recall):
        refused("y_score holds 0 and 1: the two look swapped; the outcomes come", measure_of, p, y)
    refused("y_true holds 0.2, 0.3, 0.4; expected 0 and 1", roc, p, p)


def test_results_speak_and_draw(sample):
    y, score, group, cluster = (sample[k] for k in ("y", "score", "group", "cluster"))
    result = roc(y, score, cluster)
    assert {"value", "ci_low", "ci_high", "n", "positives"} <= set(result.to_dict())
    assert "fpr" not in result.to_dict()
    np.testing.assert_array_equal(result.plot().lines[0].get_ydata(), result.tpr)
    assert auc_within(y, score, group, cluster).to_dict()["groups"] == 5


def test_the_band_holds_the_true_curve_and_ends_at_1_whom_doubled_rows_do_not_narrow():
    # Normal scores: the true rate at each false positive rate is known, Φ(1 + Φ⁻¹(fpr)).
    rng, inside = np.random.default_rng(5), np.zeros(101)
    truth = ndtr(1 + ndtri(np.linspace(0, 1, 101)))
    for _ in range(1000):
        y = np.arange(400) < 80
        result = roc(y, rng.normal(size=400) + y)
        inside += (result.band_low <= truth) & (truth <= result.band_high)
    assert inside[5:96].min() > 910 and inside[5:96].mean() > 935
    assert inside[5:96].mean() < 975
    rng = np.random.default_rng(8)
    y = np.arange(120) < 30
    score, customer = rng.normal(size=120) + y, np.arange(120)
    once, twice = roc(y, score), roc(np.tile(y, 2), np.tile(score, 2), np.tile(customer, 2))
    # Each customer twice is each customer once: the squared sums are four times the rows' own.
    assert np.allclose(twice.band_low, once.band_low, atol=1e-9)
    assert np.allclose(twice.band_high, once.band_high, atol=1e-9)
    rows = roc(np.tile(y, 2), np.tile(score, 2))
    width = (twice.band_high - twice.band_low)[10:60] / (rows.band_high - rows.band_low)[10:60]
    assert width.min() > 1.2
    # Down at the last score everybody counts as positive, whatever the draw.
    assert (once.band_low[-1], once.band_high[-1]) == (1.0, 1.0)
    assert once.band_low[-2] < 1


SEED, CUSTOMERS = 21, 400


def test_it_is_scikit_learns_definition_whatever_the_order_of_equal_scores(rows):
    for score in (rows["score"], rows["p"], np.round(rows["score"]), -rows["score"]):
        result = precision_recall(rows["y"], score)
        expected = average_precision_score(rows["y"], score)
        assert result.average_precision == pytest.approx(expected, rel=1e-12)
    precision, recall, thresholds = precision_recall_curve(rows["y"], rows["score"])
    result = precision_recall(rows["y"], rows["score"])
    # scikit-learn lists every threshold from the lowest up; here those that add a positive.
    at = {t: (p, r) for t, p, r in zip(thresholds, precision, recall, strict=False)}
    mine = np.column_stack([result.precision, result.recall])
    np.testing.assert_allclose(mine, [at[t] for t in result.thresholds])
    assert result.prevalence == pytest.approx(rows["y"].mean())
    turned = {name: values[::-1] for name, values in rows.items()}
    a = precision_recall(rows["y"], rows["score"], rows["cluster"])
    b = precision_recall(turned["y"], turned["score"], turned["cluster"])
    assert (a.average_precision, a.ci_low, a.ci_high) == pytest.approx(
        (b.average_precision, b.ci_low, b.ci_high)
    )
    assert precision_recall(rows["y"], np.ones(len(rows["y"]))).value == rows["y"].mean()


@pytest.mark.parametrize("clustered", [False, True])
def test_the_influence_function_is_a_derivative(clustered):
    # Weighting one cluster by 1 + ε moves the estimate by ε × its influence.
    rows = simulated(np.random.default_rng(20), 120)
    y, score = rows["y"], rows["score"]
    cluster = rows["cluster"] if clustered else np.arange(len(y))
    units, step = int(cluster.max()) + 1, 1e-5
    chosen = range(units)
    moved = []
    for unit in chosen:
        weights = 1 + step * (cluster == unit)
        moved.append(average_precision_score(y, score, sample_weight=weights))
    influence = (np.array(moved) - average_precision_score(y, score)) / step
    error = np.sqrt(np.square(influence).sum())
    result = precision_recall(y, score, cluster)
    assert result.std_error == pytest.approx(error * np.sqrt(units / (units - 1)), rel=1e-4)


def test_the_band_is_that_of_resampled_customers_whom_doubled_rows_do_not_narrow(rows):
    result = precision_recall(rows["y"], rows["score"], rows["cluster"])
    customers = rows["cluster"].max() + 1
    rng, found, at = np.random.default_rng(5), [], [0.3, 0.6]
    for _ in range(300):
        weights = np.bincount(rng.integers(0, customers, customers), minlength=customers)
        precision, recall, _ = precision_recall_curve(
            rows["y"], rows["score"], sample_weight=weights[rows["cluster"]].astype(float)
        )
        found.append(np.interp(at, recall[::-1], precision[::-1]))
    for k, x in enumerate(at):
        place = np.searchsorted(result.band_recall, x)
        half = (result.band_high[place] - result.band_low[place]) / 2 / 1.96
        assert half == pytest.approx(np.std(found, axis=0)[k], rel=0.2)
    assert (result.band_low <= result.band_high).all()
    twice = {k: np.repeat(v, 2) for k, v in rows.items()}
    again = precision_recall(twice["y"], twice["score"], twice["cluster"])
    assert again.std_error == pytest.approx(result.std_error)
    # More rows make the stretch shorter over which the slope is taken, no more.
    np.testing.assert_allclose(result.band_high, again.band_high, rtol=0.06)


def test_it_draws_what_it_says_also_of_extremes_and_few_customers(rows):
    result = precision_recall(rows["y"], rows["score"], rows["cluster"])
    ax = result.plot(label="one")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), result.precision)
    result.plot(ax, label="two")
    assert len(ax.get_legend().get_texts()) == 3
    assert "clusters" in result.summary() and len(result.to_frame()) == len(result.recall)
    perfect = precision_recall([0, 0, 1, 1, 1], [1, 2, 3, 4, 5])
    assert perfect.value == 1 and 0.2 < perfect.ci_low < 0.5 and perfect.ci_high == 1
    single = precision_recall([0, 0, 1, 0], [1, 2, 3, 4])
    assert (single.value, single.ci_low, single.ci_high) == (0.5, 0, 1)
    assert np.isnan(single.std_error) and single.to_dict()["std_error"] is None
    refused("one class only", precision_recall, [0, 0], [1, 2])
    refused("y_score has 1 missing", precision_recall, [0, 1], [np.nan, 1])
    y, customer = np.array([1, 0, 1, 1, 0, 0, 0, 1]), np.repeat(np.arange(4), 2)
    found = precision_recall(y, np.zeros(8), customer)
    # One cut, behind all: precision 1/2, and less it the customers have 0, 1, −1 and 0 of 8 rows.
    # The variance 2/64 · 4/3 is that of 6 trials.
    low, high = wilson(3, 6)
    assert (found.band_low[-1], found.band_high[-1]) == pytest.approx((float(low), float(high)))
