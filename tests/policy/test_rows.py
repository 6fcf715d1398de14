"""The rows by which policies are valued refuse what would value them wrongly."""

from typing import Any

import numpy as np

from promolab import UpliftModel
from promolab.policy import PolicyRows
from tests.effects.made_up import trial
from tests.refused import refused

GOOD = {
    "gamma": np.ones((4, 2)),
    "effect": np.ones((4, 2)),
    "cost": np.ones((4, 2)),
    "fold": [0, 0, 1, 1],
    "cluster": ["a", "a", "b", "c"],
    "arms": ("coupon", "mail"),
}


def test_what_cannot_be_is_refused_but_arms_that_a_row_could_not_get():
    cases: list[tuple[dict[str, Any], str]] = [
        ({"gamma": np.ones((0, 2))}, "there are 0 logged decisions"),
        ({"effect": np.ones((4, 1))}, r"effect has the shape \(4, 1\); expected \(4, 2\)"),
        ({"cost": np.full((4, 2), -1.0)}, 'cost of "coupon" is −1 in row 0'),
        ({"cost": np.full((4, 2), np.nan)}, "is nan in row 0; a cost is 0 or more"),
        ({"effect": np.full((4, 2), np.nan)}, "effect is missing in row 0"),
        ({"cluster": ["a", "b", "a", "c"]}, "a customer lies in two folds"),
        ({"gamma": [["x", "y"]] * 4}, "gamma holds values that are no numbers"),
    ]
    for wrong, said in cases:
        refused(said, PolicyRows, **{**GOOD, **wrong})
    hole = np.ones((4, 2))
    hole[1, 1] = np.nan
    rows = PolicyRows(**{**GOOD, "gamma": hole, "effect": hole, "cost": hole})
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
