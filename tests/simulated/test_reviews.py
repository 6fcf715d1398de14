"""What simulated customers write: their truth is known, topics are planted, and tables show it."""

import numpy as np
import pandas as pd
import pytest

from promolab.simulated.people import draw_customers
from promolab.simulated.phrases import MENTIONED, PLANTED, STARLESS, TOPICS, review_words
from promolab.simulated.tables import times
from promolab.text import Feedback, read_reviews, topics
from promolab.text.ratings import satisfaction


@pytest.fixture(scope="module")
def truth(shop):
    return shop.truth.reviews()


def test_the_truth_is_of_the_reviews_that_the_table_has(shop, truth):
    seen = shop.reviews.execute()
    key = ["customer_id", "product_id", "ts"]
    both = seen.merge(truth, on=key, suffixes=("", "_true"))
    assert len(both) == len(seen) <= len(truth) and (both["text"] == both["text_true"]).all()
    given = both["rating"].notna()
    assert (both["rating"][given] == both["rating_true"][given]).all()
    assert abs((~given).mean() - STARLESS) < 3 * np.sqrt(0.25 * 0.75 / len(seen))
    assert truth["text"].nunique() > 300  # varied, in both languages
    chinese = truth["text"].str.contains("[一-鿿]")
    assert 0.4 < chinese.mean() < 0.6
    by = chinese.groupby(truth["customer_id"]).agg(["min", "max"])
    assert (by["min"] == by["max"]).all()  # each customer writes one of them


def test_topics_are_planted_by_kind_of_promotion_and_word_lists_find_them(shop, truth):
    seen = read_reviews(shop, pd.Timestamp("2030-01-01"))
    both = seen.merge(truth, on=["customer_id", "product_id", "ts"], suffixes=("", "_true"))
    low = both["rating_true"] <= 3
    rate = both.loc[low & (both["kind"] != "full reduction"), "price"].mean()
    assert abs(rate - MENTIONED[3]) < 0.08 and not both.loc[~low, "price"].any()
    for kind, (topic, share) in PLANTED.items():
        mine = both[(both["kind"] == kind.replace("_", " ")) & (low | (topic != "price"))]
        assert abs(mine[topic].mean() - share) < 4 * np.sqrt(share * (1 - share) / len(mine))
    found = topics(seen)
    shares = found.frame[found.frame["group"] == ""].set_index("topic")
    for topic in TOPICS:
        assert shares.loc[topic, "share"] == pytest.approx(both[topic].mean())


def test_where_the_unhappy_give_no_stars_their_words_mend_most_of_the_mean(shop):
    """A third of those with three stars or less give none: the stars alone say too much."""
    rng, n, world = np.random.default_rng(0), 3_000, shop.truth.world
    rating = rng.choice([1, 2, 3, 4, 5], n, p=[0.1, 0.15, 0.15, 0.3, 0.3])
    found = {"owner": rng.integers(0, 2_000, n), "second": np.arange(n) * 3_000, "rating": rating}
    found |= {"product": rng.integers(0, 99, n), "promotion": np.full(n, -1)}
    text, _, _ = review_words(world, draw_customers(world, 0, 2_000), found)
    stars = np.where((rating <= 3) & (rng.uniform(size=n) < 1 / 3), np.nan, rating)
    rows = pd.DataFrame({"customer_id": found["owner"], "rating": stars, "text": text, "kind": ""})
    rows = rows.assign(ts=times(found["second"]), promotion="")
    feedback = Feedback().fit(rows)
    assert feedback.quality_.frame["auc_low"].min() > 0.9
    told = satisfaction(rows.assign(score=feedback.score(text)), sentiment=feedback.quality_)
    true, alone = (rating >= 4).mean(), (stars[~np.isnan(stars)] >= 4).mean()
    # Not all: who gives no stars hangs on more than on what the words say.
    assert alone > true + 0.05 and true < told.overall.value < true + 0.5 * (alone - true)
    off = np.nanmean(stars) - rating.mean()
    assert 0 < told.mean.value - rating.mean() < 0.5 * off
    assert "Chinese, Japanese or Korean" in told.summary()
