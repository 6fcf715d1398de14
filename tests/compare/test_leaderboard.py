"""Models compared on the same rows, none of which any had seen, and the one that is recommended."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from promolab.compare.backtest import run_backtest
from promolab.compare.leaderboard import Leaderboard, compare_models
from promolab.metrics import auc_within, compare_auc
from promolab.model.inputs.folds import customer_folds, promotion_folds, time_folds
from promolab.model.response import ResponseModel
from promolab.sources import load_labelled
from tests.compare.made_up import Picky, pairs_of
from tests.refused import refused

MODELS = {
    "one feature": lambda: ResponseModel(columns=["shape"]),
    "logistic": "logistic",
    "spend alone": ResponseModel(columns=["spend"]),
}


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    return pairs_of({"spend": 1.4, "shape": 0.0}, 7, 150, running=1)


@pytest.fixture(scope="module")
def board(pairs: pd.DataFrame) -> Leaderboard:
    return compare_models(pairs, MODELS)


def test_every_model_is_backtested_on_the_same_rows_as_scikit_learn_would(pairs, board) -> None:
    alone = run_backtest(pairs, model=lambda: ResponseModel(columns=["spend"]))
    assert len(board.rows) == len(board.scores) == len(alone.rows)
    mine = board.rows.assign(p=board.scores["spend alone"])
    both = mine.merge(alone.rows, on=["customer_id", "promotion_id"], suffixes=("", "_alone"))
    np.testing.assert_array_equal(both[["p", "y"]], both[["p_alone", "y_alone"]])
    y, of = board.rows["y"], board.rows["promotion_id"]
    for name, row in board.frame.set_index("model").iterrows():
        p = board.scores[name]
        expected = (roc_auc_score(y, p), log_loss(y, p), average_precision_score(y, p))
        assert (row["auc"], row["log_loss"], row["average_precision"]) == pytest.approx(expected)
        assert row["auc_within"] == pytest.approx(auc_within(y, p, of).auc)
        assert row["seconds"] > 0
        assert all(row[f"{metric}_low"] < row[f"{metric}_high"] for metric in board.metrics)


def test_differences_are_to_the_simplest_which_is_recommended_within_noise(board, pairs) -> None:
    rows = board.differences.query("metric == 'auc'").set_index("model")
    y, customer = board.rows["y"], board.rows["customer_id"]
    one = compare_auc(y, board.scores["logistic"], board.scores["one feature"], cluster=customer)
    found = rows.loc["logistic", ["difference", "difference_low", "difference_high"]]
    assert tuple(found) == pytest.approx(one.estimate.ends, abs=1e-12)
    assert rows.loc["one feature", "difference"] == 0
    # "one feature" cannot see what counts; the other two differ by noise at most.
    assert board.recommended == "logistic" and "Recommended: logistic" in board.summary()
    turned = compare_models(pairs, dict(reversed(MODELS.items())))
    assert turned.recommended == "spend alone" and "the simplest" in turned.summary()


def test_what_one_model_cannot_predict_is_left_out_for_all(pairs: pd.DataFrame) -> None:
    found = compare_models(pairs, {"logistic": "logistic", "picky": lambda: Picky(300)})
    lost = found.left_out[found.left_out["reason"].str.contains("picky could not learn")]
    # It is predicted from p0 alone, 150 rows.
    assert lost[["promotion_id", "n"]].to_numpy().tolist() == [["p2", 150]]
    assert set(found.rows["promotion_id"]) == {"p3", "p4", "p5"}
    said, none = "'picky' could learn in no fold: too few rows", {"picky": lambda: Picky(10**9)}
    refused(said, compare_models, pairs, none)


def test_tables_without_promotions(pairs: pd.DataFrame) -> None:
    plain = pairs.rename(columns={"redeemed": "click", "starts_at": "when"})
    plain = plain.drop(columns=["promotion_id", "ends_at", "label_complete"])
    models = {"logistic": "logistic", "held": ResponseModel(l2=35.0)}
    text = plain.assign(when=plain["when"].dt.strftime("%Y-%m-%d"))
    by_time, same = (
        compare_models(rows, models, "click", time="when", folds=3) for rows in (plain, text)
    )
    pd.testing.assert_frame_equal(same.scores, by_time.scores, check_exact=True)
    assert by_time.features == ("shape", "spend") and by_time.rows["fold"].nunique() == 3
    assert "each block of time predicted from the rows before it" in by_time.summary()
    assert "auc_within" not in by_time.metrics
    said = "expected dates, times or numbers", "click has 1,050 values other"
    days, words = plain["when"].dt.strftime("%d.%m.%Y"), plain["click"].map({0: "no", 1: "yes"})
    for sentence, wrong in zip(said, ({"when": days}, {"click": words}), strict=True):
        refused(sentence, compare_models, plain.assign(**wrong), models, "click", time="when")
    one = compare_models(plain, ["logistic"], "click")
    assert len(one.rows) == len(plain) and "no test out of time" in one.summary()
    assert one.recommended == "logistic" and np.isnan(one.differences["difference"]).all()
    assert one.frame["auc_low"].iloc[0] < one.frame["auc"].iloc[0]
    assert one.plot().get_xlabel() == "AUC"


def test_folds_never_look_ahead(pairs: pd.DataFrame) -> None:
    for folds in (None, 2):
        rolling, labels, _ = promotion_folds(pairs, "redeemed", folds=folds)
        assert 0 < len(rolling.parts) <= (folds or 99)
        for fold in rolling.parts:
            test, train = pairs.iloc[fold.test], pairs.iloc[fold.train]
            assert train["ends_at"].max() <= test["starts_at"].min()
            assert not np.isnan(labels[fold.train]).any()
        whole = np.sort(np.concatenate([f.test for f in rolling.parts]))
        np.testing.assert_array_equal(rolling.tested, whole)
    when = np.random.default_rng(0).integers(0, 9, 80)
    blocks = time_folds(when, 4).parts
    assert len(blocks) == 4 and all(when[f.train].max() < when[f.test].min() for f in blocks)
    customers = pairs["customer_id"].to_numpy()
    for fold in customer_folds(customers, 4).parts:
        assert not set(customers[fold.train]) & set(customers[fold.test])
        assert len(fold.train) + len(fold.test) == len(pairs)
    refused("all rows are of one moment", time_folds, [3, 3, 3])
    refused("single customer", customer_folds, ["a", "a"])


def test_words_and_figures_are_the_same_again(board: Leaderboard, pairs: pd.DataFrame) -> None:
    words = board.summary()
    assert words.startswith("3 models on the same 600 contacts") and "(Holm)" in words
    value = board.to_dict()["models"]["spend alone"]["log_loss"]
    assert value["difference"]["ci_low"] < value["difference"]["value"]
    assert "log-loss" in replace(board, metric="log_loss").plot().get_xlabel()
    legend = board.plot_roc().get_legend().get_texts()
    assert {text.get_text().split(", ")[0] for text in legend} == set(board.models)
    refused("metric = 'lift' is unknown", board.recommend, "lift")
    again = compare_models(pairs.sample(frac=1, random_state=1), MODELS)
    one, two = (each.frame.drop(columns="seconds") for each in (again, board))
    pd.testing.assert_frame_equal(one, two, rtol=1e-6, atol=2e-3)


def test_a_leak_is_alarmed_in_the_summary_with_the_column_that_tells_it(pairs, board):
    assert board.leakage == "" and "Alarm" not in board.summary()
    rng = np.random.default_rng(3)
    leaky = pairs.assign(opened=pairs["redeemed"] * 3.0 + rng.normal(0, 0.5, len(pairs)))
    told = compare_models(leaky, ["logistic", "tree"])
    assert told.leakage in told.summary() and told.leakage == told.to_dict()["leakage"]
    assert "has an AUC of 1.00; opened (AUC 1.00) ranks redeemed by itself" in told.leakage
    # No column by itself, but two together.
    rest = leaky["opened"] - 3.0 * leaky["shape"]
    both = pairs.assign(one=rest, other=3.0 * leaky["shape"]).drop(columns=["shape", "spend"])
    told = compare_models(both, ["logistic"])
    assert "logistic has an AUC of" in told.leakage and "by itself" not in told.leakage


def test_the_outcome_that_a_frame_knows_need_not_be_named_and_wrong_calls_are_refused(pairs):
    rows = pairs[["customer_id", "redeemed", "spend", "shape"]].rename(columns={"redeemed": "open"})
    frame = load_labelled(rows, id="customer_id", label="open")
    board = compare_models(frame, ["logistic"], folds=2)
    assert board.outcome == "open" and board.features == ("shape", "spend")
    frame.attrs["outcomes"] = ["open", "spend"]
    first, taught = pairs[pairs["promotion_id"] == "p0"], pairs["promotion_id"].isin(["p0", "p1"])
    none = pairs.assign(redeemed=pairs["redeemed"].where(taught, 0))
    for given, models, how, said in [
        (frame, ["logistic"], {}, "the frame has the outcomes open, spend; say which"),
        (pairs, ["logistc"], {}, "did you mean 'logistic'"),
        (pairs, ["logistic"], {"metric": "logloss"}, "did you mean 'log_loss'"),
        (first, ["logistic"], {}, "to compare models on: 0 promotions had"),
        (none, ["logistic"], {"min_positives": 5}, "rows predicted have redeemed = 0"),
        (pairs, [], {}, "give at least one"),
        (pairs, ["logistic", "logistic"], {}, "logistic twice"),
        (pairs, ["logistic"], {"folds": 1}, "folds = 1"),
    ]:
        refused(said, compare_models, given, models, **how)
