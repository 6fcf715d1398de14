import numpy as np
import pandas as pd
from scipy.stats import skew
from sklearn.preprocessing import StandardScaler

from promolab.segmentation.groups.preparation import has_history, prepare, standardise
from tests.refused import refused


def test_a_symmetric_column_is_what_scikit_learn_makes() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400).clip(1, 9)
    expected = StandardScaler().fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(standardise(values), expected)


def test_a_skewed_column_is_logged_and_drawn_in() -> None:
    values = np.random.default_rng(0).lognormal(3, 1.5, 500)
    values[0] = 1e9
    result = standardise(values)
    assert result.max() == 3.0
    assert abs(skew(result)) < 0.5 < 1 < skew(values)
    assert (np.argsort(result[1:]) == np.argsort(values[1:])).all()


def test_nulls_get_the_median_and_constants_say_nothing() -> None:
    result = standardise(np.array([1.0, 2.0, 3.0, np.nan]))
    assert result[3] == result[1]
    assert not standardise(np.full(4, 7.0)).any()
    assert not standardise(np.full(4, np.nan)).any()


def test_prepare_leaves_out_what_says_nothing(features: pd.DataFrame) -> None:
    frame = features.assign(price_level=None, coupon_order_share=0.0).drop(columns="discount_share")
    prepared = prepare(frame)
    assert prepared.left_out == ("price_level", "coupon_order_share")
    assert "discount_share" not in prepared.columns
    assert prepared.matrix.shape == (len(frame), len(prepared.columns))
    assert np.isfinite(prepared.matrix).all()


def test_an_unknown_column_names_the_nearest(features: pd.DataFrame) -> None:
    refused("did you mean 'recency_days'", prepare, features, ["recency_day"])


def test_history_needs_an_order_and_a_date() -> None:
    frame = pd.DataFrame({"orders": [1, 0, None, 2], "recency_days": [3.0, 1.0, 1.0, np.nan]})
    assert has_history(frame).tolist() == [True, False, False, False]
    assert has_history(frame[[]]).tolist() == [True] * 4
