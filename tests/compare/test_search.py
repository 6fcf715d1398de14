"""The search for options: never on what comes later, and the same again."""

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from promolab.compare.backtest import run_backtest
from promolab.compare.search import SPACES, SearchResult, Span, search_options, space_of
from promolab.compare.selection import _halved, false_bound, select_features
from promolab.errors import MissingExtraError
from promolab.model import solvers
from promolab.model.response import ResponseModel
from tests.compare.made_up import pairs_of
from tests.refused import refused

SPACE = {"l2": Span(0.1, 3000.0, log=True)}
FEATURES = {f"f{j:02d}": 0.6 * (j < 3) for j in range(8)}


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    """Few rows, many features of which one counts: the default penalty is too weak."""
    weights = {f"x{i}": 0.4 * (i == 0) for i in range(20)}
    return pairs_of(weights, 7, 60, every=1, weeks=1, intercept=-0.5, seed=3)


@pytest.fixture(scope="module")
def found(pairs: pd.DataFrame) -> SearchResult:
    return search_options(pairs, "logistic", trials=10, space=SPACE, min_positives=5)


def test_values_are_those_of_a_backtest(pairs: pd.DataFrame, found: SearchResult) -> None:
    rows = run_backtest(pairs, min_positives=5).rows
    assert found.default_value == pytest.approx(log_loss(rows["y"], rows["p"]))
    best = run_backtest(pairs, model=found.model, min_positives=5).rows
    assert found.value == pytest.approx(log_loss(best["y"], best["p"]))
    assert found.value == found.frame["value"].min() < found.default_value
    assert found.best["l2"] > 30 and found.model().get_params()["l2"] == found.best["l2"]
    gain = found.advantage
    assert gain.value == pytest.approx(found.default_value - found.value)
    assert gain.ci_low < gain.value < gain.ci_high
    assert set(found.frame["state"]) <= {"complete", "pruned"}
    pruned = found.frame[found.frame["state"] == "pruned"]
    assert len(pruned) and pruned["value"].isna().all() and (pruned["folds"] < 6).all()


def test_same_seed_same_trials_also_of_rows_in_blocks_of_time_or_of_customers(pairs, found):
    again = search_options(pairs, "logistic", trials=4, space=SPACE, min_positives=5)
    one, two = (each.frame.drop(columns="seconds").head(4) for each in (again, found))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    plain = pairs.drop(columns=["promotion_id", "ends_at", "label_complete"])
    plain = plain.rename(columns={"redeemed": "click", "starts_at": "when"})
    call = {"outcome": "click", "trials": 1, "space": SPACE, "min_positives": 5, "seed": 1}
    by_time = search_options(plain, time="when", **call)
    assert by_time.features == (*sorted(plain.columns[:20]),)
    assert by_time.frame["l2"].iloc[0] != found.frame["l2"].iloc[0]
    assert "no test out of time" in search_options(plain, folds=3, **call).summary()


def test_other_measures_and_choices_and_options_that_the_model_refuses(pairs: pd.DataFrame) -> None:
    call: dict[str, Any] = {"min_positives": 5, "folds": 2}
    within = search_options(pairs, "tree", metric="auc_within", trials=3, **call)
    assert set(within.defaults) == {"depth", "min_leaf"}
    call |= {"metric": "auc", "space": {"depth": (1, 2)}, "fixed": {"min_leaf": 20}}
    chosen = search_options(pairs, "tree", trials=3, **call)
    assert set(chosen.frame["depth"]) <= {1, 2}
    assert chosen.model().get_params()["min_leaf"] == 20
    rows = chosen.frame[chosen.frame["state"] == "complete"]
    assert rows["value"].between(0.4, 1).all()
    space = {"l2": (-1.0, 300.0)}
    found = search_options(pairs, "logistic", trials=4, space=space, min_positives=5)
    refused = found.frame[found.frame["state"] == "refused"]
    assert len(refused) and (refused["l2"] == -1.0).all() and refused["value"].isna().all()
    assert found.best == {"l2": 300.0}


def test_a_budget_in_seconds_ends_it_and_spaces_are_of_options_that_the_kind_takes(pairs) -> None:
    short = search_options(pairs, trials=50, seconds=1e-9, space=SPACE, min_positives=5)
    assert len(short.frame) == 1 and "1 of 50 trial" in short.summary()
    for kind in (kind for kind, space in SPACES.items() if space):
        space = space_of(kind).items()
        ends = {n: (s.low, s.high) if isinstance(s, Span) else s for n, s in space}
        for place in (0, 1):
            ResponseModel(kind, **{name: of[place] for name, of in ends.items()})


def test_nothing_of_optuna_shows(pairs, capfd, monkeypatch):
    state = np.random.get_state()[1].copy()
    search_options(pairs, trials=1, space=SPACE, min_positives=5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"promolab\[search\]"):
        search_options(pairs, trials=1)


def test_calls_that_cannot_be(pairs: pd.DataFrame) -> None:
    for rows, given, said in [
        (pairs, {"kind": "tree", "space": {"dept": Span(1, 2)}}, "did you mean 'depth'"),
        (pairs, {"fixed": {"l2": 3.0, "l1": 0.0}}, "nothing to search"),
        (pairs, {"trials": 0}, "trials = 0"),
        (pairs, {"metric": "logloss"}, "did you mean 'log_loss'"),
        (pairs.head(60), {}, "nothing to search on: 0 promotions had"),
    ]:
        refused(said, search_options, rows, **given)
    refused("numbers that ascend", Span, 3, 2)
    refused("at least two choices", space_of, "tree", {"depth": [2]})


