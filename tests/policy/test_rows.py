"""The rows by which policies are valued know nothing of their own fold."""

import numpy as np

from promolab import UpliftModel
from promolab.policy import PolicyRows
from tests.effects.made_up import trial


def test_an_arm_that_a_row_could_not_get_is_no_score():
    hole = np.ones((4, 2))
    hole[1, 1] = np.nan
    rows = PolicyRows(hole, hole, hole, [0, 0, 1, 1], ["a", "a", "b", "c"], ("coupon", "mail"))
    assert rows.eligible.sum() == 7


def test_a_models_rows_know_nothing_of_their_own_fold():
    """Scores of a fold that are shifted move the predictions of all folds but their own."""
    model = UpliftModel("dr", "ridge").fit(trial(1_500))
    before = PolicyRows.of_model(model, cost=0.5, contact_cost={"coupon": 0.1, "mail": 0.3})
    assert np.allclose(before.gamma, model.scores_.to_numpy() - [0.1, 0.3])
    there = model.fold_ == 2
    model.nuisance_.gamma[there] += 100
    del model._candidates.by_others
    after = PolicyRows.of_model(model, cost=0.5, contact_cost={"coupon": 0.1, "mail": 0.3})
    moved = np.abs(after.effect - before.effect).max(axis=1)
    assert moved[there].max() < 1e-9
    assert moved[~there].min() > 10
