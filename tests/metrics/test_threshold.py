"""Profit by threshold against plain sums; the best one against a truth that is known."""

import numpy as np
import pytest

from promolab.metrics import threshold_chart
from promolab.metrics.threshold import cuts_of
from tests.draws import bounds, draws
from tests.refused import refused

SEED, CUSTOMERS = 25, 400


def profit(rows, threshold, benefit=10.0, cost=2.5):
    taken = rows["p"] >= threshold
    return float((benefit * rows["y"] - cost)[taken].sum())


def test_profit_is_a_plain_sum_the_best_is_the_best_and_errors_those_of_resampling(rows):
    result = threshold_chart(rows["y"], rows["p"], 10, 2.5, rows["cluster"])
    for row in result.frame.iloc[1::9].to_dict("records"):
        assert row["profit"] == pytest.approx(profit(rows, row["threshold"]))
        assert row["contacted"] == (rows["p"] >= row["threshold"]).sum()
        assert row["responses"] == rows["y"][rows["p"] >= row["threshold"]].sum()
    every = [profit(rows, threshold) for threshold in rows["p"]]
    assert result.profit.value == pytest.approx(max(every))
    assert profit(rows, result.threshold) == pytest.approx(max(every))
    first, last = result.frame.iloc[0], result.frame.iloc[-1]
    assert (first["threshold"], first["profit"], first["profit_high"]) == (np.inf, 0, 0)
    assert last["profit"] == result.everybody.value == pytest.approx(profit(rows, 0))
    assert result.gain.value == pytest.approx(result.profit.value - result.everybody.value)
    assert result.threshold_low <= result.threshold <= result.threshold_high
    assert result.contacted == (rows["p"] >= result.threshold).sum()
    draws = np.random.default_rng(2).poisson(1.0, (3000, rows["cluster"].max() + 1))
    values = 10 * rows["y"] - 2.5

    def drawn(taken: np.ndarray) -> np.ndarray:
        sums = np.bincount(rows["cluster"], weights=values * taken)
        total = draws.sum(axis=1)
        return np.asarray(draws.shape[1] * (draws @ sums) / total)

    best, all_of_them = rows["p"] >= result.threshold, np.ones(len(values))
    for estimate, values_of in (
        (result.profit, drawn(best)),
        (result.everybody, drawn(all_of_them)),
        (result.gain, drawn(best) - drawn(all_of_them)),
    ):
        assert (estimate.ci_high - estimate.ci_low) / 3.92 == pytest.approx(
            values_of.std(), rel=0.06
        )


def test_one_benefit_and_cost_per_row_and_ties_are_contacted_together(rows):
    n = len(rows["y"])
    one = threshold_chart(rows["y"], rows["p"], 10, 2.5)
    each = threshold_chart(rows["y"], rows["p"], np.full(n, 10.0), np.full(n, 2.5))
    assert one.profit == each.profit and one.threshold == each.threshold
    cheap = threshold_chart(rows["y"], rows["p"], 10, 0)
    assert cheap.everybody.value == cheap.profit.value == pytest.approx(10 * rows["y"].sum())
    result = threshold_chart([1, 1, 1, 0], [0.5, 0.5, 0.2, 0.2], 2, 1)
    assert result.frame["contacted"].tolist() == [0, 2, 4]
    assert result.threshold == 0.5  # as good as all four, with fewer contacts


def test_the_best_threshold_of_calibrated_probabilities_is_cost_over_benefit():
    # Probabilities in twentieths: of the few cuts the one from 0.35 up is the best in truth.
    rng, inside, widths, luck, flattery = np.random.default_rng(3), [], [], [], []
    times = draws()
    for _ in range(times):
        cluster = np.repeat(np.arange(300), rng.integers(1, 5, 300))
        p = 1 / (1 + np.exp(1.2 - 1.1 * rng.normal(size=300)[cluster]))
        p = np.ceil(20 * p) / 20
        result = threshold_chart(rng.random(len(p)) < p, p, 10, 3.2, cluster, draws=100)
        inside.append(result.threshold_low <= 0.35 <= result.threshold_high)
        widths.append(result.share_high - result.share_low)
        flattery.append(result.profit.value - (10 * p - 3.2)[p >= result.threshold].sum())
        luck.append(result.optimism)
    assert np.mean(inside) >= bounds(0.95, times)[0]
    assert np.mean(widths) < 0.4
    assert 0.7 < np.mean(luck) / np.mean(flattery) < 1.4


def test_where_no_contact_pays_and_few_customers():
    rng = np.random.default_rng(4)
    p = rng.uniform(0.01, 0.05, 500)
    result = threshold_chart(rng.random(500) < p, p, 1, 5)
    assert result.contacted == 0 and result.threshold == np.inf and result.profit.value == 0
    assert result.to_dict()["threshold"] is None
    values = np.array([4.0, 2.0, 1.0, -1.0, 3.0, -2.0, 0.0, 1.0])
    cuts = cuts_of(values, np.arange(8), np.tile(np.arange(4), 2))
    # The customers bring 7, 0, 1 and 0: (50 − 8²/4) · 4/3.
    assert cuts.totals[-1] == 8 and cuts.errors[-1] == pytest.approx((34 * 4 / 3) ** 0.5)
    assert cuts.covariance[-1, -1] == pytest.approx(34 * 4 / 3)
    # Of the first row alone: 4 and thrice nothing, (16 − 4²/4) · 4/3.
    assert cuts.errors[1] == pytest.approx(4.0)


def test_it_draws_what_it_says_and_bad_input_is_named(rows):
    y, p = rows["y"], rows["p"]
    refused("cost is negative in", threshold_chart, y, p, 10, -1)
    refused(r"benefit has shape \(2,\)", threshold_chart, y, p, [1, 2], 1)
    refused("benefit has values that are missing", threshold_chart, y, p, np.nan, 1)
    refused(r"benefit has values up to 1e\+200; give amounts up", threshold_chart, y, p, 1e200, 1)
    result = threshold_chart(rows["y"], rows["p"], 10, 2.5, rows["cluster"], unit="EUR")
    ax = result.plot()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), result.frame["profit"])
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[-2:] == ["contact everybody", "contact nobody"]
