"""Selection keeps what is stable or important, knows its error, and pays in honest AUC."""

import numpy as np
import pandas as pd
import pytest

from promolab.compare.selection import _halved, false_bound, select_features
from promolab.model import solvers
from tests.compare.made_up import pairs_of
from tests.refused import refused


def noise_and(
    useful: int, n: int = 1200, p: int = 12, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Customers of two rows each; the first features matter, the others do not."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, p)), columns=[f"f{j:02d}" for j in range(p)])
    logit = X.iloc[:, :useful].sum(axis=1) * 0.6 - 1
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(float)
    return X, y, np.arange(n) // 2


FEATURES = {f"f{j:02d}": 0.6 * (j < 3) for j in range(8)}


def made(promotions: int = 9) -> pd.DataFrame:
    return pairs_of(FEATURES, promotions, 300, every=4)


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


def test_the_selection_its_cost_and_that_later_promotions_have_no_say() -> None:
    pairs = made()
    found = select_features(pairs, halvings=6)
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
    found = select_features(made(2), halvings=3)
    assert found.kept and not found.frame["important"].any()
    X, _, customer = noise_and(1, 300)
    refused("needs at least 10", _halved, X, (X.index < 5).astype(float), customer, 3, 0)
    refused("halvings = 1", select_features, made(2), halvings=1)
    refused("seed = -1", select_features, made(2), seed=-1)
