"""How much more history would help: the same promotions predicted from fewer of those before."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from promolab.compare.backtest import run_backtest
from promolab.compare.past_campaigns import HistoryCurve, history_curve
from promolab.metrics import compare_auc
from promolab.model.response import ResponseModel
from tests.refused import refused

WEEK = pd.Timedelta(weeks=1)
START = pd.Timestamp("2017-01-02")


def make_pairs(drift: float = 0.0, promotions: int = 10, n: int = 100) -> pd.DataFrame:
    """Promotions one after the other; with drift, what counts changes from one to the next."""
    rng = np.random.default_rng(1)
    k = np.repeat(np.arange(promotions), n)
    features = rng.normal(size=(len(k), 4))
    turn = drift * k
    logit = -0.5 + 1.5 * (features[:, 0] * np.cos(turn) + features[:, 1] * np.sin(turn))
    frame = pd.DataFrame(features, columns=list("abcd"))
    return frame.assign(
        customer_id=np.tile(np.arange(n), promotions),
        promotion_id=[f"p{i}" for i in k],
        starts_at=START + WEEK * k,
        ends_at=START + WEEK * (k + 1),
        label_complete=True,
        redeemed=(rng.uniform(size=len(k)) < 1 / (1 + np.exp(-logit))).astype(int),
    )


@pytest.fixture(scope="module")
def curve() -> HistoryCurve:
    return history_curve(make_pairs(), counts=[1, 4])


def test_each_point_learns_from_as_many_promotions(curve: HistoryCurve) -> None:
    pairs = make_pairs()
    assert curve.counts == ("1", "4", "all")
    assert set(curve.rows["promotion_id"]) == {"p4", "p5", "p6", "p7", "p8", "p9"}
    train, test = pairs[pairs["promotion_id"] == "p6"], pairs[pairs["promotion_id"] == "p7"]
    model = ResponseModel().fit(train[list("abcd")], train["redeemed"])
    mine = curve.scores["1"][curve.rows["promotion_id"] == "p7"]
    np.testing.assert_allclose(mine, model.probability(test[list("abcd")]), atol=1e-12)
    everything = run_backtest(pairs).rows.query("promotion_id == 'p7'")
    np.testing.assert_allclose(
        curve.scores["all"][curve.rows["promotion_id"] == "p7"], everything["p"], atol=1e-12
    )
    first = history_curve(pairs, counts=[1, 4], which="first")
    assert first.scores["1"].corr(curve.scores["1"]) < 1
    np.testing.assert_allclose(first.scores["all"], curve.scores["all"])
    assert curve.trained_on["all"] == pytest.approx(6.5)


def test_figures_are_those_of_the_same_rows(curve: HistoryCurve) -> None:
    table = curve.frame[curve.frame["metric"] == "auc"].set_index("past")
    for name in curve.counts:
        auc = roc_auc_score(curve.rows["y"], curve.scores[name])
        assert table.loc[name, "value"] == pytest.approx(auc)
        assert table.loc[name, "ci_low"] < auc < table.loc[name, "ci_high"]
    paired = compare_auc(
        curve.rows["y"], curve.scores["all"], curve.scores["4"], curve.rows["customer_id"]
    )
    step = curve.last_step()
    np.testing.assert_allclose(
        [step.value, step.ci_low, step.ci_high], [paired.difference, paired.ci_low, paired.ci_high]
    )
    assert np.isnan(table.loc["1", "step"])


def test_more_history_helps_or_harms(curve: HistoryCurve) -> None:
    loss = curve.frame[curve.frame["metric"] == "log_loss"]
    assert loss["step"].iloc[1] > 0 and loss["step_low"].iloc[1] > 0  # from 1 to 4
    turned = history_curve(make_pairs(drift=0.5), counts=[2])
    assert turned.verdict().startswith("Older history did harm: from 2 to all")
    assert turned.last_step().ci_high < 0
    assert "log-loss by" in curve.summary() and "600 rows" in curve.summary()


def test_measures_that_contradict_each_other_are_both_told(curve: HistoryCurve) -> None:
    mixed, table = replace(curve), curve.frame.copy()
    for metric, value in (("auc", 0.02), ("log_loss", -0.02)):
        at = table.index[table["metric"] == metric][-1]
        table.loc[at, ["step", "step_low", "step_high"]] = [value, value - 0.01, value + 0.01]
    mixed.__dict__["frame"] = table
    assert mixed.verdict().startswith("Older history helped by one measure and harmed by the other")


def test_a_number_that_is_all_there_is_no_step() -> None:
    # The last promotion has two before it: from 2 and from all is the same.
    assert history_curve(make_pairs(promotions=3), min_positives=10).counts == ("1", "all")
    assert history_curve(make_pairs(promotions=4), min_positives=10).counts == ("1", "2", "all")


def test_too_little_to_learn_from() -> None:
    pairs = make_pairs()
    pairs.loc[pairs["customer_id"] > 8, "redeemed"] = 0
    curve = history_curve(pairs, min_positives=10, fewest=8)
    assert "1" in curve.too_few and "From 1" in curve.summary()
    refused("no promotion can be predicted", history_curve, pairs.head(100))
    refused("no promotion had 50 over before", history_curve, make_pairs(), counts=[50])
    refused("whole number", history_curve, make_pairs(), counts=[0])
    refused("use 'last' or 'first'", history_curve, make_pairs(), which="middle")


def test_words_and_figure(curve: HistoryCurve) -> None:
    plain = curve.to_dict()
    assert [row["past"] for row in plain["curves"]["auc"]] == ["1", "4", "all"]
    assert plain["curves"]["auc"][0]["step"] is None
    ax = curve.plot(metric="log_loss")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "4", "all (6)"]
    assert ax.get_ylabel() == "log-loss"
    shown = replace(curve, level=0.9).plot().texts[-1].get_text().replace("\n", " ")
    assert "90 % intervals clustered by customer" in shown
    refused("use one of", curve.plot, metric="lift")
