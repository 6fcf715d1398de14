"""Precision and recall against scikit-learn, and errors against resampling."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from promolab.metrics import precision_recall
from promolab.stats import wilson
from tests.refused import refused

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
def test_the_influence_function_is_a_derivative(simulated, clustered):
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
    alone = precision_recall(rows["y"], rows["score"])
    apart = precision_recall(rows["y"], rows["score"], np.arange(len(rows["y"])))
    together = precision_recall(rows["y"], rows["score"], rows["cluster"])
    assert apart.std_error == pytest.approx(alone.std_error)
    assert together.std_error > 1.1 * alone.std_error
    twice = {k: np.repeat(v, 2) for k, v in rows.items()}
    doubled = precision_recall(twice["y"], twice["score"], np.repeat(np.arange(len(rows["y"])), 2))
    assert doubled.std_error == pytest.approx(alone.std_error)
    again = precision_recall(twice["y"], twice["score"], twice["cluster"])
    # More rows make the stretch shorter over which the slope is taken, no more.
    np.testing.assert_allclose(together.band_high, again.band_high, rtol=0.06)


def test_it_draws_what_it_says_also_of_extremes_and_few_customers(rows):
    result = precision_recall(rows["y"], rows["score"], rows["cluster"])
    ax = result.plot(label="one")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), result.precision)
    result.plot(ax, label="two")
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(names) == 3 and "a list in random order" in names
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
