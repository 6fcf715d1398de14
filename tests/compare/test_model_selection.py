"""Which features and which method a week uses; one that served stays until another is better."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.launch import past_pairs
from promolab.compare.cross_validation import pair_features
from promolab.compare.model_selection import (
    Method,
    challenge_champion,
    check_methods,
    choose_features,
    choose_method,
    listed,
)
from promolab.features import response_features
from promolab.sources import load_shop
from promolab.weeks import Week
from tests.compare.made_up import pairs_of
from tests.refused import refused
from tests.wording_lint import nonsense

OLD = Method("logistic", {"l2": 30.0}, ("plain",))
BETTER = Method("logistic", {"l2": 30.0}, ("hidden", "plain"))
NO_BETTER = Method("logistic", {"l2": 30.0}, ("noise", "plain"))


@pytest.fixture(scope="module")
def pairs(small_shop) -> pd.DataFrame:
    shop = load_shop(small_shop)
    return past_pairs(shop, Week.parse("2017-W44").start(shop.zone))


def test_methods_are_listed_and_what_no_model_can_have_is_refused_before_anything_runs() -> None:
    assert listed(" boosting,tree, logistic,") == ["logistic", "tree", "boosting"]
    assert listed("") == []
    for parameters, sentence in [
        ({"models": "logistic, boostng"}, "did you mean 'boosting'"),
        ({"model": "recomended"}, "did you mean 'recommended'"),
        ({"l2": -1.0}, "l2"),
        ({"search_trials": -1}, "expected a whole number from 0 on"),
        ({"features": "few"}, "features"),
    ]:
        refused(sentence, check_methods, parameters)
    check_methods({})


def test_the_recommended_method_is_used(pairs: pd.DataFrame) -> None:
    choice = choose_method(pairs, "recommended", "logistic, tree", l2=100.0)
    assert choice.kind == choice.board.recommended == choice.make().kind
    kept = choice.to_dict()
    assert kept["model"] == choice.kind and set(kept["methods"]["models"]) == {"logistic", "tree"}


def test_what_is_only_shown_is_of_drawn_customers_where_there_are_very_many(
    pairs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{choose_method.__module__}.MOST_SHOWN", len(pairs) // 2)
    shown = choose_method(pairs, "logistic", "logistic, tree", l2=100.0).board
    decides = choose_method(pairs, "recommended", "logistic, tree", l2=100.0).board
    assert shown.among == len(pairs) and 2 * len(shown.rows) < 1.2 * len(decides.rows)
    assert f"(customers drawn, of {len(pairs):,} contacts)" in shown.summary()
    assert not decides.among and "drawn" not in decides.summary()


def test_without_a_comparison_or_contacts_the_page_says_so(pairs: pd.DataFrame) -> None:
    choice = choose_method(pairs, "tree", l2=100.0)
    assert choice.board is None and "by the method tree, as asked for" in choice.summary()
    assert choice.no_board() == "No methods were compared."
    nothing = choose_method(pairs.head(0), "recommended", "logistic, tree", l2=100.0)
    assert nothing.board is None and nothing.kind == "logistic"
    assert "could not be compared" in nothing.no_board() and "recommends" not in nothing.why
    alone = choose_method(pairs, "recommended", features="chosen")
    assert alone.kind == "logistic" and "nothing was compared" in alone.why
    empty = choose_method(pd.DataFrame({"redeemed": [], "label_complete": []}), models="logistic")
    assert "no past contacts" in empty.no_board()


def test_a_search_sets_the_options(pairs: pd.DataFrame) -> None:
    pytest.importorskip("optuna")
    choice = choose_method(pairs, "tree", trials=2, l2=100.0, seed=1)
    assert len(choice.search.frame) == 2 and set(choice.search.best) <= set(choice.options)
    # A penalty that was asked for is not searched away, and a search that cannot be is no secret.
    asked = choose_method(pairs, "logistic", features="chosen", l2=77.0, trials=1)
    assert asked.options["l2"] == 77.0 and dict(asked.search.fixed) == {"l2": 77.0}
    failed = choose_method(pairs.assign(label_complete=False), "tree", features="chosen", trials=1)
    assert failed.search is None and "could be searched for" in failed.no_search()


def test_features_are_chosen_by_what_they_would_have_done(pairs: pd.DataFrame) -> None:
    few = response_features(pairs)
    given = choose_features(pairs)
    assert given.board is not None and given.board.metric == "log_loss"
    assert given.columns == (few if given.which == "chosen" else pair_features(pairs))
    assert given.which == given.board.recommended and "log-loss of past promotions" in given.why
    assert choose_features(pairs, "all").columns == pair_features(pairs)
    assert choose_features(pairs, "chosen").columns == few
    # a feature that tells nearly all, and is none of the few, makes all of them the better choice
    telling = pairs.assign(told=pairs["redeemed"] + np.arange(len(pairs)) % 7 / 7)
    assert choose_features(telling).which == "all"
    nothing_over = choose_features(pairs.assign(label_complete=False))
    assert nothing_over.which == "chosen" and "cannot be told" in nothing_over.why
    refused("did you mean 'chosen'", choose_features, pairs, "choosen")


def made_pairs(promotions: int = 8, seed: int = 0) -> pd.DataFrame:
    """Return pairs in which ``hidden`` tells the response and ``plain`` a little of it."""
    weights = {"hidden": 1.0, "plain": 0.3, "noise": 0.0}
    return pairs_of(weights, promotions, 250, weeks=1, intercept=-1.5, seed=seed)


def test_the_first_is_the_challenger_and_one_better_beyond_noise_says_why() -> None:
    found = challenge_champion(made_pairs(), None, OLD)
    assert found.decision == "champion" and found.champion == ""
    assert "first champion" in found.summary()
    found = challenge_champion(made_pairs(), OLD, BETTER, since="2024-W10")
    assert found.decision == "replaced" and found.difference.ci_high < 0
    assert "as in 2024-W10" in found.reason and "better beyond noise" in found.reason
    assert found.to_dict()["auc_difference"]["ci_low"] > 0
    # The other way round it is worse, and nothing changes.
    back = challenge_champion(made_pairs(), BETTER, OLD)
    assert back.decision == "kept" and back.difference.ci_low > 0 and "not better" in back.reason
    assert back.difference.value == pytest.approx(-found.difference.value, abs=1e-12)
    assert nonsense(f"{found.reason}\n{back.reason}") == []


def test_noise_replaces_nothing_and_one_that_was_asked_for_is_used() -> None:
    tried = [challenge_champion(made_pairs(4, seed=k), OLD, NO_BETTER) for k in range(6)]
    assert sum(each.decision == "replaced" for each in tried) <= 1
    assert challenge_champion(made_pairs(), OLD, replace(OLD)).board is None
    found = challenge_champion(made_pairs(), BETTER, OLD, insisted=True)
    assert found.decision == "replaced" and "as asked for" in found.reason
    gone = challenge_champion(made_pairs().drop(columns="hidden"), BETTER, OLD)
    assert gone.decision == "replaced" and "1 feature of it is not there any more" in gone.reason
    short = challenge_champion(made_pairs(promotions=1), OLD, BETTER)
    assert short.decision == "kept" and "could not be held against it" in short.reason


def test_the_week_uses_what_is_kept() -> None:
    pairs = made_pairs()
    alone = choose_method(pairs, "logistic")
    assert alone.replacement is not None and alone.replacement.decision == "champion"
    # The champion leaves out a column of noise: all columns are not better than it.
    told = {"model": "logistic", "options": {"l2": 100.0}, "features": ["hidden", "plain"]}
    kept = choose_method(pairs, "logistic", champion=told | {"week": "2024-W10"})
    assert kept.replacement.decision == "kept"
    assert kept.features.columns == ["hidden", "plain"] and kept.options == {"l2": 100.0}
    assert kept.make().get_params()["l2"] == 100.0
    assert "kept from before (2024-W10)" in kept.summary() and nonsense(kept.summary()) == []
    # What metrics.json keeps of it is the next week's champion, and then it is the same.
    again = choose_method(pairs, "logistic", champion=kept.to_dict() | {"week": "2024-W11"})
    assert again.features.columns == kept.features.columns
    poor = told | {"features": ["plain"]}
    assert choose_method(pairs, "logistic", champion=poor).replacement.decision == "replaced"
    asked = choose_method(pairs, "tree", champion=told)
    assert asked.kind == "tree" and asked.replacement.decision == "replaced"
