"""Models compared on the same rows, none of which any had seen, and the one that is recommended."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from promolab.compare.backtest import run_backtest
from promolab.compare.leaderboard import Leaderboard, compare_models
from promolab.errors import InputError
from promolab.metrics import auc_within, compare_auc
from promolab.model.inputs.folds import customer_folds, promotion_folds, time_folds
from promolab.model.response import ResponseModel
from promolab.sources import load_labelled
from tests.compare.test_backtest import make_pairs as pairs_of
from tests.refused import refused


def make_pairs(promotions: int = 7, n: int = 150, seed: int = 0) -> pd.DataFrame:
    """Promotions of three weeks that start every two; the last is not over."""
    rng = np.random.default_rng(seed)
    k = np.repeat(np.arange(promotions), n)
    spend, shape = rng.normal(size=(2, len(k)))
    logit = -1.0 + 1.4 * spend + rng.normal(0, 0.3, promotions)[k]
    redeemed = (rng.uniform(size=len(k)) < 1 / (1 + np.exp(-logit))).astype(int)
    of_others = ["amount", "contacts", "promotion_type", "purchased"]
    rows = pairs_of(promotions, n).drop(columns=of_others)
    return rows.assign(redeemed=redeemed, spend=spend, shape=shape)


MODELS = {
    "one feature": lambda: ResponseModel(columns=["shape"]),
    "logistic": "logistic",
    "spend alone": ResponseModel(columns=["spend"]),
}


class Picky:
    """Learns only from as many rows as it likes."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "Picky":
        if len(X) < 300:
            raise InputError("too few rows for me")
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.tile([0.7, 0.3], (len(X), 1))


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    return make_pairs()


@pytest.fixture(scope="module")
def board(pairs: pd.DataFrame) -> Leaderboard:
    return compare_models(pairs, MODELS)


def test_every_model_is_backtested_on_the_same_rows_as_scikit_learn_would(pairs, board) -> None:
    alone = run_backtest(pairs, model=lambda: ResponseModel(columns=["spend"]))
    assert len(board.rows) == len(board.scores) == len(alone.rows)
    key = ["customer_id", "promotion_id"]
    mine = board.rows.assign(p=board.scores["spend alone"])
    both = mine.merge(alone.rows, on=key, suffixes=("", "_alone"))
    np.testing.assert_array_equal(both["p"], both["p_alone"])
    np.testing.assert_array_equal(both["y"], both["y_alone"])
    table = board.frame.set_index("model")
    y = board.rows["y"]
    assert board.models and board.metrics
    for name in board.models:
        p = board.scores[name]
        assert table.loc[name, "auc"] == pytest.approx(roc_auc_score(y, p))
        assert table.loc[name, "log_loss"] == pytest.approx(log_loss(y, p))
        assert table.loc[name, "average_precision"] == pytest.approx(average_precision_score(y, p))
        assert table.loc[name, "auc_within"] == pytest.approx(
            auc_within(y, p, board.rows["promotion_id"]).auc
        )
        assert table.loc[name, "seconds"] > 0
        for metric in board.metrics:
            low, high = table.loc[name, f"{metric}_low"], table.loc[name, f"{metric}_high"]
            assert low < high


def test_differences_are_to_the_simplest_which_is_recommended_within_noise(board, pairs) -> None:
    rows = board.differences.query("metric == 'auc'").set_index("model")
    y, customer = board.rows["y"], board.rows["customer_id"]
    one = compare_auc(y, board.scores["logistic"], board.scores["one feature"], cluster=customer)
    found = rows.loc["logistic", ["difference", "difference_low", "difference_high"]]
    np.testing.assert_allclose(
        found.to_numpy(float), [one.difference, one.ci_low, one.ci_high], atol=1e-12
    )
    assert rows.loc["one feature", "difference"] == 0
    # "one feature" cannot see what counts; the other two differ by noise at most.
    assert board.recommended == "logistic"
    assert "Recommended: logistic" in board.summary()
    turned = compare_models(pairs, dict(reversed(MODELS.items())))
    assert turned.recommended == "spend alone"
    two = compare_models(pairs, {"first": "logistic", "second": "logistic"})
    assert two.recommended == two.best() == "first"
    assert "the simplest" in two.summary()


def test_what_one_model_cannot_predict_is_left_out_for_all(pairs: pd.DataFrame) -> None:
    found = compare_models(pairs, {"logistic": "logistic", "picky": Picky})
    alone = run_backtest(pairs)
    lost = found.left_out[found.left_out["reason"].str.contains("picky could not learn")]
    assert lost["promotion_id"].tolist() == ["p2"]  # predicted from p0 alone, 150 rows
    assert lost["n"].tolist() == [150]
    kept = set(alone.by_promotion["promotion_id"]) - {"p2"}
    assert set(found.rows["promotion_id"]) == kept
    assert "4 promotions could not be predicted" in found.summary()
    few, said = pairs[pairs["customer_id"] < 40], "'picky' could learn in no fold: too few rows"
    refused(said, compare_models, few, {"picky": Picky}, min_positives=5)


