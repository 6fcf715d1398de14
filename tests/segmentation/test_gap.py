"""The gap statistic against its formula written out, and on planted numbers of groups."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans

from promolab.segmentation.groups import number as gap
from promolab.segmentation.groups.measures import one_thread
from promolab.segmentation.groups.number import first_within_one_error, gap_statistic


def groups(k: int, n: int = 240, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = 6 * np.eye(4)[:k]
    return centres[np.arange(n) % k] + rng.normal(size=(n, 4))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_rule_finds_the_planted_number(k: int) -> None:
    table = gap_statistic(groups(k), [1, 2, 3, 4, 5, 6], seed=1)
    assert first_within_one_error(table) == k


def test_without_groups_the_rule_takes_one_and_without_a_next_number_none() -> None:
    even = np.random.default_rng(3).uniform(size=(240, 3))
    assert first_within_one_error(gap_statistic(even, [1, 2, 3, 4], seed=0)) == 1
    rising = pd.DataFrame({"k": [2, 3, 4], "gap": [0.1, 0.3, 0.5], "gap_error": 0.01})
    assert first_within_one_error(rising) is None
    apart = pd.DataFrame({"k": [2, 5], "gap": [0.5, 0.1], "gap_error": 0.01})
    assert first_within_one_error(apart) is None


def test_it_is_the_formula_of_the_paper() -> None:
    """W_k = Σ_r D_r / 2 n_r with D_r over all ordered pairs of a group (eqs. 1 to 3)."""
    matrix, rng = groups(3, n=90), np.random.default_rng(7)
    turned = (matrix - matrix.mean(axis=0)) @ np.linalg.svd(matrix - matrix.mean(axis=0))[2].T

    def log_w(rows: np.ndarray, k: int) -> float:
        codes = KMeans(k, n_init=5, random_state=0).fit(rows).labels_
        members = [rows[codes == c] for c in range(k)]
        inside = [2 * (pdist(own) ** 2).sum() / (2 * len(own)) for own in members]
        return float(np.log(np.sum(inside)))

    low, high = turned.min(axis=0), turned.max(axis=0)
    references = [rng.uniform(low, high, turned.shape) for _ in range(30)]
    table = gap_statistic(matrix, [2, 3], seed=0, references=30).set_index("k")
    for k in (2, 3):
        with one_thread():
            theirs, ours = np.array([log_w(rows, k) for rows in references]), log_w(turned, k)
        error = theirs.std() * np.sqrt(1 + 1 / 30)
        # Other references: equal within their noise.
        assert table.loc[k, "gap"] == pytest.approx(theirs.mean() - ours, abs=0.8 * error)
        assert table.loc[k, "gap_error"] == pytest.approx(error, rel=0.5)


def test_equal_seed_equal_digits_and_many_rows_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = groups(3)
    first, second = (gap_statistic(matrix, [2, 3], seed=4, references=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    monkeypatch.setattr(gap, "GAP_ROWS", 120)
    fewer = gap_statistic(matrix, [2, 3], seed=4, references=3)
    assert (fewer["gap"] != first["gap"]).all()
    np.testing.assert_allclose(fewer["gap"], first["gap"], atol=0.3)
    same = np.zeros((20, 2))
    assert np.isfinite(gap_statistic(same, [1, 2], seed=0, references=2)["gap"]).all()
