import numpy as np
import pandas as pd
from scipy.stats import skew
from sklearn.preprocessing import StandardScaler

from promolab.segmentation.groups.preparation import has_history, prepare, standardise
from tests.refused import refused


def test_columns_are_what_scikit_learn_makes_of_them_skewed_ones_logged_nulls_the_median() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400).clip(1, 9)
    expected = StandardScaler().fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(standardise(values), expected)
    values = np.random.default_rng(0).lognormal(3, 1.5, 500)
    values[0] = 1e9
    result = standardise(values)
    assert result.max() == 3.0
    assert abs(skew(result)) < 0.5 < 1 < skew(values)
    assert (np.argsort(result[1:]) == np.argsort(values[1:])).all()
    result = standardise(np.array([1.0, 2.0, 3.0, np.nan]))
    assert result[3] == result[1]
    assert not standardise(np.full(4, 7.0)).any()
    assert not standardise(np.full(4, np.nan)).any()


def test_what_says_nothing_is_left_out_and_what_is_lacking_named(features: pd.DataFrame) -> None:
    frame = features.assign(price_level=None, coupon_order_share=0.0).drop(columns="discount_share")
    prepared = prepare(frame)
    assert prepared.left_out == ("price_level", "coupon_order_share")
    assert "discount_share" not in prepared.columns
    assert prepared.matrix.shape == (len(frame), len(prepared.columns))
    assert np.isfinite(prepared.matrix).all()
    refused("did you mean 'recency_days'", prepare, features, ["recency_day"])
    frame = pd.DataFrame({"orders": [1, 0, None, 2], "recency_days": [3.0, 1.0, 1.0, np.nan]})
    assert has_history(frame).tolist() == [True, False, False, False]
    assert has_history(frame[[]]).tolist() == [True] * 4
