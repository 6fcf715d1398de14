"""The backtest: nothing from after a promotion's start reaches its predictions."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from promolab.compare.backtest import Backtest, expected_responses, run_backtest, support
from promolab.compare.cross_validation import pair_features
from promolab.language import speaking
from promolab.model.response import ResponseModel
from promolab.results import Estimate
from promolab.wording import answer_to
from tests.compare.made_up import START, WEEK, Picky, pairs_of
from tests.refused import refused


def make_pairs() -> pd.DataFrame:
    """Promotions of three weeks that start every two: neighbours overlap. The last is not over."""
    pairs = pairs_of({"spend": 1.2}, 8, 150, running=1, intercept=-1.5)
    k = pairs["promotion_id"].str[1:].astype(int)
    purchased = np.random.default_rng(1).integers(0, 2, len(pairs))
    kind = np.where(k % 2 == 0, "A", "B")
    return pairs.drop(columns="spend").assign(
        purchased=purchased, amount=np.exp(3 + pairs["spend"]), contacts=k, promotion_type=kind
    )


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    return make_pairs()


@pytest.fixture(scope="module")
def result(pairs: pd.DataFrame) -> Backtest:
    return run_backtest(pairs)


def test_each_promotion_is_predicted_from_those_over_by_its_start(pairs, result) -> None:
    # p4 starts in week 8; p0, p1 and p2 end in weeks 3, 5 and 7.
    train = pairs[pairs["promotion_id"].isin(["p0", "p1", "p2"])]
    test, mine = (rows[rows["promotion_id"] == "p4"] for rows in (pairs, result.rows))
    columns = ["amount", "contacts", "promotion_type"]
    model = ResponseModel().fit(train[columns], train["redeemed"])
    np.testing.assert_allclose(mine["p"], model.probability(test[columns]), atol=1e-12)
    assert result.by_promotion.set_index("promotion_id").loc["p4", "trained_on"] == 3
    assert result.features == tuple(columns)
    two = pairs[pairs["promotion_id"].isin(["p0", "p2"])]
    for end, known in ((START + 4 * WEEK, ["p2"]), (START + 4 * WEEK + pd.Timedelta("1s"), [])):
        touching = two.assign(ends_at=two["ends_at"].where(two["promotion_id"] == "p2", end))
        assert run_backtest(touching).by_promotion.get("promotion_id", []).tolist() == known


def test_labels_known_at_the_start_matter_and_later_ones_change_nothing(pairs, result) -> None:
    rng = np.random.default_rng(9)
    assert len(result.by_promotion)
    for promotion in result.by_promotion["promotion_id"]:
        start = pairs.loc[pairs["promotion_id"] == promotion, "starts_at"].iloc[0]
        unknown = (pairs["ends_at"] > start) & pairs["label_complete"]
        changed = pairs.copy()
        changed.loc[unknown, "redeemed"] = rng.permutation(changed.loc[unknown, "redeemed"])
        changed.loc[~pairs["label_complete"], "redeemed"] = 1
        again = run_backtest(changed)
        mine, theirs = (r.rows[r.rows["promotion_id"] == promotion]["p"] for r in (result, again))
        np.testing.assert_array_equal(mine, theirs)
    known = pairs["promotion_id"] == "p0"
    changed = pairs.assign(redeemed=np.where(known, 1 - pairs["redeemed"], pairs["redeemed"]))
    assert not np.allclose(result.rows["p"], run_backtest(changed).rows["p"])


def test_promotions_that_cannot_be_learned_for_are_skipped_and_say_why(result, pairs) -> None:
    reasons = result.skipped.set_index("promotion_id")["reason"]
    assert reasons.index.tolist() == ["p0", "p1", "p7"]
    assert reasons["p0"].startswith("0 promotions had ended before it started")
    assert reasons["p7"] == "its window is not over, so its label is not known"
    assert set(result.by_promotion["promotion_id"]).isdisjoint(reasons.index)
    with speaking("zh"):
        again = run_backtest(pairs)
        assert again.skipped["reason"].tolist() == reasons.tolist()  # tables are English
        assert again.unpredicted()["reason"].iloc[-1] == "其窗口尚未结束，结果未知"
    picky = run_backtest(pairs, model=lambda: Picky(300)).skipped.set_index("promotion_id")
    assert picky.index.tolist() == ["p0", "p1", "p2", "p7"]  # p2 had p0 alone to learn from
    assert picky.loc["p2", "reason"] == "too few rows for me"
    nobody = {"model": lambda: Picky(10**9)}
    refused("no promotion could be learned for: too few rows", run_backtest, pairs, **nobody)
    told = pairs.assign(y=pairs["redeemed"].where(pairs["promotion_id"] != "p6").astype(float))
    told = told[told["label_complete"]].drop(columns="redeemed")
    told.attrs["outcomes"] = ["y"]  # as `load_labelled` has it: known row by row
    for rows, outcome, how, promotion, said in [
        (told, "y", {}, "p6", "its outcome is known of nobody"),
        (pairs, "redeemed", {"min_promotions": 2}, "p2", "(at least 2 needed)"),
    ]:
        skipped = run_backtest(rows, outcome, **how).skipped.set_index("promotion_id")
        assert said in skipped.loc[promotion, "reason"]
    strict = run_backtest(pairs, min_positives=10_000)
    assert strict.by_promotion.empty and strict.to_dict()["auc"] is None
    assert "(at least 10,000 needed)" in strict.summary()
    assert expected_responses(10.0, strict.past_ratios).n == 0
    refused("from 0 on, a sum of probabilities", expected_responses, -1.0, strict.past_ratios)
    refused("there is nothing to draw", strict.plot)


def test_figures_agree_with_scikit_learn_and_are_told_and_drawn(result: Backtest) -> None:
    assert result.pooled is not None and result.within is not None
    assert result.pooled.auc == pytest.approx(roc_auc_score(result.rows["y"], result.rows["p"]))
    assert result.pooled.ci_low < result.pooled.auc < result.pooled.ci_high
    for row in result.by_promotion.itertuples():
        mine = result.rows[result.rows["promotion_id"] == row.promotion_id]
        assert row.auc == pytest.approx(roc_auc_score(mine["y"], mine["p"]))
        assert (row.n, row.positives) == (len(mine), mine["y"].sum())
        assert row.expected == pytest.approx(mine["p"].sum())
    assert result.auc_spread.k == len(result.by_promotion)
    words = result.summary()
    assert words.startswith("5 promotions predicted, each from those over before it started: ")
    assert result.to_dict()["by_promotion"]["p4"]["n"] == 150
    axes = result.plot()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["p6", "p5", "p4", "p3", "p2"]


def test_order_changes_nothing_and_models_may_be_named_made_or_of_others(pairs, result):
    again = run_backtest(pairs.sample(frac=1, random_state=3)[reversed(pairs.columns.tolist())])
    pd.testing.assert_frame_equal(again.rows, result.rows, rtol=1e-9)
    pd.testing.assert_frame_equal(again.by_promotion, result.by_promotion, rtol=1e-7)
    pd.testing.assert_frame_equal(again.skipped, result.skipped)
    named, made = run_backtest(pairs, model="logistic"), run_backtest(pairs, model=ResponseModel())
    pd.testing.assert_frame_equal(named.rows, made.rows, check_exact=True)
    plain = run_backtest(pairs, columns=["amount"], model=LogisticRegression)
    assert plain.pooled is not None and plain.pooled.auc > 0.7
    assert run_backtest(pairs, "purchased").pooled is not None


def test_single_class_one_customer_and_no_rows(pairs: pd.DataFrame) -> None:
    for redeemed, said in ((0, "0 responses"), (1, "everyone responded")):
        same = run_backtest(pairs.assign(redeemed=redeemed))
        assert same.by_promotion.empty and said in same.summary()
    last = pairs.assign(redeemed=np.where(pairs["promotion_id"] == "p6", 0, pairs["redeemed"]))
    row = run_backtest(last).by_promotion.set_index("promotion_id").loc["p6"]
    assert math.isnan(row["auc"]) and math.isnan(row["ci_low"]) and row["positives"] == 0
    one = pairs[pairs["customer_id"] == 0].assign(redeemed=[0, 1, 0, 1, 1, 0, 1, 0])
    result = run_backtest(one, min_positives=1)
    assert len(result.rows) == len(result.by_promotion) == 4
    assert result.by_promotion["auc"].isna().all() and result.within is None
    empty = run_backtest(pairs.head(0))
    assert empty.summary() == "No promotion could be predicted out of time: there are no pairs."


def test_bad_pairs(pairs: pd.DataFrame) -> None:
    refused("lack column 'reedemed'; did you mean 'redeemed'", run_backtest, pairs, "reedemed")
    refused("lack column 'ends_at'", run_backtest, pairs.drop(columns="ends_at"))
    for name, values, said in [
        ("starts_at", "soon", "starts_at has type"),
        ("starts_at", [START - WEEK, *pairs["starts_at"].iloc[1:]], "'p0'. have more than one"),
        ("ends_at", pairs["ends_at"].dt.tz_localize("UTC"), "give all times as starts_at, in UTC"),
        ("redeemed", [np.nan, *pairs["redeemed"].iloc[1:]], "redeemed has 1 value other than 0"),
        ("redeemed", np.where(pairs["redeemed"] == 1, "yes", "no"), "redeemed has 1,050 values"),
    ]:
        refused(said, run_backtest, pairs.assign(**{name: values}))
    # An unknown label of a promotion that is not over is no mistake.
    known = pairs["redeemed"].where(pairs["label_complete"])
    assert run_backtest(pairs.assign(redeemed=known)).pooled


def test_features_are_neither_id_time_nor_label_and_support_is_part_of_the_rows(pairs) -> None:
    more = pairs.assign(cluster_id=1, as_of=START, seen=pd.Timestamp("2017-01-01"), clicked=0)
    assert pair_features(more, "clicked") == ["amount", "contacts", "promotion_type"]
    # p2 is predicted from p0, both of type A; p6 is of a type that none before it had.
    kinds = np.where(pairs["promotion_id"] == "p6", "C", "A")
    new = pairs.assign(contacts=np.where(pairs["customer_id"] < 5, 0, 1), promotion_type=kinds)
    told = run_backtest(new).rows.groupby("promotion_id")["support"]
    assert told.get_group("p2").value_counts().to_dict() == {"inside": 145, "new_customer": 5}
    assert set(told.get_group("p6")) == {"new_promotion"}


def test_a_prediction_made_ahead_learns_from_what_was_over_then(pairs, result) -> None:
    learned = result.by_promotion.set_index("promotion_id")["trained_on"]
    # Whatever as_of says, nobody predicts after the start.
    for weeks in (0, 9):
        late = run_backtest(pairs.assign(as_of=pairs["starts_at"] + weeks * WEEK))
        pd.testing.assert_frame_equal(late.rows, result.rows)
    ahead = run_backtest(pairs.assign(as_of=pairs["starts_at"] - 2 * WEEK))
    earlier = ahead.by_promotion.set_index("promotion_id")["trained_on"]
    assert (earlier < learned[earlier.index]).all() and len(earlier)


def test_too_good_an_auc_raises_the_alarm_in_the_words_of_the_promotions_kind(result) -> None:
    for auc, positives, pooled, leaks in (
        (0.95, 100, 0.8, True),
        (0.80, 500, 0.91, True),
        (0.95, 99, 0.8, False),
        (0.90, 500, 0.90, False),
    ):
        rows = result.by_promotion.head(1).assign(auc=auc, positives=positives)
        found = replace(
            result, by_promotion=rows, pooled=replace(result.pooled, estimate=Estimate(pooled))
        )
        assert found.leakage_alarm().startswith("Alarm") == leaks
    assert "100 redeemers" in found.leakage_alarm()
    assert "100 responders" in found.leakage_alarm(answer_to(["coupon", "full_reduction"]))


def test_contacts_decide_who_is_new_and_support_is_told_by_customers_and_kinds() -> None:
    train = pd.DataFrame({"customer_id": [1, 2, 3], "contacts": [1, 4, 0]})
    train["promotion_type"] = ["A", "B", None]
    mail = train.assign(channel=["mail", "app", "app"])
    for known, new, told in [
        (train, {"contacts": [0, 2, np.nan], "customer_id": 9}, "new_customer inside new_customer"),
        (train, {"customer_id": [2, 9]}, "inside new_customer"),
        (train, {"contacts": 1, "promotion_type": ["C", "B", None]}, "new_promotion inside inside"),
        (train, {"contacts": [0], "promotion_type": "C"}, "new_promotion"),
        (train, {"contacts": 1, "promotion_type": pd.Categorical(["A"])}, "inside"),
        (train.head(0), {"contacts": 1, "promotion_type": ["A"]}, "new_promotion"),
        (mail, {"contacts": 1, "channel": ["mail", "app"]}, "inside new_promotion"),
    ]:
        rows = pd.DataFrame({"promotion_type": "A"} | new)
        assert support(known, rows).tolist() == told.split()
    assert support(train, rows.head(0)).shape == (0,)
    refused("neither 'contacts' nor 'customer_id'", support, train, rows[["promotion_type"]])