def test_tables_without_promotions(pairs: pd.DataFrame) -> None:
    plain = pairs.rename(columns={"redeemed": "click", "starts_at": "when"})
    plain = plain.drop(columns=["promotion_id", "ends_at", "label_complete"])
    models = {"logistic": "logistic", "held": ResponseModel(l2=35.0)}
    by_time = compare_models(plain, models, "click", time="when", folds=3)
    assert by_time.features == ("shape", "spend")
    assert "each block of time predicted from the rows before it" in by_time.summary()
    assert "auc_within" not in by_time.metrics
    assert by_time.rows["fold"].nunique() == 3
    text = plain.assign(when=plain["when"].dt.strftime("%Y-%m-%d"))
    same = compare_models(text, models, "click", time="when", folds=3)
    pd.testing.assert_frame_equal(same.scores, by_time.scores, check_exact=True)
    for wrong, sentence in (
        ({"when": plain["when"].dt.strftime("%d.%m.%Y")}, "expected dates, times or numbers"),
        ({"click": np.where(plain["click"] == 1, "yes", "no")}, "click has 1,050 values other"),
    ):
        refused(sentence, compare_models, plain.assign(**wrong), models, "click", time="when")
    by_customer = compare_models(plain, models, "click")
    assert len(by_customer.rows) == len(plain)
    assert "no test out of time" in by_customer.summary()
    one = compare_models(plain, ["logistic"], "click")
    assert one.recommended == "logistic" and np.isnan(one.differences["difference"]).all()
    assert one.frame["auc_low"].iloc[0] < one.frame["auc"].iloc[0]
    assert one.plot().get_xlabel() == "AUC"


def test_folds_never_look_ahead(pairs: pd.DataFrame) -> None:
    for folds in (None, 2):
        rolling, labels, _ = promotion_folds(pairs, "redeemed", folds=folds)
        assert len(rolling.parts) <= (folds or len(rolling.parts))
        for fold in rolling.parts:
            test, train = pairs.iloc[fold.test], pairs.iloc[fold.train]
            assert train["ends_at"].max() <= test["starts_at"].min()
            assert not np.isnan(labels[fold.train]).any()
        whole = np.sort(np.concatenate([f.test for f in rolling.parts]))
        np.testing.assert_array_equal(rolling.tested, whole)
    when = np.random.default_rng(0).integers(0, 9, 80)
    blocks = time_folds(when, 4)
    assert len(blocks.parts) == 4
    assert all(when[f.train].max() < when[f.test].min() for f in blocks.parts)
    customers = pairs["customer_id"].to_numpy()
    for fold in customer_folds(customers, 4).parts:
        assert not set(customers[fold.train]) & set(customers[fold.test])
        assert len(fold.train) + len(fold.test) == len(pairs)
    refused("all rows are of one moment", time_folds, [3, 3, 3])
    refused("single customer", customer_folds, ["a", "a"])


def test_words_and_figures_are_the_same_again(board: Leaderboard, pairs: pd.DataFrame) -> None:
    words = board.summary()
    assert words.startswith("3 models on the same 600 contacts")
    assert "(Holm)" in words
    plain = board.to_dict()
    assert plain["recommended"] == "logistic"
    value = plain["models"]["spend alone"]["log_loss"]
    assert value["difference"]["ci_low"] < value["difference"]["value"]
    assert "log-loss" in replace(board, metric="log_loss").plot().get_xlabel()
    ax = replace(board, level=0.9).plot_roc()
    assert ax.get_legend().get_title().get_text().startswith("AUC [90 %]")
    named = [text.get_text().split(", ")[0] for text in ax.get_legend().get_texts()]
    assert set(named) == set(board.models)
    looks = {(line.get_linestyle(), line.get_color()) for line in ax.get_lines()[:3]}
    assert len({style for style, _ in looks}) == 3  # told apart without colour
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
    assert told.leakage.startswith("Alarm: logistic has an AUC of 1.00; opened (AUC 1.00) ranks")
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
    refused("the frame has the outcomes open, spend; say which", compare_models, frame)
    refused("did you mean 'logistic'", compare_models, pairs, ["logistc"])
    refused("did you mean 'log_loss'", compare_models, pairs, ["logistic"], metric="logloss")
    first = pairs[pairs["promotion_id"] == "p0"]
    refused("to compare models on: none had ended", compare_models, first, ["logistic"])
    taught = pairs["promotion_id"].isin(["p0", "p1"])
    none = pairs.assign(redeemed=pairs["redeemed"].where(taught, 0))
    said = "rows predicted have redeemed = 0"
    refused(said, compare_models, none, ["logistic"], min_positives=5)
    refused("give at least one", compare_models, pairs, [])
    refused("logistic twice", compare_models, pairs, ["logistic", "logistic"])
    refused("folds = 1", compare_models, pairs, ["logistic"], folds=1)
