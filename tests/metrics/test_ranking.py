"""The AUC, precision and recall against scikit-learn, errors against definitions and resampling."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from sklearn import metrics as sklearn

from promolab.metrics import auc_within, compare_auc, lift, precision_recall, roc
from promolab.metrics._inputs import cut_influences, ranked_rows
from promolab.stats import wilson
from tests.metrics.conftest import simulated
from tests.refused import refused

SEED, CUSTOMERS = 3, 120


def structural_components(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's V10 and V01, every pair compared."""
    x, z = score[y][:, None], score[~y][None, :]
    wins = (x > z) + 0.5 * (x == z)
    return wins.mean(axis=1), wins.mean(axis=0)


def obuchowski(y, scores, cluster) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and their covariance matrix, cluster by cluster as in Obuchowski (1997)."""
    parts = [structural_components(y, score) for score in scores]
    aucs = np.array([v10.mean() for v10, _ in parts])
    m, n, i = int(y.sum()), int((~y).sum()), int(cluster.max()) + 1
    v10, v01 = (
        np.array([np.bincount(cluster[rows], each[side] - each[side].mean(), i) for each in parts])
        for side, rows in ((0, y), (1, ~y))
    )
    i10, i01 = len(set(cluster[y])), len(set(cluster[~y]))
    s10 = v10 @ v10.T * i10 / ((i10 - 1) * m)
    s01 = v01 @ v01.T * i01 / ((i01 - 1) * n)
    s11 = v10 @ v01.T * i / (i - 1)
    return aucs, s10 / m + s01 / n + (s11 + s11.T) / (m * n)


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_curve_and_area_are_those_of_scikit_learn_and_drawn(rows, decimals):
    score = np.round(rows["score"] + 1e-3 * np.arange(len(rows["y"])) / 7, decimals)
    result = roc(rows["y"], score)
    fpr, tpr, thresholds = sklearn.roc_curve(rows["y"], score)
    assert result.auc == pytest.approx(sklearn.roc_auc_score(rows["y"], score), abs=1e-12)
    np.testing.assert_allclose(result.fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(result.tpr, tpr, atol=1e-12)
    np.testing.assert_allclose(result.thresholds, thresholds)
    np.testing.assert_array_equal(result.plot().lines[0].get_ydata(), result.tpr)
    assert (result.n, result.positives) == (len(score), rows["y"].sum())


def test_infinite_scores_are_ranked_and_tiny_samples_get_honest_intervals():
    y, score = [0, 1, 0, 1], [-np.inf, np.inf, np.inf, 0.5]
    assert roc(y, score).auc == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    perfect = roc([0, 0, 0, 1, 1], [1, 2, 3, 4, 5])
    assert (perfect.auc, perfect.ci_high) == (1, 1)
    assert perfect.ci_low == pytest.approx(0.025 ** (1 / 2))
    reverse = roc([1, 1, 0, 0, 0], [1, 2, 3, 4, 5])
    assert (reverse.ci_low, reverse.ci_high) == (0, pytest.approx(1 - 0.025 ** (1 / 2)))
    for measure in (roc, precision_recall):
        single = measure([0, 0, 1, 0], [1, 2, 3, 4])
        assert (single.ci_low, single.ci_high) == (0, 1)
        assert np.isnan(single.std_error) and single.to_dict()["std_error"] is None


def test_variances_are_delongs_and_clustered_obuchowskis(rows):
    y, score, cluster = rows["y"], rows["score"], rows["cluster"]
    v10, v01 = structural_components(y, score)
    expected = v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)
    plain, result = roc(y, score), roc(y, score, cluster)
    assert plain.std_error**2 == pytest.approx(expected, rel=1e-10)
    assert roc(y, score, np.arange(len(y))).std_error == pytest.approx(plain.std_error, rel=1e-10)
    aucs, covariance = obuchowski(y, [score], cluster)
    assert result.auc == pytest.approx(aucs[0], rel=1e-12)
    assert result.std_error**2 == pytest.approx(covariance[0, 0], rel=1e-10)
    assert result.std_error > 1.05 * plain.std_error
    order = np.random.default_rng(0).permutation(len(y))  # names, in any order
    named = roc(y[order], score[order], pd.Series([f"household {c}" for c in cluster[order]]))
    assert (named.ci_low, named.clusters) == (pytest.approx(result.ci_low), CUSTOMERS)


def test_difference_of_two_is_paired(rows):
    y, cluster, one, other = (rows[name] for name in ("y", "cluster", "score", "other"))
    aucs, covariance = obuchowski(y, [one, other], cluster)
    result = compare_auc(y, one, other, cluster=cluster)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert (result.auc_a, result.auc_b) == (pytest.approx(aucs[0]), pytest.approx(aucs[1]))
    assert result.difference == pytest.approx(aucs[0] - aucs[1])
    assert result.std_error == pytest.approx(error, rel=1e-10)
    assert result.ci_low == pytest.approx(result.difference - 1.959964 * error, abs=1e-6)
    same = compare_auc(y, one, 2 * one + 1, cluster=cluster)
    assert (same.difference, same.p_value, same.ci_low, same.ci_high) == (0, 1, 0, 0)
    back = compare_auc(y, other, one, cluster=cluster)
    assert (back.difference, back.p_value) == pytest.approx((-result.difference, result.p_value))


def test_within_groups_is_the_mean_weighted_by_pairs(rows):
    frame = pd.DataFrame(rows)
    # One group of one class, between the others in order of appearance.
    frame["y"] = frame["y"] & (frame["group"] != 2)
    result = auc_within(frame["y"], frame["score"], frame["group"], cluster=frame["cluster"])
    assert result.left_out == (2,)
    used = frame[frame["group"] != 2]
    parts = [mine for _, mine in used.groupby("group")]
    aucs = [sklearn.roc_auc_score(mine["y"], mine["score"]) for mine in parts]
    pairs = [mine["y"].sum() * (~mine["y"]).sum() for mine in parts]
    assert result.auc == pytest.approx(np.average(aucs, weights=pairs), rel=1e-12)
    assert (result.n, result.positives) == (len(used), used["y"].sum())
    by_group = result.by_group.set_index("group").sort_index()
    assert by_group["auc"].tolist() == pytest.approx(aucs)
    mine = used[used["group"] == 3]
    alone = roc(mine["y"], mine["score"], cluster=mine["cluster"]).estimate
    assert tuple(by_group.loc[3, ["auc", "ci_low", "ci_high"]]) == pytest.approx(alone.ends)


def test_within_one_group_it_is_the_roc_and_levels_of_groups_do_not_count(rows):
    y, score, cluster, group = (rows[k] for k in ("y", "score", "cluster", "group"))
    one, whole = auc_within(y, score, np.zeros(len(y)), cluster), roc(y, score, cluster)
    for name in ("auc", "std_error", "ci_low", "ci_high"):
        assert getattr(one, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    moved = score + 100 * group
    assert auc_within(y, moved, group).auc == pytest.approx(auc_within(y, score, group).auc)
    compared = compare_auc(y, moved, score, group=group)
    assert (compared.difference, compared.p_value) == (pytest.approx(0, abs=1e-12), 1)


def test_bad_input_is_named_and_labels_and_scores_that_are_swapped_told_apart():
    for y, score, cluster, message in [
        ([0, 0], [1, 2], None, r"y_true holds one class only \(2 rows, all 0\); an AUC needs both"),
        ([0, 1], [1, 2, 3], None, "y_score has 3 rows and y_true 2"),
        ([0, 1], [1, np.nan], None, "y_score has 1 missing value of 2"),
        ([0, 2], [1, 2], None, "y_true holds 2; expected 0 and 1"),
        ([0, 1], [1, 2], [None, "a"], "cluster has 1 missing value of 2"),
        ([0, 1], [1, 2], [1], "cluster has 1 rows and y_true 2"),
        ([[0, 1], [1, 0]], [1, 2], None, "y_true has shape"),
        ([0.2, 0.9], [0, 1], None, "y_score holds 0 and 1: the two look swapped; the outcomes"),
        ([0.2, 0.4], [0.2, 0.4], None, "y_true holds 0.2, 0.4; expected 0 and 1"),
    ]:
        for measure in (roc, precision_recall):
            refused(message, measure, y, score, cluster=cluster)
    refused("2 groups holds one", auc_within, [0, 0, 1, 1], [1, 2, 3, 4], ["a", "a", "b", "b"])
    refused("score_b has 1 rows", compare_auc, [0, 1], [1, 2], [1])
    refused("level = 95; expected a share", roc, [0, 1], [1, 2], level=95)


def test_the_band_holds_the_true_curve_and_ends_at_1_whom_doubled_rows_do_not_narrow():
    # Normal scores: the true rate at each false positive rate is known, Φ(1 + Φ⁻¹(fpr)).
    rng, inside = np.random.default_rng(5), np.zeros(101)
    truth, y = ndtr(1 + ndtri(np.linspace(0, 1, 101))), np.arange(400) < 80
    for _ in range(500):
        result = roc(y, rng.normal(size=400) + y)
        inside += (result.band_low <= truth) & (truth <= result.band_high)
    assert inside[5:96].min() > 450 and 465 < inside[5:96].mean() < 487
    rng, y = np.random.default_rng(8), np.arange(120) < 30
    score, twice = rng.normal(size=120) + y, np.tile(np.arange(120), 2)
    once, rows = roc(y, score), roc(y[twice], score[twice])
    both = roc(y[twice], score[twice], twice)
    # Each customer twice is each customer once: the squared sums are four times the rows' own.
    assert np.allclose(both.band_low, once.band_low, atol=1e-9)
    assert np.allclose(both.band_high, once.band_high, atol=1e-9)
    width, narrow = (each.band_high[10:60] - each.band_low[10:60] for each in (both, rows))
    assert (width / narrow).min() > 1.2
    # Down at the last score everybody counts as positive, whatever the draw.
    assert (once.band_low[-1], once.band_high[-1]) == (1.0, 1.0) and once.band_low[-2] < 1


def test_it_is_scikit_learns_definition_whatever_the_order_of_equal_scores(rows):
    for score in (rows["score"], rows["p"], np.round(rows["score"]), -rows["score"]):
        expected = sklearn.average_precision_score(rows["y"], score)
        assert precision_recall(rows["y"], score).value == pytest.approx(expected, rel=1e-12)
    precision, recall, thresholds = sklearn.precision_recall_curve(rows["y"], rows["score"])
    result = precision_recall(rows["y"], rows["score"], rows["cluster"])
    # scikit-learn lists every threshold from the lowest up; here those that add a positive.
    at = {t: (p, r) for t, p, r in zip(thresholds, precision, recall, strict=False)}
    np.testing.assert_allclose(
        result.to_frame()[["precision", "recall"]], [at[t] for t in result.thresholds]
    )
    turned = {name: values[::-1] for name, values in rows.items()}
    again = precision_recall(turned["y"], turned["score"], turned["cluster"])
    assert again.estimate.ends == pytest.approx(result.estimate.ends)
    flat = precision_recall(rows["y"], np.ones(len(rows["y"])))
    assert flat.value == flat.prevalence == rows["y"].mean()
    perfect = precision_recall([0, 0, 1, 1, 1], [1, 2, 3, 4, 5])
    assert perfect.value == 1 and 0.2 < perfect.ci_low < 0.5 and perfect.ci_high == 1


def test_the_influence_function_is_a_derivative(rows):
    # Weighting one cluster by 1 + ε moves the estimate by ε × its influence.
    y, score, cluster = rows["y"], rows["score"], rows["cluster"]
    units, step = int(cluster.max()) + 1, 1e-5
    weights = 1 + step * (cluster == np.arange(units)[:, None])
    moved = [sklearn.average_precision_score(y, score, sample_weight=each) for each in weights]
    influence = (np.array(moved) - sklearn.average_precision_score(y, score)) / step
    error = np.sqrt(np.square(influence).sum() * units / (units - 1))
    assert precision_recall(y, score, cluster).std_error == pytest.approx(error, rel=1e-4)


def test_without_ties_it_is_a_cumulative_sum_and_with_them_the_mean_over_their_orders():
    rows = simulated(np.random.default_rng(1), 100)
    score = rows["score"] + 1e-6 * np.arange(len(rows["y"]))
    n = len(score)
    result = lift(rows["y"], score, np.arange(1, n + 1) / n)
    hits = pd.Series(rows["y"]).iloc[np.argsort(-score)].cumsum().to_numpy()
    np.testing.assert_allclose(result.capture, hits / hits[-1])
    np.testing.assert_allclose(result.rate, hits / np.arange(1, n + 1))
    np.testing.assert_allclose(result.lift, result.rate / rows["y"].mean())
    assert (result.n, result.positives, result.groups) == (n, hits[-1], 1)
    y, score = np.array([1, 0, 0, 1, 0, 1]), np.array([3, 2, 2, 2, 2, 1])
    depths = np.arange(1, 7) / 6
    curves = [
        np.cumsum(y[list(order)]) / 3
        for order in itertools.permutations(range(6))
        if np.all(np.diff(score[list(order)]) <= 0)
    ]
    np.testing.assert_allclose(lift(y, score, depths).capture, np.mean(curves, axis=0))
    again = lift(y[::-1], score[::-1], depths)
    np.testing.assert_allclose(again.capture, lift(y, score, depths).capture)


def test_groups_are_ranked_apart():
    rows = simulated(np.random.default_rng(2), 150)
    score = rows["score"] + 1e-6 * np.arange(len(rows["y"])) + 50 * rows["group"]
    y, group, found = rows["y"], rows["group"], 0.0
    result = lift(y, score, [0.3, 1.0], group=group)
    for mine in (group == k for k in range(5)):
        hits = np.append(0, y[mine][np.argsort(-score[mine])].cumsum())
        found += np.interp(0.3 * mine.sum(), np.arange(len(hits)), hits)
    assert result.capture[0] == pytest.approx(found / y.sum()) and result.groups == 5
    shifted = lift(y, score - 50 * group, [0.3, 1.0], group=group)
    np.testing.assert_allclose(shifted.capture, result.capture)


def test_every_depth_can_be_read_named_ones_make_a_table_and_it_draws_what_it_says():
    rows = simulated(np.random.default_rng(4), 200)
    result = lift(rows["y"], rows["score"], cluster=rows["cluster"])
    exact = lift(rows["y"], rows["score"], [0.37], cluster=rows["cluster"]).at(0.37)
    point = result.at(0.37)
    for measure in ("capture", "lift", "rate"):
        found = getattr(point, measure)
        assert found.ends == pytest.approx(getattr(exact, measure).ends)
        assert found.ci_low < found.value < found.ci_high
    assert result.at(1).capture.ends == (1, 1, 1)
    ax = result.plot(depth=0.4)
    np.testing.assert_array_equal(ax.lines[0].get_ydata()[1:], result.capture)


def test_a_single_positive_or_few_customers_have_wide_intervals_and_bad_input_is_named():
    point = lift([1, 0, 0, 0, 0], [5, 4, 3, 2, 1]).at(0.2)
    assert point.capture.value == 1 and point.capture.ci_low < 0.25
    refused(r"y_true holds no positive \(2 rows, all 0\)", lift, [0, 0], [1, 2])
    refused(r"depths are \[0, 0.5\]", lift, [0, 1], [1, 2], [0, 0.5])
    refused("depths are top", lift, [0, 1], [1, 2], "top")
    refused(r"runs from 0.1 to 0.5", lift([0, 1], [1, 2], [0.1, 0.5]).at, 0.7)
    refused("group has 1 missing value", lift, [0, 1], [1, 2], group=["a", None])
    y = np.array([1, 0, 1, 1, 0, 0, 0, 1], dtype=bool)
    ranked = ranked_rows(y, -np.arange(8.0), None, 1)
    customer = np.repeat(np.arange(4), 2)
    of_capture, of_rate = cut_influences(ranked, 1.0, 4.0, np.zeros(1))
    # Less the rate of one half the customers have 0, 1, −1 and 0 of 8 rows.
    assert np.bincount(customer, of_rate).tolist() == [0, 1 / 8, -1 / 8, 0]
    assert not of_capture.any()
    rate = lift(y, -np.arange(8.0), [1.0], cluster=customer).at(1.0).rate
    # The variance 2/64 · 4/3 is that of 6 trials.
    np.testing.assert_allclose([rate.ci_low, rate.ci_high], wilson(3, 6))
