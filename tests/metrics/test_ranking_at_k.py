import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score

from promolab.metrics import recommendation
from promolab.metrics.ranking_at_k import mean_of
from tests.draws import check_cover, draws, ends_of
from tests.refused import refused


def _pairs(matrix: np.ndarray) -> pd.DataFrame:
    row, column = np.nonzero(matrix)
    return pd.DataFrame({"customer_id": row, "product_id": column})


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    score = rng.normal(size=(200, 30))
    came = rng.random((200, 30)) < 0.1
    before = rng.random((200, 30)) < 0.3
    order = np.argsort(-score, axis=1)
    lists = pd.DataFrame({"customer_id": np.repeat(np.arange(200), 30)})
    return score, came, before, lists.assign(product_id=order.ravel())


def test_measures_are_those_of_scikit_learn_in_any_order_and_tell_repeats_from_new(drawn):
    score, came, before, lists = drawn
    found = recommendation(lists, _pairs(came), k=10)
    sure = [ndcg_score(came[[i]], score[[i]], k=10) for i in np.flatnonzero(came.any(1))]
    counted = found.frame[found.frame["relevant"] > 0]
    np.testing.assert_allclose(counted["ndcg"], sure)
    assert found.without == int((~came.any(1)).sum()) and found.ndcg.n == len(sure)
    order, some = np.argsort(-score, axis=1)[:, :10], came.any(1)
    hits = np.take_along_axis(came, order, 1).sum(1)
    assert found.recall.value == pytest.approx((hits / came.sum(1).clip(1))[some].mean())
    assert found.hit_rate.value == pytest.approx((hits > 0)[some].mean())
    again = recommendation(lists, _pairs(came), before=_pairs(before), k=10, among="repeat")
    anew = recommendation(lists, _pairs(came), before=_pairs(before), k=10, among="new")
    assert again.recall == recommendation(lists, _pairs(came & before), k=10).recall
    total = again.frame["relevant"] + anew.frame["relevant"]
    assert total.tolist() == came.sum(1).tolist()
    pairs = _pairs(came)
    twice = pd.concat([pairs, pairs]).sample(frac=1, random_state=0)
    once = recommendation(lists, pairs, k=5).frame
    pd.testing.assert_frame_equal(recommendation(lists, twice, k=5).frame, once)


def test_intervals_cover_the_mean_of_all_customers(drawn):
    rng = np.random.default_rng(5)
    came = rng.random((4_000, 30)) < rng.beta(1, 9, (4_000, 1))
    lists = pd.DataFrame(
        {"customer_id": np.repeat(np.arange(4_000), 5), "product_id": np.tile(np.arange(5), 4_000)}
    )
    whole = recommendation(lists, _pairs(came), k=5)
    per = whole.frame.dropna(subset="ndcg")["ndcg"].to_numpy()
    ends = ends_of(mean_of(rng.choice(per, 80), 0.9) for _ in range(draws()))
    check_cover(ends, whole.ndcg.value, 0.9)


def test_what_is_wrong_is_said_and_nobody_who_bought_has_no_figure(drawn):
    _, came, before, lists = drawn
    refused("twice for one customer", recommendation, pd.concat([lists, lists[:1]]), _pairs(came))
    refused("bought before, for among='new'", recommendation, lists, _pairs(came), among="new")
    refused("product_id", recommendation, lists, _pairs(came)[["customer_id"]])
    found = recommendation(lists, _pairs(came)[:0], before=_pairs(before), k=4, catalogue=30)
    assert np.isnan(found.ndcg.value) and found.without == 200
    assert found.novelty > 0 and 0 < found.coverage <= 1
