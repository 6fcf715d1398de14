import numpy as np
import pytest

from promolab.recommend import compare_recommenders
from tests.recommend.conftest import NOW
from tests.refused import spoilt


@pytest.fixture(scope="module")
def board(bought):
    kinds = ["popularity", "frequency", "als", "fm"]
    return compare_recommenders(*bought, as_of=NOW, kinds=kinds, k=5, least_customers=2)


def test_own_purchases_beat_what_sells_and_new_products_are_told_by_taste(board):
    frame = board.frame.set_index("kind")
    rows, again, anew = (frame[frame["among"] == part] for part in ("all", "repeat", "new"))
    assert (rows["difference_low"][["frequency", "als", "fm"]] > 0).all()
    assert rows.loc["frequency", "p_holm"] < 0.01 and rows["customers"].nunique() == 1
    assert (again["repeats"] == 1).all() and (anew["repeats"] == 0).all()
    assert "frequency" in board.summary() and (frame["seconds"] > 0).all()
    # Own frequency knows nothing of new ones beyond what sells.
    assert anew.loc["frequency", "difference"] == 0 < anew.loc["als", "difference_low"]
    for part in (rows, again, anew):
        values = part["ndcg"].to_numpy()
        np.testing.assert_allclose(part["difference"].to_numpy()[1:], values[1:] - values[0])


def test_nothing_after_the_moment_is_learned_from_nor_weeks_that_are_not_over(bought, board):
    spoilt("9 weeks after 2024-06-03 are not", compare_recommenders, *bought, as_of=NOW, weeks=9)
    events, products = bought
    later, mixed = events["ts"] >= NOW, events.assign(ts=events["ts"].dt.tz_localize("UTC"))
    mixed.loc[later, "product_id"] = events.loc[later, "product_id"].to_numpy()[::-1]
    kinds = ["popularity", "frequency"]
    other = compare_recommenders(mixed, products, as_of=NOW, kinds=kinds, k=5, least_customers=2)
    # The same lists, so the same share of repeats and the same products listed.
    same, first = ["repeats", "coverage", "novelty"], board.frame[board.frame["kind"].isin(kinds)]
    np.testing.assert_array_equal(first[same], other.frame[same])
