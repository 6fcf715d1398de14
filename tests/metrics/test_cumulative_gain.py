"""Gain curves against plain sorting, and ties against every order they could stand in."""

import itertools

import numpy as np
import pandas as pd
import pytest

from promolab.metrics import lift
from promolab.metrics._inputs import cut_influences, ranked_rows
from promolab.stats import wilson
from tests.metrics.conftest import simulated
from tests.refused import refused


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
