"""The method that served stays until another one is better out of time, beyond noise."""

import numpy as np
import pandas as pd
import pytest

from promolab.compare import choose_method
from promolab.compare.model_selection import Method, challenge_champion
from tests.wording_lint import nonsense


def past_pairs(signal: float = 1.0, promotions: int = 8, seed: int = 0) -> pd.DataFrame:
    """Return pairs in which ``hidden`` tells the response and ``plain`` a little of it."""
    rng = np.random.default_rng(seed)
    n = 250 * promotions
    hidden, plain = rng.normal(size=n), rng.normal(size=n)
    chance = 1 / (1 + np.exp(1.5 - signal * hidden - 0.3 * plain))
    starts = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(promotions) * 14, "D")
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, 600, n),
            "promotion_id": np.repeat(np.arange(promotions), 250),
            "starts_at": np.repeat(starts, 250),
            "ends_at": np.repeat(starts + pd.Timedelta(days=10), 250),
            "label_complete": True,
            "redeemed": (rng.random(n) < chance).astype(int),
            "hidden": hidden,
            "plain": plain,
            "noise": rng.normal(size=n),
        }
    ).drop_duplicates(["customer_id", "promotion_id"], ignore_index=True)


OLD = Method("logistic", {"l2": 30.0}, ("plain",))
BETTER = Method("logistic", {"l2": 30.0}, ("hidden", "plain"))
NO_BETTER = Method("logistic", {"l2": 30.0}, ("noise", "plain"))


def test_the_first_is_the_challenger_and_one_better_beyond_noise_says_why() -> None:
    found = challenge_champion(past_pairs(), None, OLD)
    assert found.decision == "champion" and found.champion == ""
    assert "first champion" in found.summary()
    found = challenge_champion(past_pairs(), OLD, BETTER, since="2024-W10")
    assert found.decision == "replaced" and found.difference.ci_high < 0
    assert "as in 2024-W10" in found.reason and "better beyond noise" in found.reason
    assert found.to_dict()["auc_difference"]["ci_low"] > 0
    # The other way round it is worse, and nothing changes.
    back = challenge_champion(past_pairs(), BETTER, OLD)
    assert back.decision == "kept" and back.difference.ci_low > 0 and "worse" in back.reason
    assert back.difference.value == pytest.approx(-found.difference.value, abs=1e-12)
    assert nonsense(f"{found.reason}\n{back.reason}") == []


def test_noise_replaces_nothing_and_one_that_was_asked_for_is_used() -> None:
    decisions = [
        challenge_champion(past_pairs(promotions=4, seed=k), OLD, NO_BETTER).decision
        for k in range(8)
    ]
    assert decisions.count("replaced") <= 1
    assert (
        challenge_champion(past_pairs(), OLD, Method("logistic", {"l2": 30.0}, ("plain",))).board
        is None
    )
    found = challenge_champion(past_pairs(), BETTER, OLD, insisted=True)
    assert found.decision == "replaced" and "as asked for" in found.reason
    gone = challenge_champion(past_pairs().drop(columns="hidden"), BETTER, OLD)
    assert gone.decision == "replaced" and "1 feature of it is not there any more" in gone.reason
    short = challenge_champion(past_pairs(promotions=1), OLD, BETTER)
    assert short.decision == "kept" and "could not be held against it" in short.reason


def test_the_week_uses_what_is_kept() -> None:
    pairs = past_pairs()
    alone = choose_method(pairs, "logistic")
    assert alone.replacement is not None and alone.replacement.decision == "champion"
    # The champion leaves out a column of noise: all columns are not better than it.
    told = {"model": "logistic", "options": {"l2": 100.0}, "features": ["hidden", "plain"]}
    kept = choose_method(pairs, "logistic", champion=told | {"week": "2024-W10"})
    assert kept.replacement.decision == "kept"
    assert kept.features.columns == ["hidden", "plain"] and kept.options == {"l2": 100.0}
    assert kept.make().get_params()["l2"] == 100.0
    assert "kept from 2024-W10" in kept.summary() and nonsense(kept.summary()) == []
    # What metrics.json keeps of it is the next week's champion, and then it is the same.
    again = choose_method(pairs, "logistic", champion=kept.to_dict() | {"week": "2024-W11"})
    assert again.features.columns == kept.features.columns
    poor = told | {"features": ["plain"]}
    assert choose_method(pairs, "logistic", champion=poor).replacement.decision == "replaced"
    asked = choose_method(pairs, "tree", champion=told)
    assert asked.kind == "tree" and asked.replacement.decision == "replaced"
