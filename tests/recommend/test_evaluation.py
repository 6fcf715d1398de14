import numpy as np
import pytest

from promolab.recommend import compare_recommenders
from tests.recommend.conftest import NOW
from tests.refused import spoilt


@pytest.fixture(scope="module")
def board(bought):
    kinds = ["popularity", "frequency", "als"]
    return compare_recommenders(*bought, as_of=NOW, kinds=kinds, k=5, least_customers=2)


def test_own_purchases_beat_what_sells_and_new_products_are_told_by_taste(board):
    rows = board.frame[board.frame["among"] == "all"].set_index("kind")
    assert rows.loc["frequency", "difference_low"] > 0
    assert rows.loc["frequency", "p_holm"] < 0.01
    assert rows["customers"].nunique() == 1
    again, anew = (board.frame[board.frame["among"] == part] for part in ("repeat", "new"))
    assert (again["repeats"] == 1).all() and (anew["repeats"] == 0).all()
    assert "frequency" in board.summary()
    rows = board.frame[board.frame["among"] == "new"].set_index("kind")
    # Own frequency knows nothing of them beyond what sells.
    assert rows.loc["frequency", "difference"] == 0
    assert rows.loc["als", "difference_low"] > 0
    assert len(board.frame)
    for _, rows in board.frame.groupby("among"):
        values = rows["ndcg"].to_numpy()
        np.testing.assert_allclose(rows["difference"].to_numpy()[1:], values[1:] - values[0])


def test_nothing_after_the_moment_is_learned_from_nor_weeks_that_are_not_over(bought, board):
    spoilt("9 weeks after 2024-06-03 are not", compare_recommenders, *bought, as_of=NOW, weeks=9)
    events, products = bought
    later = events["ts"] >= NOW
    rng = np.random.default_rng(0)
    mixed = events.copy()
    mixed.loc[later, "product_id"] = rng.permutation(events.loc[later, "product_id"].to_numpy())
    mixed["ts"] = mixed["ts"].dt.tz_localize("UTC")
    other = compare_recommenders(
        mixed, products, as_of=NOW, kinds=["popularity", "frequency"], k=5, least_customers=2
    )
    # The same lists, so the same share of repeats and the same products listed.
    for name in ("repeats", "coverage", "novelty"):
        first, second = (
            frame[frame["kind"] != "als"][name].to_numpy() for frame in (board.frame, other.frame)
        )
        np.testing.assert_array_equal(first, second)
    assert "bought before" in board.to_table().text
