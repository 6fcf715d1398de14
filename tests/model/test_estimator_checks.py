"""scikit-learn's checks of an estimator: one linear kind, one of trees; `make bench` has all."""

import os
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from promolab.model.response import ResponseModel

MODELS = [
    ResponseModel("logistic", positive="last", l2=1.0),
    ResponseModel("tree", positive="last", min_leaf=3),
    ResponseModel("forest", positive="last", trees=7, min_leaf=2),
    ResponseModel("boosting", positive="last", iterations=15, learning_rate=0.3, min_leaf=3),
]
# The checks of scikit-learn themselves tell that wrong options are refused early.
pytestmark = pytest.mark.filterwarnings("ignore:InputError occurred during set_params")

REASONS = {
    "check_do_not_raise_errors_in_init_or_set_params": "a kind or option that does not exist is "
    "refused where it is typed, before data are read",
    "check_sample_weight_equivalence_on_dense_data": "a weight counts in the loss; how columns are "
    "scaled, how many rows a leaf needs and what a forest draws are told by the rows as they are",
}

ASKED = MODELS if "PROMOLAB_DRAWS" in os.environ else MODELS[::3]


@parametrize_with_checks(ASKED, expected_failed_checks=lambda model: REASONS)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)