def test_words_figure_and_a_leak_with_its_column(found: SearchResult, pairs: pd.DataFrame) -> None:
    words = found.summary()
    assert words.startswith("10 trials of logistic") and "optimistic" in words
    assert found.to_dict()["trials"] == 10
    assert found.leakage == "" and "Alarm" not in words
    leaky = pairs.assign(opened=pairs["redeemed"] + 0.1 * pairs["customer_id"].mod(3))
    told = search_options(leaky, "tree", trials=1, folds=2).summary()
    assert "Alarm: tree has an AUC of" in told and "opened (AUC 1.00) ranks redeemed by" in told


def noise_and(useful, n=1200, p=12, seed=0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Customers of two rows each; the first features matter, the others do not."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, p)), columns=[f"f{j:02d}" for j in range(p)])
    logit = X.iloc[:, :useful].sum(axis=1) * 0.6 - 1
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(float)
    return X, y, np.arange(n) // 2


def test_what_matters_is_stable_and_the_bound_is_the_papers() -> None:
    table, bound, customers = _halved(*noise_and(3), 8, 0)
    assert sorted(table.loc[table["stable"], "feature"]) == ["f00", "f01", "f02"]
    assert table["frequency"].is_monotonic_decreasing
    assert customers == 600 and bound > 0
    pd.testing.assert_frame_equal(table, _halved(*noise_and(3), 8, 0)[0])
    # Shah & Samworth (2013), theorems 1 and 2, worked out by hand for a threshold of 3/4.
    assert false_bound(10, 100, 50) == pytest.approx(1 / (2 * (0.5 - 0.01)))
    assert false_bound(9, 10, 50) == pytest.approx(9 * 9 / 10 / 0.5)  # out of the second's range


def test_pure_noise_is_kept_as_seldom_as_said_and_a_customer_stands_in_one_half() -> None:
    false, bounds = [], []
    for seed in range(8):
        table, bound, _ = _halved(*noise_and(0, 500, 12, seed), 6, seed)
        false.append(int(table["stable"].sum()))
        bounds.append(bound)
    # Expected in each at most the bound; their sum is within two standard deviations of Poisson.
    assert sum(false) <= sum(bounds) + 2 * np.sqrt(sum(bounds))
    X, y, _ = noise_and(1, 400, 4)
    seen, keep = [], solvers.fit_elastic_net

    def spy(matrix, labels, *args, **kwargs):
        seen.append(len(matrix))
        return keep(matrix, labels, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solvers, "fit_elastic_net", spy)
        # One customer has half of all rows: a half with it is much the larger.
        _halved(X, y, np.where(np.arange(400) < 200, 0, np.arange(400)), 3, 0)
    halves = np.array(seen[-6:]).reshape(3, 2)
    assert (halves.sum(axis=1) == 400).all() and (halves.max(axis=1) > 290).all()


def test_the_selection_its_cost_and_that_later_promotions_have_no_say(monkeypatch) -> None:
    pairs = pairs_of(FEATURES, 9, 300, every=4)
    found = select_features(pairs, halvings=6)
    with monkeypatch.context() as patch:
        patch.setattr("promolab.compare.selection.MOST_SHOWN", 1_500)
        fewer = select_features(pairs, halvings=2)
    assert fewer.among == len(pairs) and 400 < fewer.cost.n < found.cost.n
    assert f"customers drawn, of {len(pairs):,}" in fewer.summary()
    assert "drawn" not in found.summary()
    assert {"f00", "f01", "f02"} <= set(found.kept) and len(found.kept) <= 5
    assert found.cost.ci_low < 0.01 and found.cost.ci_high > -0.01
    assert found.cost_within is not None and found.halves == 12 and found.bound > 0
    later = pairs["starts_at"] >= found.moment
    assert found.cost.n == int(later.sum())
    assert f"{len(found.kept)} of 8 features kept" in found.summary()
    either = found.frame["stable"] | found.frame["important"]
    assert set(found.frame.loc[either, "feature"]) == set(found.kept)
    assert found.plot().get_xlim() == (0, 1)
    # Afterwards nobody behaves as before; and what was known of them differs too.
    changed = pairs.assign(redeemed=pairs["redeemed"].where(~later, 1 - pairs["redeemed"]))
    changed.loc[later, "f05"] = 1e6
    again = select_features(changed, since=found.moment, halvings=6)
    pd.testing.assert_frame_equal(found.frame, again.frame)
    assert again.cost.auc_a < 0.5 < found.cost.auc_a


def test_short_histories_too_few_responses_and_calls_that_cannot_be() -> None:
    # Two promotions: one chooses, one measures, and there is none to cut again.
    two = pairs_of(FEATURES, 2, 300, every=4)
    found = select_features(two, halvings=3)
    assert found.kept and not found.frame["important"].any()
    X, _, customer = noise_and(1, 300)
    refused("needs at least 10", _halved, X, (X.index < 5).astype(float), customer, 3, 0)
    refused("halvings = 1", select_features, two, halvings=1)
    refused("seed = -1", select_features, two, seed=-1)
