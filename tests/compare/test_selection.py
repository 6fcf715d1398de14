"""Selection keeps what is stable or important, knows its error, and pays in honest AUC."""

import numpy as np
import pandas as pd
import pytest

from promolab.compare.selection import _halved, false_bound, select_features
from promolab.model import solvers
from tests.refused import refused


def noise_and(
    useful: int, n: int = 1200, p: int = 12, seed: int = 0
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Customers of two rows each; the first features matter, the others do not."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, p)), columns=[f"f{j:02d}" for j in range(p)])
    logit = X.iloc[:, :useful].sum(axis=1) * 0.6 - 1
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int)
    return X, y, pd.Series(np.arange(n) // 2)


def pairs_of(seed: int = 0, promotions: int = 9) -> pd.DataFrame:
    X, y, customer = noise_and(3, 2700, 8, seed)
    promotion = np.arange(len(X)) * promotions // len(X)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(30 * promotion, unit="D")
    return X.assign(
        customer_id=customer % 500,
        promotion_id=promotion,
        starts_at=start,
        ends_at=start + pd.Timedelta(days=20),
        label_complete=True,
        redeemed=y,
    )


def halved(X, y, customer, halvings, threshold=0.75, expected_false=1.0, seed=0):
    """Return how often each feature is picked, the bound and the number of customers."""
    how = (threshold, expected_false, halvings, seed)
    table, bound, customers = _halved(X, np.asarray(y, dtype=float), np.asarray(customer), how)
    table["stable"] = table["frequency"] >= threshold
    return table, bound, customers


def test_what_matters_is_stable_and_the_bounds_are_the_papers() -> None:
    X, y, customer = noise_and(3)
    table, bound, customers = halved(X, y, customer, 8)
    assert sorted(table.loc[table["stable"], "feature"]) == ["f00", "f01", "f02"]
    assert table["frequency"].is_monotonic_decreasing
    assert customers == 600 and bound > 0
    pd.testing.assert_frame_equal(table, halved(X, y, customer, 8)[0])
    # Shah & Samworth (2013), theorems 1 and 2, worked out by hand.
    one_peak, worst = false_bound(10, 100, 0.9, 50)
    assert worst == pytest.approx(10 * 10 / 100 / 0.8)
    assert one_peak == pytest.approx(4 * (0.1 + 0.01) / 1.02)
    one_peak, worst = false_bound(10, 100, 0.7, 50)
    assert one_peak == pytest.approx(1 / (2 * (0.4 - 0.01)))
    assert false_bound(9, 10, 0.7, 50)[0] == false_bound(9, 10, 0.7, 50)[1]  # out of its range


def test_pure_noise_is_kept_as_seldom_as_said_and_a_customer_stands_in_one_half() -> None:
    false, bounds = [], []
    for seed in range(8):
        X, y, customer = noise_and(0, 500, 12, seed)
        table, bound, _ = halved(X, y, customer, 6, threshold=0.7, seed=seed)
        false.append(int(table["stable"].sum()))
        bounds.append(bound)
    # Expected in each at most the bound; their sum is within two standard deviations of Poisson.
    assert sum(false) <= sum(bounds) + 2 * np.sqrt(sum(bounds))
    X, y, customer = noise_and(3, 800, 30)
    few, few_bound, _ = halved(X, y, customer, 4, expected_false=0.2)
    many, many_bound, _ = halved(X, y, customer, 4, expected_false=4)
    assert few["frequency"].sum() < many["frequency"].sum()
    assert few_bound < 0.4 and many_bound < 6
    X, y, _ = noise_and(1, 400, 4)
    seen = []
    keep = solvers.fit_elastic_net

    def spy(matrix, labels, *args, **kwargs):
        seen.append(len(matrix))
        return keep(matrix, labels, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solvers, "fit_elastic_net", spy)
        # One customer has half of all rows: a half with it is much the larger.
        big = pd.Series(np.where(np.arange(400) < 200, 0, np.arange(400)))
        halved(X, y, big, 3)
    halves = np.array(seen[-6:]).reshape(3, 2)
    assert (halves.sum(axis=1) == 400).all() and (halves.max(axis=1) > 290).all()


def test_the_selection_its_cost_and_that_later_promotions_have_no_say() -> None:
    pairs = pairs_of()
    found = select_features(pairs, halvings=6, repeats=3)
    assert {"f00", "f01", "f02"} <= set(found.kept) and len(found.kept) <= 5
    assert found.cost.ci_low < 0.01 and found.cost.ci_high > -0.01
    assert found.cost_within is not None and found.importance is not None
    after = pairs["starts_at"] >= found.moment
    assert found.cost.n == int(after.sum())
    assert f"{len(found.kept)} of 8 features kept" in found.summary()
    assert "had no say in the choice" in found.summary()
    assert found.halves == 12 and found.bound > 0
    assert found.to_dict()["kept"] == found.kept
    either = found.frame["stable"] | found.frame["important"]
    assert set(found.frame.loc[either, "feature"]) == set(found.kept)
    assert found.plot().get_xlim() == (0, 1)
    since = pd.Timestamp("2024-06-01")
    options = {"since": since, "halvings": 3, "repeats": 2}
    found = select_features(pairs, **options)
    later = pairs["starts_at"] >= since
    # Afterwards nobody behaves as before; and what was known of them differs too.
    changed = pairs.assign(redeemed=pairs["redeemed"].where(~later, 1 - pairs["redeemed"]))
    changed.loc[later, "f05"] = 1e6
    again = select_features(changed, **options)
    pd.testing.assert_frame_equal(found.frame, again.frame)
    assert again.cost.auc_a < 0.5 < found.cost.auc_a


def test_short_histories_and_too_few_responses() -> None:
    pairs = pairs_of()
    # Two promotions: one chooses, one measures, and there is none to cut again.
    short = pairs[pairs["promotion_id"] < 2]
    found = select_features(short, halvings=3)
    assert found.importance is None and "10 and somebody" in found.why
    assert found.frame["importance"].isna().all() and found.kept
    X, y, customer = noise_and(1, 300)
    refused("needs at least 10", halved, X, (y.index < 5).astype(int), customer, 3)
    refused(r"threshold above 0\.5", select_features, pairs, threshold=0.5)
    refused("seed = -1", select_features, pairs, seed=-1)
