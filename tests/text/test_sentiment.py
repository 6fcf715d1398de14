"""Feedback: words learned from the shop's own stars, tested on later reviews, or refused."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.metrics import roc
from promolab.text import Feedback, read_reviews
from tests.made_up import shop_of
from tests.refused import refused

DATA = Path(os.environ.get("PROMOLAB_DATA", ""))
BEGIN = pd.Timestamp("2024-01-01")


def reviews_of(texts, rating, **columns) -> pd.DataFrame:
    """A review an hour, each of another customer."""
    when = BEGIN + pd.to_timedelta(np.arange(len(texts)), "h")
    rows = {"customer_id": np.arange(len(texts)), "product_id": 1, "ts": when, "rating": rating}
    return pd.DataFrame({**rows, "text": list(texts), **columns})


GOOD, BAD = ["lovely", "great", "perfect"], ["awful", "poor", "broken"]
好, 差 = ["很好", "喜欢", "满意"], ["太差", "失望", "难用"]


def written(n: int, seed: int = 0, words=(GOOD, BAD), fill="abcdefghijklmnop") -> pd.DataFrame:
    """Texts that differ in letters that mean nothing; stars follow one word, nearly always."""
    rng = np.random.default_rng(seed)
    good, honest = rng.uniform(size=n) < 0.6, rng.uniform(size=n) < 0.97
    said = np.where(good == honest, rng.choice(words[0], n), rng.choice(words[1], n))
    between = rng.choice([*fill], (n, 4))
    texts = [f"{w} {' '.join(letters)}" for w, letters in zip(said, between, strict=True)]
    return reviews_of(texts, np.where(good, rng.choice([4, 5], n), rng.choice([1, 2], n)))


def real(name: str, seed: int) -> pd.DataFrame:
    rows = pd.read_csv(DATA / f"{name}.csv.gz")
    if "Rating" in rows:
        rows = pd.DataFrame({"text": rows["Review Text"], "rating": rows["Rating"]})
    else:
        rows = pd.DataFrame({"text": rows["review"], "rating": rows["label"] * 4 + 1})
    rows = rows[rows["rating"] != 3].dropna().drop_duplicates("text")
    rows = rows.sample(6_000, random_state=seed)
    return reviews_of(rows["text"], rows["rating"].to_numpy(dtype=float))


@pytest.mark.skipif(not (DATA / "reviews_clothing_en.csv.gz").exists(), reason="no PROMOLAB_DATA")
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("reviews_delivery_zh", 0.91),
        ("reviews_ten_categories_zh", 0.93),
        ("reviews_clothing_en", 0.90),
    ],
)
def test_a_thousand_labels_tell_good_reviews_from_bad_ones(name, least):
    rows = real(name, seed=1)
    feedback = Feedback().fit(rows.head(1_000))
    later = rows.iloc[1_000:]
    score = feedback.score(later["text"])
    told = ~np.isnan(score)
    assert told.mean() > 0.99
    assert roc(later["rating"][told] >= 4, score[told]).auc >= least
    own = feedback.quality_.frame.iloc[0]
    assert own["labels"] == 1_000 and own["tested"] == 300
    assert own["auc_low"] <= roc(later["rating"][told] >= 4, score[told]).auc <= own["auc_high"]


def test_equal_texts_are_one_label_and_never_on_both_sides():
    """Three hundred texts that mean nothing, ten times each with the same stars: by heart is .5."""
    rng = np.random.default_rng(0)
    letters = rng.choice([*"abcdefghijklmnopqrstuvwxyz"], (400, 6))
    texts = [" ".join(row) for row in letters]
    stars = rng.choice([1, 5], 400)
    order = rng.permutation(np.repeat(np.arange(400), 10))
    marks = rng.choice(["!", "??", " 10/10", " 😀"], len(order))
    rows = reviews_of([texts[n] + mark for n, mark in zip(order, marks, strict=True)], stars[order])
    found = Feedback().fit(rows).quality_
    assert found.repeated == 3_600 and found.frame["labels"].tolist() == [400]
    # Nearly all were written before the cut: too few are new to say anything.
    assert not found and found.frame["why"].tolist() in (["untested"], ["weak"])
    # Once each, and in the order of time: chance.
    found = Feedback().fit(reviews_of(texts, stars)).quality_
    assert found.frame["why"].tolist() == ["weak"] and found.frame["auc_low"][0] < 0.5
    assert "its lower end should be 0.80 or more" in found.summary()


def test_a_text_is_scored_by_a_model_that_has_not_seen_its_own_stars():
    rows = written(900)
    before = Feedback().fit(rows).score(rows["text"])
    turned = rows.copy()
    turned["rating"] = turned["rating"].where(turned.index != 7, 6 - turned["rating"])
    after = Feedback().fit(turned).score(rows["text"])
    assert after[7] == pytest.approx(before[7], abs=1e-9) and not np.allclose(after, before)


def test_each_bad_input_is_a_sentence_or_counted_aside():
    rows = written(900)
    few = Feedback().fit(rows.head(299))
    assert "different texts with stars; it takes 300" in few.quality_.summary()
    assert not few.quality_ and np.isnan(few.score(rows["text"])).all()
    alike = Feedback().fit(rows.assign(rating=5)).quality_
    assert "have stars of one kind" in alike.summary()
    once = Feedback().fit(rows.assign(ts=BEGIN)).quality_
    assert "nothing can be tested" in once.summary()
    silent = rows.head(40).assign(text=pd.Series(["", "   ", "😀👍", None] * 10))
    none = Feedback().fit(silent).quality_
    assert none.wordless == 40 and "No review has words" in none.summary()
    nothing = Feedback().fit(rows.head(0)).quality_
    assert nothing.summary() == "No review has words: there are no scores." and not nothing
    # Against the words: they count by their stars, and are said.
    against = Feedback().fit(rows).quality_
    assert 0.01 * 900 < against.opposite < 0.05 * 900
    assert f"In {against.opposite} texts stars say the opposite" in against.summary()
    one = pd.concat([rows, rows.head(1).assign(rating=5).iloc[[0] * 500]], ignore_index=True)
    one["customer_id"] = np.arange(len(one))
    found = Feedback().fit(one).quality_
    assert found.repeated >= 500 and found.frame["labels"][0] <= 900
    refused("no column 'text' in reviews", Feedback().fit, rows.drop(columns="text"))
    refused("rating holds 9; expected stars from 1 to 5", Feedback().fit, rows.assign(rating=9))
    refused("rating holds good", Feedback().fit, rows.assign(rating="good"))
    refused("call fit", Feedback().score, ["lovely"])


def test_what_is_written_in_another_language_has_no_score():
    english = Feedback().fit(written(900))
    assert np.isnan(english.score(["质量很好，很喜欢", "sehr schön, gern wieder", "👍"])).all()
    assert english.score(["lovely a b", "awful c d"]).round().tolist() == [1.0, 0.0]
    both = pd.concat([written(900), written(900, 1, (好, 差), "的是在有和就也都不了人我这那上下")])
    found = Feedback().fit(both)
    assert found.quality_.frame["script"].tolist() == ["letters", "signs"] and found.quality_
    assert found.score(["很好在有", "太差在有", "great a b"]).round().tolist() == [1.0, 0.0, 1.0]


def test_by_promotion_reads_nothing_later_and_refuses_what_was_fitted_later():
    rows = written(900)
    rows["rating"] = rows["rating"].astype(float).mask(np.arange(900) % 3 == 0)
    now = rows["ts"].iloc[700]
    events = pd.DataFrame({"customer_id": [1], "ts": [BEGIN], "kind": ["purchase"]})
    shop = shop_of({"events": events, "reviews": rows}, name="Corner shop")
    reviews = read_reviews(shop, now)
    assert len(reviews) == 700
    found = Feedback().fit(reviews).by_promotion(shop, now)
    assert found.scored and found.overall.n == 700 - found.unread
    later = Feedback().fit(read_reviews(shop, BEGIN + pd.Timedelta(days=99)))
    refused("which nobody knew at 2024-01-30", later.by_promotion, shop, now)
    unlike = rows.assign(text=np.where(rows["rating"].isna(), "质量很好", rows["text"]))
    shop = shop_of({"events": events, "reviews": unlike})
    found = Feedback().fit(read_reviews(shop, now)).by_promotion(shop, now)
    assert found.scored == 0 and found.unread == 234
    assert "234 reviews without stars count for nothing" in found.summary()
    assert found.overall.value == pytest.approx((reviews["rating"].dropna() >= 4).mean())
