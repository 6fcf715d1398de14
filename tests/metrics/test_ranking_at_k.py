import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import ndcg_score

from promolab.metrics import recommendation
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
    # The mean of customers, with Student's interval.
    ends = ttest_1samp(sure, 0).confidence_interval(0.95)
    assert found.ndcg.ends == pytest.approx((np.mean(sure), *ends))
    order, some = np.argsort(-score, axis=1)[:, :10], came.any(1)
    hits = np.take_along_axis(came, order, 1).sum(1)
    assert found.recall.value == pytest.approx((hits / came.sum(1).clip(1))[some].mean())
    assert found.hit_rate.value == pytest.approx((hits > 0)[some].mean())
    again, anew = (
        recommendation(lists, _pairs(came), before=_pairs(before), k=10, among=part)
        for part in ("repeat", "new")
    )
    assert again.recall == recommendation(lists, _pairs(came & before), k=10).recall
    total = again.frame["relevant"] + anew.frame["relevant"]
    assert total.tolist() == came.sum(1).tolist()
    pairs = _pairs(came)
    twice = pd.concat([pairs, pairs]).sample(frac=1, random_state=0)
    once = recommendation(lists, pairs, k=5).frame
    pd.testing.assert_frame_equal(recommendation(lists, twice, k=5).frame, once)


def test_what_is_wrong_is_said_and_nobody_who_bought_has_no_figure(drawn):
    _, came, before, lists = drawn
    refused("twice for one customer", recommendation, pd.concat([lists, lists[:1]]), _pairs(came))
    refused("bought before, for among='new'", recommendation, lists, _pairs(came), among="new")
    refused("product_id", recommendation, lists, _pairs(came)[["customer_id"]])
    found = recommendation(lists, _pairs(came)[:0], before=_pairs(before), k=4, catalogue=30)
    assert np.isnan(found.ndcg.value) and found.without == 200
    assert found.novelty > 0 and 0 < found.coverage <= 1
